//! What a store holds, written down and read back, leads to the same zone.

use std::time::SystemTime;

use proptest::prelude::*;

use super::{
    random::{any_policy, any_step, events, pointers},
    *,
};
use crate::snapshot::format::{self, Found};

/// The events that a snapshot of the store brings back.
fn kept(store: &Store) -> Vec<Event> {
    let payload = format::payload(&store.contents());
    let file = format::file(&payload, SystemTime::now(), "tests");
    match format::decode(&file, "tests").unwrap() {
        Found::Snapshot(decoded) => decoded.contents.into_events(),
        other => panic!("{other:?}"),
    }
}

proptest! {
    /// Whatever led to a synced store, a new one is as far after the events of its snapshot.
    #[test]
    fn a_snapshot_brings_the_zone_back(
        policy in any_policy(),
        steps in prop::collection::vec(any_step(), 0..60),
    ) {
        let mut store = Cluster::default().listed(&policy);
        for step in steps {
            apply(&mut store, events(step));
        }
        let mut restored = Store::new(policy);
        apply(&mut restored, kept(&store));
        prop_assert!(restored.zone().synced());
        prop_assert_eq!(contents(restored.zone()), contents(store.zone()));
        prop_assert_eq!(pointers(restored.zone()), pointers(store.zone()));
        prop_assert_eq!(restored.zone().dns_addresses(), store.zone().dns_addresses());
        // Also what the zone does not show, such as Services in no Namespace.
        prop_assert_eq!(restored.services.live(), store.services.live());
        prop_assert_eq!(&restored.slices_of, &store.slices_of);
        prop_assert_eq!(&restored.pod_addresses, &store.pod_addresses);
        prop_assert_eq!(&restored.members, &store.members);
    }
}

#[test]
fn only_complete_lists_are_kept() {
    let mut store = Store::default();
    apply(
        &mut store,
        list(vec![service("a.x", ips(&["10.0.0.1"]))], Event::Service),
    );
    // Without an end, and without a beginning.
    apply(
        &mut store,
        [
            Event::Namespace(Change::Init),
            Event::Namespace(Change::InitApply(namespace("x"))),
            Event::EndpointSlice(
                SliceList::Headless,
                Change::Apply(slice("s.x", "a", &["10.1.0.1"], &[])),
            ),
        ],
    );
    assert_eq!(
        kept(&store),
        list(vec![service("a.x", ips(&["10.0.0.1"]))], Event::Service)
    );
    // A new list that is on its way does not take away what holds.
    store.apply(Event::Service(Change::Init));
    assert_eq!(kept(&store).len(), 3);
    assert_eq!(kept(&Store::default()), []);
}
