//! `dns-ctl uninstall`: all of us goes off the node, and nothing of anybody else.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use aya::{
    maps::{MapInfo, loaded_maps},
    programs::{LinkOrder, ProgramInfo, loaded_links, loaded_programs},
};
use kxdns_tests::{
    foreign::{self, NEXT},
    leftovers::{attached, is_clean, tc, tcx},
    node::{
        Node, PATIENCE, POD_INTERFACE, dns_ctl, manifests, outcome, plan, run_command, services,
    },
    site::Site,
};
use serde_json::{Value, json};
use testbed::{Bpffs, Child, Scratch, Signal, Topology};

/// Maps that are pinned.
const MAPS: usize = dns_common::maps::map_name::ALL.len();
const NAME: &str = "web.default.svc.cluster.local.";
const ADDRESS: &str = "10.96.1.5";
const NOTHING: &str = "There is nothing of kxdns here.";
/// A filter that matches no packet: one classic instruction.
const BYTECODE: [&str; 3] = ["bpf", "bytecode", "1,6 0 0 0"];

fn start(bed: Topology, hook: &str) -> Result<(Node, Scratch)> {
    let folder = manifests(&services(&[("web", ADDRESS)]))?;
    let path = folder.path().to_string_lossy().into_owned();
    let node = Node::start(bed, &["--manifests", &path], &["--hook", hook])?;
    Ok((node, folder))
}

fn end(node: &mut Node, signal: Signal) -> Result<()> {
    node.child.signal(signal)?;
    node.child.wait(PATIENCE).map(drop)
}

/// Runs the command: its exit code, and what it says.
fn uninstall(node: &Node, flags: &[&str]) -> Result<(Option<i32>, String)> {
    let mut command = dns_ctl(&node.bed.node)?;
    command.arg("uninstall").args(flags);
    command.arg("--bpffs").arg(node.folder());
    outcome(&mut command)
}

/// Runs the command, which has to succeed: the kinds of what was removed.
fn removed(node: &Node) -> Result<Vec<String>> {
    let (code, said) = uninstall(node, &["--output", "json"])?;
    ensure!(code == Some(0), "{said}");
    let report: Value = serde_json::from_str(&said)?;
    let removed = report["removed"].as_array().cloned().unwrap_or_default();
    let kinds = removed.iter().filter_map(|it| it["kind"].as_str());
    Ok(kinds.map(str::to_owned).collect())
}

/// The numbers of what a node's instance has in the kernel.
struct Loaded {
    programs: BTreeSet<u32>,
    maps: BTreeSet<u32>,
}

impl Loaded {
    fn of(node: &Node) -> Result<Self> {
        let folder = dns_ctl::attach::pins::maps_folder(&node.folder());
        let mut loaded = Self {
            programs: BTreeSet::new(),
            maps: BTreeSet::new(),
        };
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("kxdns") {
                loaded
                    .programs
                    .insert(ProgramInfo::from_pin(entry.path())?.id());
            } else {
                loaded.maps.insert(MapInfo::from_pin(entry.path())?.id());
            }
        }
        ensure!(loaded.programs.len() == 2 && loaded.maps.len() == MAPS);
        Ok(loaded)
    }

    /// Waits until the kernel has let go of all of it; it takes its time.
    fn have_gone(&self, node: &Node) -> Result<()> {
        node.eventually(|_| {
            // Others come and go while these are looked at.
            let programs: BTreeSet<_> = loaded_programs().flatten().map(|it| it.id()).collect();
            let maps: BTreeSet<_> = loaded_maps().flatten().map(|it| it.id()).collect();
            let links: BTreeSet<_> = loaded_links().flatten().map(|it| it.program_id()).collect();
            ensure!(self.programs.is_disjoint(&programs), "a program stays");
            ensure!(self.programs.is_disjoint(&links), "a link stays");
            ensure!(self.maps.is_disjoint(&maps), "a map stays");
            Ok(())
        })
    }
}

