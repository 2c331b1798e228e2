//! `dns-ctl top`: the right figures for a known load, one reader at a time, and an end of sampling whatever happens.

mod load;
mod screen;

use std::{process::Output, time::Duration};

use anyhow::{Context as _, Result, ensure};
use aya::maps::{Map, RingBuf};
use dns_common::{maps::map_name, sample::Watch};
use dns_ctl::attach::{clock::Clock, kernel::OBJECT, maps::WatchMap, pins};
use kxdns_tests::node::{
    Build, Node, PATIENCE, dns_ctl, manifests, outcome, plan, run_command, services, unwrapped,
};
use load::{BUSY, Load, OTHER_POD, QUIET};
use serde_json::Value;
use testbed::{Child, Scratch, Signal};

/// A node with two pods and two Services.
fn node(flags: &[&str]) -> Result<(Scratch, Node)> {
    let folder = manifests(&services(&[("busy", "10.96.1.5"), ("quiet", "10.96.1.6")]))?;
    let path = folder.path().to_string_lossy().into_owned();
    let bed = plan().pod(OTHER_POD).build()?;
    let flags = [flags, &["--interface", "pod-*"]].concat();
    let node = Node::start(bed, &["--manifests", &path], &flags)?;
    Ok((folder, node))
}

fn top(node: &Node, arguments: &[&str]) -> Result<Output> {
    let mut command = dns_ctl(&node.bed.node)?;
    command.arg("top").args(arguments).arg("--bpffs");
    command
        .arg(node.folder())
        .output()
        .context("can't run dns-ctl")
}

