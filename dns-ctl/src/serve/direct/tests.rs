//! What is written directly is what the long way composes.

use hickory_proto::{
    op::{Edns, Message, Query},
    rr::Name,
};
use proptest::{prelude::*, sample::select};

use super::*;
use crate::{
    serve::{
        answer::{Decision, answer},
        compose::compose,
        request::Request,
    },
    zone::{
        PodNames, Policy,
        fixture::{Cluster, external, ips, namespace, ports, service, slice},
        object::Reach,
    },
};

/// A cluster with what can be written directly, and what can't.
fn zone(pods: PodNames) -> Zone {
    let endpoints: Vec<_> = (1..=60).map(|last| format!("10.1.0.{last}")).collect();
    let endpoints: Vec<_> = endpoints.iter().map(String::as_str).collect();
    let with_ports = |name, reach, texts: &[&str]| {
        let mut service = service(name, reach);
        service.ports = ports(texts);
        service
    };
    let cluster = Cluster {
        services: vec![
            with_ports("web.default", ips(&["10.96.0.10"]), &["http/tcp/80"]),
            with_ports(
                "both.default",
                ips(&["10.96.0.11", "fd00::11"]),
                &["http/tcp/80", "x/udp/9"],
            ),
            with_ports("six.dns", ips(&["fd00::12"]), &["http/tcp/80"]),
            with_ports("few.default", Reach::Headless, &["sql/tcp/5432"]),
            with_ports("many.default", Reach::Headless, &["sql/tcp/5432"]),
            service("out.default", external("www.example.com")),
        ],
        namespaces: vec![namespace("default"), namespace("dns")],
        slices: vec![
            slice(
                "few-1.default",
                "few",
                &["zero=10.1.1.1", "10.1.1.2", "10.1.1.3"],
                &["sql/tcp/5432"],
            ),
            slice("many-1.default", "many", &endpoints, &["sql/tcp/5432"]),
        ],
        ..Cluster::default()
    };
    let policy = Policy {
        pods,
        ..Policy::default()
    };
    let mut store = cluster.listed(&policy);
    store.take_touched(0x5566_7788);
    store.zone().clone()
}

fn authority() -> Authority {
    let domains = ["cluster.local", "sub.example"].map(|domain| domain.parse().unwrap());
    Authority::new(&domains, 0x0102_0304).unwrap()
}

/// The direct reply to `message`, and the long way's.
fn both(message: &[u8], zone: &Zone, limit: u16) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let authority = authority();
    let before = b"what was there before";
    let mut replies = before.to_vec();
    let direct = Plain::read(message).and_then(|query| {
        let (origin, relative) = authority.locate_wire(query.name())?;
        let direct = Direct {
            query: &query,
            origin,
            relative,
            zone,
            authority: &authority,
            limit: limit.into(),
        };
        direct.write(&mut replies)
    });
    assert_eq!(replies[..before.len()], *before);
    let reply = replies.split_off(before.len());
    assert!(direct.is_some() || reply.is_empty());

    let request = Request::read(message).unwrap();
    let long = match answer(&request, zone, &authority) {
        Decision::Reply(answer) => {
            if let Some(rcode) = direct {
                assert_eq!(rcode, answer.rcode);
            }
            Some(compose(&request, answer, limit).unwrap())
        }
        _ => None,
    };
    (direct.map(|_| reply), long)
}

fn message(id: u16, name: &str, query_type: RecordType, edns: Option<bool>) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.id = id;
    message.metadata.recursion_desired = !id.is_multiple_of(3);
    message.metadata.checking_disabled = id.is_multiple_of(5);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), query_type));
    message.edns = edns.map(|dnssec_ok| {
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        edns.set_dnssec_ok(dnssec_ok);
        edns
    });
    message.to_vec().unwrap()
}

