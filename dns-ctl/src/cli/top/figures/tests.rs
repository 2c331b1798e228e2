//! Figures of made-up readings; also those that text and screen are tested with.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use dns_common::{Dropped, Hit, Hook, Miss, outcome::OUTCOMES};

use super::{
    super::asked::{Asked, Question},
    *,
};
use crate::attach::counters::Outcomes;

fn reading(at: Instant, counts: &[(Outcome, u64)]) -> Reading {
    let mut counters = [0; OUTCOMES];
    for (outcome, count) in counts {
        counters[outcome.index()] = *count;
    }
    Reading {
        at,
        outcomes: Outcomes::of([(Hook::Tc, counters)]),
        running: true,
        held: 12,
        capacity: 100,
        denies: true,
        lease: Duration::from_mins(9),
        interfaces: BTreeMap::from([(7, "pod-a".to_owned())]),
    }
}

fn asked(name: &str, last: u8, interface: u32, kind: u16, outcome: Outcome) -> Asked {
    Asked {
        client: IpAddr::from([10, 0, 0, last]),
        interface,
        question: Some(Question {
            name: name.to_owned(),
            kind,
        }),
        outcome,
        weight: 8.0,
    }
}

const HIT_A: Outcome = Outcome::Hit(Hit::A);
const OUTSIDE: Outcome = Outcome::Miss(Miss::OutsideZones);
const TCP: Outcome = Outcome::Miss(Miss::NotUdp);

/// Two seconds with 3000 answers, 1000 queries passed on, and 40 other packets.
pub(in crate::cli::top) fn figures() -> Figures {
    let mut tally = Tally::default();
    for number in 0..4 {
        tally.add(match number {
            0 => asked("outside.", 2, 9, 28, OUTSIDE),
            _ => asked("held.x.", 1, 7, 1, HIT_A),
        });
    }
    let begin = Instant::now();
    let choice = Choice {
        tally: &tally,
        shift: 3,
        taken: 250,
        lost: 3,
        order: Order::Queries,
        rows: 10,
        with_names: true,
    };
    Figures::between(
        &reading(begin, &[(OUTSIDE, 5)]),
        &reading(
            begin + Duration::from_secs(2),
            &[(HIT_A, 3000), (OUTSIDE, 1005), (TCP, 40)],
        ),
        Some(choice),
        "2026-01-02T03:04:05Z".to_owned(),
    )
}

#[test]
fn json_has_the_fields_that_scripts_rely_on() {
    let json = serde_json::to_value(figures()).unwrap();
    for (pointer, expected) in [
        ("/seconds", 2.0),
        ("/queries_per_second", 2000.0),
        ("/answered_per_second", 1500.0),
        ("/hit_ratio", 0.75),
        ("/other_packets_per_second", 20.0),
        ("/lease_seconds", 540.0),
        ("/samples/names/0/per_second", 1500.0),
        ("/samples/names/0/share", 0.75),
        ("/samples/names/0/hit_ratio", 1.0),
        ("/samples/names/1/hit_ratio", 0.0),
        ("/samples/types/1/share", 0.25),
        ("/outcomes/0/per_second", 1500.0),
    ] {
        let found = json.pointer(pointer).and_then(serde_json::Value::as_f64);
        assert_eq!(found, Some(expected), "{pointer}: {json:#}");
    }
    assert_eq!(json["time"], "2026-01-02T03:04:05Z");
    assert_eq!(json["entries"], 12);
    assert_eq!(json["outcomes"][0]["outcome"], "a");
    assert_eq!(json["outcomes"][0]["total"], 3000);
    assert_eq!(json["samples"]["one_in"], 8);
    assert_eq!(json["samples"]["clients"][0]["address"], "10.0.0.1");
    assert_eq!(json["samples"]["clients"][0]["interface"], "pod-a");
    assert_eq!(json["samples"]["clients"][1]["interface"], "9");
    assert_eq!(json["samples"]["types"][0]["type"], "A");
    assert!(json["samples"]["names"][0]["error"].as_f64() > Some(0.1));
}

#[test]
fn every_query_is_answered_or_passed_on_or_dropped() {
    let begin = Instant::now();
    let none: Vec<_> = Outcome::all().map(|outcome| (outcome, 0)).collect();
    let one_each: Vec<_> = Outcome::all().map(|outcome| (outcome, 1)).collect();
    let end = reading(begin + Duration::from_secs(1), &one_each);
    let figures = Figures::between(&reading(begin, &none), &end, None, String::new());
    let sum =
        figures.answered_per_second + figures.passed_on_per_second + figures.dropped_per_second;
    assert!(
        (figures.queries_per_second - sum).abs() < 1e-9,
        "{figures:?}"
    );
    assert!(
        (figures.dropped_per_second - f64::from(u32::try_from(Dropped::ALL.len()).unwrap())).abs()
            < 1e-9
    );
    let all = figures.queries_per_second + figures.other_packets_per_second;
    assert!((all - f64::from(u32::try_from(OUTCOMES).unwrap())).abs() < 1e-9);
}

#[test]
fn without_queries_there_is_no_ratio() {
    let begin = Instant::now();
    let still = |at| reading(at, &[(HIT_A, 7), (TCP, 3)]);
    let end = still(begin + Duration::from_secs(1));
    let figures = Figures::between(&still(begin), &end, None, String::new());
    assert_eq!((figures.hit_ratio, figures.queries_per_second), (None, 0.0));
    assert!(figures.samples.is_none());
    let json = serde_json::to_string(&figures).unwrap();
    assert!(!json.contains("-0.0"), "{json}");
}
