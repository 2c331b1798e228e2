//! The XDP program under as many queries as can be sent: each one it sees is answered.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use kxdns_tests::node::{Node, SERVICE_IP, manifests, plan, services};
use serde_json::Value;
use testbed::Scratch;

/// Seconds that the load lasts.
const SECONDS: &str = "3";
/// More queries a second than can be sent.
const FULL_SPEED: &str = "10000000";

#[test]
fn native_xdp_answers_every_query_at_full_speed() -> Result<()> {
    // Names of one length, so that every answer has the same.
    let names: Vec<String> = (10..60).map(|number| format!("service-{number}")).collect();
    let addresses: Vec<String> = (10..60)
        .map(|last| Ipv4Addr::new(10, 96, 7, last).to_string())
        .collect();
    let all: Vec<(&str, &str)> = names
        .iter()
        .zip(&addresses)
        .map(|(name, address)| (name.as_str(), address.as_str()))
        .collect();
    let folder = manifests(&services(&all))?;
    let path = folder.path().to_string_lossy().into_owned();
    let bed = plan().single_queue().build()?;
    let node = Node::start(bed, &["--manifests", &path], &["--hook", "xdp-native"])?;

    let queries = Scratch::new("queries")?;
    let line = |name: &String| format!("{name}.default.svc.cluster.local A");
    let lines: Vec<_> = names.iter().map(line).collect();
    let lines = lines.join("\n");
    let queries = queries.write("queries", &lines)?;
    let mut kxdpgun = node.pod().command("kxdpgun");
    kxdpgun
        .args(["-t", SECONDS, "-Q", FULL_SPEED, "-I", "eth0", "-i"])
        .arg(queries)
        .arg(SERVICE_IP.to_string());
    let report = testbed::output(&mut kxdpgun)?;
    println!("{report}");
    let number = |label: &str| -> Result<u64> {
        let line = report
            .lines()
            .find_map(|line| line.trim().strip_prefix(label));
        let word = line.and_then(|line| line.split_whitespace().next());
        word.with_context(|| format!("kxdpgun says no `{label}`"))?
            .parse()
            .context("a number")
    };

    let (sent, replies) = (number("total queries:")?, number("total replies:")?);
    assert!(sent > 0);
    assert_eq!(number("responded NOERROR:")?, replies, "{report}");
    // The header (12 octets), the question (38 + 4) and one address record (16).
    assert_eq!(number("average DNS reply size:")?, 70, "{report}");
    let status = node.status()?;
    // As much as `--lease` grants by itself, less what has passed since it was last renewed.
    let lease = status["lease_seconds"].as_f64().context("seconds")?;
    assert!(lease > 0.0 && lease <= 600.0, "{status}");
    let hits = status["hits"]["a"].as_u64().context("a counter")?;
    let misses = status["misses"].as_object().context("an object")?;
    let others: u64 = misses
        .iter()
        .filter(|(reason, _)| !["not_unicast", "not_ipv4", "not_udp"].contains(&reason.as_str()))
        .filter_map(|(_, count)| Value::as_u64(count))
        .sum();
    assert_eq!(
        others, 0,
        "every query that the program saw was answered: {status}"
    );
    // What is lost is lost on the way to the program, in a full ring, and on the way back.
    assert!(
        replies <= hits && hits <= sent,
        "{replies} <= {hits} <= {sent}: {report}"
    );
    Ok(())
}
