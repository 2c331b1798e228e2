//! Event sequences and the zones they lead to.

mod random;

use super::*;
use crate::zone::{Found, RecordKind};

fn ips(texts: &[&str]) -> Reach {
    Reach::ClusterIps(texts.iter().map(|text| text.parse().unwrap()).collect())
}

fn service(name: &str, reach: Reach) -> Service {
    let (name, namespace) = name.split_once('.').unwrap();
    Service {
        key: ObjectKey::new(namespace, name),
        reach,
        is_dns: namespace == "kube-system",
    }
}

fn namespace(name: &str) -> Namespace {
    Namespace {
        key: ObjectKey::new("", name),
    }
}

fn apply(store: &mut Store, events: impl IntoIterator<Item = Event>) {
    for event in events {
        store.apply(event);
    }
}

/// The events of a complete list.
fn list<T>(objects: Vec<T>, event: fn(Change<T>) -> Event) -> Vec<Event> {
    let mut events = vec![event(Change::Init)];
    events.extend(
        objects
            .into_iter()
            .map(|object| event(Change::InitApply(object))),
    );
    events.push(event(Change::InitDone));
    events
}

fn synced(services: Vec<Service>, namespaces: Vec<Namespace>) -> Store {
    let mut store = Store::new();
    apply(&mut store, list(services, Event::Service));
    apply(&mut store, list(namespaces, Event::Namespace));
    store
}

fn name(text: &str) -> RelativeName {
    RelativeName::from_labels(&text.split('.').collect::<Vec<_>>()).unwrap()
}

/// Every name of the zone with its records and children, in order.
fn contents(zone: &Zone) -> Vec<(String, Node)> {
    let mut nodes: Vec<_> = zone
        .nodes()
        .map(|(name, node)| (name.to_string(), node.clone()))
        .collect();
    nodes.sort_by(|a, b| a.0.cmp(&b.0));
    nodes
}

fn names(zone: &Zone) -> Vec<String> {
    contents(zone).into_iter().map(|(name, _)| name).collect()
}

fn touched(store: &mut Store) -> Vec<String> {
    let mut names: Vec<_> = store
        .take_touched()
        .iter()
        .map(ToString::to_string)
        .collect();
    names.sort();
    names
}

#[test]
fn a_new_store_knows_the_fixed_names_and_nothing_else() {
    let mut store = Store::new();
    assert_eq!(names(store.zone()), ["pod", "svc"]);
    assert!(!store.zone().synced());
    assert_eq!(touched(&mut store), ["pod", "svc"]);
    assert_eq!(
        store.zone().find(&name("a.b.svc"), RecordKind::A),
        Found::Unknown
    );
}

#[test]
fn synced_needs_both_lists() {
    let mut store = Store::new();
    apply(&mut store, list(Vec::new(), Event::Service));
    assert!(!store.zone().synced());
    apply(&mut store, list(Vec::new(), Event::Namespace));
    assert!(store.zone().synced());
    // A list that begins anew does not take that back.
    store.apply(Event::Service(Change::Init));
    assert!(store.zone().synced());
}

#[test]
fn a_list_replaces_everything_at_its_end_and_not_before() {
    let old = vec![
        service("a.x", ips(&["10.0.0.1"])),
        service("b.x", ips(&["10.0.0.2"])),
    ];
    let mut store = synced(old, Vec::new());
    let before = contents(store.zone());
    touched(&mut store);

    apply(
        &mut store,
        [
            Event::Service(Change::Init),
            Event::Service(Change::InitApply(service("b.x", ips(&["10.0.0.9"])))),
            Event::Service(Change::InitApply(service("c.x", ips(&["10.0.0.3"])))),
        ],
    );
    assert_eq!(contents(store.zone()), before);
    assert_eq!(touched(&mut store), [] as [&str; 0]);

    store.apply(Event::Service(Change::InitDone));
    assert_eq!(
        names(store.zone()),
        ["b.x.svc", "c.x.svc", "pod", "svc", "x.svc"]
    );
    assert_eq!(touched(&mut store), ["a.x.svc", "b.x.svc", "c.x.svc"]);
    assert_eq!(store.services(), 2);
}

