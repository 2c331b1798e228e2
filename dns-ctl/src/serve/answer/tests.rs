//! Questions and what they get, as a table over one small cluster.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::zone::{
    object::{Change, Event, Namespace, ObjectKey, Reach, Service},
    store::Store,
};

fn service(namespace: &str, name: &str, reach: Reach) -> Event {
    Event::Service(Change::InitApply(Service {
        key: ObjectKey::new(namespace, name),
        reach,
        is_dns: namespace == "kube-system",
    }))
}

fn ips(texts: &[&str]) -> Reach {
    Reach::ClusterIps(
        texts
            .iter()
            .map(|text| text.parse::<IpAddr>().unwrap())
            .collect(),
    )
}

/// A cluster with a Service of each kind; `synced` decides whether the lists are complete.
fn zone(synced: bool) -> Zone {
    let mut store = Store::new();
    let mut events = vec![
        service("default", "nginx", ips(&["10.96.0.10", "fd00::10"])),
        service("default", "four", ips(&["10.96.0.4"])),
        service("default", "db", Reach::Headless),
        service("default", "new", Reach::Pending),
        service("kube-system", "kube-dns", ips(&["10.96.0.53", "fd00::53"])),
        Event::Namespace(Change::InitApply(Namespace {
            key: ObjectKey::new("", "empty"),
        })),
    ];
    if synced {
        events.insert(0, Event::Service(Change::Init));
        events.insert(0, Event::Namespace(Change::Init));
        events.push(Event::Service(Change::InitDone));
        events.push(Event::Namespace(Change::InitDone));
    }
    for event in events {
        store.apply(event);
    }
    store.zone().clone()
}

fn authority() -> Authority {
    let domains = [
        "cluster.local".parse().unwrap(),
        "sub.cluster.local".parse().unwrap(),
    ];
    Authority::new(&domains, 5, true).unwrap()
}

fn ask(name: &str, query_type: RecordType, zone: &Zone) -> Decision {
    let mut query = hickory_proto::op::Query::query(Name::from_ascii(name).unwrap(), query_type);
    query.query_class = DNSClass::IN;
    let request = Request {
        id: 1,
        recursion_desired: true,
        query,
        edns: None,
    };
    answer(&request, zone, &authority(), 77)
}

fn reply(name: &str, query_type: RecordType, zone: &Zone) -> Answer {
    match ask(name, query_type, zone) {
        Decision::Reply(answer) => answer,
        Decision::Forward => panic!("{name} {query_type} is forwarded"),
    }
}

/// The reply in one line: code, answers, authority, additional.
fn line(reply: &Answer) -> String {
    let section = |records: &[Record]| {
        records
            .iter()
            .map(|record| format!("{} {} {}", record.name, record.ttl, record.data))
            .collect::<Vec<_>>()
            .join(", ")
    };
    format!(
        "{}{} [{}] [{}] [{}]",
        reply.rcode,
        if reply.authoritative { " aa" } else { "" },
        section(&reply.answers),
        section(&reply.authorities),
        section(&reply.additionals),
    )
}

const SOA_LINE: &str =
    "cluster.local. 5 ns.dns.cluster.local. hostmaster.cluster.local. 77 7200 1800 86400 5";

#[test]
fn a_synced_zone_answers_by_the_schema() {
    let zone = zone(true);
    let nodata = format!("No Error aa [] [{SOA_LINE}] []");
    let no_name = format!("Non-Existent Domain aa [] [{SOA_LINE}] []");
    let servfail = "Server Failure [] [] []";
    for (name, query_type, expected) in [
        (
            "nginx.default.svc.cluster.local.",
            RecordType::A,
            "No Error aa [nginx.default.svc.cluster.local. 5 10.96.0.10] [] []",
        ),
        (
            "nginx.default.svc.cluster.local.",
            RecordType::AAAA,
            "No Error aa [nginx.default.svc.cluster.local. 5 fd00::10] [] []",
        ),
        ("four.default.svc.cluster.local.", RecordType::AAAA, &nodata),
        ("nginx.default.svc.cluster.local.", RecordType::MX, &nodata),
        (
            "nginx.default.svc.cluster.local.",
            RecordType::HTTPS,
            &nodata,
        ),
        ("nginx.default.svc.cluster.local.", RecordType::ANY, &nodata),
        (
            "nothing.default.svc.cluster.local.",
            RecordType::ANY,
            &no_name,
        ),
        (
            "nginx.default.svc.cluster.local.",
            RecordType::SRV,
            servfail,
        ),
        ("db.default.svc.cluster.local.", RecordType::A, servfail),
        (
            "pod-0.db.default.svc.cluster.local.",
            RecordType::A,
            servfail,
        ),
        ("new.default.svc.cluster.local.", RecordType::A, servfail),
        (
            "nothing.default.svc.cluster.local.",
            RecordType::A,
            &no_name,
        ),
        ("nginx.nowhere.svc.cluster.local.", RecordType::A, &no_name),
        ("nginx.cluster.local.", RecordType::AAAA, &no_name),
        ("default.svc.cluster.local.", RecordType::A, &nodata),
        ("empty.svc.cluster.local.", RecordType::A, &nodata),
        ("svc.cluster.local.", RecordType::TXT, &nodata),
        ("pod.cluster.local.", RecordType::A, &nodata),
        ("cluster.local.", RecordType::A, &nodata),
        (
            "cluster.local.",
            RecordType::SOA,
            &format!("No Error aa [{SOA_LINE}] [] []"),
        ),
        (
            "cluster.local.",
            RecordType::NS,
            "No Error aa [cluster.local. 5 ns.dns.cluster.local.] [] \
             [ns.dns.cluster.local. 5 10.96.0.53, ns.dns.cluster.local. 5 fd00::53]",
        ),
        (
            "ns.dns.cluster.local.",
            RecordType::A,
            "No Error aa [ns.dns.cluster.local. 5 10.96.0.53] [] []",
        ),
        (
            "dns-version.cluster.local.",
            RecordType::TXT,
            "No Error aa [dns-version.cluster.local. 5 1.1.0] [] []",
        ),
        ("dns-version.cluster.local.", RecordType::A, &nodata),
    ] {
        let got = line(&reply(name, query_type, &zone));
        assert_eq!(got, expected, "{name} {query_type}");
    }
}

