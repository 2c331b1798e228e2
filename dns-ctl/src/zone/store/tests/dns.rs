//! The cluster's DNS Services and their endpoints.

use super::*;
use crate::zone::fixture::ports;

fn policy() -> Policy {
    Policy {
        dns_endpoints: true,
        ..Policy::default()
    }
}

/// A DNS Service with the usual ports.
fn dns(name: &str) -> Service {
    Service {
        ports: ports(&["dns/udp/53", "dns-tcp/tcp/53", "metrics/tcp/9153"]),
        ..service(name, ips(&["10.0.0.10"]))
    }
}

/// A slice of the Service `dns` as the cluster's own controller makes it.
fn of_dns(name: &str, endpoints: &[&str]) -> EndpointSlice {
    slice(
        name,
        "dns",
        endpoints,
        &["dns/udp/1053", "dns-tcp/tcp/1053", "metrics/tcp/9153"],
    )
}

fn put(change: EndpointSlice) -> Event {
    Event::EndpointSlice(SliceList::Dns, Change::Apply(change))
}

fn gone(name: &str) -> Event {
    let key = ObjectKey::new("kube-system", name);
    Event::EndpointSlice(SliceList::Dns, Change::Delete(key))
}

fn serve(change: Service) -> Event {
    Event::Service(Change::Apply(change))
}

fn endpoints(store: &Store) -> Vec<String> {
    let endpoints = store.zone().dns_endpoints();
    endpoints.iter().map(ToString::to_string).collect()
}

#[test]
fn service_and_slices_come_in_any_order() {
    let slices = [
        put(of_dns("dns-1.kube-system", &["10.1.0.2", "10.1.0.1"])),
        put(of_dns("dns-6.kube-system", &["fd00:1::1"])),
    ];
    let expected = ["10.1.0.1:1053", "10.1.0.2:1053", "[fd00:1::1]:1053"];

    let mut store = Store::new(policy());
    apply(&mut store, slices.clone());
    assert_eq!(endpoints(&store), [] as [&str; 0], "nobody's yet");
    store.apply(serve(dns("dns.kube-system")));
    assert_eq!(endpoints(&store), expected);

    let mut store = Store::new(policy());
    store.apply(serve(dns("dns.kube-system")));
    apply(&mut store, slices.clone());
    assert_eq!(endpoints(&store), expected);

    // As every endpoint becomes unready, one after the other, and comes back.
    store.apply(put(of_dns("dns-1.kube-system", &["10.1.0.2"])));
    assert_eq!(endpoints(&store), ["10.1.0.2:1053", "[fd00:1::1]:1053"]);
    store.apply(put(of_dns("dns-6.kube-system", &[])));
    store.apply(gone("dns-1"));
    assert_eq!(endpoints(&store), [] as [&str; 0]);
    apply(&mut store, slices.clone());
    assert_eq!(endpoints(&store), expected);

    // A new list takes effect as a whole.
    let list = |change| Event::EndpointSlice(SliceList::Dns, change);
    let new = of_dns("dns-2.kube-system", &["10.1.0.9"]);
    apply(
        &mut store,
        [list(Change::Init), list(Change::InitApply(new))],
    );
    assert_eq!(endpoints(&store), expected);
    store.apply(list(Change::InitDone));
    assert_eq!(endpoints(&store), ["10.1.0.9:1053"]);
}

#[test]
fn only_dns_services_count() {
    let mut store = Store::new(policy());
    let other = EndpointSlice {
        service: "other".into(),
        ..of_dns("other-1.kube-system", &["10.1.0.7"])
    };
    let events = [
        serve(dns("dns.kube-system")),
        serve(dns("second.kube-system")),
        serve(Service {
            is_dns: false,
            ..dns("other.kube-system")
        }),
        put(of_dns("dns-1.kube-system", &["10.1.0.1"])),
        put(slice(
            "second-1.kube-system",
            "second",
            &["10.1.0.1", "10.1.0.2"],
            &["dns/udp/53"],
        )),
        put(other),
        put(of_dns("dns-9.elsewhere", &["10.1.0.9"])),
    ];
    apply(&mut store, events);
    let both = ["10.1.0.1:53", "10.1.0.1:1053", "10.1.0.2:53"];
    assert_eq!(endpoints(&store), both);

    // One loses its label, comes back, and goes.
    store.apply(serve(Service {
        is_dns: false,
        ..dns("dns.kube-system")
    }));
    assert_eq!(endpoints(&store), ["10.1.0.1:53", "10.1.0.2:53"]);
    store.apply(serve(dns("dns.kube-system")));
    assert_eq!(endpoints(&store), both);
    let key = ObjectKey::new("kube-system", "second");
    store.apply(Event::Service(Change::Delete(key)));
    assert_eq!(endpoints(&store), ["10.1.0.1:1053"]);
}

