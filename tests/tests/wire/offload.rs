//! Devices that do not complete checksums, on either side, from the start or from some time on.

use std::time::Instant;

use anyhow::{Result, ensure};
use hickory_proto::rr::RecordType;
use kxdns_tests::node::{PATIENCE, POD_INTERFACE, plan};
use testbed::Side;

use crate::{
    bed::{Bed, HOOKS, SERVERS},
    every_answer_is_right,
    question::{DOMAIN, Question, expect_same},
};

/// The node's network stack completes checksums that pods' only begin, unless the hook's answer is complete.
#[test]
fn answers_survive_a_node_without_checksum_offload() -> Result<()> {
    for hook in HOOKS {
        every_answer_is_right(plan().offload(Side::Node, "tx", false), hook)?;
    }
    Ok(())
}

#[test]
fn answers_survive_a_pod_without_checksum_offload() -> Result<()> {
    for hook in HOOKS {
        every_answer_is_right(plan().offload(Side::Pod, "tx", false), hook)?;
    }
    Ok(())
}

/// The device may change its mind while dns-ctl runs: answers that were sent meanwhile may be lost, later ones not.
#[test]
fn answers_survive_the_loss_of_checksum_offload() -> Result<()> {
    let bed = Bed::start(plan(), "tcx", &[])?;
    let question = Question::new(&format!("nginx.{DOMAIN}"), RecordType::AAAA, "aaaa");
    let query = question.query(1, true);
    let mut answered = 0;
    for server in SERVERS {
        let expected = bed.ask_server(server, &query)?;
        for value in ["off", "on"] {
            let mut ethtool = bed.node.bed.node.command("ethtool");
            testbed::output(ethtool.args(["-K", POD_INTERFACE, "tx", value]))?;
            let deadline = Instant::now() + PATIENCE;
            while bed.ask(server, &query).is_err() {
                let log = bed.node.child.output();
                ensure!(Instant::now() < deadline, "tx {value}: {log}");
            }
            let before = bed.counts()?;
            for _ in 0..20 {
                expect_same(&bed.ask(server, &query)?, &expected)?;
                answered += 1;
            }
            let hits = bed.counts()?;
            assert_eq!(hits.hits_since(&before), [("aaaa", 20)], "tx {value}");
        }
    }
    assert_eq!(answered, 80);
    Ok(())
}