fn nothing_stays_after(signal: Signal) -> Result<()> {
    for (hook, kinds) in [
        ("tcx", &["tcx link"][..]),
        ("tc", &["filter", "qdisc clsact"]),
        ("xdp-generic", &["xdp-generic link"]),
        ("xdp-native", &["xdp-native link"]),
    ] {
        let (mut node, _folder) = start(plan().single_queue().build()?, hook)?;
        let loaded = Loaded::of(&node)?;
        end(&mut node, signal)?;
        is_clean(&node.bed.node).expect_err(hook);
        let removed = removed(&node)?;
        let count = |kind: &str| removed.iter().filter(|it| *it == kind).count();
        for kind in kinds {
            assert_eq!(count(kind), 1, "{hook}: {removed:?}");
        }
        assert_eq!((count("program"), count("map")), (2, MAPS), "{removed:?}");
        assert_eq!(removed.len(), kinds.len() + 2 + MAPS, "{removed:?}");
        is_clean(&node.bed.node)?;
        assert!(!node.folder().exists());
        loaded.have_gone(&node)?;
        let (code, said) = uninstall(&node, &[])?;
        assert_eq!((code, said.as_str()), (Some(0), NOTHING));
        let (code, said) = uninstall(&node, &["--output", "json"])?;
        assert_eq!((code, said.as_str()), (Some(0), r#"{"removed":[]}"#));
    }
    Ok(())
}

#[test]
fn nothing_stays_of_one_that_has_stopped() -> Result<()> {
    nothing_stays_after(Signal::SIGTERM)
}

#[test]
fn nothing_stays_of_one_that_was_killed() -> Result<()> {
    nothing_stays_after(Signal::SIGKILL)
}

#[test]
fn what_was_removed_is_shown_as_a_table() -> Result<()> {
    let (mut node, _folder) = start(plan().build()?, "tcx")?;
    end(&mut node, Signal::SIGTERM)?;
    let (code, said) = uninstall(&node, &[])?;
    assert_eq!(code, Some(0), "{said}");
    let mut lines = said
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next(), Some(vec!["REMOVED", "FROM"]), "{said}");
    assert!(
        lines.any(|words| words == ["tcx", "link", POD_INTERFACE]),
        "{said}"
    );
    Ok(())
}

#[test]
fn one_that_runs_is_not_touched() -> Result<()> {
    let (node, _folder) = start(plan().build()?, "tcx")?;
    let before = attached(&node.bed.node)?;
    let (code, said) = uninstall(&node, &[])?;
    assert_eq!(code, Some(1), "{said}");
    let process = format!("process {}", node.child.pid());
    for word in [&process, "another dns-ctl", "stop it first"] {
        assert!(said.contains(word), "{said}");
    }
    assert_eq!(attached(&node.bed.node)?, before);
    assert_eq!(node.resolve(NAME)?, Some(ADDRESS.parse()?));
    assert_eq!(node.hits()?, 1);
    Ok(())
}

#[test]
fn programs_of_others_stay() -> Result<()> {
    let bed = plan().pod("other").build()?;
    let _first = foreign::tcx(&bed.node, POD_INTERFACE, LinkOrder::first(), NEXT)?;
    let _xdp = foreign::xdp(&bed.node, "pod-other")?;
    let (mut node, _folder) = start(bed, "tcx")?;
    let here = |node: &Node| tcx(&node.bed.node);
    let _last = foreign::tcx(&node.bed.node, POD_INTERFACE, LinkOrder::last(), NEXT)?;
    assert_eq!(here(&node)?, [foreign::NAME, "kxdns_tc", foreign::NAME]);
    end(&mut node, Signal::SIGKILL)?;
    assert!(removed(&node)?.contains(&"tcx link".to_owned()));
    assert_eq!(here(&node)?, [foreign::NAME, foreign::NAME]);
    let link = node.bed.node.ip("-details link show dev pod-other")?;
    assert!(link.contains("prog/xdp"), "{link}");
    Ok(())
}

/// Somebody else has a filter in the qdisc that was made for us.
#[test]
fn a_qdisc_with_a_filter_of_others_stays() -> Result<()> {
    for direction in ["ingress", "egress"] {
        let (mut node, _folder) = start(plan().build()?, "tc")?;
        let filter = format!("filter add dev {POD_INTERFACE} {direction} pref 7");
        let mut command = node.bed.node.command("tc");
        testbed::output(command.args(filter.split(' ')).args(BYTECODE))?;
        end(&mut node, Signal::SIGTERM)?;
        let removed = removed(&node)?;
        assert!(removed.contains(&"filter".to_owned()), "{removed:?}");
        assert!(!removed.contains(&"qdisc clsact".to_owned()), "{removed:?}");
        let here = &node.bed.node;
        let filters = tc(
            here,
            &format!("filter show dev {POD_INTERFACE} {direction}"),
        )?;
        assert!(filters.contains("pref 7 bpf"), "{direction}: {filters}");
        let after = attached(here)?;
        assert!(
            after.contains("clsact") && !after.contains("kxdns"),
            "{after}"
        );
    }
    Ok(())
}

/// It is of no use to us that it is empty: its owner may come back to it.
#[test]
fn an_empty_qdisc_of_others_stays() -> Result<()> {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let bed = plan().build()?;
        tc(&bed.node, &format!("qdisc add dev {POD_INTERFACE} clsact"))?;
        let before = attached(&bed.node)?;
        let (mut node, _folder) = start(bed, "tc")?;
        end(&mut node, signal)?;
        let removed = removed(&node)?;
        assert!(removed.contains(&"filter".to_owned()), "{removed:?}");
        assert_eq!(attached(&node.bed.node)?, before);
    }
    Ok(())
}