fn figures(node: &Node, arguments: &[&str]) -> Result<Value> {
    let output = top(node, &[&["--once", "--output", "json"], arguments].concat())?;
    ensure!(output.status.success(), "{output:?}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn number(value: &Value) -> Result<f64> {
    value
        .as_f64()
        .with_context(|| format!("{value} is a number"))
}

/// Whether a number is the expected one, but for what the ends of an interval cut off.
fn is_about(value: &Value, expected: f64) -> Result<bool> {
    Ok((number(value)? - expected).abs() < 0.05)
}

#[test]
fn a_known_load_is_told_as_it_is() -> Result<()> {
    for hook in ["tcx", "xdp-generic"] {
        let (_folder, node) = node(&["--hook", hook])?;
        let load = Load::start(&node)?;
        let json = figures(&node, &[])?;
        let sent = load.stop()?;
        assert!(sent > 100, "{sent} rounds were sent");
        let about = format!("{hook}: {json:#}");
        // Of five queries, three are for one name, and one of another pod leaves the cluster.
        assert!(is_about(&json["hit_ratio"], 0.8)?, "{about}");
        let samples = &json["samples"];
        assert_eq!(samples["one_in"], 1, "the load is small: {about}");
        assert_eq!(samples["lost"], 0, "{about}");
        let queries = number(&json["queries_per_second"])? * number(&json["seconds"])?;
        let taken = number(&samples["taken"])?;
        assert!(
            (taken / queries - 1.0).abs() < 0.1,
            "{taken} of {queries}: {about}"
        );
        let names = &samples["names"];
        assert_eq!(names[0]["name"], BUSY, "{about}");
        assert!(is_about(&names[0]["share"], 0.6)?, "{about}");
        assert!(is_about(&names[0]["hit_ratio"], 1.0)?, "{about}");
        assert_eq!(names[0]["error"], 0.0, "every query was looked at: {about}");
        let mut others = [&names[1], &names[2]];
        others.sort_by_key(|it| it["name"].to_string());
        for (it, name, hits) in [
            (others[0], QUIET, 1.0),
            (others[1], "www.example.com.", 0.0),
        ] {
            assert_eq!(it["name"], name, "{about}");
            assert!(is_about(&it["share"], 0.2)?, "{about}");
            assert!(is_about(&it["hit_ratio"], hits)?, "{about}");
        }
        for (at, pod, share, hits) in [(0, "client", 0.8, 1.0), (1, OTHER_POD, 0.2, 0.0)] {
            let it = &samples["clients"][at];
            assert_eq!(it["address"], node.bed.pod(pod).ipv4.to_string(), "{about}");
            assert_eq!(it["interface"], node.bed.pod(pod).node_interface, "{about}");
            assert!(is_about(&it["share"], share)?, "{about}");
            assert!(is_about(&it["hit_ratio"], hits)?, "{about}");
        }
        let types = samples["types"].as_array().context("types")?;
        assert_eq!(types[0]["type"], "A", "{about}");
        assert_eq!(json["running"], true, "{about}");
        assert_eq!(json["denies"], true, "{about}");
        let rates = json["outcomes"].as_array().context("outcomes")?;
        let outside = rates.iter().find(|it| it["outcome"] == "outside_zones");
        assert!(
            number(&outside.context("no outside_zones")?["per_second"])? > 0.0,
            "{about}"
        );
    }
    Ok(())
}

/// A reader asks for samples for three seconds at a time.
#[test]
fn a_long_interval_is_sampled_to_its_end() -> Result<()> {
    let (_folder, node) = node(&[])?;
    let load = Load::start(&node)?;
    let json = figures(&node, &["--interval", "7"])?;
    load.stop()?;
    let samples = &json["samples"];
    assert_eq!(samples["one_in"], 1, "the load is small: {json:#}");
    let queries = number(&json["queries_per_second"])? * number(&json["seconds"])?;
    let seen = number(&samples["taken"])? + number(&samples["lost"])?;
    assert!((seen / queries - 1.0).abs() < 0.1, "{seen} of {queries}");
    Ok(())
}

#[test]
fn what_is_not_to_be_seen_is_not_shown() -> Result<()> {
    let (_folder, node) = node(&[])?;
    let load = Load::start(&node)?;
    let json = figures(&node, &["--no-names"])?;
    assert!(json["samples"]["names"].is_null(), "{json:#}");
    assert!(
        json["samples"]["clients"][0]["address"].is_string(),
        "{json:#}"
    );
    assert!(!json.to_string().contains("busy"), "{json:#}");
    let text = String::from_utf8(top(&node, &["--once", "--no-names"])?.stdout)?;
    assert!(text.contains("CLIENT") && !text.contains("busy"), "{text}");

    let json = figures(&node, &["--counters-only"])?;
    assert!(json["samples"].is_null(), "{json:#}");
    assert!(is_about(&json["hit_ratio"], 0.8)?, "{json:#}");

    let json = figures(&node, &["--rows", "1"])?;
    assert_eq!(
        json["samples"]["names"].as_array().map(Vec::len),
        Some(1),
        "{json:#}"
    );
    let text = String::from_utf8(top(&node, &["--count", "2"])?.stdout)?;
    assert_eq!(text.matches("queries/s").count(), 2, "{text}");
    assert!(
        text.contains(BUSY) && text.contains("Every query is looked at"),
        "{text}"
    );
    load.stop().map(drop)
}

#[test]
fn one_reads_samples_and_others_are_told_so() -> Result<()> {
    let (_folder, node) = node(&[])?;
    let mut first = reader(&node)?;
    let output = top(&node, &["--once"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("another `dns-ctl top` reads the samples"),
        "{said}"
    );
    assert!(said.contains("--counters-only"), "{said}");
    figures(&node, &["--counters-only"])?;
    // The first one has not noticed.
    first.wait_for_line("queries_per_second", PATIENCE)?;
    first.signal(Signal::SIGTERM)?;
    assert_eq!(first.wait(PATIENCE)?.code(), Some(0), "{}", first.output());
    assert_eq!(
        watch(&node)?,
        Watch::default(),
        "nobody asks for samples any more"
    );
    figures(&node, &[])?;
    Ok(())
}

#[test]
fn a_reader_that_is_killed_leaves_no_sampling_behind() -> Result<()> {
    let (_folder, node) = node(&[])?;
    let mut first = reader(&node)?;
    first.signal(Signal::SIGKILL)?;
    first.wait(PATIENCE)?;
    let clock = Clock::load(OBJECT)?;
    let until = watch(&node)?.until;
    let most = clock.ticks_per(Duration::from_secs(3));
    assert!(until > 0 && until <= clock.ticks()? + most, "{until}");
    let mut samples = RingBuf::try_from(open(&node, map_name::SAMPLES)?)?;
    let mut is_sampled = || -> Result<bool> {
        while samples.next().is_some() {}
        node.resolve(BUSY)?;
        Ok(samples.next().is_some())
    };
    // As long as the term that it had asked for lasts, if this machine is quick enough to see it.
    let before = is_sampled()?;
    assert!(
        before || clock.ticks()? >= until,
        "the test would see nothing"
    );
    while clock.ticks()? < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!is_sampled()?, "the term is over");
    // And the next one can look.
    assert!(figures(&node, &[])?["samples"].is_object());
    Ok(())
}

#[test]
fn it_needs_maps_and_rights_but_no_running_instance() -> Result<()> {
    let (_folder, mut node) = node(&[])?;
    let nowhere = node.bpffs.path().join("nobody");
    let mut command = dns_ctl(&node.bed.node)?;
    let (code, said) = outcome(command.args(["top", "--once", "--bpffs"]).arg(nowhere))?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no dns-ctl has its maps in"), "{said}");

    let mut whole = dns_ctl(&node.bed.node)?;
    whole.args(["top", "--once", "--bpffs"]).arg(node.folder());
    let mut without = node.bed.node.command("setpriv");
    without.arg("--bounding-set=-bpf,-sys_admin,-perfmon,-net_admin");
    let (code, said) = outcome(without.args(unwrapped(&whole)))?;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("CAP_BPF") || said.contains("rights"),
        "{said}"
    );

    node.child.signal(Signal::SIGTERM)?;
    node.child.wait(PATIENCE)?;
    let json = figures(&node, &[])?;
    assert_eq!(json["running"], false, "{json:#}");
    let text = String::from_utf8(top(&node, &["--once"])?.stdout)?;
    assert!(text.contains("No dns-ctl is running here."), "{text}");

    let mut next = std::process::Command::new(Build::Next.program()?);
    testbed::remove_settings(&mut next);
    let (code, said) = outcome(next.args(["top", "--once", "--bpffs"]).arg(node.folder()))?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("use the dns-ctl that runs"), "{said}");
    Ok(())
}

