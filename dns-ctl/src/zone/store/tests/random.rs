//! Random event sequences: the zone does not depend on the way that led to it.

use proptest::prelude::*;

use super::*;

/// Steps over few names, so that they meet.
#[derive(Clone, Debug)]
enum Step {
    Put(Service),
    Remove(ObjectKey),
    List(Vec<Service>),
    PutNamespace(Namespace),
    RemoveNamespace(ObjectKey),
    ListNamespaces(Vec<Namespace>),
}

fn any_service() -> impl Strategy<Value = Service> {
    let reach = prop_oneof![
        (0_u8..4).prop_map(|last| ips(&[&format!("10.0.0.{last}")])),
        (0_u8..4).prop_map(|last| ips(&[&format!("10.0.1.{last}"), "fd00::1"])),
        Just(Reach::Headless),
        Just(Reach::Pending),
    ];
    (
        "[ab]",
        prop_oneof![Just("x"), Just("y"), Just("kube-system")],
        reach,
    )
        .prop_map(|(name, namespace, reach)| service(&format!("{name}.{namespace}"), reach))
}

fn any_namespace() -> impl Strategy<Value = Namespace> {
    prop_oneof![Just("x"), Just("y"), Just("z")].prop_map(namespace)
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any_service().prop_map(Step::Put),
        3 => any_service().prop_map(|service| Step::Remove(service.key)),
        1 => prop::collection::vec(any_service(), 0..4).prop_map(Step::List),
        2 => any_namespace().prop_map(Step::PutNamespace),
        2 => any_namespace().prop_map(|namespace| Step::RemoveNamespace(namespace.key)),
        1 => prop::collection::vec(any_namespace(), 0..3).prop_map(Step::ListNamespaces),
    ]
}

fn events(step: Step) -> Vec<Event> {
    match step {
        Step::Put(service) => vec![Event::Service(Change::Apply(service))],
        Step::Remove(key) => vec![Event::Service(Change::Delete(key))],
        Step::List(services) => list(services, Event::Service),
        Step::PutNamespace(namespace) => vec![Event::Namespace(Change::Apply(namespace))],
        Step::RemoveNamespace(key) => vec![Event::Namespace(Change::Delete(key))],
        Step::ListNamespaces(namespaces) => list(namespaces, Event::Namespace),
    }
}

proptest! {
    /// However a zone came about, it equals the one made at once of the objects that are left; and
    /// every name whose node's records or existence differ between two looks was touched in between.
    #[test]
    fn the_way_does_not_matter(steps in prop::collection::vec(any_step(), 0..40)) {
        let mut store = synced(Vec::new(), Vec::new());
        store.take_touched();
        for step in steps {
            let before = store.zone().clone();
            apply(&mut store, events(step));
            let touched = store.take_touched();
            for (name, node) in store.zone().nodes() {
                let old = before.node(name);
                if old.is_none_or(|old| old.records != node.records) {
                    prop_assert!(touched.contains(name), "{name} is not touched");
                }
            }
            for (name, _) in before.nodes() {
                if store.zone().node(name).is_none() {
                    prop_assert!(touched.contains(name), "{name} is gone and not touched");
                }
            }
        }
        let fresh = synced(
            store.services.live.values().cloned().collect(),
            store.namespaces.live.values().cloned().collect(),
        );
        prop_assert_eq!(contents(store.zone()), contents(fresh.zone()));
        prop_assert_eq!(store.zone().dns_addresses(), fresh.zone().dns_addresses());
        for (name, node) in store.zone().nodes() {
            let below = store.zone().nodes().filter(|(other, _)| other.parent().as_ref() == Some(name));
            prop_assert_eq!(usize::try_from(node.children).unwrap(), below.count());
        }
    }
}
