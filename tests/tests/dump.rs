//! `dns-ctl dump`: all that the manifests come to, line by line, and no secret.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    process::{Output, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use aya::maps::Map;
use dns_common::maps::{Config, map_name};
use dns_ctl::attach::{maps::ConfigMap, pins};
use kxdns_tests::node::{Node, dns_ctl, manifests, outcome, plan, services};
use serde_json::Value;

const MANIFEST: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.7.1, clusterIPs: [10.96.7.1, 'fd00::7:1'], ports: [{name: http, port: 80, protocol: TCP}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, ports: [{port: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{port: 5432}]
endpoints: [{addresses: [10.244.9.1], hostname: db-0, conditions: {ready: true}}]
---
apiVersion: v1
kind: Service
metadata: {name: out, namespace: shop}
spec: {type: ExternalName, externalName: example.com}
";

/// Written by hand from Kubernetes' DNS specification: name, type, and data if the kernel answers.
const EXPECTED: [(&str, &str, &str); 23] = [
    ("cluster.local.", "SOA", ""),
    ("cluster.local.", "NS", ""),
    ("svc.cluster.local.", "-", ""),
    ("pod.cluster.local.", "-", ""),
    ("shop.svc.cluster.local.", "-", ""),
    ("shop.pod.cluster.local.", "-", ""),
    ("dns-version.cluster.local.", "TXT", ""),
    ("web.shop.svc.cluster.local.", "A", "10.96.7.1"),
    ("web.shop.svc.cluster.local.", "AAAA", "fd00::7:1"),
    ("web.shop.svc.cluster.local.", "SRV", ""),
    ("_tcp.web.shop.svc.cluster.local.", "-", ""),
    ("_http._tcp.web.shop.svc.cluster.local.", "SRV", ""),
    ("db.shop.svc.cluster.local.", "A", "10.244.9.1"),
    ("db.shop.svc.cluster.local.", "SRV", ""),
    ("db-0.db.shop.svc.cluster.local.", "A", "10.244.9.1"),
    ("db-0.db.shop.svc.cluster.local.", "SRV", ""),
    ("out.shop.svc.cluster.local.", "*", ""),
    (
        "1.7.96.10.in-addr.arpa.",
        "PTR",
        "web.shop.svc.cluster.local.",
    ),
    (
        "1.9.244.10.in-addr.arpa.",
        "PTR",
        "db-0.db.shop.svc.cluster.local.",
    ),
    (
        "1.0.0.0.7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.",
        "PTR",
        "web.shop.svc.cluster.local.",
    ),
    // Other types of addresses' names are not known to the kernel.
    ("1.7.96.10.in-addr.arpa.", "*", ""),
    ("1.9.244.10.in-addr.arpa.", "*", ""),
    (
        "1.0.0.0.7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.",
        "*",
        "",
    ),
];

fn dump(node: &Node, arguments: &[&str]) -> Result<Output> {
    let mut command = dns_ctl(&node.bed.node)?;
    command.arg("dump").args(arguments).arg("--bpffs");
    command
        .arg(node.folder())
        .output()
        .context("can't run dns-ctl")
}

fn lines(node: &Node, arguments: &[&str]) -> Result<Vec<String>> {
    let output = dump(node, arguments)?;
    ensure!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().map(str::to_owned).collect())
}

#[test]
fn it_tells_what_the_manifests_say_and_nothing_else() -> Result<()> {
    let folder = manifests(MANIFEST)?;
    let path = folder.path().to_string_lossy().into_owned();
    let flags = ["--ttl", "17", "--pods", "insecure"];
    let node = Node::start(plan().build()?, &["--manifests", &path], &flags)?;
    let expected: BTreeSet<_> = EXPECTED
        .iter()
        .map(|&(name, kind, data)| {
            let (ttl, data) = match (kind, data) {
                ("-", _) => ("-", "(no records)"),
                (_, "") => ("-", "(left to the server)"),
                (_, data) => ("17", data),
            };
            format!("name\t{name}\t{ttl}\tIN\t{kind}\t{data}")
        })
        .collect();
    let found = lines(&node, &["--only", "names"])?;
    assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), expected);
    assert_eq!(found.len(), expected.len(), "nothing is there twice");

    let rest = lines(&node, &["--only", "config,state,zones,services,interfaces"])?;
    for line in [
        "config\tttl\t17",
        "config\tdenies\ttrue",
        "state\tcomplete\ttrue",
        "zone\tpod.cluster.local.\tby_rule",
        "zone\tcluster.local.\tlisted",
        "service\t10.96.0.10:53",
    ] {
        assert!(
            rest.iter().any(|it| it == line),
            "{line} is not in {rest:#?}"
        );
    }
    let attached = |line: &&String| line.starts_with("interface\tpod-client\t");
    assert_eq!(rest.iter().filter(attached).count(), 1, "{rest:#?}");
    Ok(())
}

