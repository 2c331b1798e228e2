//! Event sequences and the zones they lead to.

mod dns;
mod kept;
mod policy;
mod random;

use super::*;
use crate::zone::{
    EndpointNames, Found, Node,
    fixture::{Cluster, apply, external, ip, ips, list, name, namespace, pod, service, slice},
    object::{Change, Reach},
};

fn synced(services: Vec<Service>, namespaces: &[&str]) -> Store {
    let cluster = Cluster {
        services,
        namespaces: namespaces.iter().map(|name| namespace(name)).collect(),
        ..Cluster::default()
    };
    cluster.listed(&Policy::default())
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
        .take_touched(0)
        .names
        .iter()
        .map(ToString::to_string)
        .collect();
    names.sort();
    names
}

#[test]
fn a_new_store_knows_the_fixed_names_and_nothing_else() {
    let mut store = Store::new(crate::zone::Policy::default());
    assert_eq!(names(store.zone()), ["pod", "svc"]);
    assert!(!store.zone().synced());
    // The first one is the apex.
    assert_eq!(touched(&mut store), ["", "dns-version", "pod", "svc"]);
    assert_eq!(store.zone().find(&name("a.b.svc")), Found::Unknown);
}

#[test]
fn a_list_replaces_everything_at_its_end_and_not_before() {
    let old = vec![
        service("a.x", ips(&["10.0.0.1"])),
        service("b.x", ips(&["10.0.0.2"])),
    ];
    let mut store = synced(old, &["x"]);
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
        ["b.x.svc", "c.x.svc", "pod", "svc", "x.pod", "x.svc"]
    );
    assert_eq!(touched(&mut store), ["a.x.svc", "b.x.svc", "c.x.svc"]);
    assert_eq!(store.services(), 2);
}

#[test]
fn a_list_that_breaks_off_leaves_no_trace() {
    let mut store = synced(vec![service("a.x", ips(&["10.0.0.1"]))], &["x"]);
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
    let mut store = synced(vec![service("a.x", ips(&["10.0.0.1"]))], &["x"]);
    apply(
        &mut store,
        [
            Event::Service(Change::Init),
            Event::Service(Change::InitApply(service("a.x", ips(&["10.0.0.1"])))),
            Event::Service(Change::Apply(service("new.x", ips(&["10.0.0.2"])))),
            Event::Service(Change::Delete(ObjectKey::new("x", "a"))),
        ],
    );
    assert_eq!(
        names(store.zone()),
        ["new.x.svc", "pod", "svc", "x.pod", "x.svc"]
    );
    store.apply(Event::Service(Change::InitDone));
    assert_eq!(
        names(store.zone()),
        ["new.x.svc", "pod", "svc", "x.pod", "x.svc"]
    );
}

#[test]
fn ancestors_come_and_go_with_their_last_descendant() {
    let mut web = service("a.x", ips(&["10.0.0.1"]));
    web.ports = crate::zone::fixture::ports(&["http/tcp/80"]);
    let mut store = synced(Vec::new(), &["x"]);
    touched(&mut store);
    store.apply(Event::Service(Change::Apply(web)));
    let whole = [
        "_http._tcp.a.x.svc",
        "_tcp.a.x.svc",
        "a.x.svc",
        "pod",
        "svc",
        "x.pod",
        "x.svc",
    ];
    assert_eq!(names(store.zone()), whole);
    let ancestor = store.zone().node(&name("_tcp.a.x.svc")).unwrap().clone();
    let (records, children) = (None, 1);
    assert_eq!(ancestor, Node { records, children });
    let found = store.zone().find(&name("_tcp.a.x.svc"));
    assert_eq!(found, Found::Records(std::borrow::Cow::default()));

    touched(&mut store);
    store.apply(Event::Service(Change::Delete(ObjectKey::new("x", "a"))));
    assert_eq!(names(store.zone()), ["pod", "svc", "x.pod", "x.svc"]);
    let gone = ["_http._tcp.a.x.svc", "_tcp.a.x.svc", "a.x.svc"];
    assert_eq!(touched(&mut store), gone);
    assert_eq!(store.zone().find(&name("_tcp.a.x.svc")), Found::NoSuchName);
}

#[test]
fn a_service_exists_only_in_a_namespace_that_exists() {
    let mut store = synced(vec![service("a.x", ips(&["10.0.0.1"]))], &["x"]);
    let whole = ["a.x.svc", "pod", "svc", "x.pod", "x.svc"];
    assert_eq!(names(store.zone()), whole);
    // The namespace may go before its Services, and come back.
    store.apply(Event::Namespace(Change::Delete(ObjectKey::new("", "x"))));
    assert_eq!(names(store.zone()), ["pod", "svc"]);
    assert_eq!(store.zone().pointers(ip("10.0.0.1")), []);
    store.apply(Event::Namespace(Change::Apply(namespace("x"))));
    assert_eq!(names(store.zone()), whole);
    assert_eq!(store.zone().pointers(ip("10.0.0.1")), [name("a.x.svc")]);
    store.apply(Event::Namespace(Change::Delete(ObjectKey::new("", "x"))));
    store.apply(Event::Service(Change::Delete(ObjectKey::new("x", "a"))));
    store.apply(Event::Namespace(Change::Apply(namespace("x"))));
    assert_eq!(names(store.zone()), ["pod", "svc", "x.pod", "x.svc"]);
}

