//! The lease: how long the kernel answers without a dns-ctl that runs, and what brings it back.

use std::time::Duration;

use anyhow::{Result, ensure};
use api_stub::{Kind, sample};
use aya::maps::{Map, MapData};
use dns_common::{maps::map_name, state::State};
use dns_ctl::{
    attach::{clock::Clock, kernel::OBJECT, maps::StateMap, pins},
    control::kernel::monotonic,
};
use hickory_proto::rr::RecordType;
use kxdns_tests::{
    node::{Node, PATIENCE, SERVICE, plan},
    site::{Site, full},
};
use testbed::udp_query;

/// How long to wait for an answer that is not to come; the counters say that it did not.
const SILENCE: Duration = Duration::from_millis(50);
/// The metric of the time that is left.
const LEFT: &str = "kxdns_kernel_lease_seconds";

fn state_map(node: &Node) -> Result<StateMap<MapData>> {
    let map = Map::from_map_data(pins::open(&node.folder(), map_name::STATE)?)?;
    Ok(StateMap::try_from(map)?)
}

fn state(node: &Node) -> Result<State> {
    Ok(bytemuck::cast(state_map(node)?.get(&0, 0)?))
}

/// When the lease ends, in nanoseconds of the monotonic clock.
fn lease(node: &Node) -> Result<u64> {
    Ok(state(node)?.until)
}

fn change(node: &Node, with: impl FnOnce(&mut State)) -> Result<()> {
    let mut state = state(node)?;
    with(&mut state);
    let words: [u64; size_of::<State>() / 8] = bytemuck::cast(state);
    Ok(state_map(node)?.set(0, words, 0)?)
}

/// Has the lease be over, as if time had passed.
fn expire(node: &Node) -> Result<()> {
    change(node, |state| {
        (state.lease, state.until, state.denials) = (1, 1, 1);
    })
}

/// Asks for a Service without a word of what is answered.
fn ask(node: &Node, service: &str) -> Result<bool> {
    let query = testbed::query(1, &full(service), RecordType::A)?;
    Ok(udp_query(node.pod(), SERVICE, &query, SILENCE)?.is_some())
}

/// Checks that the kernel answers nothing, and says why.
fn is_silent(node: &Node) -> Result<()> {
    let (hits, expired) = (node.hits()?, node.misses("lease_expired")?);
    for service in ["web", "web", "nobody"] {
        ensure!(!ask(node, service)?, "{service}: who has answered?");
    }
    ensure!(node.hits()? == hits, "the kernel has answered");
    let counted = node.misses("lease_expired")? - expired;
    ensure!(counted == 3, "{counted} of 3 are counted as expired");
    Ok(())
}

/// In real time, with the shortest lease there is.
fn answers_end_with_the_lease_and_come_back_with_the_cluster(hook: &str) -> Result<()> {
    let flags = ["--hook", hook, "--lease", "10"];
    let services = [("web", "10.96.30.1"), ("old", "10.96.30.2")];
    let mut site = Site::start(plan().build()?, &services, &flags)?;
    site.in_kernel("web", Some("10.96.30.1"))?;
    site.kill()?;
    site.in_kernel("web", Some("10.96.30.1"))?;
    site.in_kernel("nobody", None)?;
    let Site { node, .. } = &site;
    node.eventually(|node| {
        ask(node, "web")?;
        let expired = node.misses("lease_expired")?;
        ensure!(expired > 0, "the kernel still answers");
        Ok(())
    })?;
    is_silent(node)?;
    assert_eq!(node.status()?["interfaces"][0]["hook"], hook);

    // Nobody knows what has changed meanwhile.
    site.api.go_away();
    site.restart(&flags)?;
    let hits = site.node.hits()?;
    site.node
        .child
        .wait_for_line("from the API server", PATIENCE)?;
    site.node.wait_until_placed()?;
    // The source is tried before the kernel's part is there.
    site.node.eventually(|_| {
        let left = site.metric(LEFT)?;
        ensure!(left <= 0.0, "{left} s are left");
        Ok(())
    })?;
    for service in ["web", "old", "nobody"] {
        site.unknown(service)?;
    }
    assert_eq!(site.readiness()?, 503);
    assert_eq!(site.node.hits()?, hits, "nothing is answered from before");

    let moved = sample::service("default", "web", "10.96.30.9");
    site.api.force(&moved)?;
    site.api.delete(Kind::Service, "default", "old")?;
    site.come_back()?;
    site.node.wait_until_ready()?;
    site.in_kernel("web", Some("10.96.30.9"))?;
    site.in_kernel("old", None)?;
    assert!(site.metric(LEFT)? > 0.0);
    Ok(())
}