#[test]
fn before_the_first_sync_nothing_is_denied() {
    let zone = zone(false);
    for (name, query_type, rcode) in [
        (
            "nginx.default.svc.cluster.local.",
            RecordType::A,
            ResponseCode::NoError,
        ),
        (
            "four.default.svc.cluster.local.",
            RecordType::AAAA,
            ResponseCode::ServFail,
        ),
        (
            "nothing.default.svc.cluster.local.",
            RecordType::A,
            ResponseCode::ServFail,
        ),
        ("cluster.local.", RecordType::SOA, ResponseCode::NoError),
        (
            "dns-version.cluster.local.",
            RecordType::TXT,
            ResponseCode::NoError,
        ),
    ] {
        let reply = reply(name, query_type, &zone);
        assert_eq!(reply.rcode, rcode, "{name} {query_type}");
        let cause = (rcode == ResponseCode::ServFail).then_some(Cause::NotReady);
        assert_eq!(reply.cause, cause, "{name} {query_type}");
    }
}

#[test]
fn data_that_is_not_held_is_said_to_be_so() {
    let zone = zone(true);
    let reply = reply("db.default.svc.cluster.local.", RecordType::A, &zone);
    assert_eq!(reply.cause, Some(Cause::NotHeld));
}

#[test]
fn only_names_outside_are_forwarded() {
    for name in [
        "example.com.",
        "local.",
        ".",
        "xcluster.local.",
        "cluster.local.example.",
    ] {
        assert_eq!(
            ask(name, RecordType::A, &zone(true)),
            Decision::Forward,
            "{name}"
        );
    }
}

#[test]
fn case_is_kept_and_ignored() {
    let zone = zone(true);
    let found = reply("NGINX.Default.svc.Cluster.LOCAL.", RecordType::A, &zone);
    assert_eq!(
        found.answers[0].name.to_ascii(),
        "NGINX.Default.svc.Cluster.LOCAL."
    );
    assert_eq!(
        found.answers[0].data,
        RData::A(A(Ipv4Addr::new(10, 96, 0, 10)))
    );
    let denied = reply("nope.default.svc.Cluster.LOCAL.", RecordType::A, &zone);
    assert_eq!(denied.authorities[0].name.to_ascii(), "Cluster.LOCAL.");
}

#[test]
fn the_most_specific_domain_answers() {
    let zone = zone(true);
    let reply = reply("nope.sub.cluster.local.", RecordType::A, &zone);
    assert_eq!(reply.authorities[0].name.to_ascii(), "sub.cluster.local.");
}

#[test]
fn other_classes_and_transfers_are_refused_everywhere() {
    let zone = zone(true);
    for name in ["nginx.default.svc.cluster.local.", "example.com."] {
        for (query_type, class) in [
            (RecordType::A, DNSClass::CH),
            (RecordType::A, DNSClass::ANY),
            (RecordType::AXFR, DNSClass::IN),
            (RecordType::IXFR, DNSClass::IN),
        ] {
            let mut query =
                hickory_proto::op::Query::query(Name::from_ascii(name).unwrap(), query_type);
            query.query_class = class;
            let request = Request {
                id: 1,
                recursion_desired: true,
                query,
                edns: None,
            };
            let Decision::Reply(reply) = answer(&request, &zone, &authority(), 77) else {
                panic!("{name} {query_type} {class} is forwarded");
            };
            assert_eq!(
                reply.rcode,
                ResponseCode::Refused,
                "{name} {query_type} {class}"
            );
            assert!(!reply.authoritative);
        }
    }
}
