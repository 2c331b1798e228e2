//! What Kubernetes' own conformance tests ask of cluster DNS, asked by the programs that pods have: dig and getent,
//! with the search path of a kubelet.

use std::{
    net::Ipv4Addr,
    process::{Command, Output},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use api_stub::{Cluster, Kind, sample};
use kxdns_tests::node::{Node, PATIENCE, SERVICE_IP, plan};
use serde_json::{Value, json};
use testbed::{PodFiles, Scratch, Table, Upstream, kubelet_resolv_conf};

/// The namespace of the pod that asks.
const NAMESPACE: &str = "dns-test";
/// An address outside the cluster.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);

/// A cluster, a node that runs dns-ctl on it, and a pod that asks.
struct Bed {
    node: Node,
    cluster: Cluster,
    files: PodFiles,
    _upstream: Upstream,
    _folder: Scratch,
}

fn bed(objects: &[Value]) -> Result<Bed> {
    let bed = plan().build()?;
    let cluster = bed.node.run(Cluster::start)??;
    bed.node
        .run(|| cluster.create(&sample::namespace(NAMESPACE)))??;
    for object in objects {
        bed.node.run(|| cluster.create(object))??;
    }
    let outside = Table::new()
        .address("www.example.com.", OUTSIDE)
        .address("other.example.com.", OUTSIDE);
    let upstream = Upstream::start(&bed.node, "127.0.0.1:5300".parse()?, outside)?;
    let folder = Scratch::new("kubeconfig")?;
    let path = folder.path().join("kubeconfig");
    cluster.write_kubeconfig(&path)?;
    let path = path.to_string_lossy().into_owned();
    let node = Node::start(bed, &["--kubeconfig", &path], &[])?;
    let resolv_conf = kubelet_resolv_conf(SERVICE_IP.into(), NAMESPACE, "cluster.local");
    Ok(Bed {
        node,
        cluster,
        files: PodFiles::new(&resolv_conf)?,
        _upstream: upstream,
        _folder: folder,
    })
}

impl Bed {
    /// Runs a program in the pod.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<Output> {
        let mut command: Command = self.node.pod().pod_command(&self.files, program);
        let output = command.args(arguments).output();
        output.with_context(|| format!("can't run {program}"))
    }

    /// The answer section's data as dig prints it in short, in order.
    fn dig(&self, arguments: &[&str]) -> Result<Vec<String>> {
        // The first try may be the pod's first packet ever, for which a neighbour has to be found.
        let common = ["+short", "+search", "+tries=2", "+time=3"];
        let output = self.run("dig", &[&common, arguments].concat())?;
        ensure!(output.status.success(), "dig {arguments:?}: {output:?}");
        let mut lines: Vec<_> = String::from_utf8(output.stdout)?
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort();
        Ok(lines)
    }

    /// The addresses that the C library finds.
    fn getent(&self, name: &str) -> Result<Vec<String>> {
        let output = self.run("getent", &["ahostsv4", name])?;
        let text = String::from_utf8(output.stdout)?;
        let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
        let mut addresses: Vec<_> = text.lines().filter_map(first).collect();
        addresses.sort();
        addresses.dedup();
        Ok(addresses)
    }

    /// Asks until the answer is this: a change in the cluster takes its time.
    fn dig_until(&self, arguments: &[&str], expected: &[&str]) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let got = self.dig(arguments)?;
            if got == expected {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "dig {arguments:?}: {got:?}");
        }
    }
}

/// A regular Service and a headless one with two named pods, as the conformance tests have them.
fn services() -> Vec<Value> {
    vec![
        sample::service(NAMESPACE, "regular", "10.96.40.1"),
        sample::service(NAMESPACE, "headless", "None"),
        sample::slice(
            NAMESPACE,
            "headless",
            &[("10.244.9.1", "one"), ("10.244.9.2", "")],
        ),
    ]
}

#[test]
fn the_cluster_itself_has_a_name_over_udp_and_tcp() -> Result<()> {
    let bed = bed(&[])?;
    let kubernetes = bed
        .node
        .bed
        .node
        .run(|| bed.cluster.get(Kind::Service, "default", "kubernetes"))??;
    let address = kubernetes["spec"]["clusterIP"]
        .as_str()
        .context("the Service `kubernetes` has an address")?;
    for transport in ["+notcp", "+tcp"] {
        let name = "kubernetes.default.svc.cluster.local";
        assert_eq!(bed.dig(&[transport, name, "A"])?, [address], "{transport}");
    }
    assert_eq!(bed.getent("kubernetes.default")?, [address]);
    Ok(())
}