#[test]
fn a_change_of_type_changes_the_names() {
    let mut store = synced(Vec::new(), &["x"]);
    let endpoints = slice("a-1.x", "a", &["h=10.1.0.1"], &[]);
    let event = Change::Apply(endpoints);
    store.apply(Event::EndpointSlice(SliceList::Headless, event));
    for (reach, below, pointers) in [
        (ips(&["10.0.0.1"]), false, ["10.0.0.1"].as_slice()),
        (Reach::Headless, true, &["10.1.0.1"]),
        (external("a.b"), false, &[]),
        (Reach::Pending, false, &[]),
        (ips(&["10.0.0.2"]), false, &["10.0.0.2"]),
    ] {
        store.apply(Event::Service(Change::Apply(service("a.x", reach.clone()))));
        let touched = touched(&mut store);
        assert!(touched.contains(&"a.x.svc".to_owned()), "{reach:?}");
        let host = store.zone().node(&name("h.a.x.svc"));
        assert_eq!(host.is_some(), below, "{reach:?}");
        for address in ["10.0.0.1", "10.1.0.1", "10.0.0.2"] {
            let points = !store.zone().pointers(ip(address)).is_empty();
            assert_eq!(points, pointers.contains(&address), "{reach:?} {address}");
        }
    }
}

#[test]
fn a_slice_may_change_its_list_and_its_service() {
    let cluster = Cluster {
        services: vec![
            service("a.x", Reach::Headless),
            service("b.x", Reach::Headless),
        ],
        namespaces: vec![namespace("x")],
        slices: vec![slice("s.x", "a", &["10.1.0.1"], &[])],
        ..Cluster::default()
    };
    let mut store = cluster.listed(&Policy::default());
    let has = |store: &Store, service: &str| {
        let found = store.zone().find(&name(&format!("{service}.x.svc")));
        found != Found::NoSuchName
    };
    let foreign = |change| Event::EndpointSlice(SliceList::Foreign, change);
    let headless = |change| Event::EndpointSlice(SliceList::Headless, change);
    // It loses its label: the other watch may tell first.
    store.apply(foreign(Change::Apply(slice(
        "s.x",
        "a",
        &["10.1.0.1"],
        &[],
    ))));
    store.apply(headless(Change::Delete(ObjectKey::new("x", "s"))));
    assert!(has(&store, "a"));
    // It becomes another Service's, and goes.
    store.apply(foreign(Change::Apply(slice(
        "s.x",
        "b",
        &["10.1.0.1"],
        &[],
    ))));
    assert!(!has(&store, "a") && has(&store, "b"));
    store.apply(foreign(Change::Delete(ObjectKey::new("x", "s"))));
    assert!(!has(&store, "a") && !has(&store, "b"));
    // A list that nobody asked for changes nothing.
    let event = Change::Apply(slice("s.x", "a", &["10.1.0.1"], &[]));
    store.apply(Event::EndpointSlice(SliceList::All, event));
    assert!(!has(&store, "a"));
}

#[test]
fn an_address_of_a_service_is_not_an_endpoints() {
    let cluster = Cluster {
        services: vec![
            service("web.x", ips(&["10.0.0.1"])),
            service("db.x", Reach::Headless),
            service("cache.x", Reach::Headless),
        ],
        namespaces: vec![namespace("x")],
        slices: vec![
            slice("db-1.x", "db", &["a=10.0.0.1", "b=10.1.0.1"], &[]),
            slice("cache-1.x", "cache", &["c=10.1.0.1"], &[]),
        ],
        ..Cluster::default()
    };
    let mut store = cluster.listed(&Policy::default());
    assert_eq!(store.zone().pointers(ip("10.0.0.1")), [name("web.x.svc")]);
    let both = [name("b.db.x.svc"), name("c.cache.x.svc")];
    assert_eq!(store.zone().pointers(ip("10.1.0.1")), both);
    store.apply(Event::Service(Change::Delete(ObjectKey::new("x", "web"))));
    assert_eq!(store.zone().pointers(ip("10.0.0.1")), [name("a.db.x.svc")]);
}

#[test]
fn nothing_is_touched_by_what_changes_nothing() {
    let mut store = synced(vec![service("a.x", ips(&["10.0.0.1"]))], &["x"]);
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
    let mut store = synced(Vec::new(), &[]);
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
    let mut store = synced(vec![dns.clone()], &[]);
    let plain = Service {
        is_dns: false,
        ..dns
    };
    store.apply(Event::Service(Change::Apply(plain)));
    assert_eq!(store.zone().dns_addresses(), [] as [IpAddr; 0]);
}

#[test]
fn a_snapshot_does_not_change_under_its_reader() {
    let mut store = synced(vec![service("a.x", ips(&["10.0.0.1"]))], &["x"]);
    let snapshot = store.zone().clone();
    apply(&mut store, list(Vec::new(), Event::Service));
    assert_eq!(
        names(&snapshot),
        ["a.x.svc", "pod", "svc", "x.pod", "x.svc"]
    );
    assert_eq!(names(store.zone()), ["pod", "svc", "x.pod", "x.svc"]);
}

#[test]
fn the_serial_number_is_that_of_the_last_change_and_never_goes_back() {
    let mut store = synced(vec![service("a.x", ips(&["10.0.0.1"]))], &["x"]);
    store.take_touched(1000);
    assert_eq!(store.zone().serial(), 1000);
    store.take_touched(1001);
    assert_eq!(store.zone().serial(), 1000, "nothing has changed");
    store.apply(Event::Service(Change::Apply(service(
        "a.x",
        ips(&["10.0.0.2"]),
    ))));
    store.take_touched(900);
    assert_eq!(store.zone().serial(), 1000, "the clock went back");
    store.apply(Event::Service(Change::Apply(service(
        "a.x",
        ips(&["10.0.0.3"]),
    ))));
    store.take_touched(1002);
    assert_eq!(store.zone().serial(), 1002);
}
