//! A real Prometheus that scrapes a busy dns-ctl, and is asked all that the dashboard and the alerts ask.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use api_stub::sample;
use hickory_proto::rr::RecordType;
use kxdns_tests::{
    node::{Node, PATIENCE, SERVICE, dns_ctl, plan},
    site::Site,
};
use testbed::{Namespace, Reply, Table, Upstream, tcp_query, udp_query};

use crate::{
    files::{dashboard_queries, rules},
    prometheus::{Prometheus, promtool},
};

/// How far a rate looks back: some scrapes.
const RATE: &str = "5s";
/// How long a reply may take that need not come.
const MOMENT: Duration = Duration::from_millis(200);
/// What the pod asks for, again and again: each kind of answer in the kernel, and what it leaves to the server.
const QUESTIONS: [(&str, RecordType); 11] = [
    ("web-1.default.svc.cluster.local.", RecordType::A),
    ("web-1.default.svc.cluster.local.", RecordType::AAAA),
    ("web-1.default.svc.cluster.local.", RecordType::SRV),
    ("web-1.default.svc.cluster.local.", RecordType::TXT),
    ("nobody.default.svc.cluster.local.", RecordType::A),
    ("1.7.96.10.in-addr.arpa.", RecordType::PTR),
    ("cluster.local.", RecordType::SOA),
    ("api.example.com.", RecordType::A),
    ("api.example.com.", RecordType::AAAA),
    ("broken.example.com.", RecordType::A),
    ("nothing.example.com.", RecordType::MX),
];

/// Asks all that over UDP and, now and then, over TCP, until it is told to stop.
fn ask(pod: &Namespace, stop: &AtomicBool) -> Result<()> {
    for round in 0.. {
        for (name, record_type) in QUESTIONS {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let query = testbed::query(7, name, record_type)?;
            udp_query(pod, SERVICE, &query, PATIENCE)?.context("no answer")?;
            if round % 4 == 0 {
                tcp_query(pod, SERVICE, &query, PATIENCE)?;
            }
        }
        // A name that no cache has.
        let query = testbed::query(7, &format!("n{round}.example.com."), RecordType::A)?;
        udp_query(pod, SERVICE, &query, PATIENCE)?.context("no answer")?;
        // Not DNS, and not for the kernel.
        udp_query(pod, SERVICE, b"garbage", MOMENT)?;
    }
    Ok(())
}

/// Whether Prometheus has figures for a query.
fn has_data(prometheus: &Prometheus<'_>, query: &str) -> Result<bool> {
    let samples = prometheus.query(query)?;
    Ok(samples.iter().any(|sample| !sample.is_nan()))
}

/// Waits until it has, for all of them.
fn wait_for_data(prometheus: &Prometheus<'_>, queries: Vec<(String, String)>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut missing = queries;
    loop {
        let mut still = Vec::new();
        for (title, query) in missing {
            let has_data = has_data(prometheus, &query);
            if !has_data.with_context(|| format!("{title}: {query}"))? {
                still.push((title, query));
            }
        }
        if still.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("no data: {still:#?}");
        }
        missing = still;
        thread::sleep(MOMENT);
    }
}

#[test]
fn prometheus_has_an_answer_to_all_that_the_dashboard_and_the_alerts_ask() -> Result<()> {
    let bed = plan().build()?;
    let table = Table::new()
        .address("api.example.com.", Ipv4Addr::new(192, 0, 2, 1))
        .reply("broken.example.com.", RecordType::A, Reply::ServFail);
    let _upstream = Upstream::start(&bed.node, "127.0.0.1:5300".parse()?, table)?;
    let flags = [
        ["--upstream", "127.0.0.1:5301"],
        ["--upstream", "127.0.0.1:5300"],
        ["--state-dir", "@/state"],
        ["--probe", "web-1.default.svc.cluster.local"],
        ["--interface", "pod-*"],
    ];
    let services = [("web-1", "10.96.7.1"), ("web-2", "10.96.7.2")];
    let site = Site::start(bed, &services, flags.as_flattened())?;
    let node = &site.node;
    node.bed
        .node
        .ip("link add pod-late type veth peer name peer-late")?;

    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| ask(node.pod(), &stop));
        let changing = scope.spawn(|| -> Result<()> {
            for last in 3..=255 {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let address = IpAddr::from([10, 96, 7, last]).to_string();
                site.create(&sample::service(
                    "default",
                    &format!("web-{last}"),
                    &address,
                ))?;
                thread::sleep(MOMENT);
            }
            Ok(())
        });
        let result = look(node);
        stop.store(true, Ordering::Relaxed);
        let threads = [asking.join(), changing.join()];
        result?;
        for ended in threads {
            ended.ok().context("a thread has panicked")??;
        }
        Ok(())
    })
}

fn look(node: &Node) -> Result<()> {
    let prometheus = Prometheus::start(&node.bed.node)?;
    let queries = dashboard_queries(RATE)?;
    ensure!(queries.len() > 40, "{queries:?}");
    wait_for_data(&prometheus, queries)?;

    let mut expected: Vec<_> = rules()?.into_iter().map(|rule| rule.name).collect();
    expected.sort();
    for rule in rules()? {
        let query = rule.value["expr"]
            .as_str()
            .context("a rule without an expression")?;
        let samples = prometheus.query(query).with_context(|| rule.name.clone())?;
        // While all is well, an alert has none; one of the upstreams is dead, and one name is always broken.
        let is_due = ["KxdnsUpstreamDown", "KxdnsServfailRatio"].contains(&&*rule.name);
        ensure!(
            !rule.is_alert || samples.is_empty() || is_due,
            "{}: {samples:?}",
            rule.name
        );
    }
    let known = prometheus.rules()?;
    let mut names: Vec<_> = known
        .iter()
        .filter_map(|rule| rule["name"].as_str())
        .collect();
    names.sort_unstable();
    ensure!(names == expected, "{names:?}");
    for rule in &known {
        ensure!(
            rule["lastError"].is_null() && rule["health"] != "err",
            "{rule}"
        );
    }
    // Who has no Prometheus asks the instance itself.
    let status = node.status()?;
    let instance = &status["instance"];
    ensure!(
        instance["ready"] == true && instance["synced"] == true,
        "{status}"
    );
    let sources = instance["sources"].as_array().context("no sources")?;
    ensure!(sources.len() > 2, "{status}");
    for source in sources {
        ensure!(
            source["listed"] == true && source["errors"] == 0,
            "{source}"
        );
        let heard = source["heard_seconds"].as_u64();
        ensure!(heard.is_some_and(|age| age < 300), "{source}");
    }
    ensure!(
        instance["upstreams"].as_array().map(Vec::len) == Some(2),
        "{status}"
    );
    ensure!(instance["server"]["answers"].as_u64() > Some(0), "{status}");
    ensure!(status["addresses"][0] == SERVICE.to_string(), "{status}");
    let mut command = dns_ctl(&node.bed.node)?;
    command.args(["status", "--bpffs"]).arg(node.folder());
    println!("{}", testbed::output(&mut command)?);
    // And the page as it is after all that, in the format that promtool reads.
    let page = node.page("/metrics")?;
    promtool(&["check", "metrics"], &page.body).map(drop)
}
