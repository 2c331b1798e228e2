//! Queries in VLANs: the tags that a query came with are on its answer.
//!
//! The frames are built here and sent as they are, since not every kernel has VLAN interfaces. Before a tc
//! program runs the kernel takes the outer tag out of the packet and keeps it beside it (`skb_vlan_untag`); an
//! XDP program finds all tags in the packet. A sender's VLAN interface whose device takes tags over would keep
//! one beside the packet from the start: that is not tried here.

use std::{collections::BTreeSet, time::Instant};

use anyhow::{Context as _, Result, ensure};
use hickory_proto::{
    op::ResponseCode,
    rr::{RData, RecordType},
};
use kxdns_tests::node::{ANSWER, POD_INTERFACE, plan};
use packets::{
    build::{self, Tags},
    model::Expected,
    oracle,
};
use testbed::{Plan, Side, ethernet_address, send_frame};

use crate::{
    bed::{Bed, Counts, HOOKS, SERVICES, addresses},
    capture::Capture,
    question::{DOMAIN, Question},
};

const TAGS: [Tags; 5] = [
    Tags::None,
    Tags::One(100),
    Tags::Service(200),
    Tags::Two(100, 4094),
    Tags::ServiceAndOne(200, 100),
];
/// Octets of an A record.
const A: usize = 16;

/// Sends queries with each kind of tags over each version of IP, and holds all of each answer's frame against it.
fn tags_are_kept(plan: Plan, hook: &'static str) -> Result<()> {
    let bed = Bed::start(plan, hook, &[])?;
    let node = ethernet_address(&bed.node.bed.node, POD_INTERFACE)?;
    let pod = ethernet_address(bed.node.pod(), "eth0")?;
    let capture = Capture::start(bed.node.pod())?;
    let mut answered = 0;
    let mut met = BTreeSet::new();
    for (at, tags) in TAGS.into_iter().enumerate() {
        for ((place, service), edns) in (1..).zip(SERVICES).flat_map(|it| [(it, false), (it, true)])
        {
            let question = Question::new(&format!("{service}.{DOMAIN}"), RecordType::A, "a");
            let payload = question.query(7, edns);
            let expected = Expected {
                rcode: ResponseCode::NoError,
                answers: vec![RData::A(addresses(place).0.parse()?)],
                soa: None,
                edns: edns.then_some(true),
                len: payload.len() + A,
            };
            for is_ip6 in [false, true] {
                let frame = if is_ip6 {
                    tags.over_ip6(&payload)
                } else {
                    tags.over_ip4(&payload)
                };
                let query = build::patched(frame, 0, &[node, pod].concat());
                let what =
                    || format!("{tags:?}, {question:?}, EDNS {edns} in {query:02x?} on {hook}");
                let before = bed.counts()?;
                send_frame(bed.node.pod(), "eth0", &query)?;
                if !is_answered(&bed, &before).with_context(what)? {
                    // As for other answers, there is not always room.
                    ensure!(hook == "xdp-native", "no room for {}", what());
                    continue;
                }
                answered += 1;
                let seen = capture.answers(answered).with_context(what)?;
                let answer = seen.last().context("there is one")?;
                answer.expect_right_checksums().with_context(what)?;
                oracle::check(&query, &answer.frame, &expected)
                    .map_err(anyhow::Error::msg)
                    .with_context(what)?;
                met.insert((at, is_ip6));
            }
        }
    }
    println!("{answered} were answered on {hook}");
    assert_eq!(met.len(), TAGS.len() * 2, "on {hook}: {met:?}");
    Ok(())
}

/// Whether the query that was just sent was answered in the kernel; if not, there was no room for the answer.
fn is_answered(bed: &Bed, before: &Counts) -> Result<bool> {
    let deadline = Instant::now() + ANSWER;
    loop {
        let counts = bed.counts()?;
        match counts.hits_since(before)[..] {
            [("a", 1)] => return Ok(true),
            [] => {}
            ref other => anyhow::bail!("{other:?}"),
        }
        let misses = counts.misses_since(before);
        if misses.contains(&("no_room", 1)) {
            return Ok(false);
        }
        ensure!(Instant::now() < deadline, "passed on: {misses:?}");
    }
}

#[test]
fn tags_of_a_query_are_on_its_answer() -> Result<()> {
    HOOKS
        .iter()
        .try_for_each(|hook| tags_are_kept(plan(), hook))
}

/// For devices that do not put tags into packets the kernel does it.
#[test]
fn tags_survive_devices_without_vlan_offload() -> Result<()> {
    for hook in HOOKS {
        let mut plan = plan();
        for name in ["txvlan", "tx-vlan-stag-hw-insert"] {
            plan = plan.offload(Side::Node, name, false);
        }
        tags_are_kept(plan, hook)?;
    }
    Ok(())
}