#[test]
fn maps_that_are_exchanged_are_followed() -> Result<()> {
    let (folder, mut node) = node(&[])?;
    let mut first = reader(&node)?;
    node.child.signal(Signal::SIGTERM)?;
    node.child.wait(PATIENCE)?;
    let path = folder.path().to_string_lossy().into_owned();
    let flags = ["--interface", "pod-*", "--max-names", "5000"];
    let source = ["--manifests", path.as_str()];
    let mut command = run_command(&node.bed, &node.bpffs, &source, &flags);
    node.child = Child::spawn("dns-ctl", &mut command)?;
    node.wait_until_ready()?;
    first.wait_for_line("\"capacity\":5000", PATIENCE)?;
    let load = Load::start(&node)?;
    first.wait_for_line(BUSY, PATIENCE)?;
    load.stop()?;
    first.signal(Signal::SIGINT)?;
    assert_eq!(first.wait(PATIENCE)?.code(), Some(0), "{}", first.output());
    Ok(())
}

/// A reader of samples that has begun to read.
fn reader(node: &Node) -> Result<Child> {
    let mut command = dns_ctl(&node.bed.node)?;
    command.args(["top", "--count", "1000", "--output", "json", "--bpffs"]);
    let mut child = Child::spawn("dns-ctl top", command.arg(node.folder()))?;
    child.wait_for_line("queries_per_second", PATIENCE)?;
    Ok(child)
}

fn open(node: &Node, name: &str) -> Result<Map> {
    Ok(Map::from_map_data(pins::open(&node.folder(), name)?)?)
}

fn watch(node: &Node) -> Result<Watch> {
    let map = WatchMap::try_from(open(node, map_name::WATCH)?)?;
    Ok(bytemuck::cast(map.get(&0, 0)?))
}