#[test]
fn a_list_that_breaks_off_leaves_no_trace() {
    let mut store = synced(vec![service("a.x", ips(&["10.0.0.1"]))], Vec::new());
    let before = contents(store.zone());
    apply(
        &mut store,
        [
            Event::Service(Change::Init),
            Event::Service(Change::InitApply(service("lost.x", ips(&["10.0.0.7"])))),
        ],
    );
    apply(
        &mut store,
        list(vec![service("a.x", ips(&["10.0.0.1"]))], Event::Service),
    );
    assert_eq!(contents(store.zone()), before);
}

#[test]
fn changes_during_a_list_survive_it() {
    let mut store = synced(vec![service("a.x", ips(&["10.0.0.1"]))], Vec::new());
    apply(
        &mut store,
        [
            Event::Service(Change::Init),
            Event::Service(Change::InitApply(service("a.x", ips(&["10.0.0.1"])))),
            Event::Service(Change::Apply(service("new.x", ips(&["10.0.0.2"])))),
            Event::Service(Change::Delete(ObjectKey::new("x", "a"))),
        ],
    );
    assert_eq!(names(store.zone()), ["new.x.svc", "pod", "svc", "x.svc"]);
    store.apply(Event::Service(Change::InitDone));
    assert_eq!(names(store.zone()), ["new.x.svc", "pod", "svc", "x.svc"]);
}

#[test]
fn ancestors_come_and_go_with_their_last_descendant() {
    let mut store = synced(Vec::new(), Vec::new());
    touched(&mut store);
    store.apply(Event::Service(Change::Apply(service(
        "a.x",
        ips(&["10.0.0.1"]),
    ))));
    assert_eq!(touched(&mut store), ["a.x.svc", "x.svc"]);
    let ancestor = store.zone().node(&name("x.svc")).unwrap().clone();
    assert_eq!(
        ancestor,
        Node {
            records: None,
            children: 1
        }
    );
    assert_eq!(
        store.zone().find(&name("x.svc"), RecordKind::A),
        Found::NoData
    );

    // The Namespace gives the ancestor an existence of its own.
    store.apply(Event::Namespace(Change::Apply(namespace("x"))));
    store.apply(Event::Service(Change::Delete(ObjectKey::new("x", "a"))));
    assert_eq!(names(store.zone()), ["pod", "svc", "x.svc"]);
    store.apply(Event::Namespace(Change::Delete(ObjectKey::new("", "x"))));
    assert_eq!(names(store.zone()), ["pod", "svc"]);
    assert_eq!(
        store.zone().find(&name("x.svc"), RecordKind::A),
        Found::NoSuchName
    );
}

#[test]
fn a_namespace_may_go_before_its_services() {
    let mut store = synced(
        vec![service("a.x", ips(&["10.0.0.1"]))],
        vec![namespace("x")],
    );
    store.apply(Event::Namespace(Change::Delete(ObjectKey::new("", "x"))));
    assert_eq!(names(store.zone()), ["a.x.svc", "pod", "svc", "x.svc"]);
    store.apply(Event::Service(Change::Delete(ObjectKey::new("x", "a"))));
    assert_eq!(names(store.zone()), ["pod", "svc"]);
}

#[test]
fn a_change_of_type_changes_what_is_found() {
    let mut store = synced(Vec::new(), Vec::new());
    let at = name("a.x.svc");
    let address = "10.0.0.1".parse().unwrap();
    for (reach, a, is_touched) in [
        (ips(&["10.0.0.1"]), Found::A(&[address]), true),
        (Reach::Headless, Found::Unknown, true),
        (Reach::ExternalName, Found::Unknown, false),
        (Reach::Pending, Found::Unknown, false),
        (ips(&["fd00::1"]), Found::NoData, true),
    ] {
        store.apply(Event::Service(Change::Apply(service("a.x", reach.clone()))));
        assert_eq!(store.zone().find(&at, RecordKind::A), a, "{reach:?}");
        let child = name("pod-0.a.x.svc");
        let below = store.zone().find(&child, RecordKind::A);
        assert_eq!(below, Found::Unknown, "{reach:?}");
        let touched = touched(&mut store).contains(&"a.x.svc".to_owned());
        assert_eq!(touched, is_touched, "{reach:?}");
    }
}

