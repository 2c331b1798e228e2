//! Interfaces that come and go: each gets the program, and nothing is left of those that have gone.

mod mend;
mod pod;
mod shell;

use std::{collections::VecDeque, fs, path::Path, time::Duration, time::Instant};

use anyhow::{Context as _, Result, ensure};
use hickory_proto::rr::RecordType;
use kxdns_tests::node::{Node, PATIENCE, dns_ctl, manifests, plan, run_command, services};
use pod::{BRIDGE, Pod, Way, has_program};
use serde_json::Value;
use shell::{Shell, batch};
use testbed::{Bpffs, Child, Namespace, Scratch, Signal, open_files, resident};

const NAME: &str = "nginx.default.svc.cluster.local.";
/// How many pods are alive at a time.
const ALIVE: usize = 20;
/// The time from one pod to the next: 500 a minute.
const PACE: Duration = Duration::from_millis(120);
/// How many interfaces come at once.
const BURST: usize = 200;
/// How long it may take until all is as it should be: less than a round of dns-ctl, so that what it was told counts.
const SETTLED: Duration = Duration::from_secs(20);
/// By how many files and sockets more or less may be open.
const FILES: usize = 2;
/// By how much memory may grow.
const MEMORY: u64 = 4 << 20;

/// A node with dns-ctl on the interfaces that it finds.
fn start(flags: &[&str]) -> Result<(Scratch, Node)> {
    let folder = manifests(&services(&[("nginx", "10.96.1.5")]))?;
    let path = folder.path().to_string_lossy().into_owned();
    let flags = [&["--interface", "auto"], flags].concat();
    let (bed, bpffs) = (plan().build()?, Bpffs::mount()?);
    let mut command = run_command(&bed, &bpffs, &["--manifests", &path], &flags);
    // With one arena, memory that is resident is memory in use; each thread's own would keep some for later.
    command.env("MALLOC_ARENA_MAX", "1");
    let child = Child::spawn("dns-ctl", &mut command)?;
    let mut node = Node { child, bpffs, bed };
    node.wait_until_ready()?;
    let (bed, maps) = (&node.bed.node, node.bpffs.path().join("kxdns"));
    node.child.wait_for("the names", PATIENCE, || {
        Ok((status(bed, &maps)?["entries"].as_u64() > Some(0)).then_some(()))
    })?;
    Ok((folder, node))
}

/// What `dns-ctl status` says, apart from a [`Node`].
fn status(namespace: &Namespace, maps: &Path) -> Result<Value> {
    let mut command = dns_ctl(namespace)?;
    command
        .args(["status", "--output", "json", "--bpffs"])
        .arg(maps);
    Ok(serde_json::from_str(&testbed::output(&mut command)?)?)
}

