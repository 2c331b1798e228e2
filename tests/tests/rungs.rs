//! Where a program can't be attached as it should be, the next best place is taken, and the log says why.

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf,
    programs::{LinkOrder, SchedClassifier, TcAttachType},
};
use dns_ctl::attach::kernel::TC_PROGRAM;
use kxdns_tests::{
    foreign,
    node::{Node, PATIENCE, POD, POD_INTERFACE, manifests, plan, run_command, services},
};
use testbed::{Bpffs, Child, Namespace, Scratch, Topology};

const NAME: &str = "nginx.default.svc.cluster.local.";
/// What is said of an interface without.
const WHY: &str = "its packets have no Ethernet header";

fn one_service() -> Result<(Scratch, String)> {
    let folder = manifests(&services(&[("nginx", "10.96.1.5")]))?;
    let path = folder.path().to_string_lossy().into_owned();
    Ok((folder, path))
}

/// Fills the interface with tcx programs of others, which pass everything on; they go when dropped.
fn fill(node: &Namespace) -> Result<Vec<Ebpf>> {
    let mut others = Vec::new();
    loop {
        match foreign::tcx(node, POD_INTERFACE, LinkOrder::last(), foreign::NEXT) {
            Ok(other) => others.push(other),
            Err(error) if others.is_empty() => return Err(error),
            // There is no room for more.
            Err(_) => return Ok(others),
        }
    }
}

fn tcx_programs(node: &Namespace) -> Result<usize> {
    node.run(|| {
        let (_, programs) = SchedClassifier::query_tcx(POD_INTERFACE, TcAttachType::Ingress)?;
        Ok(programs.len())
    })?
}

fn resolves(node: &Node) -> Result<()> {
    let before = node.hits()?;
    let found = node.resolve(NAME)?;
    ensure!(found == Some("10.96.1.5".parse()?), "{found:?}");
    ensure!(node.hits()? == before + 1, "by the kernel, and once");
    Ok(())
}

#[test]
fn where_there_is_no_room_for_tcx_a_filter_does_it() -> Result<()> {
    let (_folder, path) = one_service()?;
    let bed = plan().build()?;
    let others = fill(&bed.node)?;
    let number = tcx_programs(&bed.node)?;
    assert_eq!(number, others.len());
    let mut node = Node::start(bed, &["--manifests", &path], &["--interface", "auto"])?;
    let line = node.child.wait_for_line("attached there", PATIENCE)?;
    for words in ["hook=tc", "because of tcx:", POD_INTERFACE] {
        ensure!(line.contains(words), "does not say `{words}`: {line}");
    }
    // The reason is the kernel's, not only that there is one.
    ensure!(line.contains("os error 34"), "ERANGE: {line}");
    resolves(&node)?;
    assert_eq!(node.status()?["interfaces"][0]["hook"], "tc");
    assert_eq!(tcx_programs(&node.bed.node)?, number, "others' are left");
    drop(others);
    Ok(())
}

#[test]
fn what_was_asked_for_and_is_impossible_ends_the_start() -> Result<()> {
    let (_folder, path) = one_service()?;
    let bed = plan().build()?;
    let others = fill(&bed.node)?;
    let bpffs = Bpffs::mount()?;
    let mut command = run_command(&bed, &bpffs, &["--manifests", &path], &["--hook", "tcx"]);
    let mut child = Child::spawn("dns-ctl", &mut command)?;
    assert_eq!(child.wait(PATIENCE)?.code(), Some(1), "{}", child.output());
    let said = child.output();
    ensure!(
        said.contains(POD_INTERFACE) && said.contains("tcx:"),
        "{said}"
    );
    assert_eq!(tcx_programs(&bed.node)?, others.len());
    Ok(())
}

/// A pod's interface with somebody's XDP program gets tcx behind it, and that program stays.
#[test]
fn a_foreign_xdp_program_is_no_obstacle_for_tcx() -> Result<()> {
    let (_folder, path) = one_service()?;
    let bed = plan().build()?;
    let _foreign = foreign::xdp(&bed.node, POD_INTERFACE)?;
    let node = Node::start(bed, &["--manifests", &path], &["--interface", "auto"])?;
    resolves(&node)?;
    let link = node
        .bed
        .node
        .ip(&format!("-details link show dev {POD_INTERFACE}"))?;
    ensure!(link.contains("prog/xdp"), "{link}");
    let programs = node
        .bed
        .node
        .run(|| SchedClassifier::query_tcx(POD_INTERFACE, TcAttachType::Ingress))??;
    let names: Vec<_> = programs
        .1
        .iter()
        .filter_map(|program| program.name_as_str())
        .collect();
    assert_eq!(names, [TC_PROGRAM]);
    Ok(())
}

/// On one of several interfaces only XDP is asked for, and taken: it is said, and the others are served.
#[test]
fn one_interface_that_can_not_be_served_is_told_once_and_leaves_the_others() -> Result<()> {
    let (_folder, path) = one_service()?;
    let bed = plan().pod("other").build()?;
    let _foreign = foreign::xdp(&bed.node, "pod-other")?;
    let flags = ["--interface", "pod-*", "--hook", "xdp-generic"];
    let mut node = Node::start(bed, &["--manifests", &path], &flags)?;
    let line = node.child.wait_for_line("another XDP program", PATIENCE)?;
    ensure!(
        line.contains("pod-other") && line.contains("WARN"),
        "{line}"
    );
    resolves(&node)
}

fn with_tunnel() -> Result<Topology> {
    let bed = plan().build()?;
    bed.node.ip("tuntap add dev tunnel mode tun")?;
    Ok(bed)
}

#[test]
fn packets_without_an_ethernet_header_are_no_matter_for_the_programs() -> Result<()> {
    let (_folder, path) = one_service()?;
    let source = ["--manifests", path.as_str()];

    let bed = with_tunnel()?;
    let bpffs = Bpffs::mount()?;
    let mut command = run_command(&bed, &bpffs, &source, &["--interface", "tunnel"]);
    let mut child = Child::spawn("dns-ctl", &mut command)?;
    assert_eq!(child.wait(PATIENCE)?.code(), Some(1), "{}", child.output());
    let said = child.output();
    ensure!(said.contains(WHY) && said.contains("tunnel"), "{said}");

    let mut node = Node::start(bed, &source, &["--interface", "tun*,pod-*"])?;
    let line = node.child.wait_for_line(WHY, PATIENCE)?;
    ensure!(line.contains("tunnel"), "{line}");
    resolves(&node)?;
    // And if it comes later.
    node.bed.node.ip("tuntap add dev tun7 mode tun")?;
    let line = node.child.wait_for_line("tun7", PATIENCE)?;
    ensure!(line.contains(WHY), "{line}");
    let status = node.status()?;
    let interfaces = status["interfaces"].as_array().context("interfaces")?;
    assert_eq!(interfaces.len(), 1, "{status}");
    Ok(())
}

#[test]
fn what_is_excluded_is_left_alone() -> Result<()> {
    let (_folder, path) = one_service()?;
    let bed = plan().pod("other").build()?;
    let flags = ["--interface", "auto", "--exclude-interface", "*-other"];
    let node = Node::start(bed, &["--manifests", &path], &flags)?;
    let status = node.status()?;
    assert_eq!(status["interfaces"][0]["name"], POD_INTERFACE, "{status}");
    assert_eq!(status["interfaces"][1], serde_json::Value::Null, "{status}");
    let pod = &node.bed.pod(POD).node_interface;
    assert_eq!(pod, POD_INTERFACE);
    resolves(&node)
}
