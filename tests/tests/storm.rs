//! An update storm: names change as fast as the writer can while they are asked for; each answer has to be one that held.
//!
//! `KXDNS_STORM_SECONDS` makes it longer than the few seconds it takes otherwise.

use std::{
    collections::BTreeMap,
    env,
    net::{Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use aya::programs::{TestRun as _, TestRunOptions};
use dns_common::head::Others;
use dns_ctl::{
    attach::{
        counters::Outcomes,
        kernel::{Kernel, OBJECT},
    },
    table::{
        self, Content, Table,
        render::Wanted,
        writer::{Denial, Lease, NameMap, change},
    },
};
use hickory_proto::rr::RecordType;
use packets::{
    build::{DNS, frame, message, octets},
    fixture,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// Names whose addresses change.
const STEADY: usize = 1000;
/// Names that come and go.
const FLICKERING: usize = 50;
/// Names that are never there.
const ABSENT: usize = 50;
/// Most names that are changed at once.
const BATCH: usize = 16;
const SECONDS: u64 = 4;
/// `TC_ACT_REDIRECT` (`linux/pkt_cls.h`).
const REDIRECT: u32 = 7;
/// Octets before a record's data.
const HEAD: usize = 12;
/// RCODE of a name that does not exist.
const NAME_ERROR: u8 = 3;

/// How far the writer is with a name; a version of a flickering name is there if it is odd.
#[derive(Default)]
struct Track {
    begun: AtomicU32,
    done: AtomicU32,
}

/// How many addresses a name has of either family: none, one, some, as many as fit without EDNS.
fn sizes(name: usize) -> (u8, u8) {
    if name >= STEADY {
        return (1, 0);
    }
    match name % 5 {
        0 | 1 => (1, 0),
        2 => (1, 1),
        3 => (8, 4),
        _ => (27, 0),
    }
}

fn text(name: usize) -> String {
    format!("service-{name}.default.svc.cluster.local")
}

/// Eleven bits of name, five of the place in the set, sixteen of the version.
fn v4(name: usize, place: u8, version: u32) -> Ipv4Addr {
    let name = u32::try_from(name).expect("few names");
    Ipv4Addr::from_bits(name << 21 | u32::from(place) << 16 | version & 0xffff)
}

fn v6(name: usize, place: u8, version: u32) -> Ipv6Addr {
    let name = u16::try_from(name).expect("few names");
    let [a, b, c, d] = version.to_be_bytes();
    let [high, low] = [[a, b], [c, d]].map(u16::from_be_bytes);
    // The version stands in both words of the address as the map holds it.
    Ipv6Addr::new(0xfd00, name, high, low, high, low, 0, place.into())
}

fn wanted(name: usize, version: u32) -> Wanted {
    let keys = fixture::keys();
    let wire: Box<[u8]> = fixture::wire(&text(name)).into();
    let (a, aaaa) = sizes(name);
    let is_there = name < STEADY || version % 2 == 1;
    Wanted {
        key: keys.name_key(&wire),
        name: wire,
        content: is_there.then(|| Content::Owner {
            zone_len: 15,
            a: (0..a).map(|place| v4(name, place, version)).collect(),
            aaaa: (0..aaaa).map(|place| v6(name, place, version)).collect(),
            others: Others::NONE,
        }),
    }
}

/// Changes names until told to stop; gives the number of changes.
fn write(map: &mut NameMap, tracks: &[Track], stop: &AtomicBool) -> Result<u64> {
    let mut table = Table::default();
    let mut rng = StdRng::seed_from_u64(1);
    let mut changes = 0;
    let mut at = 0;
    while !stop.load(SeqCst) {
        let batch: Vec<usize> = (0..rng.random_range(1..=BATCH))
            .map(|step| (at + step) % tracks.len())
            .collect();
        at = (at + batch.len()) % tracks.len();
        let wanted: Vec<_> = batch
            .iter()
            .map(|&name| {
                let version = tracks[name].begun.load(SeqCst) + 1;
                tracks[name].begun.store(version, SeqCst);
                wanted(name, version)
            })
            .collect();
        let report = change(&mut table, map, wanted);
        ensure!(report.error.is_none(), "{report:?}");
        for &name in &batch {
            let track = &tracks[name];
            track.done.store(track.begun.load(SeqCst), SeqCst);
        }
        let denial = Denial {
            names: true,
            types: true,
        };
        map.publish(denial, 1)?;
        changes += batch.len() as u64;
    }
    Ok(changes)
}

/// Checks the DNS message that answered a question for `name`, while its version was one of `versions`.
fn check(reply: &[u8], name: usize, kind: RecordType, versions: RangeInclusive<u32>) -> Result<()> {
    let rcode = reply[3] & 15;
    if rcode == NAME_ERROR {
        let absent = name >= STEADY + FLICKERING
            || name >= STEADY && versions.clone().any(|version| version % 2 == 0);
        ensure!(absent, "denied, but it was there: {versions:?}");
        return Ok(());
    }
    ensure!(rcode == 0, "RCODE {rcode}");
    ensure!(
        name < STEADY + FLICKERING,
        "answered, but it never was there"
    );
    let (a, aaaa) = sizes(name);
    let (count, data) = match kind {
        RecordType::A => (a, 4),
        RecordType::AAAA => (aaaa, 16),
        _ => (0, 0),
    };
    let answers = u16::from_be_bytes([reply[6], reply[7]]);
    ensure!(
        answers == u16::from(count),
        "{answers} answers, not {count}"
    );
    let start = 12 + fixture::wire(&text(name)).len() + 4;
    let records = reply[start..].chunks(HEAD + data).take(count.into());
    let mut found: Vec<&[u8]> = records.map(|record| &record[HEAD..]).collect();
    found.sort_unstable();
    let is_whole = |version: u32| {
        let expected = (0..count).map(|place| match kind {
            RecordType::A => v4(name, place, version).octets().to_vec(),
            _ => v6(name, place, version).octets().to_vec(),
        });
        let is_there = name < STEADY || version % 2 == 1;
        is_there && found.iter().copied().eq(expected)
    };
    ensure!(
        versions.clone().any(is_whole),
        "never was so in {versions:?}: {found:?}"
    );
    Ok(())
}

/// Asks until the time is over; gives the answers checked and the packets passed on.
fn ask(kernel: &mut Kernel, tracks: &[Track], until: Instant) -> Result<(u64, u64)> {
    let kinds = [RecordType::A, RecordType::AAAA, RecordType::TXT];
    let queries: Vec<_> = (0..STEADY + FLICKERING + ABSENT)
        .map(|name| kinds.map(|kind| frame(&octets(&message(&text(name), kind)))))
        .collect();
    let never = Track::default();
    let mut rng = StdRng::seed_from_u64(2);
    let mut octets = vec![0; 1500];
    let (mut answered, mut passed) = (0, 0);
    let program = kernel.tc()?;
    while Instant::now() < until {
        for _ in 0..1000 {
            // Half of the questions for the few names that are not always there.
            let name = if rng.random() {
                rng.random_range(0..STEADY)
            } else {
                rng.random_range(STEADY..queries.len())
            };
            let kind = rng.random_range(0..kinds.len());
            let query = &mut queries[name][kind].clone();
            query[DNS..DNS + 2].copy_from_slice(&rng.random::<[u8; 2]>());
            let track = tracks.get(name).unwrap_or(&never);
            let first = track.done.load(SeqCst);
            let result = program.test_run(TestRunOptions {
                data_in: Some(query),
                data_out: Some(&mut octets),
                ..TestRunOptions::default()
            })?;
            let versions = first..=track.begun.load(SeqCst);
            if result.return_value != REDIRECT {
                passed += 1;
                continue;
            }
            let len = usize::try_from(result.data_size_out)?;
            check(&octets[DNS..len], name, kinds[kind], versions)
                .with_context(|| format!("{} {}", text(name), kinds[kind]))?;
            answered += 1;
        }
    }
    Ok((answered, passed))
}

#[test]
fn no_answer_is_torn_or_older_than_its_question() -> Result<()> {
    let seconds = match env::var("KXDNS_STORM_SECONDS") {
        Ok(text) => text.parse()?,
        Err(_) => SECONDS,
    };
    let mut kernel = Kernel::load(OBJECT, 8192)?;
    let mut maps = kernel.take_maps()?;
    let service: [u32; 5] = bytemuck::cast(fixture::service());
    maps.services.insert(service, 1, 0)?;
    let zones = table::zones(&["cluster.local".parse()?], false);
    let zones = zones.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    maps.configure(fixture::config(), &zones)?;
    let mut map = NameMap::open(maps.names, maps.state, fixture::keys(), 0)?;
    map.renew(Lease::ENDLESS)?;
    let tracks: Vec<Track> = std::iter::repeat_with(Track::default)
        .take(STEADY + FLICKERING)
        .collect();
    // All names are there before the first question.
    let stop = AtomicBool::new(false);
    let (changes, asked) = thread::scope(|scope| -> Result<_> {
        let writer = scope.spawn(|| write(&mut map, &tracks, &stop));
        while tracks.iter().any(|track| track.done.load(SeqCst) == 0) && !writer.is_finished() {
            thread::yield_now();
        }
        let until = Instant::now() + Duration::from_secs(seconds);
        let asked = ask(&mut kernel, &tracks, until);
        stop.store(true, SeqCst);
        let changes = writer.join().expect("the writer does not panic")?;
        Ok((changes, asked?))
    })?;
    let outcomes = Outcomes::read(&maps.outcomes)?;
    let met: BTreeMap<_, _> = outcomes
        .hits()
        .map(|(hit, count)| (hit.label(), count))
        .chain(outcomes.misses().map(|(miss, count)| (miss.label(), count)))
        .filter(|&(_, count)| count > 0)
        .collect();
    let (answered, passed) = asked;
    println!(
        "{seconds} s: {changes} changes, {answered} answers checked, {passed} passed on: {met:?}"
    );
    for label in met.keys() {
        let expected = ["a", "aaaa", "nodata", "nxdomain", "torn", "incomplete"];
        ensure!(expected.contains(label), "came to {label}");
    }
    ensure!(met.contains_key("nxdomain"), "no name was denied");
    Ok(())
}
