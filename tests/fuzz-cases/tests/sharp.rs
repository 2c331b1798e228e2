//! The cases can fail: their inputs reach every outcome, and no wrong octet of an answer escapes the judge.

use std::collections::HashSet;

use dns_common::Miss;
use fuzz_cases::{STAGES, deserved, judge, outcome, seeds::seeds, wrap::Wrap};

/// The seeds of both targets that put frames to the packet path.
fn frames() -> Vec<Vec<u8>> {
    let messages = seeds("message").into_iter();
    let wrapped = messages.map(|message| Wrap(message[0]).frame(&message[1..]));
    seeds("packet").into_iter().chain(wrapped).collect()
}

#[test]
fn seeds_reach_every_outcome() {
    let mut hits = HashSet::new();
    let mut misses = HashSet::new();
    for frame in frames() {
        for (at, stage) in STAGES.iter().enumerate() {
            match outcome(&frame, at) {
                Ok(_) => hits.extend(deserved(&frame, stage).map(|reply| reply.kind)),
                Err(miss) => {
                    misses.insert(miss);
                }
            }
        }
    }
    assert_eq!(hits.len(), 5, "{hits:?}");
    // Of the buffer, and of the client's other packets: not of the packet.
    misses.extend([Miss::NoRoom, Miss::RateLimited]);
    let missing: Vec<_> = Miss::ALL
        .iter()
        .filter(|miss| !misses.contains(miss))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn each_wrong_octet_of_an_answer_is_seen() {
    let mut judged = 0;
    for query in frames() {
        let stage = &STAGES[0];
        let (Ok(mut answer), Some(reply)) = (outcome(&query, 0), deserved(&query, stage)) else {
            continue;
        };
        judged += 1;
        for at in 0..answer.len() {
            for bit in [0x01, 0x20, 0x80] {
                answer[at] ^= bit;
                let verdict = judge(&query, &answer, &reply, stage);
                assert!(verdict.is_err(), "octet {at} of {query:02x?}");
                answer[at] ^= bit;
            }
        }
        answer.pop();
        assert!(judge(&query, &answer, &reply, stage).is_err(), "cut");
        answer.extend([0; 2]);
        assert!(judge(&query, &answer, &reply, stage).is_err(), "padded");
    }
    assert!(judged > 50, "{judged} answers");
}