/// The node's ends of pods' pairs, as `ip` tells of them.
fn pods_interfaces(node: &Namespace) -> Result<Vec<String>> {
    let links: Value = serde_json::from_str(&node.ip("-json -details link show type veth")?)?;
    let links = links.as_array().context("`ip` gives a list")?;
    let mut names: Vec<_> = links
        .iter()
        .filter(|link| !link["link_netnsid"].is_null())
        .filter_map(|link| Some(link["ifname"].as_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

/// Whether the programs, the pinned links and what `status` says are those of the interfaces that are there.
fn is_settled(node: &Node, number: usize) -> Result<()> {
    let bed = &node.bed.node;
    let there = pods_interfaces(bed)?;
    ensure!(
        there.len() == number,
        "{} are there: {there:?}",
        there.len()
    );
    bed.run(|| {
        for name in &there {
            ensure!(has_program(name)?, "{name} has no program");
        }
        Ok(())
    })??;
    let pinned = fs::read_dir(node.folder().join("links"))?.count();
    ensure!(pinned == number, "{pinned} links are pinned, not {number}");
    let status = node.status()?;
    let interfaces = status["interfaces"].as_array().context("`interfaces`")?;
    let mut told: Vec<_> = interfaces
        .iter()
        .filter_map(|interface| Some(interface["name"].as_str()?.to_owned()))
        .collect();
    told.sort();
    ensure!(told == there, "status tells of {told:?}, not of {there:?}");
    Ok(())
}

/// Waits until that is so.
fn settle(node: &mut Node, number: usize) -> Result<()> {
    let deadline = Instant::now() + SETTLED;
    while let Err(error) = is_settled(node, number) {
        if Instant::now() > deadline {
            return Err(error.context(format!("dns-ctl says:\n{}", node.child.output())));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// How many pods come and go in all: `KXDNS_CHURN_VETHS`, or a few.
fn wanted() -> Result<u16> {
    match std::env::var("KXDNS_CHURN_VETHS") {
        Ok(number) => number.parse().context("KXDNS_CHURN_VETHS is a number"),
        Err(_) => Ok(60),
    }
}

#[test]
fn pods_come_and_go() -> Result<()> {
    let (_folder, mut node) = start(&[])?;
    batch(
        &node.bed.node,
        &format!("link add {BRIDGE} type bridge\nlink set {BRIDGE} up"),
    )?;
    settle(&mut node, 1)?;
    let (pid, query) = (node.child.pid(), testbed::query(7, NAME, RecordType::A)?);
    // The first ones make the program take what it keeps.
    churn(&node, 0..5)?;
    settle(&mut node, 1)?;
    let (files, memory) = (open_files(pid)?, resident(pid)?);
    let hits = node.hits()?;

    let number = wanted()?;
    let (mut times, alive) = churn(&node, 5..5 + number)?;
    settle(&mut node, alive.len() + 1)?;
    let asked = alive.iter().step_by(4);
    let expected = asked.len() as u64;
    for pod in asked {
        pod.configure()?;
        pod.ask(&query)?;
    }
    assert_eq!(node.hits()? - hits, expected, "all by the kernel");
    drop(alive);
    settle(&mut node, 1)?;

    times.sort();
    let quantile = |hundredths: usize| times[(times.len() - 1) * hundredths / 100];
    let (after, grown) = (open_files(pid)?, resident(pid)?.saturating_sub(memory));
    println!(
        "{number} veths, until the program was on them: p50 {:?}, p90 {:?}, p99 {:?}, max {:?}; \
         {files} files open before, {after} after; {} KiB more resident than {} KiB",
        quantile(50),
        quantile(90),
        quantile(99),
        quantile(100),
        grown / 1024,
        memory / 1024
    );
    assert!(
        after.abs_diff(files) <= FILES,
        "{after} open, before {files}"
    );
    assert!(grown < MEMORY, "{grown} octets more are resident");
    Ok(())
}

/// Makes pods of these numbers at an even pace, and removes the oldest; gives how long each waited for its
/// program, and those that are left.
fn churn(node: &Node, numbers: std::ops::Range<u16>) -> Result<(Vec<Duration>, VecDeque<Pod>)> {
    let mut shell = Shell::open(&node.bed.node)?;
    let (mut times, mut alive) = (Vec::new(), VecDeque::new());
    let mut due = Instant::now();
    for number in numbers {
        let way = Way::of(number.into());
        let pod = Pod::new(number)?;
        let here = &node.bed.node;
        let took = here.run(|| pod.connect(&mut shell, here, way))?;
        times.push(took.with_context(|| format!("{way:?}; {}", node.child.output()))?);
        alive.push_back(pod);
        if alive.len() > ALIVE {
            let oldest = alive.pop_front().context("there is one")?;
            // Half of them go with their namespaces.
            if number % 2 == 0 {
                shell.say(&format!("link del {}", oldest.interface))?;
            }
        }
        due += PACE;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    shell.finish()?;
    Ok((times, alive))
}

fn many(command: &str, numbers: std::ops::Range<usize>, rest: &str) -> String {
    let lines = numbers.map(|number| format!("link {command} burst{number} {rest}\n"));
    lines.collect()
}

#[test]
fn many_come_and_go_at_once() -> Result<()> {
    let (_folder, mut node) = start(&[])?;
    let pod = Namespace::new("burst")?;
    let here = &node.bed.node;
    let start = Instant::now();
    batch(
        here,
        &many(
            "add",
            0..BURST,
            &format!("type veth peer netns {}", pod.name()),
        ),
    )?;
    let made = start.elapsed();
    settle(&mut node, BURST + 1)?;
    println!(
        "{BURST} at once: made in {made:?}, all settled after {:?}",
        start.elapsed()
    );
    batch(&node.bed.node, &many("del", 0..BURST, ""))?;
    settle(&mut node, 1)?;
    // And with the namespace of all their other ends.
    batch(
        &node.bed.node,
        &many(
            "add",
            0..BURST,
            &format!("type veth peer netns {}", pod.name()),
        ),
    )?;
    drop(pod);
    settle(&mut node, 1)
}

/// A stopped process can't take in what the kernel tells: it is lost, but the interfaces are not.
#[test]
fn an_overrun_loses_no_interface() -> Result<()> {
    let (_folder, mut node) = start(&[])?;
    let pod = Namespace::new("burst")?;
    settle(&mut node, 1)?;
    node.child.signal(Signal::SIGSTOP)?;
    let to_pod = format!("type veth peer netns {}", pod.name());
    batch(&node.bed.node, &many("add", 0..20, &to_pod))?;
    // Each change is told in some 1.5 KiB, of which the kernel keeps 8 MiB.
    let changes = (0..10_000).map(|number| format!("link set burst0 mtu {}\n", 1400 + number % 2));
    batch(&node.bed.node, &changes.collect::<String>())?;
    batch(&node.bed.node, &many("add", 20..40, &to_pod))?;
    batch(&node.bed.node, &many("del", 0..10, ""))?;
    node.child.signal(Signal::SIGCONT)?;
    node.child
        .wait_for_line("changes of interfaces were lost", PATIENCE)?;
    settle(&mut node, 31)
}
