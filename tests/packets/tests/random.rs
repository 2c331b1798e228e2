//! Random packets through the packet path: no panic, no access outside, no touch of what passes, no wrong answer.
//!
//! The number of cases is that of `PROPTEST_CASES` (256 unless set); a release run of a million takes
//! about a minute: `PROPTEST_CASES=1000000 cargo test --release -p packets --test random`.

use std::{collections::HashMap, net::Ipv4Addr};

use dns_common::{Frame, Hit, Miss, Packet, respond};
use etherparse::IpDscp;
use hickory_proto::{
    op::{Message, MessageType, OpCode},
    rr::{DNSClass, RecordType},
};
use packets::{
    build::{DNS, a_query, frame_with_ip, ip_header, message, octets},
    cases::cases,
    fixture::{HELD, TTL, longest_name, most_labels},
    host::HostMaps,
    oracle,
};
use proptest::prelude::*;

/// A packet between two regions of known octets.
struct Guarded {
    octets: Vec<u8>,
    len: usize,
    guard: u8,
}

const MARGIN: usize = 320;

impl Guarded {
    fn new(packet: &[u8], guard: u8) -> Self {
        let mut octets = vec![guard; MARGIN];
        octets.extend_from_slice(packet);
        octets.extend(std::iter::repeat_n(guard, MARGIN));
        Self {
            octets,
            len: packet.len(),
            guard,
        }
    }

    fn packet(&self) -> &[u8] {
        &self.octets[MARGIN..MARGIN + self.len]
    }

    fn guards_hold(&self) -> bool {
        let after = &self.octets[MARGIN + self.len..];
        let mut guards = self.octets[..MARGIN].iter().chain(after);
        guards.all(|&octet| octet == self.guard)
    }
}

impl Packet for Guarded {
    fn frame(&mut self) -> Frame<'_> {
        Frame::from_slice(&mut self.octets[MARGIN..MARGIN + self.len])
    }

    fn resize(&mut self, from: usize, to: usize) -> Result<(), Miss> {
        assert_eq!(from, self.len);
        let guard = self.guard;
        self.octets.truncate(MARGIN + to.min(from));
        self.octets.resize(MARGIN + to, 0);
        self.octets.extend(std::iter::repeat_n(guard, MARGIN));
        self.len = to;
        Ok(())
    }
}

/// Runs the packet twice, among different neighbours: a read outside would make a difference.
fn run(maps: &HostMaps, packet: &[u8]) -> (Result<Hit, Miss>, Vec<u8>) {
    let results = [0x00, 0xff].map(|guard| {
        let mut guarded = Guarded::new(packet, guard);
        let outcome = respond(&mut guarded, maps);
        assert!(guarded.guards_hold(), "written outside of the packet");
        (outcome, guarded.packet().to_vec())
    });
    let [first, second] = results;
    assert_eq!(first, second, "what lies outside of the packet was read");
    if first.0.is_err() {
        assert_eq!(first.1, packet, "a packet that passes is not touched");
    }
    first
}

fn held() -> HashMap<String, Ipv4Addr> {
    let far = Ipv4Addr::new(10, 96, 255, 255);
    let mut held: HashMap<_, _> = HELD
        .iter()
        .map(|&(name, address)| (format!("{name}."), address))
        .collect();
    held.insert(format!("{}.", longest_name()), far);
    held.insert(format!("{}.", most_labels()), far);
    held
}

/// What an independent reader makes of the DNS message: the address that has to be answered, if any.
fn expected(payload: &[u8]) -> Option<Ipv4Addr> {
    let message = Message::from_vec(payload).ok()?;
    let header = &message.metadata;
    let plain = header.message_type == MessageType::Query
        && header.op_code == OpCode::Query
        && message.edns.is_none()
        && message.signature.is_none()
        && message.answers.len() + message.authorities.len() + message.additionals.len() == 0;
    let [query] = message.queries.as_slice() else {
        return None;
    };
    let asks = query.query_type() == RecordType::A && query.query_class() == DNSClass::IN;
    let name = query.name().to_ascii().to_ascii_lowercase();
    (plain && asks)
        .then(|| held().get(&name).copied())
        .flatten()
}

