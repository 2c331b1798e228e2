//! What the policy adds and takes away.

use super::*;

#[test]
fn synced_needs_every_list_of_the_policy() {
    let all = Policy {
        endpoints: EndpointNames::All,
        ..Policy::default()
    };
    let verified = Policy {
        pods: PodNames::Verified,
        ..Policy::default()
    };
    let dns = Policy {
        dns_endpoints: true,
        ..Policy::default()
    };
    for (policy, lists) in [(Policy::default(), 4), (all, 3), (verified, 5), (dns, 5)] {
        let mut store = Store::new(policy.clone());
        let mut needed = Vec::new();
        for event in Cluster::default().events(&policy) {
            let ends = matches!(
                event,
                Event::Service(Change::InitDone)
                    | Event::Namespace(Change::InitDone)
                    | Event::EndpointSlice(_, Change::InitDone)
                    | Event::Pod(Change::InitDone)
            );
            let before = store.zone().synced();
            store.apply(event);
            if ends && !before {
                needed.push(store.zone().synced());
            }
        }
        assert_eq!(needed.len(), lists, "{policy:?}");
        assert_eq!(
            needed.iter().filter(|&&synced| synced).count(),
            1,
            "{policy:?}"
        );
        // A list that begins anew does not take that back.
        store.apply(Event::Service(Change::Init));
        assert!(store.zone().synced());
    }
}

#[test]
fn only_the_namespaces_of_the_policy_are_served() {
    let cluster = Cluster {
        services: vec![
            service("a.x", ips(&["10.0.0.1"])),
            service("a.y", ips(&["10.0.0.2"])),
            service("kube-dns.kube-system", ips(&["10.0.0.10"])),
        ],
        namespaces: ["x", "y", "kube-system"].map(namespace).into(),
        ..Cluster::default()
    };
    let store = cluster.listed(&Policy {
        namespaces: Some(["x".into()].into()),
        ..Policy::default()
    });
    let whole = ["a.x.svc", "dns", "ns.dns", "pod", "svc", "x.pod", "x.svc"];
    assert_eq!(names(store.zone()), whole);
    assert_eq!(store.zone().pointers(ip("10.0.0.2")), []);
    // Where clients reach DNS is not a matter of what it tells them.
    assert_eq!(store.zone().dns_addresses(), [ip("10.0.0.10")]);
}

#[test]
fn verified_pods_have_names_as_long_as_one_has_the_address() {
    let policy = Policy {
        pods: PodNames::Verified,
        ..Policy::default()
    };
    let cluster = Cluster {
        namespaces: vec![namespace("x")],
        pods: vec![
            pod("a.x", &["10.1.0.1", "fd00::1"]),
            pod("b.x", &["10.1.0.1"]),
            pod("c.y", &["10.1.0.9"]),
        ],
        ..Cluster::default()
    };
    let mut store = cluster.listed(&policy);
    let two = [
        "10-1-0-1.x.pod",
        "fd00--1.x.pod",
        "pod",
        "svc",
        "x.pod",
        "x.svc",
    ];
    assert_eq!(names(store.zone()), two);
    let delete = |name| Event::Pod(Change::Delete(ObjectKey::new("x", name)));
    store.apply(delete("a"));
    assert!(store.zone().node(&name("10-1-0-1.x.pod")).is_some());
    assert!(store.zone().node(&name("fd00--1.x.pod")).is_none());
    store.apply(Event::Pod(Change::Apply(pod("b.x", &["10.1.0.2"]))));
    assert!(store.zone().node(&name("10-1-0-1.x.pod")).is_none());
    assert!(store.zone().node(&name("10-1-0-2.x.pod")).is_some());
    // A namespace that comes brings the names of its pods, and takes them along.
    store.apply(Event::Namespace(Change::Apply(namespace("y"))));
    assert!(store.zone().node(&name("10-1-0-9.y.pod")).is_some());
    store.apply(Event::Namespace(Change::Delete(ObjectKey::new("", "y"))));
    assert!(store.zone().node(&name("10-1-0-9.y.pod")).is_none());
    store.apply(delete("b"));
    assert_eq!(names(store.zone()), ["pod", "svc", "x.pod", "x.svc"]);
}

#[test]
fn pods_by_rule_and_not_at_all() {
    for (pods, at, exists) in [
        (PodNames::Insecure, "10-1-0-1.x.pod", true),
        (PodNames::Insecure, "fd00--1.x.pod", true),
        (PodNames::Insecure, "x.pod", true),
        (PodNames::Insecure, "10-1-0-1.nowhere.pod", false),
        (PodNames::Insecure, "nginx.x.pod", false),
        (PodNames::Insecure, "a.10-1-0-1.x.pod", false),
        (PodNames::Insecure, "10-1-0-1.pod", false),
        (PodNames::Verified, "10-1-0-1.x.pod", false),
        (PodNames::Disabled, "10-1-0-1.x.pod", false),
        (PodNames::Disabled, "x.pod", false),
    ] {
        let cluster = Cluster {
            namespaces: vec![namespace("x")],
            ..Cluster::default()
        };
        let store = cluster.listed(&Policy {
            pods,
            ..Policy::default()
        });
        let found = store.zone().find(&name(at));
        assert_eq!(found != Found::NoSuchName, exists, "{pods:?} {at}");
    }
}
