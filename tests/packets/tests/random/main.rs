//! Random packets through the packet path: no panic, no access outside, no touch of what passes, no wrong answer.
//!
//! The number of cases is that of `PROPTEST_CASES` (256 unless set); a release run of a million takes
//! a few minutes: `PROPTEST_CASES=1000000 cargo test --release -p packets --test random`.

mod asked;
mod torn;

use std::sync::LazyLock;

use dns_common::Outcome;
use packets::{
    build::frame,
    cases::cases,
    guarded::run,
    host::HostMaps,
    model::{self, Question},
    oracle,
};
use proptest::{prelude::*, sample::Index};

use crate::asked::{Way, any_opt, any_type, near_name};

thread_local! {
    // Their scratch space is for one packet at a time.
    static MAPS: HostMaps = HostMaps::fixture();
}

static FRAMES: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| cases().into_iter().map(|case| case.frame).collect());

fn answer(frame: &[u8]) -> (Outcome, Vec<u8>) {
    MAPS.with(|maps| run(maps, frame))
}

/// Checks that an answered packet is one that an independent reader would answer, and in this way.
fn check_if_answered(frame: &[u8]) -> Result<(), TestCaseError> {
    let (outcome, octets) = answer(frame);
    let Outcome::Hit(hit) = outcome else {
        return Ok(());
    };
    let opened = oracle::open(frame).map_err(TestCaseError::fail)?;
    let Some(question) = model::read(opened.payload) else {
        return Err(TestCaseError::fail("answered what is no plain query"));
    };
    let expected = match model::answer(&question) {
        Ok(expected) => expected,
        Err(miss) => {
            return Err(TestCaseError::fail(format!(
                "answered in spite of {miss:?}"
            )));
        }
    };
    prop_assert_eq!(hit, expected.hit());
    oracle::check(frame, &octets, &expected).map_err(TestCaseError::fail)
}

/// A place in a frame: anywhere, or near its end, where type, class and OPT record stand.
fn any_place() -> impl Strategy<Value = (Index, bool)> {
    (any::<Index>(), any::<bool>())
}

fn at((index, is_late): (Index, bool), len: usize) -> usize {
    let from = if is_late { len.saturating_sub(30) } else { 0 };
    from + index.index(len - from)
}

proptest! {
    #[test]
    fn any_octets_pass(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(!answer(&octets).0.is_hit());
    }

    #[test]
    fn any_message_is_answered_only_if_it_is_a_query(
        message in proptest::collection::vec(any::<u8>(), 0..600),
        begins_well: bool,
    ) {
        let mut message = message;
        if begins_well && message.len() >= 12 {
            let additional = message[11] & 1;
            message[2..12].copy_from_slice(&[1, 0, 0, 1, 0, 0, 0, 0, 0, additional]);
        }
        check_if_answered(&frame(&message))?;
    }

    #[test]
    fn a_damaged_packet_is_never_answered_wrongly(
        frame in any::<Index>().prop_map(|index| index.get(&FRAMES).clone()),
        damage in proptest::collection::vec((any_place(), any::<(bool, u8)>()), 0..4),
        cut in proptest::option::weighted(0.2, any_place()),
        more in proptest::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut frame = frame;
        for (place, (flips, octet)) in damage {
            let at = at(place, frame.len());
            frame[at] = if flips { frame[at] ^ 1 << (octet % 8) } else { octet };
        }
        if let Some(cut) = cut {
            frame.truncate(at(cut, frame.len()));
        }
        frame.extend(more);
        check_if_answered(&frame)?;
    }

    #[test]
    fn a_query_comes_to_what_the_model_says(
        name in near_name(),
        qtype in any_type(),
        opt in proptest::option::weighted(0.7, any_opt()),
        way: Way,
        id: u16,
    ) {
        let question = Question { name, qtype, edns: None };
        let (question, payload) = asked::payload(question, id, opt.as_ref());
        prop_assert_eq!(model::read(&payload), Some(question.clone()));
        let packet = way.packet(&payload);
        let (outcome, response) = answer(&packet);
        match model::answer(&question) {
            Err(miss) => prop_assert_eq!(outcome, Outcome::Miss(miss)),
            Ok(expected) => {
                prop_assert_eq!(outcome, Outcome::Hit(expected.hit()));
                oracle::check(&packet, &response, &expected).map_err(TestCaseError::fail)?;
            }
        }
    }
}