/// A frame of the table.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    proptest::sample::select(cases()).prop_map(|case| case.frame)
}

/// A name that is held, or one that is nearly held.
fn near_name() -> impl Strategy<Value = String> {
    let names: Vec<String> = held()
        .into_keys()
        .map(|name| name.trim_end_matches('.').to_owned())
        .collect();
    let flip = any::<(bool, proptest::sample::Index, u8)>();
    (proptest::sample::select(names), any::<u64>(), flip).prop_map(
        |(name, cases, (flip, at, to))| {
            let mut name: Vec<u8> = name
                .bytes()
                .enumerate()
                .map(|(at, octet)| {
                    if cases >> (at % 64) & 1 == 1 {
                        octet.to_ascii_uppercase()
                    } else {
                        octet
                    }
                })
                .collect();
            let at = at.index(name.len());
            if flip && name[at] != b'.' {
                name[at] = b"abcdefghijklmnopqrstuvwxyz0123456789-"[usize::from(to) % 37];
            }
            String::from_utf8(name).expect("names are ASCII")
        },
    )
}

proptest! {
    #[test]
    fn any_octets_pass(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        let (outcome, _) = run(&HostMaps::fixture(), &octets);
        prop_assert!(outcome.is_err());
    }

    #[test]
    fn a_damaged_packet_is_never_answered_wrongly(
        frame in any_frame(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
        more in proptest::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut frame = frame;
        for (at, octet) in damage {
            let at = at.index(frame.len());
            frame[at] = octet;
        }
        if let Some(cut) = cut {
            frame.truncate(cut.index(frame.len()));
        }
        frame.extend(more);
        let (outcome, octets) = run(&HostMaps::fixture(), &frame);
        if outcome.is_ok() {
            let len = usize::from(u16::from_be_bytes([frame[38], frame[39]])) - 8;
            let address = expected(&frame[DNS..DNS + len]);
            prop_assert!(address.is_some(), "answered what an independent reader would not");
            // The headers of a damaged packet may be wrong in ways that do not matter to the answer.
            let answer = Message::from_vec(&octets[DNS..]).unwrap();
            prop_assert_eq!(answer.answers.len(), 1);
            prop_assert_eq!(answer.answers[0].data.ip_addr(), address.map(Into::into));
            oracle::check_udp_checksum(&octets).map_err(TestCaseError::fail)?;
        }
    }

    #[test]
    fn a_name_is_answered_if_and_only_if_it_is_held(
        name in near_name(), rd: bool, id: u16, ip_id: u16, ttl: u8, dscp in 0_u8..64,
    ) {
        let mut query = message(&name, RecordType::A);
        query.metadata.recursion_desired = rd;
        query.metadata.id = id;
        let mut ip = ip_header();
        ip.identification = ip_id;
        ip.time_to_live = ttl;
        ip.dscp = IpDscp::try_new(dscp).expect("six bits");
        let packet = frame_with_ip(ip, &octets(&query));
        let (outcome, response) = run(&HostMaps::fixture(), &packet);
        if let Some(&address) = held().get(&format!("{}.", name.to_ascii_lowercase())) {
            prop_assert_eq!(outcome, Ok(Hit::A));
            oracle::check(&packet, &response, address, TTL)
                .and_then(|()| oracle::check_udp_checksum(&response))
                .map_err(TestCaseError::fail)?;
        } else {
            prop_assert_eq!(outcome, Err(Miss::UnknownName));
        }
    }

    #[test]
    fn every_type_but_a_passes(kind: u16) {
        prop_assume!(kind != 1);
        let (at, mut packet) = (a_query("nginx.default.svc.cluster.local").len() - 4, a_query("nginx.default.svc.cluster.local"));
        packet[at..at + 2].copy_from_slice(&kind.to_be_bytes());
        let (outcome, _) = run(&HostMaps::fixture(), &packet);
        prop_assert_eq!(outcome, Err(Miss::TypeNotServed));
    }
}
