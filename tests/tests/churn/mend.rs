//! Somebody else takes a program off: it is put back.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use kxdns_tests::node::{Node, POD_INTERFACE};

use crate::{is_settled, settle, start};

/// A round of dns-ctl, and more than it may take.
const ROUND: Duration = Duration::from_mins(1);

/// Waits until a query is answered in the kernel.
fn answers_again(node: &mut Node) -> Result<()> {
    let query = testbed::query(7, crate::NAME, hickory_proto::rr::RecordType::A)?;
    let (bed, bpffs) = (&node.bed, &node.bpffs);
    let (pod, folder) = (
        &bed.pod(kxdns_tests::node::POD).namespace,
        bpffs.path().join("kxdns"),
    );
    node.child.wait_for("the kernel's answers", ROUND, || {
        let before = crate::status(&bed.node, &folder)?;
        testbed::udp_query(
            pod,
            kxdns_tests::node::SERVICE,
            &query,
            kxdns_tests::node::ANSWER,
        )?;
        let after = crate::status(&bed.node, &folder)?;
        Ok((after["hits"]["a"] != before["hits"]["a"]).then_some(()))
    })
}

#[test]
fn a_link_that_was_detached_is_replaced() -> Result<()> {
    let (_folder, mut node) = start(&["--hook", "tcx"])?;
    settle(&mut node, 1)?;
    let links: Vec<_> = fs::read_dir(node.folder().join("links"))?.collect::<Result<_, _>>()?;
    let mut bpftool = node.bed.node.command("bpftool");
    testbed::output(
        bpftool
            .args(["link", "detach", "pinned"])
            .arg(links[0].path()),
    )?;
    let error = is_settled(&node, 1)
        .expect_err("it was detached")
        .to_string();
    ensure!(error.contains("has no program"), "{error}");
    answers_again(&mut node)?;
    is_settled(&node, 1)
}

#[test]
fn a_filter_that_went_with_its_qdisc_is_replaced() -> Result<()> {
    let (_folder, mut node) = start(&["--hook", "tc", "--on-exit", "remove"])?;
    let tc = |node: &Node, words: &str| {
        testbed::output(node.bed.node.command("tc").args(words.split(' ')))
    };
    answers_again(&mut node)?;
    tc(&node, &format!("qdisc del dev {POD_INTERFACE} clsact"))?;
    answers_again(&mut node)?;
    // The qdisc is its own again, and goes with it.
    node.child.signal(testbed::Signal::SIGTERM)?;
    node.child.wait(ROUND)?;
    let left = tc(&node, &format!("qdisc show dev {POD_INTERFACE}"))?;
    ensure!(!left.contains("clsact"), "{left}");
    fs::metadata(node.folder())
        .map_or(Ok(()), |_| Err(anyhow::anyhow!("the pins are left")))
        .context("after the end")
}
