//! Questions over IPv6 and in VLANs that are answered.

use dns_common::Hit;
use etherparse::{IpHeaders, Ipv6Extensions};
use hickory_proto::rr::RecordType;

use super::{Case, NGINX, hit};
use crate::build::{Tags, edns, frame_over, ip6_header, message, octets, over_ip6, patched};

/// Every way in which a frame can carry tags.
pub(super) const TAGS: [Tags; 5] = [
    Tags::None,
    Tags::One(7),
    Tags::Service(4094),
    Tags::Two(1, 4095),
    Tags::ServiceAndOne(100, 200),
];

pub(super) fn hits() -> Vec<Case> {
    let questions = [
        ("an even name", NGINX, RecordType::A, Hit::A),
        (
            "an odd name",
            "nginx1.default.svc.cluster.local",
            RecordType::A,
            Hit::A,
        ),
        ("no IPv6 address", NGINX, RecordType::AAAA, Hit::NoData),
        (
            "an IPv6 address",
            "dual.default.svc.cluster.local",
            RecordType::AAAA,
            Hit::Aaaa,
        ),
        (
            "an unknown name",
            "unknown.cluster.local",
            RecordType::A,
            Hit::NxDomain,
        ),
        (
            "a pointer",
            "10.0.96.10.in-addr.arpa",
            RecordType::PTR,
            Hit::Ptr,
        ),
        ("a short name", "k.k", RecordType::A, Hit::NxDomain),
    ];
    let mut cases = vec![];
    for (title, name, kind, answer) in questions {
        let plain = message(name, kind);
        let with_edns = edns(plain.clone(), 1232, true, &[]);
        for (query, with) in [(plain, ""), (with_edns, " with EDNS")] {
            let payload = octets(&query);
            for tags in TAGS {
                let name = |ip: &str| format!("{title}{with} over {ip}, tags {tags:?}");
                cases.push(hit(name("IPv4"), tags.over_ip4(&payload), answer));
                cases.push(hit(name("IPv6"), tags.over_ip6(&payload), answer));
            }
        }
    }
    let query = octets(&message(NGINX, RecordType::A));
    for (traffic_class, flow_label) in [(0xff, 0xf_ffff), (0xb9, 1), (0x03, 0x8_0000), (0x04, 0)] {
        let mut ip = ip6_header();
        ip.traffic_class = traffic_class;
        ip.flow_label = flow_label.try_into().expect("twenty bits");
        ip.hop_limit = 1;
        let frame = frame_over(
            Tags::None,
            IpHeaders::Ipv6(ip, Ipv6Extensions::default()),
            &query,
        );
        let name = format!("IPv6 with traffic class {traffic_class:#x} and a flow label");
        cases.push(hit(name, frame, Hit::A));
    }
    let mut padded = over_ip6(&query);
    padded.extend([0x55; 33]);
    cases.extend([
        hit("IPv6 with padding behind the datagram", padded, Hit::A),
        hit(
            "a VLAN tag with priority and drop bits",
            patched(Tags::One(7).over_ip4(&query), 14, &[0xf0, 0x07]),
            Hit::A,
        ),
    ]);
    cases
}
