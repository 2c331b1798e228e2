//! The table of packets through the packet path on the host.

use std::{collections::HashSet, net::Ipv4Addr};

use dns_common::{Miss, Outcome, respond};
use hickory_proto::op::Message;
use packets::{
    build::{DNS, a_query},
    cases::cases,
    fixture::{HELD, TTL},
    host::{BufferPacket, HostMaps},
    oracle,
};

/// The address that the fixture holds for the name a frame asks for.
fn held_address(frame: &[u8]) -> Ipv4Addr {
    let message = Message::from_vec(&frame[DNS..]).expect("a query that is answered is a message");
    let name = message.queries[0].name().to_ascii().to_ascii_lowercase();
    HELD.iter()
        .find(|(held, _)| format!("{held}.") == name)
        .map_or(Ipv4Addr::new(10, 96, 255, 255), |&(_, address)| address)
}

#[test]
fn every_packet_comes_to_what_the_table_says() {
    let maps = HostMaps::fixture();
    for case in cases() {
        let (outcome, octets) = maps.run(&case.frame);
        assert_eq!(Outcome::from(outcome), case.outcome, "{}", case.name);
        if outcome.is_err() {
            assert_eq!(
                octets, case.frame,
                "{}: a packet that passes is not touched",
                case.name
            );
            continue;
        }
        oracle::check(&case.frame, &octets, held_address(&case.frame), TTL)
            .and_then(|()| oracle::check_udp_checksum(&octets))
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
    }
}

#[test]
fn a_response_has_no_congestion_mark_and_keeps_its_class() {
    let maps = HostMaps::fixture();
    let case = cases()
        .into_iter()
        .find(|case| case.name == "with DSCP and ECN")
        .unwrap();
    let (_, octets) = maps.run(&case.frame);
    assert_eq!(octets[15], 46 << 2);
}

#[test]
fn a_damaged_header_leaves_damaged() {
    let mut frame = a_query("nginx.default.svc.cluster.local");
    frame[24] ^= 0x10;
    let (outcome, octets) = HostMaps::fixture().run(&frame);
    assert!(outcome.is_ok());
    let error = oracle::check(&frame, &octets, Ipv4Addr::new(10, 96, 0, 20), TTL);
    assert!(error.unwrap_err().contains("IPv4 checksum"));
}

#[test]
fn nothing_is_answered_before_the_maps_are_written() {
    let frame = a_query("nginx.default.svc.cluster.local");
    let (outcome, octets) = HostMaps::not_configured().run(&frame);
    assert_eq!(outcome, Err(Miss::NotConfigured));
    assert_eq!(octets, frame);
}

#[test]
fn a_packet_that_can_not_grow_passes_untouched() {
    let octets = a_query("nginx.default.svc.cluster.local");
    for spare in 0..16 {
        let mut packet = BufferPacket {
            limit: octets.len() + spare,
            octets: octets.clone(),
        };
        assert_eq!(
            respond(&mut packet, &HostMaps::fixture()),
            Err(Miss::NoRoom)
        );
        assert_eq!(packet.octets, octets);
    }
}

#[test]
fn the_table_reaches_every_outcome() {
    let reached: HashSet<usize> = cases().iter().map(|case| case.outcome.index()).collect();
    let elsewhere = [Miss::NotConfigured, Miss::NoRoom].map(|miss| Outcome::Miss(miss).index());
    for outcome in Outcome::all() {
        assert!(
            reached.contains(&outcome.index()) || elsewhere.contains(&outcome.index()),
            "no packet of the table comes to {outcome:?}"
        );
    }
}
