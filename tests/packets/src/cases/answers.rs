//! Plain questions over IPv4 that are answered, by the kind of answer.

use dns_common::Hit;
use hickory_proto::rr::RecordType;

use super::{Case, NGINX, hit};
use crate::{
    build::{
        IP, UDP, a_query, frame, frame_with_ip, ip_header, message, message_for, octets, patched,
    },
    fixture::{HELD, WITHOUT_ADDRESS, longest_name, most_labels},
    wire::of_length,
};

fn asking(name: &str, kind: RecordType) -> Vec<u8> {
    frame(&octets(&message(name, kind)))
}

/// Single IPv4 addresses.
pub(super) fn single() -> Vec<Case> {
    let mut cases: Vec<_> = HELD
        .iter()
        .map(|(name, _)| hit(format!("A of {name}"), a_query(name), Hit::A))
        .collect();
    let query = message(NGINX, RecordType::A);
    let mut plain = query.clone();
    plain.metadata.recursion_desired = false;
    let mut flagged = query.clone();
    flagged.metadata.authentic_data = true;
    flagged.metadata.checking_disabled = true;
    let mut ecn = ip_header();
    ecn.ecn = etherparse::IpEcn::CongestionExperienced;
    ecn.dscp = etherparse::IpDscp::try_new(46).expect("expedited forwarding");
    let padded = |mut frame: Vec<u8>, octets: usize| {
        frame.extend(vec![0xaa; octets]);
        frame
    };
    cases.extend([
        hit("the longest name", a_query(&longest_name()), Hit::A),
        hit("the most labels", a_query(&most_labels()), Hit::A),
        hit(
            "upper case",
            a_query("NGINX.Default.sVC.cLuStEr.LOCAL"),
            Hit::A,
        ),
        hit("without RD", frame(&octets(&plain)), Hit::A),
        hit("with AD and CD", frame(&octets(&flagged)), Hit::A),
        hit(
            "without a UDP checksum",
            patched(a_query(NGINX), UDP + 6, &[0, 0]),
            Hit::A,
        ),
        hit(
            "with a UDP checksum only begun",
            patched(a_query(NGINX), UDP + 6, &[0x12, 0x34]),
            Hit::A,
        ),
        hit(
            "with DSCP and ECN",
            frame_with_ip(ecn, &octets(&query)),
            Hit::A,
        ),
        hit(
            "with padding behind the datagram",
            padded(a_query("a"), 40),
            Hit::A,
        ),
        hit(
            "with more padding than the answer has octets",
            padded(a_query(NGINX), 700),
            Hit::A,
        ),
        hit(
            "with don't-fragment",
            patched(a_query(NGINX), IP + 6, &[0x40, 0]),
            Hit::A,
        ),
    ]);
    cases
}

/// Other types than A, and sets of several addresses.
pub(super) fn other_types() -> Vec<Case> {
    let mut cases = vec![
        hit(
            "IPv6 addresses only",
            asking(WITHOUT_ADDRESS, RecordType::AAAA),
            Hit::Aaaa,
        ),
        hit(
            "a name with both kinds of addresses",
            asking("dual.default.svc.cluster.local", RecordType::AAAA),
            Hit::Aaaa,
        ),
        hit(
            "addresses of a name of which more is not known",
            a_query("aliased.default.svc.cluster.local"),
            Hit::A,
        ),
        hit(
            "a name that points back, of an IPv4 address",
            asking("10.0.96.10.in-addr.arpa", RecordType::PTR),
            Hit::Ptr,
        ),
        hit(
            "the same in upper case",
            asking("10.0.96.10.IN-ADDR.Arpa", RecordType::PTR),
            Hit::Ptr,
        ),
        hit(
            "a name that points back, of an IPv6 address",
            asking(
                "A.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.D.F.ip6.arpa",
                RecordType::PTR,
            ),
            Hit::Ptr,
        ),
        hit(
            "a pointer to the root",
            asking("1.3.96.10.in-addr.arpa", RecordType::PTR),
            Hit::Ptr,
        ),
        hit(
            "a pointer to a name of 254 octets",
            asking("2.3.96.10.in-addr.arpa", RecordType::PTR),
            Hit::Ptr,
        ),
    ];
    // Two addresses, three, five: each id begins at its own.
    for id in 0..6_u16 {
        for (len, kind, answer) in [
            (25, RecordType::A, Hit::A),
            (26, RecordType::AAAA, Hit::Aaaa),
            (27, RecordType::A, Hit::A),
            (28, RecordType::A, Hit::A),
            (28, RecordType::AAAA, Hit::Aaaa),
        ] {
            let mut query = message_for(&of_length("headless", len, "cluster.local"), kind);
            query.metadata.id = id.wrapping_sub(3);
            let name = format!("{kind} of a set under a name of {len} octets, id {id}");
            cases.push(hit(name, frame(&octets(&query)), answer));
        }
    }
    cases
}

