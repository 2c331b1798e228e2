//! Questions that pass because of what the maps hold, or do not.

use dns_common::Miss;
use hickory_proto::rr::RecordType;

use super::{Case, NGINX, miss};
use crate::{
    build::{Opt, a_query, frame, message, message_for, octets, with_opt},
    fixture::{SAME_HASH, SAME_HASH_SHORTER, TORN, TORN_HEAD, TORN_SECOND},
    wire::of_length,
};

fn asking(name: &str, kind: RecordType) -> Vec<u8> {
    frame(&octets(&message(name, kind)))
}

pub(super) fn zones() -> Vec<Case> {
    let mut cases = vec![];
    for name in [
        "",
        "b",
        "local",
        "example",
        "com",
        "luster.local",
        "xcluster.local",
        "cluster.locals",
        "cluster.local.x",
        "nginx.default.svc.cluster",
        "nginx.default.svc.cluster.local.com",
        "kk",
        "k.example",
        "corp.example.com",
        "xcorp.example",
        "1.0.96.10.in-addr.arpa",
    ] {
        cases.push(miss(
            format!("a name in no zone: {name:?}"),
            a_query(name),
            Miss::OutsideZones,
        ));
    }
    // Octets that look like the zone, but lie in a label.
    for name in [
        &b"\x0fx\x07cluster\x05local\x00"[..],
        b"\x15\x03svc\x01x\x07cluster\x05local\x00\x00\x00",
        b"\x03x\x01k\x00",
        b"\x02\x01k\x00",
        b"\x01\x01\x01k\x01x\x00",
    ] {
        let payload = octets(&message_for(name, RecordType::A));
        let title = format!("octets that look like a zone: {name:?}");
        cases.push(miss(title, frame(&payload), Miss::OutsideZones));
    }
    for name in [
        "10-9-9-9.default.pod.cluster.local",
        "x.10-1-2-3.default.pod.cluster.local",
        "default.pod.cluster.local",
        "POD.cluster.local",
    ] {
        cases.push(miss(
            format!("a name by rule: {name}"),
            a_query(name),
            Miss::ByRule,
        ));
    }
    cases
}

pub(super) fn entries() -> Vec<Case> {
    let reverse = "10.0.96.10.in-addr.arpa";
    let sized = |len, zone, kind| {
        let query = octets(&message_for(&of_length("headless", len, zone), kind));
        frame(&with_opt(query, &Opt::default()))
    };
    let mut cases = vec![
        miss(
            "another name under the same hash",
            a_query(SAME_HASH),
            Miss::OtherName,
        ),
        miss(
            "a shorter name under the same hash",
            a_query(SAME_HASH_SHORTER),
            Miss::OtherName,
        ),
        miss(
            "IPv4 addresses that are being replaced",
            a_query(TORN),
            Miss::Torn,
        ),
        miss(
            "IPv6 addresses that are being replaced",
            asking(TORN_SECOND, RecordType::AAAA),
            Miss::Torn,
        ),
        miss(
            "a head that is being replaced",
            asking(TORN_HEAD, RecordType::TXT),
            Miss::Torn,
        ),
        miss(
            "a pointer that is being replaced",
            asking("5.3.96.10.in-addr.arpa", RecordType::PTR),
            Miss::Torn,
        ),
        miss(
            "a pointer to the longest name",
            asking("4.3.96.10.in-addr.arpa", RecordType::PTR),
            Miss::TypeNotHeld,
        ),
    ];
    for (name, kind) in [
        ("dual.default.svc.cluster.local", RecordType::SRV),
        ("_http._tcp.dual.default.svc.cluster.local", RecordType::SRV),
        ("alias.default.svc.cluster.local", RecordType::A),
        ("alias.default.svc.cluster.local", RecordType::AAAA),
        ("alias.default.svc.cluster.local", RecordType::CNAME),
        ("aliased.default.svc.cluster.local", RecordType::AAAA),
        ("dns-version.cluster.local", RecordType::TXT),
        ("cluster.local", RecordType::SOA),
        ("CLUSTER.local", RecordType::NS),
        ("k", RecordType::SOA),
        ("a", RecordType::AAAA),
        ("a", RecordType::ANY),
        (reverse, RecordType::A),
        (reverse, RecordType::AAAA),
        (reverse, RecordType::ANY),
    ] {
        let title = format!("{kind} of {name}, left to the server");
        cases.push(miss(title, asking(name, kind), Miss::TypeNotHeld));
    }
    for (len, zone, kind) in [
        (51, "cluster.local", RecordType::AAAA),
        (9, "k", RecordType::A),
        (10, "k", RecordType::A),
        (10, "k", RecordType::AAAA),
        (252, "cluster.local", RecordType::A),
        (252, "cluster.local", RecordType::AAAA),
        (255, "cluster.local", RecordType::AAAA),
    ] {
        let title = format!("{kind} of a name of {len} octets, for which there is no room");
        cases.push(miss(title, sized(len, zone, kind), Miss::TypeNotHeld));
    }
    for kind in [0, 41, 128, 249, 250, 251, 252, 253, 254] {
        let title = format!("type {kind}");
        cases.push(miss(title, asking(NGINX, kind.into()), Miss::TypeNotServed));
    }
    cases
}
