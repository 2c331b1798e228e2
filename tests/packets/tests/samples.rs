//! Samples of the packets of the table: what they tell is what an independent reader finds in the packet as it came.

use dns_common::{
    Frame, Outcome,
    sample::{SampleCells, Taken, take},
};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use packets::{cases::cases, host::HostMaps};

/// Octets that a sample has of a packet from the question on: name, type, class, rounded up to words.
const LONGEST: usize = 264;

/// The client's address and the octets from the question on, read by etherparse.
fn independent(frame: &[u8]) -> ([u8; 16], Vec<u8>) {
    let packet = SlicedPacket::from_ethernet(frame).expect("a query has whole headers");
    let client = match packet.net.expect("a query has an IP header") {
        NetSlice::Ipv4(ip) => ip.header().source_addr().to_ipv6_mapped().octets(),
        NetSlice::Ipv6(ip) => ip.header().source_addr().octets(),
        NetSlice::Arp(_) => panic!("no query"),
    };
    let Some(TransportSlice::Udp(udp)) = packet.transport else {
        panic!("a query comes by UDP");
    };
    (client, udp.payload().get(12..).unwrap_or(&[]).to_vec())
}

#[test]
fn a_sample_is_of_the_query_as_it_came() {
    let maps = HostMaps::fixture();
    let mut samples = 0;
    for case in cases() {
        let (outcome, mut octets) = maps.run(&case.frame);
        if !outcome.is_query() {
            continue;
        }
        let (client, question) = independent(&case.frame);
        let cells = SampleCells::default();
        let taken = Taken {
            outcome: outcome.index(),
            shift: 7,
            interface: u32::MAX - 1,
        };
        take(&Frame::from_slice(&mut octets), taken, &cells)
            .unwrap_or_else(|| panic!("{}: no sample", case.name));
        let sample = cells.sample();
        assert_eq!(sample.outcome(), Some(outcome), "{}", case.name);
        assert_eq!(sample.taken(), taken, "{}", case.name);
        assert_eq!(sample.client(), client, "{}", case.name);
        // An answer changes what follows the question; that it has one, the packet path has found.
        let common = match outcome {
            Outcome::Hit(_) => {
                let name = question.iter().position(|&octet| octet == 0);
                name.expect("a name has an end") + 5
            }
            Outcome::Miss(_) | Outcome::Dropped(_) => question.len().min(LONGEST),
        };
        assert_eq!(
            sample.question()[..common],
            question[..common],
            "{}",
            case.name
        );
        samples += 1;
    }
    assert!(samples > 100, "{samples} of the cases are queries");
}

#[test]
fn no_packet_is_too_short_to_be_refused() {
    for case in cases() {
        for len in 0..case.frame.len() {
            let mut frame = case.frame[..len].to_vec();
            let taken = Taken {
                outcome: 0,
                shift: 0,
                interface: 1,
            };
            let cells = SampleCells::default();
            let sample = take(&Frame::from_slice(&mut frame), taken, &cells);
            // Ethernet, IPv4, UDP and DNS header: with less there is nothing to sample.
            assert!(sample.is_none() || len >= 54, "{}: {len} octets", case.name);
        }
    }
}