/// The second instance found the qdisc of the first, and knows still that it was made for us.
#[test]
fn our_qdisc_goes_after_a_restart_too() -> Result<()> {
    let (mut node, folder) = start(plan().build()?, "tc")?;
    end(&mut node, Signal::SIGTERM)?;
    let path = folder.path().to_string_lossy().into_owned();
    let source = ["--manifests", &path];
    let mut again = run_command(&node.bed, &node.bpffs, &source, &["--hook", "tc"]);
    node.child = Child::spawn("dns-ctl", &mut again)?;
    node.wait_until_ready()?;
    end(&mut node, Signal::SIGKILL)?;
    assert!(removed(&node)?.contains(&"qdisc clsact".to_owned()));
    is_clean(&node.bed.node)
}

/// Filters outlive the BPF file system that had our maps.
#[test]
fn filters_are_found_without_the_folder() -> Result<()> {
    let (mut node, _folder) = start(plan().build()?, "tc")?;
    let loaded = Loaded::of(&node)?;
    end(&mut node, Signal::SIGKILL)?;
    node.bpffs = Bpffs::mount()?;
    assert_eq!(removed(&node)?, ["filter", "qdisc clsact"]);
    is_clean(&node.bed.node)?;
    loaded.have_gone(&node)
}

#[test]
fn the_snapshot_goes_if_its_folder_is_named() -> Result<()> {
    let mut site = Site::start(
        plan().build()?,
        &[("web", ADDRESS)],
        &["--state-dir", "@/state"],
    )?;
    site.terminate()?;
    let folder = site.path("state");
    assert!(folder.join("snapshot").exists());
    removed(&site.node)?;
    assert!(folder.join("snapshot").exists(), "nobody asked for that");
    let path = folder.to_string_lossy().into_owned();
    let (code, said) = uninstall(&site.node, &["--output", "json", "--state-dir", &path])?;
    let report: Value = serde_json::from_str(&said)?;
    let file = json!({ "kind": "snapshot", "at": folder.join("snapshot") });
    assert_eq!((code, &report["removed"]), (Some(0), &json!([file])));
    assert!(!folder.exists());
    Ok(())
}

#[test]
fn a_folder_with_something_else_in_it_is_left_alone() -> Result<()> {
    let (mut node, _folder) = start(plan().build()?, "tcx")?;
    end(&mut node, Signal::SIGTERM)?;
    let foreign = node.folder().join("cilium");
    std::fs::create_dir(&foreign)?;
    let before = attached(&node.bed.node)?;
    let (code, said) = uninstall(&node, &[])?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cilium is not of dns-ctl"), "{said}");
    assert_eq!(
        attached(&node.bed.node)?,
        before,
        "nothing is done by halves"
    );
    std::fs::remove_dir(&foreign)?;
    removed(&node)?;
    is_clean(&node.bed.node)
}