#[test]
fn patterns_choose_names_and_json_says_the_same() -> Result<()> {
    let folder = manifests(&services(&[("a", "10.96.1.1"), ("b", "10.96.1.2")]))?;
    let path = folder.path().to_string_lossy().into_owned();
    let node = Node::start(plan().build()?, &["--manifests", &path], &[])?;
    for (arguments, expected) in [
        (&["A.default.svc.cluster.local"][..], 2),
        (&["*.in-addr.arpa"], 2 * 2),
        (&["in-addr.arpa."], 2 * 2),
        (&["?.default.*", "1.1.96.10.in-addr.arpa"], 2 * 2 + 2),
        (&["nobody.example"], 0),
    ] {
        let found = lines(&node, arguments)?;
        assert_eq!(found.len(), expected, "{arguments:?}: {found:#?}");
    }
    let all = lines(&node, &["--output", "json"])?;
    let json: Vec<Value> = all
        .iter()
        .map(|line| serde_json::from_str(line))
        .collect::<Result<_, _>>()?;
    let a = json
        .iter()
        .find(|it| it["name"] == "a.default.svc.cluster.local.")
        .context("no such name")?;
    assert_eq!(a["kind"], "name");
    assert_eq!(a["records"][0]["data"], "10.96.1.1");
    for kind in ["config", "state", "zone", "service", "interface"] {
        assert!(json.iter().any(|it| it["kind"] == kind), "{kind}");
    }
    Ok(())
}

#[test]
fn the_secret_keys_are_in_no_dump() -> Result<()> {
    let folder = manifests(&services(&[("a", "10.96.1.1")]))?;
    let path = folder.path().to_string_lossy().into_owned();
    let node = Node::start(plan().build()?, &["--manifests", &path], &[])?;
    let map = Map::from_map_data(pins::open(&node.folder(), map_name::CONFIG)?)?;
    let config: Config = bytemuck::cast(ConfigMap::try_from(map)?.get(&0, 0)?);
    let table = lines(&node, &[])?.join("\n");
    let json = lines(&node, &["--output", "json"])?.join("\n");
    for word in config.keys.name.iter().chain(&config.keys.seal) {
        assert_ne!(*word, 0, "the keys are random");
        for written in [
            word.to_string(),
            format!("{word:x}"),
            format!("{:x}", word.swap_bytes()),
        ] {
            assert!(!table.contains(&written) && !json.contains(&written));
        }
    }
    // Who knows a name and its hash knows something of the keys.
    let key = format!(
        "{:016x}",
        config
            .keys
            .name_key(b"\x01a\x07default\x03svc\x07cluster\x05local\0")
            .0
    );
    assert!(!table.contains(&key) && !json.contains(&key));
    Ok(())
}

#[test]
fn a_reader_that_has_enough_ends_it_and_no_maps_are_an_error() -> Result<()> {
    let many: Vec<_> = (0..4000_u32)
        .map(|number| {
            (
                format!("service-{number}"),
                format!("10.97.{}.{}", number / 250, number % 250 + 1),
            )
        })
        .collect();
    let pairs: Vec<_> = many
        .iter()
        .map(|(name, ip)| (name.as_str(), ip.as_str()))
        .collect();
    let folder = manifests(&services(&pairs))?;
    let path = folder.path().to_string_lossy().into_owned();
    let node = Node::start(plan().build()?, &["--manifests", &path], &[])?;
    let mut command = dns_ctl(&node.bed.node)?;
    command.arg("dump").arg("--bpffs").arg(node.folder());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut reader = BufReader::new(child.stdout.take().context("no output")?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    assert!(line.starts_with("config\t"), "{line}");
    drop(reader);
    let output = child.wait_with_output()?;
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );

    let nowhere = node.bpffs.path().join("nobody");
    let mut command = dns_ctl(&node.bed.node)?;
    let (code, said) = outcome(command.arg("dump").arg("--bpffs").arg(nowhere))?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no dns-ctl has its maps in"), "{said}");
    Ok(())
}
