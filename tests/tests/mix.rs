//! What pods ask: with ndots:5 and the search path of a kubelet, only names outside the cluster leave the kernel.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context as _, Result, ensure};
use kxdns_tests::node::{METRICS, Node, SERVICE_IP, manifests, plan, services};
use testbed::{PodFiles, Table, Upstream, kubelet_resolv_conf};

/// Services, and names outside the cluster, that the pod resolves.
const NAMES: u8 = 20;
/// Names that the C library tries before one outside the cluster is asked for as it is.
const SUFFIXES: u64 = 3;
/// Questions for each name: A and AAAA.
const TYPES: u64 = 2;

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 96, 7, last)
}

fn outside(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, last)
}

/// Packets that the userspace server has seen.
fn served(node: &Node) -> Result<u64> {
    let page = testbed::get(
        &node.bed.node,
        METRICS,
        "/metrics",
        kxdns_tests::node::ANSWER,
    )?;
    let requests = testbed::sum(&page.body, "kxdns_server_requests_total").unwrap_or(0.0);
    Ok(format!("{requests:.0}").parse()?)
}

#[test]
fn only_names_outside_the_cluster_leave_the_kernel() -> Result<()> {
    let names: Vec<(String, String)> = (1..=NAMES)
        .map(|at| (format!("service-{at}"), address(at).to_string()))
        .collect();
    let pairs: Vec<_> = names
        .iter()
        .map(|(name, ip)| (name.as_str(), ip.as_str()))
        .collect();
    let folder = manifests(&services(&pairs))?;
    let bed = plan().build()?;
    let table = (1..=NAMES).fold(Table::new(), |table, at| {
        table.address(&format!("api-{at}.example.com."), outside(at))
    });
    let upstream = Upstream::start(&bed.node, "127.0.0.1:5300".parse()?, table)?;
    let path = folder.path().to_string_lossy().into_owned();
    let node = Node::start(bed, &["--manifests", &path], &[])?;
    let files = PodFiles::new(&kubelet_resolv_conf(
        SERVICE_IP.into(),
        "default",
        "cluster.local",
    ))?;
    let getent = |name: &str, expected: Ipv4Addr| -> Result<()> {
        let mut command = node.pod().pod_command(&files, "getent");
        let text = testbed::output(command.args(["ahosts", name]))?;
        let first = text
            .split_whitespace()
            .next()
            .context("getent prints nothing")?;
        ensure!(first.parse() == Ok(IpAddr::V4(expected)), "{name}: {text}");
        Ok(())
    };
    // The first packet of a pod looks for its neighbour.
    getent("service-1", address(1))?;

    let before = (node.hits()?, node.misses("outside_zones")?, served(&node)?);
    for at in 1..=NAMES {
        getent(&format!("service-{at}"), address(at))?;
    }
    let asked = upstream.queries();
    let between = (node.hits()?, node.misses("outside_zones")?, served(&node)?);
    for at in 1..=NAMES {
        getent(&format!("api-{at}.example.com"), outside(at))?;
    }
    let after = (node.hits()?, node.misses("outside_zones")?, served(&node)?);

    let names = u64::from(NAMES);
    println!("              kernel  passed  userspace");
    println!("before      {before:?}\nServices    {between:?}\noutside     {after:?}");
    let hits = (between.0 - before.0, after.0 - between.0);
    assert_eq!(
        hits,
        (names * TYPES, names * TYPES * SUFFIXES),
        "answered in the kernel"
    );
    assert_eq!(
        (between.1, between.2),
        (before.1, before.2),
        "a Service's name left the kernel"
    );
    let passed = (after.1 - between.1, after.2 - between.2);
    assert_eq!(
        passed,
        (names * TYPES, names * TYPES),
        "passed on, and taken by the server"
    );
    assert_eq!(
        upstream.queries() - asked,
        names * TYPES,
        "asked of the upstream"
    );
    Ok(())
}
