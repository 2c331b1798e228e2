//! The table of packets through the packet path on the host.

use std::collections::HashSet;

use dns_common::{Dropped, Hit, Miss, Outcome, maps::Config, respond, state::State};
use hickory_proto::{op::Message, rr::RecordType};
use packets::{
    build::{
        CLIENT, Opt, Tags, UDP, a_query, dns_at, frame, message, message_for, octets, option,
        over_ip6, patched, with_opt,
    },
    cases::cases,
    fixture,
    host::{BufferPacket, HostMaps},
    model::{self, Expected},
    oracle::{self, Network},
    wire::of_length,
};

const NGINX: &str = "nginx.default.svc.cluster.local";

/// What an independent reader of the frame expects of its answer.
fn expected(frame: &[u8]) -> Expected {
    let opened = oracle::open(frame).expect("a frame that is answered can be taken apart");
    let question = model::read(opened.payload).expect("a query that is answered can be read");
    model::answer(&question).expect("the model knows an answer, too")
}

fn asking(name: &str, kind: RecordType) -> Vec<u8> {
    frame(&octets(&message(name, kind)))
}

#[test]
fn every_packet_comes_to_what_the_table_says() {
    let maps = HostMaps::fixture();
    for case in cases() {
        let (outcome, octets) = maps.run(&case.frame);
        assert_eq!(outcome, case.outcome, "{}", case.name);
        if !outcome.is_hit() {
            assert_eq!(
                octets, case.frame,
                "{}: a packet that passes is not touched",
                case.name
            );
            continue;
        }
        let expected = expected(&case.frame);
        assert_eq!(Outcome::Hit(expected.hit()), outcome, "{}", case.name);
        oracle::check(&case.frame, &octets, &expected)
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
    }
}

#[test]
fn every_name_of_the_table_is_another() {
    let mut names = HashSet::new();
    for case in cases() {
        assert!(names.insert(case.name.clone()), "{}", case.name);
    }
}

#[test]
fn the_table_reaches_every_outcome() {
    let reached: HashSet<usize> = cases().iter().map(|case| case.outcome.index()).collect();
    let elsewhere = [
        Miss::NotConfigured,
        Miss::LeaseExpired,
        Miss::RateLimited,
        Miss::NegativeOff,
        Miss::Incomplete,
        Miss::NoRoom,
    ]
    .map(Outcome::Miss)
    .into_iter()
    .chain([
        Outcome::Hit(Hit::Truncated),
        Outcome::Dropped(Dropped::RateLimited),
    ]);
    let elsewhere: HashSet<usize> = elsewhere.map(Outcome::index).collect();
    for outcome in Outcome::all() {
        let index = outcome.index();
        assert_ne!(
            reached.contains(&index),
            elsewhere.contains(&index),
            "{outcome:?} is either in the table or in a test of its own"
        );
    }
}

