//! The packets of the table that pass, in the order in which the packet path finds out.

use std::net::Ipv4Addr;

use dns_common::Miss;
use etherparse::{IpFragOffset, Ipv4Options};
use hickory_proto::{
    op::{Edns, OpCode},
    rr::{DNSClass, RData, Record, RecordType, rdata},
};

use super::{Case, NGINX, miss};
use crate::{
    build::{
        DNS, IP, UDP, a_query, extended, frame, frame_to, frame_with_ip, ip_header, message,
        octets, patched,
    },
    fixture::{SAME_HASH, SAME_HASH_SHORTER, SERVICE, TORN, WITHOUT_ADDRESS},
};

pub(super) fn link_and_network() -> Vec<Case> {
    let query = octets(&message(NGINX, RecordType::A));
    let mut options = ip_header();
    options.options = Ipv4Options::try_from(&[1_u8, 1, 1, 0][..]).expect("no-operation options");
    let mut more = ip_header();
    more.more_fragments = true;
    let mut later = ip_header();
    later.fragment_offset = IpFragOffset::try_new(8).expect("a small offset");
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
            "IPv6",
            patched(a_query(NGINX), 12, &[0x86, 0xdd]),
            Miss::NotIpv4,
        ),
        miss(
            "ARP",
            patched(a_query(NGINX), 12, &[0x08, 0x06]),
            Miss::NotIpv4,
        ),
        miss(
            "a VLAN tag",
            patched(a_query(NGINX), 12, &[0x81, 0x00]),
            Miss::NotIpv4,
        ),
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

pub(super) fn header() -> Vec<Case> {
    let query = message(NGINX, RecordType::A);
    let mut status = query.clone();
    status.metadata.op_code = OpCode::Status;
    let mut notify = query.clone();
    notify.metadata.op_code = OpCode::Notify;
    let mut two = query.clone();
    two.add_query(query.queries[0].clone());
    let record = Record::from_rdata(
        query.queries[0].name().clone(),
        5,
        RData::A(rdata::A::new(10, 0, 0, 1)),
    );
    let mut answered = query.clone();
    answered.add_answer(record.clone());
    let mut authority = query.clone();
    authority.add_authority(record.clone());
    let mut additional = query.clone();
    additional.add_additional(record);
    let mut edns = query.clone();
    edns.set_edns(Edns::new());
    let with_flags = |first: u8, second: u8| patched(a_query(NGINX), DNS + 2, &[first, second]);
    vec![
        miss("a response", with_flags(0x81, 0), Miss::Response),
        miss("opcode STATUS", frame(&octets(&status)), Miss::Opcode),
        miss("opcode NOTIFY", frame(&octets(&notify)), Miss::Opcode),
        miss("AA in a query", with_flags(0x05, 0), Miss::HeaderBits),
        miss("TC in a query", with_flags(0x03, 0), Miss::HeaderBits),
        miss("RA in a query", with_flags(0x01, 0x80), Miss::HeaderBits),
        miss("the Z bit", with_flags(0x01, 0x40), Miss::HeaderBits),
        miss(
            "an RCODE in a query",
            with_flags(0x01, 0x03),
            Miss::HeaderBits,
        ),
        miss(
            "no question",
            patched(a_query(NGINX), DNS + 4, &[0, 0]),
            Miss::QuestionCount,
        ),
        miss("two questions", frame(&octets(&two)), Miss::QuestionCount),
        miss(
            "257 questions",
            patched(a_query(NGINX), DNS + 4, &[1, 1]),
            Miss::QuestionCount,
        ),
        miss(
            "an answer record",
            frame(&octets(&answered)),
            Miss::RecordCount,
        ),
        miss(
            "an authority record",
            frame(&octets(&authority)),
            Miss::RecordCount,
        ),
        miss(
            "an additional record",
            frame(&octets(&additional)),
            Miss::Additional,
        ),
        miss("EDNS", frame(&octets(&edns)), Miss::Additional),
    ]
}

pub(super) fn question() -> Vec<Case> {
    let query = octets(&message(NGINX, RecordType::A));
    let asking = |name: &[u8]| {
        let mut payload = query[..12].to_vec();
        payload.extend_from_slice(name);
        payload.extend_from_slice(&[0, 1, 0, 1]);
        frame(&payload)
    };
    let mut chaos = message(NGINX, RecordType::A);
    chaos.queries[0].set_query_class(DNSClass::CH);
    let mut too_long = [1, b'x'].repeat(127);
    too_long.extend_from_slice(&[1, b'x', 0]);
    vec![
        miss(
            "a name that is a pointer",
            asking(&[0xc0, 0x0c]),
            Miss::Compressed,
        ),
        miss(
            "a name that ends in a pointer",
            asking(b"\x05nginx\xc0\x0c"),
            Miss::Compressed,
        ),
        miss(
            "an extended label type",
            asking(&[0x41, 0, 0]),
            Miss::LabelType,
        ),
        miss("a label of 64 octets", asking(&[0x40; 66]), Miss::LabelType),
        miss("a name of 257 octets", asking(&too_long), Miss::NameTooLong),
        miss(
            "a name of 256 octets",
            {
                let mut name = vec![];
                for length in [63_u8, 63, 63, 62] {
                    name.push(length);
                    name.extend(std::iter::repeat_n(b'y', length.into()));
                }
                name.push(0);
                asking(&name)
            },
            Miss::NameTooLong,
        ),
        miss(
            "a name that runs past the datagram",
            frame(&query[..20]),
            Miss::Truncated,
        ),
        miss(
            "a question without type",
            frame(&query[..query.len() - 4]),
            Miss::Truncated,
        ),
        miss(
            "a question without class",
            frame(&query[..query.len() - 2]),
            Miss::Truncated,
        ),
        miss(
            "a question completed only by padding",
            {
                // IPv4 and UDP end inside the question; what follows is padding of the frame.
                let mut padded = frame(&query[..query.len() - 2]);
                padded.extend_from_slice(&[0, 1]);
                padded
            },
            Miss::Truncated,
        ),
        miss(
            "octets behind the question",
            extended(a_query(NGINX), b"x"),
            Miss::TrailingOctets,
        ),
        miss("class CHAOS", frame(&octets(&chaos)), Miss::Class),
    ]
}

pub(super) fn lookup() -> Vec<Case> {
    let asking = |kind| frame(&octets(&message(NGINX, kind)));
    vec![
        miss("AAAA", asking(RecordType::AAAA), Miss::TypeNotServed),
        miss("SRV", asking(RecordType::SRV), Miss::TypeNotServed),
        miss("ANY", asking(RecordType::ANY), Miss::TypeNotServed),
        miss(
            "the root",
            frame(&octets(&message("", RecordType::A))),
            Miss::UnknownName,
        ),
        miss(
            "an unknown name",
            a_query("unknown.default.svc.cluster.local"),
            Miss::UnknownName,
        ),
        miss(
            "a prefix of a held name",
            a_query("nginx.default.svc.cluster"),
            Miss::UnknownName,
        ),
        miss(
            "a suffix of a held name",
            a_query("default.svc.cluster.local"),
            Miss::UnknownName,
        ),
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
            "a name without an IPv4 address",
            a_query(WITHOUT_ADDRESS),
            Miss::TypeNotHeld,
        ),
        miss("an entry that is being replaced", a_query(TORN), Miss::Torn),
    ]
}
