//! Which zone a name lies in: at every length of a zone, and for labels of any octets.

use bytemuck::Zeroable as _;
use dns_common::{
    Hit, Miss, Outcome,
    zones::{MAX_ZONES, ZoneError, Zones},
};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{RData, RecordType},
};
use packets::{
    build::{Tags, frame, message_for, octets},
    host::HostMaps,
    oracle,
    wire::{self, of_length, wire},
};

fn maps(zones: &[(&[u8], bool)]) -> HostMaps {
    let mut content = Zones::zeroed();
    for &(zone, by_rule) in zones {
        content.push(zone, by_rule).expect("there is room");
    }
    let mut maps = HostMaps::with_zones(content);
    maps.names.clear();
    maps
}

/// The zone that denies the name, as the answer's SOA record says; or why there is no answer.
fn denied_by(maps: &HostMaps, name: &[u8]) -> Result<Vec<u8>, Miss> {
    let query = octets(&message_for(name, RecordType::A));
    let mut zones = [
        Tags::None.over_ip4(&query),
        Tags::Two(1, 2).over_ip6(&query),
    ]
    .map(|frame| {
        let (outcome, octets) = maps.run(&frame);
        if let Outcome::Miss(miss) = outcome {
            return Err(miss);
        }
        assert_eq!(outcome, Outcome::Hit(Hit::NxDomain));
        oracle::check_udp_checksum(&octets).expect("the checksum is right");
        let opened = oracle::open(&octets).expect("the answer has its headers");
        let answer = Message::from_vec(opened.payload).expect("the answer is a message");
        assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
        let [record] = answer.authorities.as_slice() else {
            panic!("{} authority records", answer.authorities.len());
        };
        let RData::SOA(soa) = &record.data else {
            panic!("no SOA record");
        };
        let zone = wire::of_name(&record.name);
        let expected = [&b"\x02ns\x03dns"[..], &zone].concat();
        assert_eq!(wire::of_name(&soa.mname), expected);
        Ok(zone)
    });
    assert_eq!(zones[0], zones[1]);
    std::mem::replace(&mut zones[0], Err(Miss::NoRoom))
}

#[test]
fn a_zone_of_any_length_has_the_names_below_it_and_itself() {
    // The names of the SOA record have to fit, too: below a zone of 244 octets `hostmaster` just does.
    for len in 3..=244 {
        let zone = of_length("zone", len, "");
        let maps = maps(&[(&zone, false)]);
        assert_eq!(denied_by(&maps, &zone), Ok(zone.clone()), "{len}");
        let upper = zone.to_ascii_uppercase();
        assert_eq!(denied_by(&maps, &upper), Ok(upper.clone()), "{len}");
        for label in 1..=10_u8 {
            let mut below = vec![label];
            below.extend(std::iter::repeat_n(b'x', label.into()));
            below.extend(&zone);
            if below.len() <= 255 {
                assert_eq!(denied_by(&maps, &below), Ok(zone.clone()), "{len}, {label}");
            }
        }
        let sibling = patch(&zone, 1);
        assert_eq!(denied_by(&maps, &sibling), Err(Miss::OutsideZones), "{len}");
        let sibling = patch(&zone, len - 2);
        assert_eq!(denied_by(&maps, &sibling), Err(Miss::OutsideZones), "{len}");
        // Above it.
        let above = &zone[usize::from(zone[0]) + 1..];
        assert_eq!(denied_by(&maps, above), Err(Miss::OutsideZones), "{len}");
    }
}

fn patch(name: &[u8], at: usize) -> Vec<u8> {
    let mut name = name.to_vec();
    name[at] = if name[at] == b'-' { b'+' } else { b'-' };
    name
}

#[test]
fn the_root_has_every_name() {
    let maps = maps(&[(&[0], false)]);
    for name in [
        &b"\x00"[..],
        b"\x01a\x00",
        &wire("a.b.c.d.e.f.g"),
        &wire(&packets::fixture::longest_name()),
        &wire(&packets::fixture::most_labels()),
    ] {
        assert_eq!(denied_by(&maps, name), Ok(vec![0]));
    }
}

#[test]
fn a_zone_of_the_most_labels_is_found() {
    let zone = wire(&["n"; 120].join("."));
    let maps = maps(&[(&zone, false)]);
    assert_eq!(denied_by(&maps, &zone), Ok(zone.clone()));
    let below = wire(&packets::fixture::most_labels());
    assert_eq!(denied_by(&maps, &below), Ok(zone.clone()));
    let above = wire(&["n"; 119].join("."));
    assert_eq!(denied_by(&maps, &above), Err(Miss::OutsideZones));
}