#[test]
fn what_is_common_is_written_directly_and_the_rest_left() {
    let zone = zone(PodNames::Disabled);
    for (name, query_type, limit, is_direct) in [
        ("web.default.svc.cluster.local.", RecordType::A, 512, true),
        ("wEb.DEFAULT.svc.cluster.local.", RecordType::A, 512, true),
        ("web.default.svc.sub.example.", RecordType::A, 512, true),
        (
            "web.default.svc.cluster.local.",
            RecordType::AAAA,
            512,
            true,
        ),
        (
            "web.default.svc.cluster.local.",
            RecordType::HTTPS,
            512,
            true,
        ),
        (
            "both.default.svc.cluster.local.",
            RecordType::AAAA,
            512,
            true,
        ),
        ("few.default.svc.cluster.local.", RecordType::A, 512, true),
        ("default.svc.cluster.local.", RecordType::A, 512, true),
        ("no.default.svc.cluster.local.", RecordType::A, 512, true),
        (
            "www.example.com.default.svc.cluster.local.",
            RecordType::AAAA,
            512,
            true,
        ),
        (
            "_http._tcp.web.default.svc.cluster.local.",
            RecordType::SRV,
            512,
            true,
        ),
        (
            "_http._tcp.both.default.svc.cluster.local.",
            RecordType::SRV,
            512,
            true,
        ),
        // Domains in another case, which compress otherwise.
        (
            "web.default.svc.Cluster.local.",
            RecordType::AAAA,
            512,
            false,
        ),
        ("no.default.svc.cluster.locaL.", RecordType::A, 512, false),
        (
            "_http._tcp.Web.default.svc.cluster.local.",
            RecordType::SRV,
            512,
            false,
        ),
        // Names that the SOA record has in it.
        ("a.dns.cluster.local.", RecordType::A, 512, false),
        ("a.HOSTMASTER.cluster.local.", RecordType::A, 512, false),
        // What does not fit, or is too much.
        ("few.default.svc.cluster.local.", RecordType::A, 80, false),
        (
            "many.default.svc.cluster.local.",
            RecordType::A,
            1232,
            false,
        ),
        (
            "_sql._tcp.few.default.svc.cluster.local.",
            RecordType::SRV,
            512,
            false,
        ),
        ("out.default.svc.cluster.local.", RecordType::A, 512, false),
        ("cluster.local.", RecordType::SOA, 512, false),
        ("dns-version.cluster.local.", RecordType::TXT, 512, false),
        (
            "web.default.svc.cluster.local.",
            RecordType::ANY,
            512,
            false,
        ),
        ("www.example.com.", RecordType::A, 512, false),
    ] {
        let (direct, long) = both(&message(7, name, query_type, None), &zone, limit);
        assert_eq!(direct.is_some(), is_direct, "{name} {query_type}");
        if is_direct {
            assert_eq!(direct, long, "{name} {query_type}");
        }
    }
}

#[test]
fn names_by_rule_are_left() {
    let zone = zone(PodNames::Insecure);
    for name in [
        "10-1-2-3.default.pod.cluster.local.",
        "x.pod.cluster.local.",
    ] {
        let (direct, _) = both(&message(1, name, RecordType::A, None), &zone, 512);
        assert_eq!(direct, None, "{name}");
    }
}

#[test]
fn nothing_is_denied_before_all_is_known() {
    let (zone, name) = (Zone::default(), "web.default.svc.cluster.local.");
    let (direct, _) = both(&message(1, name, RecordType::A, None), &zone, 512);
    assert_eq!(direct, None);
}

proptest! {
    #[test]
    fn both_ways_say_the_same(
        labels in prop::collection::vec(
            select(vec![
                "web", "Web", "both", "six", "few", "many", "out", "zero", "default", "DNS", "dns", "svc", "ns",
                "_http", "_sql", "_tcp", "hostmaster", "x", "pod", "10-1-2-3", "cluster",
            ]),
            0..6,
        ),
        domain in select(vec!["cluster.local.", "Cluster.local.", "cluster.LOCAL.", "sub.example."]),
        query_type in select(vec![
            RecordType::A, RecordType::AAAA, RecordType::SRV, RecordType::TXT, RecordType::SOA,
            RecordType::NS, RecordType::HTTPS, RecordType::MX,
        ]),
        edns: Option<bool>,
        id: u16,
        limit in 40_u16..1232,
        insecure: bool,
    ) {
        let pods = if insecure { PodNames::Insecure } else { PodNames::Disabled };
        let name = [labels.as_slice(), &[domain]].concat().join(".");
        let message = message(id, &name, query_type, edns);
        for limit in [limit, 1232] {
            let (direct, long) = both(&message, &zone(pods), limit);
            if direct.is_some() {
                prop_assert_eq!(&direct, &long);
            }
        }
    }

    /// Names that exist, of which the test above hits too few.
    #[test]
    fn both_ways_say_the_same_of_what_exists(
        name in select(vec![
            "web.default.svc", "both.default.svc", "six.dns.svc", "few.default.svc", "default.svc", "svc",
            "zero.few.default.svc", "_http._tcp.web.default.svc", "_http._tcp.both.default.svc",
            "_x._udp.both.default.svc", "_http._tcp.six.dns.svc", "_sql._tcp.few.default.svc", "_tcp.web.default.svc",
        ]),
        upper in prop::collection::vec(any::<bool>(), 40),
        is_mixed: bool,
        query_type in select(vec![RecordType::A, RecordType::AAAA, RecordType::SRV, RecordType::MX]),
        edns: Option<bool>,
        id: u16,
    ) {
        let name = format!("{name}.cluster.local.");
        let mixed: String = name
            .chars()
            .zip(upper)
            .map(|(letter, upper)| if upper { letter.to_ascii_uppercase() } else { letter })
            .collect();
        let name = if is_mixed { mixed } else { name };
        let message = message(id, &name, query_type, edns);
        let (direct, long) = both(&message, &zone(PodNames::Disabled), 1232);
        if direct.is_some() {
            prop_assert_eq!(&direct, &long);
        }
    }
}
