//! Real sockets in network namespaces: every hook answers, rightly, and as the userspace server does.

use std::{net::IpAddr, process::Stdio, time::Instant};

use anyhow::{Context as _, Result, ensure};
use aya::programs::XdpMode;
use dns_ctl::attach::kernel::{Kernel, OBJECT};
use hickory_proto::{
    op::{Edns, Message, ResponseCode},
    rr::RecordType,
};
use kxdns_tests::node::{ANSWER, Node, PATIENCE, POD_INTERFACE, manifests, plan, services};
use testbed::{Child, Plan, Side, Table, Upstream, udp_query};

/// Names of every remainder of eight octets, so that the question ends at even and odd offsets.
const SERVICES: [(&str, &str); 8] = [
    ("n", "10.96.1.1"),
    ("ng", "10.96.1.2"),
    ("ngi", "10.96.1.3"),
    ("ngin", "10.96.1.4"),
    ("nginx", "10.96.1.5"),
    ("nginxa", "10.96.1.6"),
    ("nginx-1", "10.96.1.7"),
    ("nginx-12", "10.96.1.8"),
];

fn names() -> impl Iterator<Item = (String, &'static str)> {
    SERVICES
        .iter()
        .map(|(name, address)| (format!("{name}.default.svc.cluster.local."), *address))
}

/// Starts a node with the services on one hook.
fn start(plan: Plan, hook: &str) -> Result<(Node, testbed::Scratch)> {
    let folder = manifests(&services(&SERVICES))?;
    let path = folder.path().to_string_lossy().into_owned();
    let node = Node::start(plan.build()?, &["--manifests", &path], &["--hook", hook])?;
    let status = node.status()?;
    ensure!(status["interfaces"][0]["name"] == POD_INTERFACE, "{status}");
    ensure!(status["interfaces"][0]["hook"] == hook, "{status}");
    Ok((node, folder))
}

/// Asks for every service and watches the wire in the pod; what the kernel answers has to be right, to equal
/// what the server says, and to carry right checksums.
fn every_answer_is_right(plan: Plan, hook: &str) -> Result<()> {
    let (node, _folder) = start(plan, hook)?;
    ask_and_watch(&node, hook)
}

