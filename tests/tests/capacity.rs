//! A map that is too small: the rest is served from userspace, nothing is denied in the kernel, and it heals by itself.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::RecordType,
};
use kxdns_tests::node::{ANSWER, METRICS, Node, PATIENCE, manifests, plan, services};

const NOBODY: &str = "nobody.default.svc.cluster.local.";
/// Enough for three Services, but not for twelve.
const ROOM: &str = "24";

fn some(count: u8) -> String {
    let names: Vec<_> = (1..=count)
        .map(|at| (format!("service-{at}"), format!("10.96.8.{at}")))
        .collect();
    let pairs: Vec<_> = names
        .iter()
        .map(|(name, address)| (name.as_str(), address.as_str()))
        .collect();
    services(&pairs)
}

fn metric(node: &Node, name: &str) -> Result<f64> {
    let page = testbed::get(&node.bed.node, METRICS, "/metrics", ANSWER)?;
    testbed::sum(&page.body, name).with_context(|| format!("no metric {name}"))
}

/// Asks for a name that does not exist; whether the kernel denied it.
fn denied_in_kernel(node: &Node) -> Result<bool> {
    let before = node.hits()?;
    let answer = node.ask(&testbed::query(3, NOBODY, RecordType::A)?)?;
    let message = Message::from_vec(&answer)?;
    ensure!(message.metadata.response_code == ResponseCode::NXDomain);
    Ok(node.hits()? > before)
}

fn all_resolve(node: &Node, count: u8) -> Result<()> {
    for at in 1..=count {
        let name = format!("service-{at}.default.svc.cluster.local.");
        let address = format!("10.96.8.{at}").parse()?;
        ensure!(node.resolve(&name)? == Some(address), "{name}");
    }
    Ok(())
}

#[test]
fn a_full_map_denies_nothing_and_heals() -> Result<()> {
    let folder = manifests(&some(12))?;
    let path = folder.path().to_string_lossy().into_owned();
    let flags = ["--max-names", ROOM];
    let mut node = Node::start(plan().build()?, &["--manifests", &path], &flags)?;
    node.child.wait_for_line("room for 24 names", PATIENCE)?;

    ensure!(metric(&node, "kxdns_kernel_names_left_out")? > 0.0);
    ensure!(metric(&node, "kxdns_kernel_denies_names")? < 1.0);
    let told = "has no place for all names";
    let line = node.child.wait_for_line(told, PATIENCE)?;
    ensure!(line.contains("such_as"), "{line}");
    all_resolve(&node, 12)?;
    let incomplete = node.misses("incomplete")?;
    ensure!(!denied_in_kernel(&node)?, "denied by a map that is full");
    ensure!(node.misses("incomplete")? > incomplete);

    folder.write("services.yaml", &some(3))?;
    let deadline = Instant::now() + PATIENCE;
    while metric(&node, "kxdns_kernel_denies_names")? < 1.0 {
        let left_out = metric(&node, "kxdns_kernel_names_left_out")?;
        let log = node.child.output();
        ensure!(
            Instant::now() < deadline,
            "{left_out} names left out: {log}"
        );
    }
    ensure!(metric(&node, "kxdns_kernel_names_left_out")? < 1.0);
    ensure!(denied_in_kernel(&node)?, "room has returned");
    all_resolve(&node, 3)?;
    node.child
        .wait_for_line("all names have a place", PATIENCE)?;

    // And full again.
    folder.write("services.yaml", &some(12))?;
    let deadline = Instant::now() + PATIENCE;
    while metric(&node, "kxdns_kernel_names_left_out")? < 1.0 {
        ensure!(Instant::now() < deadline, "{}", node.child.output());
    }
    ensure!(!denied_in_kernel(&node)?);
    all_resolve(&node, 12)
}
