//! Pods joined to their node in the other ways that container network plugins have: behind a bridge, and with a gateway
//! that is nobody's address.

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use hickory_proto::{op::ResponseCode, rr::RecordType};
use kxdns_tests::node::{Node, POD, POD_INTERFACE, manifests, plan, services};
use testbed::Topology;

const NAME: &str = "web.default.svc.cluster.local.";
const ADDRESS: &str = "10.96.1.5";
const ABSENT: &str = "absent.default.svc.cluster.local.";
const HOOKS: [&str; 3] = ["tcx", "tc", "xdp-generic"];
/// The node's address towards its pods, as the testbed has it.
const GATEWAY: &str = "10.244.0.1";
/// The gateway that Calico and Amazon's plugin give to pods: a link-local address.
const NOBODY: &str = "169.254.1.1";

/// Puts the node's end into a bridge, which takes its address and route: flannel, and the plugin `bridge`.
fn behind_a_bridge(bed: &Topology) -> Result<()> {
    let (node, pod) = (&bed.node, bed.pod(POD));
    node.ip("link add cni0 type bridge")?;
    node.ip(&format!("addr del {GATEWAY}/32 dev {POD_INTERFACE}"))?;
    node.ip(&format!("link set {POD_INTERFACE} master cni0"))?;
    node.ip(&format!("addr add {GATEWAY}/32 dev cni0"))?;
    node.ip("link set cni0 up")?;
    node.ip(&format!("route replace {}/32 dev cni0", pod.ipv4))?;
    Ok(())
}

/// Lets the node answer for a gateway that no interface has: Calico, and Amazon's plugin.
fn with_proxy_arp(bed: &Topology) -> Result<()> {
    let (node, pod) = (&bed.node, &bed.pod(POD).namespace);
    node.ip(&format!("addr del {GATEWAY}/32 dev {POD_INTERFACE}"))?;
    node.ip(&format!("addr add {GATEWAY}/32 dev lo"))?;
    node.ip(&format!(
        "route replace {}/32 dev {POD_INTERFACE}",
        bed.pod(POD).ipv4
    ))?;
    // It answers only for addresses that it would send elsewhere.
    node.ip("route add default dev uplink")?;
    node.run(|| {
        let root = "/proc/sys/net/ipv4";
        std::fs::write(format!("{root}/conf/{POD_INTERFACE}/proxy_arp"), "1")?;
        std::fs::write(format!("{root}/neigh/{POD_INTERFACE}/proxy_delay"), "0")
    })??;
    pod.ip(&format!(
        "route replace default via {NOBODY} dev eth0 onlink"
    ))?;
    pod.ip(&format!("route del {GATEWAY}/32 dev eth0"))?;
    Ok(())
}

#[test]
fn the_kernel_answers_pods_however_they_are_joined() -> Result<()> {
    type Join = fn(&Topology) -> Result<()>;
    let joins: [(&str, Join); 2] = [("bridge", behind_a_bridge), ("proxy ARP", with_proxy_arp)];
    let folder = manifests(&services(&[("web", ADDRESS)]))?;
    let path = folder.path().to_string_lossy();
    for (name, join) in joins {
        for hook in HOOKS {
            check(join, &path, hook).with_context(|| format!("{name}, {hook}"))?;
        }
    }
    Ok(())
}

fn check(join: fn(&Topology) -> Result<()>, manifests: &str, hook: &str) -> Result<()> {
    let bed = plan().outside("internet").build()?;
    join(&bed)?;
    let node = Node::start(
        bed,
        &["--manifests", manifests],
        &[
            "--hook",
            hook,
            "--interface",
            "auto",
            "--exclude-interface",
            "uplink",
        ],
    )?;
    let before = node.hits()?;
    let address: IpAddr = ADDRESS.parse()?;
    ensure!(node.resolve(NAME)? == Some(address), "another address");
    let denied = node.message(ABSENT, RecordType::A)?;
    ensure!(
        denied.metadata.response_code == ResponseCode::NXDomain,
        "{denied}"
    );
    let hits = node.hits()? - before;
    ensure!(hits == 2, "the kernel answered {hits} of 2");
    // What it leaves to the server comes through as well.
    let srv = node.message(NAME, RecordType::SRV)?;
    ensure!(srv.answers.len() == 1, "{srv}");
    ensure!(node.hits()? - before == 2, "SRV is the server's");
    Ok(())
}
