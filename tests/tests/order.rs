//! The place of our program among the tcx programs of an interface.

use anyhow::{Result, ensure};
use aya::programs::LinkOrder;
use hickory_proto::rr::RecordType;
use kxdns_tests::{
    foreign::{self, DROP, NEXT, PASS},
    leftovers::tcx,
    node::{
        ANSWER, Node, PATIENCE, POD, POD_INTERFACE, SERVICE, manifests, plan, run_command, services,
    },
};
use testbed::{Child, Scratch, Signal, Topology};

const NAME: &str = "web.default.svc.cluster.local.";
const ADDRESS: &str = "10.96.1.5";
const OURS: &str = "kxdns_tc";
const FIRST: &[&str] = &["--hook", "tcx", "--tcx-order", "first"];
const LAST: &[&str] = &["--hook", "tcx"];

fn source() -> Result<(Scratch, String)> {
    let folder = manifests(&services(&[("web", ADDRESS)]))?;
    let path = folder.path().to_string_lossy().into_owned();
    Ok((folder, path))
}

/// A topology with a program of somebody else on the pod's interface.
fn with_foreign(verdict: i32) -> Result<(Topology, aya::Ebpf)> {
    let bed = plan().build()?;
    // The pod knows its gateway already: who throws everything away does so with the question for it, too.
    let mac =
        testbed::ethernet_address(&bed.node, POD_INTERFACE)?.map(|octet| format!("{octet:02x}"));
    let mac = mac.join(":");
    let pod = &bed.pod(POD).namespace;
    pod.ip(&format!(
        "neigh replace 10.244.0.1 lladdr {mac} dev eth0 nud permanent"
    ))?;
    let foreign = foreign::tcx(&bed.node, POD_INTERFACE, LinkOrder::first(), verdict)?;
    Ok((bed, foreign))
}

/// How many queries of the pod the kernel has answered, and whether there was an answer to one.
fn ask(node: &Node) -> Result<(u64, bool)> {
    let before = node.hits()?;
    let query = testbed::query(1, NAME, RecordType::A)?;
    // What is thrown away is never answered: there is no need to wait for long.
    let patience = ANSWER / 10;
    let reply = testbed::udp_query(node.pod(), SERVICE, &query, patience)?;
    Ok((node.hits()? - before, reply.is_some()))
}

#[test]
fn who_is_first_decides() -> Result<()> {
    let (_folder, path) = source()?;
    for (verdict, flags, expected) in [
        (NEXT, LAST, (1, true)),
        (NEXT, FIRST, (1, true)),
        // The stack gets it, and with it the server.
        (PASS, LAST, (0, true)),
        (PASS, FIRST, (1, true)),
        (DROP, LAST, (0, false)),
        (DROP, FIRST, (1, true)),
    ] {
        let (bed, _foreign) = with_foreign(verdict)?;
        let node = Node::start(bed, &["--manifests", &path], flags)?;
        let order = if flags == FIRST {
            [OURS, foreign::NAME]
        } else {
            [foreign::NAME, OURS]
        };
        assert_eq!(tcx(&node.bed.node)?, order, "{verdict}");
        assert_eq!(ask(&node)?, expected, "verdict {verdict}, {flags:?}");
    }
    Ok(())
}

#[test]
fn another_order_takes_effect_at_the_next_start() -> Result<()> {
    let (_folder, path) = source()?;
    let (bed, _foreign) = with_foreign(NEXT)?;
    let mut node = Node::start(bed, &["--manifests", &path], LAST)?;
    for (signal, flags, order) in [
        (Signal::SIGTERM, FIRST, [OURS, foreign::NAME]),
        (Signal::SIGKILL, LAST, [foreign::NAME, OURS]),
        (Signal::SIGKILL, FIRST, [OURS, foreign::NAME]),
        (Signal::SIGTERM, FIRST, [OURS, foreign::NAME]),
    ] {
        node.child.signal(signal)?;
        node.child.wait(PATIENCE)?;
        let mut command = run_command(&node.bed, &node.bpffs, &["--manifests", &path], flags);
        node.child = Child::spawn("dns-ctl", &mut command)?;
        node.wait_until_ready()?;
        assert_eq!(tcx(&node.bed.node)?, order);
        let links = std::fs::read_dir(node.folder().join("links"))?;
        ensure!(links.count() == 1, "one link for one interface");
        assert_eq!(ask(&node)?, (1, true));
    }
    Ok(())
}