/// Whether a packet has some form.
type IsOf = fn(&oracle::Opened<'_>) -> bool;

#[test]
fn every_answer_comes_in_every_form() {
    let forms: [(&str, IsOf); 8] = [
        ("IPv4", |it| matches!(it.network, Network::V4(_))),
        ("IPv6", |it| matches!(it.network, Network::V6(_))),
        ("one tag", |it| it.tags.len() == 6),
        ("two tags", |it| it.tags.len() == 10),
        ("EDNS", |it| it.payload[11] == 1),
        ("no EDNS", |it| it.payload[11] == 0),
        ("odd name", |it| !name_len(it).is_multiple_of(2)),
        ("even name", |it| name_len(it).is_multiple_of(2)),
    ];
    let cases = cases();
    // Who is told to ask over TCP is in a test of its own.
    for &hit in Hit::ALL.iter().filter(|&&hit| hit != Hit::Truncated) {
        for (form, is_of) in forms {
            let is_there = cases.iter().any(|case| {
                case.outcome == Outcome::Hit(hit)
                    && oracle::open(&case.frame).is_ok_and(|it| is_of(&it))
            });
            assert!(is_there, "no {hit:?} in the form {form}");
        }
    }
}

fn name_len(opened: &oracle::Opened<'_>) -> usize {
    model::read(opened.payload).map_or(0, |question| question.name.len())
}

#[test]
fn a_damaged_header_leaves_damaged() {
    let mut frame = a_query(NGINX);
    frame[24] ^= 0x10;
    let (outcome, octets) = HostMaps::fixture().run(&frame);
    assert_eq!(outcome, Outcome::Hit(Hit::A));
    oracle::check(&frame, &octets, &expected(&frame)).unwrap();
    let Network::V4(ip) = oracle::open(&octets).unwrap().network else {
        panic!("no IPv4");
    };
    assert!(!ip.checksum_holds);
}

#[test]
fn nothing_is_answered_before_the_maps_are_written() {
    let frame = a_query(NGINX);
    let without = |take: fn(&mut HostMaps)| {
        let mut maps = HostMaps::fixture();
        take(&mut maps);
        maps
    };
    let other_version = Config {
        version: fixture::config().version + 1,
        ..fixture::config()
    };
    for (name, maps) in [
        ("all zero", HostMaps::not_configured()),
        ("another version", HostMaps::configured(other_version)),
        ("no configuration", without(|maps| maps.config = None)),
        ("no state", without(|maps| maps.state = None)),
        ("no scratch space", without(|maps| maps.scratch = None)),
    ] {
        let (outcome, octets) = maps.run(&frame);
        assert_eq!(outcome, Outcome::Miss(Miss::NotConfigured), "{name}");
        assert_eq!(octets, frame, "{name}");
    }
    // The zones are asked for only when a name is not held.
    let maps = without(|maps| maps.zones = None);
    assert_eq!(maps.run(&frame).0, Outcome::Hit(Hit::A));
    let missing = a_query("missing.cluster.local");
    assert_eq!(
        maps.run(&missing),
        (Outcome::Miss(Miss::NotConfigured), missing)
    );
}

/// What is denied in which state, and that nothing else depends on it.
#[test]
fn names_and_types_are_denied_only_as_far_as_the_maps_are_complete() {
    let state = |epoch, listed| State {
        epoch,
        listed,
        ..fixture::state()
    };
    let off = || {
        HostMaps::configured(Config {
            negative: 0,
            ..fixture::config()
        })
    };
    let nodata = asking(NGINX, RecordType::AAAA);
    let empty = asking("default.svc.cluster.local", RecordType::A);
    let nxdomain = a_query("missing.cluster.local");
    let both = (Outcome::Hit(Hit::NoData), Outcome::Hit(Hit::NxDomain));
    let incomplete = Outcome::Miss(Miss::Incomplete);
    let negative_off = (
        Outcome::Miss(Miss::NegativeOff),
        Outcome::Miss(Miss::NegativeOff),
    );
    for (name, maps, (no_data, nx_domain)) in [
        ("complete", HostMaps::in_state(state(1, 1)), both),
        (
            "another epoch",
            HostMaps::in_state(state(1 << 40, 1 << 63)),
            both,
        ),
        (
            "being changed",
            HostMaps::in_state(state(0, 1)),
            (both.0, incomplete),
        ),
        (
            "not listed",
            HostMaps::in_state(state(1, 0)),
            (incomplete, both.1),
        ),
        (
            "neither",
            HostMaps::in_state(state(0, 0)),
            (incomplete, incomplete),
        ),
        ("not allowed", off(), negative_off),
    ] {
        for (frame, wanted) in [
            (&nodata, no_data),
            (&empty, no_data),
            (&nxdomain, nx_domain),
        ] {
            let (outcome, octets) = maps.run(frame);
            assert_eq!(outcome, wanted, "{name}");
            if outcome.is_hit() {
                oracle::check(frame, &octets, &expected(frame)).unwrap();
            } else {
                assert_eq!(&octets, frame, "{name}");
            }
        }
        for (frame, wanted) in [
            (a_query(NGINX), Outcome::Hit(Hit::A)),
            (
                asking("dual.default.svc.cluster.local", RecordType::AAAA),
                Outcome::Hit(Hit::Aaaa),
            ),
            (
                asking("10.0.96.10.in-addr.arpa", RecordType::PTR),
                Outcome::Hit(Hit::Ptr),
            ),
            (
                asking(NGINX, RecordType::AXFR),
                Outcome::Miss(Miss::TypeNotServed),
            ),
            (
                asking("a", RecordType::TXT),
                Outcome::Miss(Miss::TypeNotHeld),
            ),
            (
                asking(fixture::TORN_HEAD, RecordType::TXT),
                Outcome::Miss(Miss::Torn),
            ),
            (a_query("example.com"), Outcome::Miss(Miss::OutsideZones)),
            (
                a_query("10-9-9-9.default.pod.cluster.local"),
                Outcome::Miss(Miss::ByRule),
            ),
        ] {
            assert_eq!(maps.run(&frame).0, wanted, "{name}");
        }
    }
}

#[test]
fn without_recursion_the_answer_says_so() {
    let maps = HostMaps::configured(Config {
        recursion: 0,
        ..fixture::config()
    });
    for frame in [a_query(NGINX), a_query("missing.cluster.local")] {
        let (outcome, octets) = maps.run(&frame);
        assert!(outcome.is_hit());
        let payload = oracle::open(&octets).unwrap().payload;
        let answer = Message::from_vec(payload).unwrap();
        assert!(!answer.metadata.recursion_available);
        oracle::check_udp_checksum(&octets).unwrap();
    }
}

#[test]
fn a_packet_that_can_not_take_its_length_passes_untouched() {
    let maps = HostMaps::fixture();
    let padding = Opt {
        options: option(12, &[0; 300]),
        ..Opt::default()
    };
    let short = octets(&message(NGINX, RecordType::A));
    for octets in [
        frame(&short),
        over_ip6(&short),
        Tags::Two(1, 2).over_ip6(&with_opt(short.clone(), &Opt::default())),
        frame(&octets(&message_for(
            &of_length("headless", 48, "cluster.local"),
            RecordType::A,
        ))),
        a_query("missing.cluster.local"),
        // The answer is shorter than the query.
        frame(&with_opt(short.clone(), &padding)),
    ] {
        let len = maps.run(&octets).1.len();
        for limit in [0, len / 2, len - 16, len - 1, len] {
            let mut packet = BufferPacket {
                limit,
                octets: octets.clone(),
            };
            let outcome = respond(&mut packet, &maps);
            if limit < len {
                assert_eq!(outcome, Outcome::Miss(Miss::NoRoom));
                assert_eq!(packet.octets, octets);
            } else {
                assert!(outcome.is_hit());
                assert_eq!(packet.octets.len(), len);
            }
        }
    }
}

/// Clients that take the first address share the load.
#[test]
fn consecutive_ids_begin_with_different_addresses() {
    let maps = HostMaps::fixture();
    for (len, kind, count) in [
        (25, RecordType::A, 2),
        (26, RecordType::AAAA, 2),
        (27, RecordType::A, 3),
        (40, RecordType::A, 26),
        (40, RecordType::AAAA, 17),
        (53, RecordType::A, 72),
        (7, RecordType::AAAA, 25),
    ] {
        let zone = if len == 7 { "k" } else { "cluster.local" };
        for from in [0_u16, 4711, 65_535 - 100] {
            let mut first = HashSet::new();
            for id in (from..).take(count) {
                let mut query = message_for(&of_length("headless", len, zone), kind);
                query.metadata.id = id;
                let (outcome, response) =
                    maps.run(&frame(&with_opt(octets(&query), &Opt::default())));
                assert!(outcome.is_hit());
                let payload = oracle::open(&response).unwrap().payload;
                let answer = Message::from_vec(payload).unwrap();
                let all: HashSet<_> = answer.answers.iter().map(|it| it.data.ip_addr()).collect();
                assert_eq!(all.len(), count, "none is missing, none is twice");
                first.insert(answer.answers[0].data.ip_addr());
            }
            assert_eq!(first.len(), count, "{kind} of {count} from id {from}");
        }
    }
}

/// The checksum of UDP is a sum that comes out zero for one in 65,536: then it is sent as all ones.
#[test]
fn a_udp_checksum_of_zero_is_sent_as_ones() {
    let maps = HostMaps::fixture();
    for (over, is_ip6) in [(frame as fn(&[u8]) -> _, false), (over_ip6, true)] {
        let dns = dns_at(Tags::None, is_ip6);
        let with_id = |id: [u8; 2]| {
            let frame = over(&octets(&message(NGINX, RecordType::A)));
            let frame = patched(frame, dns, &id);
            let (outcome, octets) = maps.run(&frame);
            assert_eq!(outcome, Outcome::Hit(Hit::A));
            oracle::check_udp_checksum(&octets).unwrap();
            [octets[dns - 2], octets[dns - 1]]
        };
        // The sum that lacks this much makes it all ones, and the checksum its complement.
        let id = with_id([0, 0]);
        assert_eq!(with_id(id), [0xff, 0xff]);
        let [high, low] = id;
        assert_ne!(with_id([high, low ^ 1]), [0xff, 0xff]);
    }
}

/// Whoever changes the fixture is told that other tests count on these.
#[test]
fn the_fixture_is_what_it_says() {
    let names = fixture::names();
    let distinct: HashSet<_> = names.iter().map(|known| &known.name).collect();
    assert_eq!(distinct.len(), names.len());
    let keys: HashSet<_> = fixture::entries().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), names.len());
    let remainders: HashSet<_> = names.iter().map(|known| known.name.len() % 8).collect();
    assert_eq!(remainders.len(), 8);
    assert_eq!(fixture::wire(&fixture::longest_name()).len(), 255);
    assert_eq!(fixture::wire(&fixture::most_labels()).len(), 255);
    assert_eq!(a_query(NGINX)[26..30], CLIENT.octets());
    assert_eq!(UDP + 8, dns_at(Tags::None, false));
}