#[test]
fn a_headless_service_has_its_pods_addresses() -> Result<()> {
    let bed = bed(&services())?;
    let both = ["10.244.9.1", "10.244.9.2"];
    for transport in ["+notcp", "+tcp"] {
        let name = "headless.dns-test.svc.cluster.local";
        assert_eq!(bed.dig(&[transport, name, "A"])?, both, "{transport}");
    }
    assert_eq!(bed.getent("headless")?, both);
    Ok(())
}

#[test]
fn a_regular_service_has_a_location_for_each_port() -> Result<()> {
    let bed = bed(&services())?;
    for transport in ["+notcp", "+tcp"] {
        assert_eq!(
            bed.dig(&[transport, "_http._tcp.regular.dns-test.svc", "SRV"])?,
            ["0 100 80 regular.dns-test.svc.cluster.local."],
            "{transport}"
        );
    }
    Ok(())
}

#[test]
fn a_headless_service_has_a_location_for_each_pod() -> Result<()> {
    let bed = bed(&services())?;
    for transport in ["+notcp", "+tcp"] {
        assert_eq!(
            bed.dig(&[transport, "_http._tcp.headless.dns-test.svc", "SRV"])?,
            [
                "0 50 80 10-244-9-2.headless.dns-test.svc.cluster.local.",
                "0 50 80 one.headless.dns-test.svc.cluster.local.",
            ],
            "{transport}"
        );
    }
    Ok(())
}

#[test]
fn a_cluster_ip_points_back_to_its_service() -> Result<()> {
    let bed = bed(&services())?;
    for transport in ["+notcp", "+tcp"] {
        assert_eq!(
            bed.dig(&[transport, "-x", "10.96.40.1"])?,
            ["regular.dns-test.svc.cluster.local."],
            "{transport}"
        );
    }
    let output = bed.run("getent", &["hosts", "10.244.9.1"])?;
    let line = String::from_utf8(output.stdout)?;
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(
        words,
        ["10.244.9.1", "one.headless.dns-test.svc.cluster.local"]
    );
    Ok(())
}

#[test]
fn partial_names_are_found_by_the_search_path() -> Result<()> {
    let bed = bed(&services())?;
    for name in [
        "regular",
        "regular.dns-test",
        "regular.dns-test.svc",
        "regular.dns-test.svc.cluster.local",
    ] {
        assert_eq!(bed.dig(&[name, "A"])?, ["10.96.40.1"], "{name}");
        assert_eq!(bed.getent(name)?, ["10.96.40.1"], "{name}");
    }
    // The whole search path is tried before the Internet is asked.
    assert_eq!(bed.getent("www.example.com")?, [OUTSIDE.to_string()]);
    assert_eq!(bed.getent("nothing")?, [] as [&str; 0]);
    Ok(())
}

#[test]
fn a_pod_with_host_name_and_subdomain_has_a_name() -> Result<()> {
    let bed = bed(&services())?;
    for name in [
        "one.headless",
        "one.headless.dns-test.svc.cluster.local",
        "10-244-9-1.dns-test.pod",
    ] {
        assert_eq!(bed.dig(&[name, "A"])?, ["10.244.9.1"], "{name}");
        assert_eq!(bed.getent(name)?, ["10.244.9.1"], "{name}");
    }
    assert_eq!(bed.getent("two.headless")?, [] as [&str; 0]);
    Ok(())
}

#[test]
fn an_external_name_changes_and_becomes_a_cluster_ip() -> Result<()> {
    let bed = bed(&[sample::external(NAMESPACE, "alias", "www.example.com")])?;
    let name = "alias.dns-test.svc.cluster.local";
    assert_eq!(bed.dig(&[name, "CNAME"])?, ["www.example.com."]);
    let address = OUTSIDE.to_string();
    assert_eq!(bed.dig(&[name, "A"])?, [&address, "www.example.com."]);
    assert_eq!(bed.getent("alias")?, [address]);

    let replace = |object: &Value| bed.node.bed.node.run(|| bed.cluster.replace(object))?;
    let get = || {
        bed.node
            .bed
            .node
            .run(|| bed.cluster.get(Kind::Service, NAMESPACE, "alias"))?
    };
    let mut object = get()?;
    object["spec"]["externalName"] = "other.example.com".into();
    replace(&object)?;
    bed.dig_until(&[name, "CNAME"], &["other.example.com."])?;

    let mut object = get()?;
    object["spec"] = json!({
        "type": "ClusterIP",
        "clusterIP": "10.96.40.9",
        "ports": [{ "name": "http", "port": 80, "protocol": "TCP" }],
    });
    replace(&object)?;
    bed.dig_until(&[name, "A"], &["10.96.40.9"])?;
    assert_eq!(bed.dig(&[name, "CNAME"])?, [] as [&str; 0]);
    assert_eq!(bed.getent("alias")?, ["10.96.40.9"]);
    Ok(())
}
