//! Rows for every kind of name, and for none that does not exist.

use std::{collections::BTreeMap, net::IpAddr};

use bytemuck::Zeroable as _;

use super::*;
use crate::zone::{
    Policy,
    fixture::{Cluster, external, ips, namespace, ports, service, slice},
    name::text,
    object::{Reach, Service},
    records::Records,
};

fn cluster() -> Cluster {
    Cluster {
        services: vec![
            Service {
                ports: ports(&["http/tcp/80"]),
                ..service("a.x", ips(&["10.0.0.1", "fd00::1"]))
            },
            service("p.x", Reach::Pending),
            service("e.x", external("example.com")),
            service("h.x", Reach::Headless),
        ],
        namespaces: vec![namespace("x")],
        slices: vec![slice("h-1.x", "h", &["10.1.0.1", "web=10.1.0.2"], &[])],
        ..Cluster::default()
    }
}

fn rendered(domains: &[&str], negative: bool) -> BTreeMap<String, Content> {
    let mut store = cluster().listed(&Policy::default());
    let touched = store.take_touched(1);
    let domains: Vec<Domain> = domains.iter().map(|it| it.parse().unwrap()).collect();
    let rendering = Rendering {
        domains: &domains,
        negative,
        keys: &HashKeys::zeroed(),
    };
    let rows = rendering.wanted(store.zone(), &touched);
    rows.filter_map(|wanted| Some((text(&wanted.name), wanted.content?)))
        .collect()
}

fn owner(zone_len: u8, addresses: &[&str], others: Others) -> Content {
    let addresses = addresses.iter().map(|it| it.parse::<IpAddr>().unwrap());
    let Records { a, aaaa, .. } = Records::of_addresses(addresses);
    Content::Owner {
        zone_len,
        a,
        aaaa,
        others,
    }
}

#[test]
fn every_name_that_exists_has_a_row_with_what_it_has() {
    let rows = rendered(&["cluster.local"], true);
    let expected = [
        ("cluster.local", owner(15, &[], Others::APEX)),
        ("dns-version.cluster.local", owner(15, &[], Others::TXT)),
        ("svc.cluster.local", owner(15, &[], Others::NONE)),
        ("pod.cluster.local", owner(15, &[], Others::NONE)),
        ("x.svc.cluster.local", owner(15, &[], Others::NONE)),
        ("x.pod.cluster.local", owner(15, &[], Others::NONE)),
        (
            "a.x.svc.cluster.local",
            owner(15, &["10.0.0.1", "fd00::1"], Others::SRV),
        ),
        ("_tcp.a.x.svc.cluster.local", owner(15, &[], Others::NONE)),
        (
            "_http._tcp.a.x.svc.cluster.local",
            owner(15, &[], Others::SRV),
        ),
        ("p.x.svc.cluster.local", owner(15, &[], Others::NONE)),
        ("e.x.svc.cluster.local", owner(15, &[], Others::ANY)),
        (
            "h.x.svc.cluster.local",
            owner(15, &["10.1.0.1", "10.1.0.2"], Others::NONE),
        ),
        (
            "web.h.x.svc.cluster.local",
            owner(15, &["10.1.0.2"], Others::NONE),
        ),
        (
            "10-1-0-1.h.x.svc.cluster.local",
            owner(15, &["10.1.0.1"], Others::NONE),
        ),
        (
            "1.0.0.10.in-addr.arpa",
            Content::Pointer(b"\x01a\x01x\x03svc\x07cluster\x05local\0"[..].into()),
        ),
        (
            "2.0.1.10.in-addr.arpa",
            Content::Pointer(b"\x03web\x01h\x01x\x03svc\x07cluster\x05local\0"[..].into()),
        ),
    ];
    for (name, content) in &expected {
        assert_eq!(rows.get(*name), Some(content), "{name}");
    }
    // And the names of an IPv4 and an IPv6 address that are not in the table.
    assert_eq!(rows.len(), expected.len() + 2, "{:?}", rows.keys());
}

#[test]
fn without_denials_only_names_with_an_answer_have_a_row() {
    let rows = rendered(&["cluster.local"], false);
    for (name, content) in &rows {
        let answers = match content {
            Content::Owner { a, aaaa, .. } => a.len() + aaaa.len(),
            Content::Pointer(_) => 1,
        };
        assert!(answers > 0, "{name}");
    }
    assert!(rows.contains_key("a.x.svc.cluster.local"));
    assert!(!rows.contains_key("e.x.svc.cluster.local"));
}

#[test]
fn each_domain_has_its_rows_and_pointers_lead_into_the_first() {
    let rows = rendered(&["b.c", "d"], true);
    assert!(rows.contains_key("a.x.svc.b.c") && rows.contains_key("a.x.svc.d"));
    let target = Content::Pointer(b"\x01a\x01x\x03svc\x01b\x01c\0"[..].into());
    assert_eq!(rows.get("1.0.0.10.in-addr.arpa"), Some(&target));
}

#[test]
fn a_cluster_domain_of_reverse_names_has_no_pointers() {
    let rows = rendered(&["10.in-addr.arpa"], true);
    assert!(!rows.contains_key("1.0.0.10.in-addr.arpa"));
    assert!(rows.contains_key("a.x.svc.10.in-addr.arpa"));
}