#[test]
fn answers_end_with_the_lease_on_tcx() -> Result<()> {
    answers_end_with_the_lease_and_come_back_with_the_cluster("tcx")
}

/// A filter is of no link: nothing but the lease ends what it answers.
#[test]
fn answers_end_with_the_lease_on_clsact() -> Result<()> {
    answers_end_with_the_lease_and_come_back_with_the_cluster("tc")
}

/// What is made while there is no dns-ctl is not denied for the whole lease.
#[test]
fn denials_last_for_a_minute_and_come_back_with_the_cluster() -> Result<()> {
    let mut site = Site::start(plan().build()?, &[("web", "10.96.30.1")], &[])?;
    site.kill()?;
    let (clock, left) = (Clock::load(OBJECT)?, state(&site.node)?);
    let now = clock.ticks()?;
    let minute = clock.ticks_per(Duration::from_mins(1));
    assert!(now < left.denials && left.denials <= now + minute);
    assert!(now + minute < left.lease, "ten minutes");
    site.in_kernel("nobody", None)?;

    change(&site.node, |state| state.denials = 1)?;
    let passed = site.node.misses("incomplete")?;
    ensure!(!ask(&site.node, "nobody")?, "who has answered?");
    assert_eq!(site.node.misses("incomplete")?, passed + 1);
    site.in_kernel("web", Some("10.96.30.1"))?;

    site.restart(&[])?;
    site.node.wait_until_ready()?;
    site.in_kernel("nobody", None)
}

#[test]
fn a_short_lease_ends_denials_too() -> Result<()> {
    let mut site = Site::start(
        plan().build()?,
        &[("web", "10.96.30.1")],
        &["--lease", "30"],
    )?;
    site.kill()?;
    let left = state(&site.node)?;
    assert_eq!(left.denials, left.lease);
    Ok(())
}

#[test]
fn one_that_was_held_up_goes_on() -> Result<()> {
    let site = Site::start(plan().build()?, &[("web", "10.96.30.1")], &[])?;
    expire(&site.node)?;
    site.node.eventually(|_| {
        let left = lease(&site.node)?;
        ensure!(left > 1, "the lease is still over");
        Ok(())
    })?;
    site.in_kernel("web", Some("10.96.30.1"))
}

#[test]
fn one_that_stops_in_order_leaves_a_whole_lease() -> Result<()> {
    let length = Duration::from_mins(1);
    let mut site = Site::start(
        plan().build()?,
        &[("web", "10.96.30.1")],
        &["--lease", "60"],
    )?;
    let told = monotonic()?;
    site.terminate()?;
    assert!(u128::from(lease(&site.node)?) >= (told + length).as_nanos());
    site.in_kernel("web", Some("10.96.30.1"))?;

    // One that comes when it is over, and is told to stop before it knows anything, does not renew it.
    expire(&site.node)?;
    site.api.go_away();
    site.restart(&["--lease", "60"])?;
    site.node
        .child
        .wait_for_line("from the API server", PATIENCE)?;
    site.node.wait_until_placed()?;
    site.terminate()?;
    assert_eq!(lease(&site.node)?, 1);
    is_silent(&site.node)
}

/// As long as it holds, what was known is right until the cluster says otherwise.
#[test]
fn a_lease_that_holds_is_renewed_without_the_cluster() -> Result<()> {
    let mut site = Site::start(plan().build()?, &[("web", "10.96.30.1")], &[])?;
    site.kill()?;
    let before = lease(&site.node)?;
    site.api.go_away();
    site.restart(&[])?;
    site.node.eventually(|node| {
        ensure!(lease(node)? > before, "it is not renewed");
        Ok(())
    })?;
    site.in_kernel("web", Some("10.96.30.1"))?;
    site.come_back()?;
    site.node.wait_until_ready()?;
    site.in_kernel("web", Some("10.96.30.1"))
}

/// What the kernel held may be older than the snapshot by any time, and does not count any more.
#[test]
fn a_snapshot_takes_the_place_of_what_has_expired() -> Result<()> {
    let flags = ["--state-dir", "@/state"];
    let mut site = Site::start(plan().build()?, &[("web", "10.96.30.1")], &flags)?;
    site.terminate()?;
    expire(&site.node)?;
    site.api.go_away();
    site.restart(&flags)?;
    site.node
        .child
        .wait_for_line("from the API server", PATIENCE)?;
    site.node.wait_until_placed()?;
    site.unknown("web")?;
    assert_eq!(lease(&site.node)?, 1);

    site.node.wait_until_ready()?;
    assert!(site.metric("kxdns_zone_restored")? > 0.0);
    site.in_kernel("web", Some("10.96.30.1"))?;
    site.in_kernel("nobody", None)?;
    assert!(lease(&site.node)? > 1);
    Ok(())
}
