//! Packets that pass because of their headers below DNS, in the order in which the packet path finds out.

use std::net::Ipv4Addr;

use dns_common::Miss;
use etherparse::{IpFragOffset, Ipv4Options};
use hickory_proto::rr::RecordType;

use super::{Case, NGINX, miss};
use crate::{
    build::{
        IP, Tags, UDP, UDP6, a_query, frame, frame_to, frame_with_ip, ip_header, message, octets,
        over_ip6, patched,
    },
    fixture::SERVICE,
};

pub(super) fn link() -> Vec<Case> {
    let query = octets(&message(NGINX, RecordType::A));
    let retyped = |tags: Tags, at, octets: &[u8]| patched(tags.over_ip4(&query), at, octets);
    vec![
        miss(
            "a frame of fifteen octets",
            a_query(NGINX)[..15].to_vec(),
            Miss::Truncated,
        ),
        miss(
            "a broadcast",
            patched(a_query(NGINX), 0, &[0xff; 6]),
            Miss::NotUnicast,
        ),
        miss(
            "ARP",
            patched(a_query(NGINX), 12, &[0x08, 0x06]),
            Miss::NotIp,
        ),
        miss(
            "a third VLAN tag",
            retyped(Tags::Two(1, 2), 20, &[0x81, 0]),
            Miss::NotIp,
        ),
        miss(
            "a tag of 802.1ad in one of 802.1Q",
            retyped(Tags::Two(1, 2), 16, &[0x88, 0xa8]),
            Miss::NotIp,
        ),
        miss(
            "an outer tag as before 802.1ad",
            retyped(Tags::Two(1, 2), 12, &[0x91, 0]),
            Miss::NotIp,
        ),
        miss(
            "ARP in a VLAN",
            retyped(Tags::One(1), 16, &[8, 6]),
            Miss::NotIp,
        ),
        miss(
            "IPv6 that says it is IPv4",
            patched(over_ip6(&query), 12, &[0x08, 0]),
            Miss::IpHeader,
        ),
        miss(
            "a cut VLAN tag",
            Tags::One(1).over_ip4(&query)[..17].to_vec(),
            Miss::Truncated,
        ),
        miss(
            "a cut second VLAN tag",
            Tags::Two(1, 2).over_ip4(&query)[..21].to_vec(),
            Miss::Truncated,
        ),
        miss(
            "a cut IPv4 header in two VLANs",
            Tags::Two(1, 2).over_ip4(&query)[..41].to_vec(),
            Miss::Truncated,
        ),
    ]
}

pub(super) fn ipv4() -> Vec<Case> {
    let query = octets(&message(NGINX, RecordType::A));
    let mut options = ip_header();
    options.options = Ipv4Options::try_from(&[1_u8, 1, 1, 0][..]).expect("no-operation options");
    let mut more = ip_header();
    more.more_fragments = true;
    let mut later = ip_header();
    later.fragment_offset = IpFragOffset::try_new(8).expect("a small offset");
    vec![
        miss(
            "a cut IPv4 header",
            a_query(NGINX)[..33].to_vec(),
            Miss::Truncated,
        ),
        miss(
            "version 6 in IPv4",
            patched(a_query(NGINX), IP, &[0x65]),
            Miss::IpHeader,
        ),
        miss(
            "a header of four words",
            patched(a_query(NGINX), IP, &[0x44]),
            Miss::IpHeader,
        ),
        miss(
            "IPv4 options",
            frame_with_ip(options, &query),
            Miss::IpOptions,
        ),
        miss("TCP", patched(a_query(NGINX), IP + 9, &[6]), Miss::NotUdp),
        miss(
            "a first fragment",
            frame_with_ip(more, &query),
            Miss::Fragment,
        ),
        miss(
            "a later fragment",
            frame_with_ip(later, &query),
            Miss::Fragment,
        ),
        miss(
            "the reserved fragment bit",
            patched(a_query(NGINX), IP + 6, &[0x80, 0]),
            Miss::Fragment,
        ),
        miss(
            "an IPv4 length below its headers",
            patched(a_query(NGINX), IP + 2, &[0, 27]),
            Miss::IpHeader,
        ),
        miss(
            "lengths past the frame",
            {
                let mut cut = a_query(NGINX);
                cut.pop();
                cut
            },
            Miss::Truncated,
        ),
    ]
}