#[test]
fn names_lead_from_port_53_to_the_pods_port() {
    for (case, service_ports, slice_ports, expected) in [
        (
            "as numbers",
            &["dns/udp/53"][..],
            &["dns/udp/53"][..],
            &["53"][..],
        ),
        // A target port that is a name may differ between pods; each slice has its own number.
        ("by name", &["dns/udp/53"], &["dns/udp/5353"], &["5353"]),
        ("nameless", &["/udp/53"], &["/udp/8053"], &["8053"]),
        ("other names", &["dns/udp/53"], &["domain/udp/53"], &[]),
        ("TCP of that name", &["dns/udp/53"], &["dns/tcp/53"], &[]),
        (
            "another UDP port",
            &["dns/udp/53", "gossip/udp/7946"],
            &["gossip/udp/7946"],
            &[],
        ),
        ("not at port 53", &["dns/udp/5300"], &["dns/udp/53"], &[]),
        ("TCP at port 53", &["dns/tcp/53"], &["dns/udp/53"], &[]),
        (
            "two that lead there",
            &["dns/udp/53", "old/udp/53"],
            &["dns/udp/53", "old/udp/1053"],
            &["53", "1053"],
        ),
        ("no ports", &[], &[], &[]),
    ] {
        let mut store = Store::new(policy());
        let dns = Service {
            ports: ports(service_ports),
            ..dns("dns.kube-system")
        };
        store.apply(serve(dns));
        store.apply(put(slice(
            "dns-1.kube-system",
            "dns",
            &["10.1.0.1"],
            slice_ports,
        )));
        let expected: Vec<_> = expected.iter().map(|it| format!("10.1.0.1:{it}")).collect();
        assert_eq!(endpoints(&store), expected, "{case}");
    }
}

#[test]
fn any_list_tells_where_dns_is_and_only_the_others_give_names() {
    let headless = Service {
        reach: Reach::Headless,
        ..dns("dns.kube-system")
    };
    let slice = of_dns("dns-1.kube-system", &["10.1.0.1"]);
    for (list, lists, has_names) in [
        (SliceList::All, EndpointNames::All, true),
        (SliceList::Headless, EndpointNames::Headless, true),
        (SliceList::Foreign, EndpointNames::Headless, true),
        (SliceList::Dns, EndpointNames::Headless, false),
    ] {
        let mut store = Store::new(Policy {
            endpoints: lists,
            ..policy()
        });
        apply(
            &mut store,
            [
                Event::Namespace(Change::Apply(namespace("kube-system"))),
                serve(headless.clone()),
                Event::EndpointSlice(list, Change::Apply(slice.clone())),
            ],
        );
        assert_eq!(endpoints(&store), ["10.1.0.1:1053"], "{list:?}");
        let node = store.zone().node(&name("dns.kube-system.svc"));
        assert_eq!(node.is_some(), has_names, "{list:?}");
        assert_eq!(
            store.zone().pointers(ip("10.1.0.1")).len(),
            usize::from(has_names)
        );
    }
}

#[test]
fn the_list_changes_no_name() {
    let names_of = |policy: &Policy, with: bool| {
        let mut store = Cluster {
            services: vec![dns("dns.kube-system"), service("h.x", Reach::Headless)],
            namespaces: ["kube-system", "x"].map(namespace).into(),
            slices: vec![slice("h-1.x", "h", &["10.1.0.5"], &[])],
            ..Cluster::default()
        }
        .listed(policy);
        if with {
            apply(
                &mut store,
                [
                    put(of_dns("dns-1.kube-system", &["a=10.1.0.1"])),
                    put(slice("h-1.x", "h", &["10.1.0.6"], &[])),
                    put(slice("h-2.x", "h", &["10.1.0.7"], &[])),
                    Event::EndpointSlice(
                        SliceList::Dns,
                        Change::Delete(ObjectKey::new("x", "h-1")),
                    ),
                ],
            );
        }
        contents(store.zone())
    };
    let without = names_of(&Policy::default(), false);
    assert_eq!(names_of(&policy(), false), without);
    assert_eq!(names_of(&policy(), true), without);
}

#[test]
fn nothing_is_told_unasked() {
    let mut store = Store::new(Policy {
        endpoints: EndpointNames::All,
        ..Policy::default()
    });
    store.apply(serve(dns("dns.kube-system")));
    let slice = of_dns("dns-1.kube-system", &["10.1.0.1"]);
    store.apply(Event::EndpointSlice(SliceList::All, Change::Apply(slice)));
    assert_eq!(endpoints(&store), [] as [&str; 0]);
}