#[test]
fn labels_of_any_octets_do_not_pretend_a_zone() {
    let zones: [&[u8]; 5] = [
        b"\x01k\x00",
        b"\x07cluster\x05local\x00",
        b"\x03abc\x02de\x00",
        b"\x03abc\x03def\x00",
        b"\x08abcdefgh\x07ijklmno\x00",
    ];
    for zone in zones {
        let maps = maps(&[(zone, false)]);
        let inner = &zone[..zone.len() - 1];
        for before in 0..=(63 - inner.len()) {
            // One label: some octets, and then those of the zone.
            let mut name = vec![u8::try_from(before + inner.len()).unwrap()];
            name.extend(std::iter::repeat_n(1, before));
            name.extend(inner);
            name.push(0);
            assert_eq!(denied_by(&maps, &name), Err(Miss::OutsideZones), "{name:?}");
            // The same below the zone.
            name.pop();
            name.extend(zone);
            assert_eq!(denied_by(&maps, &name), Ok(zone.to_vec()), "{name:?}");
        }
        // The zone in the midst of the name, not at its end.
        let midst = [b"\x01x", inner, b"\x01x\x00"].concat();
        assert_eq!(denied_by(&maps, &midst), Err(Miss::OutsideZones));
        // An octet whose lower five bits are a letter's is no letter.
        let odd: Vec<u8> = zone
            .iter()
            .map(|&it| if it > 63 { it ^ 0x80 } else { it })
            .collect();
        assert_eq!(denied_by(&maps, &odd), Err(Miss::OutsideZones));
    }
}

#[test]
fn letters_are_the_same_in_either_case_and_other_octets_are_not() {
    for octet in 0..=u8::MAX {
        let zone = [1, octet, 1, b'z', 0];
        let maps = maps(&[(&zone, false)]);
        // The octet itself, and those that differ from it in one bit.
        for asked in (0..8).map(|bit| octet ^ 1 << bit).chain([octet]) {
            let name = [1, b'x', 1, asked, 1, b'Z', 0];
            let is_same = asked.eq_ignore_ascii_case(&octet);
            assert_eq!(denied_by(&maps, &name).is_ok(), is_same, "{octet} {asked}");
        }
    }
}

#[test]
fn the_first_zone_that_fits_decides() {
    let (pod, cluster) = (wire("pod.Cluster.local"), wire("CLUSTER.local"));
    let (local, root) = (wire("local"), vec![0]);
    let maps = maps(&[
        (&pod, true),
        (&cluster, false),
        (&local, true),
        (&root, false),
    ]);
    for (name, wanted) in [
        ("x.y.pod.cluster.local", Err(Miss::ByRule)),
        ("pod.cluster.local", Err(Miss::ByRule)),
        ("xpod.cluster.local", Ok("cluster.local")),
        ("pod.x.cluster.local", Ok("cluster.local")),
        ("cluster.local", Ok("cluster.local")),
        ("local", Err(Miss::ByRule)),
        ("x.local", Err(Miss::ByRule)),
        ("x.xlocal", Ok("")),
    ] {
        let wanted = wanted.map(wire);
        assert_eq!(denied_by(&maps, &wire(name)), wanted, "{name}");
    }
}

#[test]
fn there_is_room_for_every_zone_and_its_part_by_rule() {
    let domains: Vec<_> = (0..MAX_ZONES)
        .map(|at| format!("domain-{at}.example"))
        .collect();
    let mut zones = Zones::zeroed();
    for domain in &domains {
        zones.push(&wire(&format!("pod.{domain}")), true).unwrap();
        zones.push(&wire(domain), false).unwrap();
    }
    assert_eq!(zones.push(&wire("one.more"), false), Err(ZoneError));
    let mut maps = HostMaps::with_zones(zones);
    maps.names.clear();
    for domain in &domains {
        let zone = wire(domain);
        let below = |label: &str| wire(&format!("{label}.{domain}"));
        assert_eq!(denied_by(&maps, &below("x")), Ok(zone));
        assert_eq!(denied_by(&maps, &below("x.pod")), Err(Miss::ByRule));
    }
    assert_eq!(denied_by(&maps, &wire("one.more")), Err(Miss::OutsideZones));
}

#[test]
fn no_zones_are_no_zones_and_no_name_is_too_long() {
    let none = maps(&[]);
    assert_eq!(denied_by(&none, &[0]), Err(Miss::OutsideZones));
    let mut zones = Zones::zeroed();
    // `hostmaster` in the zone, which the SOA record names, has to be a name, too.
    for (octets, by_rule, result) in [
        (0, false, Err(ZoneError)),
        (244, false, Ok(())),
        (245, false, Err(ZoneError)),
        (255, true, Ok(())),
        (256, true, Err(ZoneError)),
    ] {
        let pushed = Zones::zeroed().push(&vec![1; octets], by_rule);
        assert_eq!(pushed, result, "{octets} octets, by rule: {by_rule}");
    }
    let longest = wire(&packets::fixture::longest_name());
    assert_eq!(zones.push(&longest, true), Ok(()));
    let maps = HostMaps::with_zones(zones);
    // This very name is not among those held when its last label is another.
    let mut other = longest.clone();
    other[253] = b'n';
    assert_eq!(denied_by(&maps, &other), Err(Miss::OutsideZones));
    let query = frame(&octets(&message_for(&longest, RecordType::A)));
    assert_eq!(
        maps.run(&query).0,
        Outcome::Hit(Hit::A),
        "held before any rule"
    );
}
