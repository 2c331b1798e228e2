//! Real sockets in network namespaces: every hook answers, rightly, and as the userspace server does.

mod bed;
mod capture;
mod classes;
mod offload;
mod passed;
mod question;
mod sizes;
mod tags;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use kxdns_tests::node::plan;
use testbed::Plan;

use crate::{
    bed::{Bed, SERVERS},
    capture::Capture,
    question::{expect_same, questions},
};

/// Asks every question, over either version of IP, with and without EDNS; each answer has to come from the
/// kernel, to equal what the server says, and to carry right checksums.
///
/// On native XDP a veth copies each packet into a buffer that is not much longer: an answer without room there
/// is left to the server, and counted so. Some of every kind fit.
fn every_answer_is_right(plan: Plan, hook: &'static str) -> Result<()> {
    let bed = Bed::start(plan, hook, &[])?;
    let capture = Capture::start(bed.node.pod())?;
    let mut asked = 0;
    let mut answered = BTreeMap::new();
    let mut before = bed.counts()?;
    for server in SERVERS {
        for edns in [false, true] {
            for question in questions() {
                asked += 1;
                let what = || format!("{question:?}, {server}, EDNS {edns}, on {hook}");
                let query = question.query(asked, edns);
                let kernel = bed.ask(server, &query).with_context(what)?;
                let counts = bed.counts()?;
                match counts.hits_since(&before)[..] {
                    [(hit, 1)] if hit == question.hit => {
                        answered.insert(asked, hit.to_owned());
                    }
                    [] if hook == "xdp-native" => {
                        let misses = counts.misses_since(&before);
                        assert!(
                            misses.contains(&("no_room", 1)),
                            "{misses:?} for {}",
                            what()
                        );
                    }
                    ref other => panic!("{other:?} for {}", what()),
                }
                before = counts;
                let said = bed.ask_server(server, &query).with_context(what)?;
                expect_same(&kernel, &said).with_context(what)?;
            }
        }
    }
    let kinds: BTreeSet<_> = answered.values().map(String::as_str).collect();
    assert_eq!(
        kinds,
        questions().iter().map(|it| it.hit).collect(),
        "on {hook}"
    );
    let seen = capture.answers(asked.into())?;
    assert_eq!(seen.len(), usize::from(asked), "on {hook}");
    let mut judged = 0;
    for answer in seen {
        // Checksums of the server's answers are only begun here: the pod is on its machine.
        if answered.contains_key(&answer.id()?) {
            answer.expect_right_checksums().context(hook)?;
            judged += 1;
        }
    }
    assert_eq!(judged, answered.len(), "on {hook}");
    println!("{judged} of {asked} were answered on {hook}");
    Ok(())
}

#[test]
fn tcx_answers() -> Result<()> {
    every_answer_is_right(plan(), "tcx")
}

#[test]
fn clsact_answers() -> Result<()> {
    every_answer_is_right(plan(), "tc")
}

#[test]
fn generic_xdp_answers() -> Result<()> {
    every_answer_is_right(plan(), "xdp-generic")
}

/// Native XDP on a veth needs a program on the pod's side, too: one that passes everything will do.
#[test]
fn native_xdp_answers() -> Result<()> {
    every_answer_is_right(plan(), "xdp-native")
}