pub(super) fn ipv6() -> Vec<Case> {
    let query = octets(&message(NGINX, RecordType::A));
    let with = |at, octets: &[u8]| patched(over_ip6(&query), at, octets);
    let mut cases = vec![
        miss(
            "IPv4 that says it is IPv6",
            patched(a_query(NGINX), 12, &[0x86, 0xdd]),
            Miss::IpHeader,
        ),
        miss(
            "a cut IPv6 header",
            over_ip6(&query)[..IP + 39].to_vec(),
            Miss::Truncated,
        ),
        miss("TCP over IPv6", with(IP + 6, &[6]), Miss::NotUdp),
        miss("ICMPv6", with(IP + 6, &[58]), Miss::NotUdp),
        miss(
            "no header behind that of IPv6",
            with(IP + 6, &[59]),
            Miss::NotUdp,
        ),
        miss(
            "an IPv6 payload shorter than UDP",
            with(IP + 4, &[0, 7]),
            Miss::IpHeader,
        ),
        miss(
            "an IPv6 payload of no octets",
            with(IP + 4, &[0, 0]),
            Miss::IpHeader,
        ),
        miss(
            "an IPv6 payload longer than UDP",
            with(IP + 4, &[0, 60]),
            Miss::UdpLength,
        ),
        miss(
            "IPv6 without a UDP checksum",
            with(UDP6 + 6, &[0, 0]),
            Miss::NoChecksum,
        ),
        miss(
            "IPv6 without its last octet",
            over_ip6(&query)[..UDP6 + 8 + query.len() - 1].to_vec(),
            Miss::Truncated,
        ),
        miss(
            "IPv6 multicast",
            with(0, &[0x33, 0x33, 0, 0, 0, 1]),
            Miss::NotUnicast,
        ),
    ];
    // Hop-by-hop options, routing, fragment, ESP, AH, destination options, mobility, HIP, shim6.
    for extension in [0, 43, 44, 50, 51, 60, 135, 139, 140] {
        let name = format!("extension header {extension} of IPv6");
        cases.push(miss(name, with(IP + 6, &[extension]), Miss::IpOptions));
    }
    cases
}

pub(super) fn transport() -> Vec<Case> {
    let query = octets(&message(NGINX, RecordType::A));
    vec![
        miss(
            "a cut UDP header",
            a_query(NGINX)[..41].to_vec(),
            Miss::Truncated,
        ),
        miss(
            "another port",
            frame_to(SERVICE, 80, &query),
            Miss::OtherPort,
        ),
        miss(
            "a port that shares the filter's bit",
            frame_to(SERVICE, 53 + 64, &query),
            Miss::OtherAddress,
        ),
        miss(
            "another DNS server",
            frame_to(Ipv4Addr::new(8, 8, 8, 8), 53, &query),
            Miss::OtherAddress,
        ),
        miss(
            "a neighbour of the service",
            frame_to(Ipv4Addr::new(10, 96, 0, 11), 53, &query),
            Miss::OtherAddress,
        ),
        miss(
            "another DNS server over IPv6",
            patched(over_ip6(&query), IP + 39, &[0xb]),
            Miss::OtherAddress,
        ),
        miss(
            "the IPv4 address, mapped into IPv6, over IPv6",
            patched(
                over_ip6(&query),
                IP + 24,
                &SERVICE.to_ipv6_mapped().octets(),
            ),
            Miss::OtherAddress,
        ),
        miss(
            "another network over IPv6",
            patched(over_ip6(&query), IP + 24, &[0xfe]),
            Miss::OtherAddress,
        ),
        miss(
            "another port over IPv6",
            patched(over_ip6(&query), UDP6 + 2, &[0, 80]),
            Miss::OtherPort,
        ),
        miss(
            "a cut UDP header over IPv6",
            over_ip6(&query)[..UDP6 + 7].to_vec(),
            Miss::Truncated,
        ),
        miss(
            "UDP shorter than IPv4",
            patched(a_query(NGINX), UDP + 4, &[0, 20]),
            Miss::UdpLength,
        ),
        miss(
            "UDP longer than IPv4",
            patched(a_query(NGINX), UDP + 4, &[0, 200]),
            Miss::UdpLength,
        ),
        miss("an empty datagram", frame(&[]), Miss::Truncated),
        miss("half a DNS header", frame(&query[..6]), Miss::Truncated),
    ]
}
