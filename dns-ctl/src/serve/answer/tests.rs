//! Questions and what they get, as a table over one small cluster.

mod schema;

use std::net::Ipv4Addr;

use hickory_proto::op::Query;

use super::*;
use crate::zone::{
    Policy,
    fixture::{Cluster, external, ips, namespace, ports, service, slice},
    store::Store,
};

/// A cluster with a Service of each kind; `synced` decides whether the lists are complete.
fn zone(synced: bool) -> Zone {
    let mut nginx = service("nginx.default", ips(&["10.96.0.10", "fd00::10"]));
    nginx.ports = ports(&["http/tcp/80", "https/tcp/443"]);
    let cluster = Cluster {
        services: vec![
            nginx,
            service("four.default", ips(&["10.96.0.4"])),
            service("db.default", crate::zone::object::Reach::Headless),
            service("out.default", external("www.example.com")),
            service("near.default", external("nginx.default.svc.cluster.local")),
            service("far.default", external("near.default.svc.sub.example.")),
            service(
                "gone.default",
                external("nothing.default.svc.cluster.local"),
            ),
            service("self.default", external("self.default.svc.cluster.local")),
            service("kube-dns.kube-system", ips(&["10.96.0.53", "fd00::53"])),
        ],
        namespaces: ["default", "empty", "kube-system"].map(namespace).into(),
        slices: vec![
            slice(
                "db-1.default",
                "db",
                &["zero=10.1.0.1", "10.1.0.2"],
                &["sql/tcp/5432"],
            ),
            slice("db-2.default", "db", &["zero=fd00::1"], &["sql/tcp/5432"]),
        ],
        ..Cluster::default()
    };
    let policy = Policy::default();
    let mut store = Store::new(policy.clone());
    let mut events = cluster.events(&policy);
    if !synced {
        // Of the last list, that of the Pods, nothing depends; before it comes the second list of slices.
        events.truncate(events.len() - 4);
    }
    for event in events {
        store.apply(event);
    }
    assert_eq!(store.zone().synced(), synced);
    store.take_touched(77);
    store.zone().clone()
}

fn authority() -> Authority {
    let domains = [
        "cluster.local".parse().unwrap(),
        "sub.example".parse().unwrap(),
    ];
    Authority::new(&domains, 5).unwrap()
}

fn request(name: &str, query_type: RecordType) -> Request {
    Request {
        id: 0,
        recursion_desired: true,
        query: Query::query(Name::from_ascii(name).unwrap(), query_type),
        edns: None,
    }
}

fn ask(name: &str, query_type: RecordType, zone: &Zone) -> Decision {
    answer(&request(name, query_type), zone, &authority())
}

fn reply(name: &str, query_type: RecordType, zone: &Zone) -> Answer {
    match ask(name, query_type, zone) {
        Decision::Reply(answer) => answer,
        other => panic!("{name} {query_type}: {other:?}"),
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
fn before_the_first_sync_nothing_is_denied() {
    let zone = zone(false);
    for (name, query_type, fails) in [
        ("nginx.default.svc.cluster.local.", RecordType::A, false),
        ("four.default.svc.cluster.local.", RecordType::AAAA, true),
        ("nothing.default.svc.cluster.local.", RecordType::A, true),
        ("cluster.local.", RecordType::SOA, false),
        ("dns-version.cluster.local.", RecordType::TXT, false),
        ("10.0.96.10.in-addr.arpa.", RecordType::PTR, false),
        ("11.0.96.10.in-addr.arpa.", RecordType::PTR, true),
    ] {
        let reply = reply(name, query_type, &zone);
        let expected = if fails {
            (ResponseCode::ServFail, Some(Cause::NotReady))
        } else {
            (ResponseCode::NoError, None)
        };
        assert_eq!((reply.rcode, reply.cause), expected, "{name} {query_type}");
    }
}

#[test]
fn an_alias_out_of_the_cluster_is_followed_by_the_upstreams() {
    let zone = zone(true);
    let out = "out.default.svc.cluster.local.";
    for query_type in [RecordType::A, RecordType::HTTPS, RecordType::SRV] {
        let Decision::Follow(answer, target) = ask(out, query_type, &zone) else {
            panic!("{query_type} is not followed");
        };
        assert_eq!(target.to_ascii(), "www.example.com.");
        assert_eq!(answer.answers.len(), 1);
        assert!(answer.authoritative);
    }
    // A client that wants no recursion follows by itself.
    let mut request = request(out, RecordType::A);
    request.recursion_desired = false;
    let decision = answer(&request, &zone, &authority());
    assert!(matches!(decision, Decision::Reply(answer) if answer.answers.len() == 1));
}

#[test]
fn an_alias_in_a_circle_is_an_error() {
    let reply = reply(
        "self.default.svc.cluster.local.",
        RecordType::A,
        &zone(true),
    );
    assert_eq!(reply.rcode, ResponseCode::ServFail);
    assert_eq!(reply.cause, Some(Cause::AliasLoop));
    assert_eq!(reply.answers, []);
}

#[test]
fn equal_addresses_take_turns() {
    let zone = zone(true);
    let firsts: Vec<_> = (0..4)
        .map(|id| {
            let mut request = request("db.default.svc.cluster.local.", RecordType::A);
            request.id = id;
            match answer(&request, &zone, &authority()) {
                Decision::Reply(answer) => answer.answers[0].data.to_string(),
                other => panic!("{other:?}"),
            }
        })
        .collect();
    assert_eq!(firsts, ["10.1.0.1", "10.1.0.2", "10.1.0.1", "10.1.0.2"]);
}

#[test]
fn only_names_outside_are_forwarded() {
    for name in [
        "example.com.",
        "local.",
        ".",
        "xcluster.local.",
        "cluster.local.example.",
        "9.9.9.9.in-addr.arpa.",
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
fn each_domain_answers_for_itself() {
    let zone = zone(true);
    let denied = reply("nope.sub.example.", RecordType::A, &zone);
    assert_eq!(denied.authorities[0].name.to_ascii(), "sub.example.");
    let located = reply("nginx.default.svc.sub.example.", RecordType::SRV, &zone);
    assert!(
        located.answers[0]
            .data
            .to_string()
            .ends_with(" nginx.default.svc.sub.example.")
    );
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
            let mut request = request(name, query_type);
            request.query.query_class = class;
            let Decision::Reply(reply) = answer(&request, &zone, &authority()) else {
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