/// Names and types that there are not.
pub(super) fn negative() -> Vec<Case> {
    let nxdomain = |name: &str| (name.to_owned(), RecordType::A, Hit::NxDomain);
    let nodata = |name: &str, kind| (name.to_owned(), kind, Hit::NoData);
    let in_zone = |len| of_length("missing", len, "cluster.local");
    let mut cases: Vec<_> = [
        nodata(NGINX, RecordType::AAAA),
        nodata(NGINX, RecordType::TXT),
        nodata(NGINX, RecordType::SRV),
        nodata(NGINX, RecordType::ANY),
        nodata(NGINX, RecordType::PTR),
        nodata(NGINX, RecordType::HTTPS),
        nodata(NGINX, RecordType::from(65_535)),
        nodata("NGINX.default.SVC.Cluster.Local", RecordType::AAAA),
        nodata("www.corp.example", RecordType::MX),
        nodata(WITHOUT_ADDRESS, RecordType::A),
        nodata("default.svc.cluster.local", RecordType::A),
        nodata("default.svc.cluster.local", RecordType::SRV),
        nodata("_tcp.dual.default.svc.cluster.local", RecordType::SRV),
        nodata("_http._tcp.dual.default.svc.cluster.local", RecordType::A),
        nodata("dual.default.svc.cluster.local", RecordType::TXT),
        nodata("dns-version.cluster.local", RecordType::AAAA),
        nodata("cluster.local", RecordType::A),
        nodata("cluster.local", RecordType::ANY),
        nodata("corp.example", RecordType::AAAA),
        nodata("k", RecordType::TXT),
        nodata("10-1-2-3.default.pod.cluster.local", RecordType::AAAA),
        nxdomain("unknown.default.svc.cluster.local"),
        nxdomain("Unknown.Default.svc.cluster.LOCAL"),
        nxdomain("nginx.default.svc.cluster.local.corp.example"),
        nxdomain("x.nginx.default.svc.cluster.local"),
        nxdomain("a.k"),
        nxdomain("A.K"),
        nxdomain("ab.k"),
        nxdomain("k.k"),
        nxdomain("no.k"),
        nxdomain("pod.k"),
        nxdomain("xpod.cluster.local"),
        nxdomain("cluster.local.cluster.local"),
    ]
    .into_iter()
    .map(|(name, kind, answer)| {
        let title = format!("{} for {kind} of {name}", answer.label());
        hit(title, asking(&name, kind), answer)
    })
    .collect();
    for len in [24, 33, 34, 35, 36, 37, 38, 39, 40, 128, 254, 255] {
        let query = octets(&message_for(&in_zone(len), RecordType::AAAA));
        let name = format!("nxdomain for a name of {len} octets");
        cases.push(hit(name, frame(&query), Hit::NxDomain));
    }
    let binary = message_for(b"\x03\x00.\xff\x07cluster\x05local\x00", RecordType::A);
    cases.push(hit(
        "nxdomain for a label of any octets",
        frame(&octets(&binary)),
        Hit::NxDomain,
    ));
    cases
}