#[test]
fn nothing_is_touched_by_what_changes_nothing() {
    let mut store = synced(
        vec![service("a.x", ips(&["10.0.0.1"]))],
        vec![namespace("x")],
    );
    touched(&mut store);
    store.apply(Event::Service(Change::Apply(service(
        "a.x",
        ips(&["10.0.0.1"]),
    ))));
    store.apply(Event::Namespace(Change::Apply(namespace("x"))));
    store.apply(Event::Service(Change::Delete(ObjectKey::new(
        "x", "unknown",
    ))));
    apply(
        &mut store,
        list(vec![service("a.x", ips(&["10.0.0.1"]))], Event::Service),
    );
    assert_eq!(touched(&mut store), [] as [&str; 0]);
}

#[test]
fn dns_addresses_follow_the_dns_service() {
    let mut store = synced(Vec::new(), Vec::new());
    assert_eq!(store.zone().dns_addresses(), [] as [IpAddr; 0]);
    let at = name("ns.dns");
    for (reach, addresses) in [
        (ips(&["fd00::a", "10.0.0.10"]), vec!["10.0.0.10", "fd00::a"]),
        (ips(&["10.0.0.11"]), vec!["10.0.0.11"]),
        (Reach::Pending, vec![]),
    ] {
        let event = Change::Apply(service("kube-dns.kube-system", reach));
        store.apply(Event::Service(event));
        let addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        assert_eq!(store.zone().dns_addresses(), addresses);
        assert_eq!(store.zone().node(&at).is_some(), !addresses.is_empty());
    }
    // A second one with the label adds its addresses.
    for service in [
        service("kube-dns.kube-system", ips(&["10.0.0.10"])),
        service("dns-v6.kube-system", ips(&["fd00::a"])),
    ] {
        store.apply(Event::Service(Change::Apply(service)));
    }
    assert_eq!(store.zone().dns_addresses().len(), 2);
    apply(&mut store, list(Vec::new(), Event::Service));
    assert_eq!(store.zone().dns_addresses(), [] as [IpAddr; 0]);
    assert_eq!(names(store.zone()), ["pod", "svc"]);
}

#[test]
fn a_service_that_loses_the_label_is_no_longer_dns() {
    let dns = service("kube-dns.kube-system", ips(&["10.0.0.10"]));
    let mut store = synced(vec![dns.clone()], Vec::new());
    let plain = Service {
        is_dns: false,
        ..dns
    };
    store.apply(Event::Service(Change::Apply(plain)));
    assert_eq!(store.zone().dns_addresses(), [] as [IpAddr; 0]);
}

#[test]
fn names_that_dns_can_not_hold_are_told_and_left_out() {
    let mut store = synced(Vec::new(), Vec::new());
    let long = "a".repeat(64);
    let bad = Service {
        key: ObjectKey::new("x", &long),
        reach: ips(&["10.0.0.1"]),
        is_dns: false,
    };
    store.apply(Event::Service(Change::Apply(bad)));
    assert_eq!(names(store.zone()), ["pod", "svc"]);
    assert!(matches!(
        store.take_refused()[..],
        [NameError::LongLabel(_)]
    ));
    assert!(store.take_refused().is_empty());
}

#[test]
fn a_snapshot_does_not_change_under_its_reader() {
    let mut store = synced(vec![service("a.x", ips(&["10.0.0.1"]))], Vec::new());
    let snapshot = store.zone().clone();
    apply(&mut store, list(Vec::new(), Event::Service));
    assert_eq!(names(&snapshot), ["a.x.svc", "pod", "svc", "x.svc"]);
    assert_eq!(names(store.zone()), ["pod", "svc"]);
}