fn ask_and_watch(node: &Node, hook: &str) -> Result<()> {
    let mut capture = Child::spawn(
        "tcpdump",
        node.pod()
            .command("tcpdump")
            .args([
                "-i",
                "eth0",
                "-n",
                "-vv",
                "-l",
                "--immediate-mode",
                "udp and src port 53",
            ])
            .stdin(Stdio::null()),
    )?;
    capture.wait_for_line("listening on", PATIENCE)?;
    let before = node.hits()?;
    for (id, (name, address)) in (1_u16..).zip(names()) {
        let query = testbed::query(id, &name, RecordType::A)?;
        let kernel = node.ask(&query).with_context(|| name.clone())?;
        let server = node.ask_server(&query)?;
        assert_eq!(kernel, server, "{name} on {hook}");
        let message = Message::from_vec(&kernel)?;
        assert_eq!(message.metadata.id, id);
        assert_eq!(message.answers.len(), 1, "{name}");
        assert_eq!(
            message.answers[0].data.ip_addr(),
            Some(address.parse()?),
            "{name}"
        );
    }
    assert_eq!(
        node.hits()? - before,
        SERVICES.len() as u64,
        "all were answered in the kernel"
    );

    let (last, _) = names().last().context("there are services")?;
    capture.wait_for_line(&last, PATIENCE)?;
    let text = capture.output();
    assert!(!text.contains("bad cksum"), "an IPv4 header: {text}");
    assert!(!text.contains("bad udp cksum"), "{hook}: {text}");
    assert_eq!(
        text.matches("udp sum ok").count(),
        SERVICES.len(),
        "{hook}: {text}"
    );
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

/// The node's network stack completes checksums that pods' only begin, unless the hook's answer is complete.
#[test]
fn answers_survive_a_node_without_checksum_offload() -> Result<()> {
    for hook in ["tcx", "tc", "xdp-generic"] {
        every_answer_is_right(plan().offload(Side::Node, "tx", false), hook)
            .context("without offload on the node's side")?;
    }
    Ok(())
}

/// The device may change its mind while dns-ctl runs: answers that were sent meanwhile may be lost, later ones not.
#[test]
fn answers_survive_the_loss_of_checksum_offload() -> Result<()> {
    let (node, _folder) = start(plan(), "tcx")?;
    let (name, address) = names().next().context("there are services")?;
    let address = Some(address.parse()?);
    assert_eq!(node.resolve(&name)?, address);
    for value in ["off", "on"] {
        let mut ethtool = node.bed.node.command("ethtool");
        testbed::output(ethtool.args(["-K", POD_INTERFACE, "tx", value]))?;
        let deadline = Instant::now() + PATIENCE;
        while !node.resolve(&name).is_ok_and(|found| found == address) {
            ensure!(
                Instant::now() < deadline,
                "tx {value}: {}",
                node.child.output()
            );
        }
        for _ in 0..20 {
            assert_eq!(node.resolve(&name)?, address, "tx {value}");
        }
    }
    assert!(node.hits()? >= 43);
    Ok(())
}

#[test]
fn answers_survive_a_pod_without_checksum_offload() -> Result<()> {
    for hook in ["tcx", "tc", "xdp-generic"] {
        every_answer_is_right(plan().offload(Side::Pod, "tx", false), hook)
            .context("without offload on the pod's side")?;
    }
    Ok(())
}

/// Native XDP on a veth needs a program on the pod's side too: one that passes everything will do.
#[test]
fn native_xdp_answers() -> Result<()> {
    let folder = manifests(&services(&SERVICES))?;
    let path = folder.path().to_string_lossy().into_owned();
    let bed = plan().single_queue().build()?;
    let source = ["--manifests", &path];
    let node = Node::start(bed, &source, &["--hook", "xdp-native"])?;
    let _passes = node.pod().run(|| -> Result<Kernel> {
        // Without a configuration the program passes every packet.
        let mut kernel = Kernel::load(OBJECT, 1)?;
        kernel.xdp()?.attach("eth0", XdpMode::Driver)?;
        Ok(kernel)
    })??;
    ask_and_watch(&node, "xdp-native")
}

/// What the kernel does not answer, the server does, and both say the same of the same name.
#[test]
fn what_the_kernel_passes_on_the_server_answers() -> Result<()> {
    let (node, _folder) = start(plan(), "tcx")?;
    let name = "nginx.default.svc.cluster.local.";
    let mut edns = Message::from_vec(&testbed::query(3, name, RecordType::A)?)?;
    edns.set_edns(Edns::new());
    let aaaa = testbed::query(4, name, RecordType::AAAA)?;
    let missing = testbed::query(5, "nobody.default.svc.cluster.local.", RecordType::A)?;
    let before = node.hits()?;
    for (what, query, rcode, answers) in [
        ("EDNS", edns.to_vec()?, ResponseCode::NoError, 1),
        ("AAAA", aaaa, ResponseCode::NoError, 0),
        (
            "a name that does not exist",
            missing,
            ResponseCode::NXDomain,
            0,
        ),
    ] {
        let message = Message::from_vec(&node.ask(&query)?)?;
        assert_eq!(message.metadata.response_code, rcode, "{what}");
        assert_eq!(message.answers.len(), answers, "{what}");
    }
    assert_eq!(node.hits()?, before);
    assert_eq!(node.misses("additional")?, 1);
    assert_eq!(node.misses("type_not_served")?, 1);
    assert_eq!(node.misses("unknown_name")?, 1);
    Ok(())
}

/// Queries to any other DNS server leave the node as they came.
#[test]
fn other_dns_servers_are_not_touched() -> Result<()> {
    let (node, _folder) = start(plan().outside("resolver"), "tcx")?;
    let outside = node.bed.outside();
    let address: IpAddr = "192.0.2.99".parse()?;
    let name = "nginx.default.svc.cluster.local.";
    let upstream = Upstream::start(
        &outside.namespace,
        (outside.ipv4, 53).into(),
        Table::new().address(name, address),
    )?;
    let query = testbed::query(9, name, RecordType::A)?;
    let reply = udp_query(node.pod(), upstream.address(), &query, ANSWER)?.context("no answer")?;
    let message = Message::from_vec(&reply.bytes)?;
    assert_eq!(message.answers[0].data.ip_addr(), Some(address));
    assert_eq!(upstream.queries(), 1);
    assert_eq!(node.misses("other_address")?, 1);
    Ok(())
}
