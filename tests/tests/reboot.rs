//! A node that comes up while the API server is away: what the snapshot is for, and when it is not used.

use std::fs;

use anyhow::{Result, ensure};
use api_stub::{Kind, sample};
use hickory_proto::{
    op::ResponseCode,
    rr::{RData, RecordType},
};
use kxdns_tests::{
    node::{PATIENCE, plan},
    site::{Site, full},
};

const KEPT: &[&str] = &["--state-dir", "@/state"];
/// When the snapshot was written; 0 if there is none.
const WRITTEN: &str = "kxdns_snapshot_written_timestamp_seconds";

/// Starts a site with two Services, of which there is a snapshot.
fn kept() -> Result<Site> {
    let services = [("web", "10.96.30.1"), ("old", "10.96.30.2")];
    let site = Site::start(plan().build()?, &services, KEPT)?;
    site.node.eventually(|_| {
        ensure!(site.metric(WRITTEN)? > 0.0, "no snapshot is written");
        Ok(())
    })?;
    Ok(site)
}

/// The node loses power; when it is back, the API server is not there.
fn reboot(site: &mut Site) -> Result<()> {
    site.kill()?;
    site.wipe()?;
    site.api.go_away();
    Ok(())
}

/// Whether it is told that the snapshot is served.
fn is_restored(site: &Site) -> Result<bool> {
    Ok(site.metric("kxdns_zone_restored")? > 0.0)
}

/// Checks that nothing is known.
fn is_at_a_loss(site: &Site) -> Result<()> {
    ensure!(site.readiness()? == 503, "it says that it is ready");
    ensure!(site.node.hits()? == 0, "the kernel has answered");
    site.unknown("web")?;
    site.unknown("nobody")?;
    ensure!(site.node.hits()? == 0, "the kernel has answered");
    ensure!(!is_restored(site)?, "a snapshot is served");
    Ok(())
}

/// Checks that what the API server said last is served by kernel and server.
fn is_as_before(site: &Site) -> Result<()> {
    for (service, address) in [("web", "10.96.30.1"), ("old", "10.96.30.2")] {
        site.in_kernel(service, Some(address))?;
    }
    site.in_kernel("nobody", None)
}

#[test]
fn what_was_known_is_served_until_the_cluster_is_there() -> Result<()> {
    let mut site = kept()?;
    reboot(&mut site)?;
    site.restart(KEPT)?;
    site.node
        .child
        .wait_for_line("from the API server", PATIENCE)?;
    site.node.wait_until_placed()?;
    is_at_a_loss(&site)?;

    site.node.wait_until_ready()?;
    is_as_before(&site)?;
    let name = full("web");
    let reverse = site
        .node
        .message("1.30.96.10.in-addr.arpa.", RecordType::PTR)?;
    let [record] = &*reverse.answers else {
        anyhow::bail!("{reverse}");
    };
    assert_eq!(record.data.to_string(), name);
    let srv = format!("_http._tcp.{name}");
    let srv = site.node.message_of_server(&srv, RecordType::SRV)?;
    let RData::SRV(data) = &srv.answers[0].data else {
        anyhow::bail!("{srv}");
    };
    assert_eq!((data.port, data.target.to_string()), (80, name));
    let denied = site
        .node
        .message_of_server(&full("nobody"), RecordType::A)?;
    assert_eq!(denied.metadata.response_code, ResponseCode::NXDomain);
    assert!(is_restored(&site)?);
    assert!(site.metric("kxdns_zone_restored_age_seconds")? > 0.0);

    site.api.delete(Kind::Service, "default", "old")?;
    site.create(&sample::service("default", "new", "10.96.30.3"))?;
    site.come_back()?;
    site.expect("new", Some("10.96.30.3"))?;
    site.in_kernel("old", None)?;
    site.in_kernel("web", Some("10.96.30.1"))?;
    site.in_kernel("new", Some("10.96.30.3"))?;
    assert!(!is_restored(&site)?);
    assert_eq!(site.readiness()?, 200);
    let old = site.node.message_of_server(&full("old"), RecordType::A)?;
    assert_eq!(old.metadata.response_code, ResponseCode::NXDomain);
    Ok(())
}

#[test]
fn a_snapshot_with_a_wrong_octet_is_set_aside() -> Result<()> {
    let mut site = kept()?;
    reboot(&mut site)?;
    let snapshot = site.path("state/snapshot");
    let mut octets = fs::read(&snapshot)?;
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    fs::write(&snapshot, &octets)?;
    site.restart(KEPT)?;
    let line = site
        .node
        .child
        .wait_for_line("snapshot.corrupt", PATIENCE)?;
    assert!(
        line.contains("is not used") && line.contains("ERROR"),
        "{line}"
    );
    assert!(!snapshot.exists());
    assert_eq!(fs::read(site.path("state/snapshot.corrupt"))?, octets);
    is_at_a_loss(&site)?;
    site.come_back()?;
    site.node.wait_until_ready()?;
    is_as_before(&site)
}

/// Another namespace selector, another domain: it would be told too much, or too little.
#[test]
fn a_snapshot_of_another_scope_is_not_used() -> Result<()> {
    let mut site = kept()?;
    reboot(&mut site)?;
    let snapshot = fs::read(site.path("state/snapshot"))?;
    site.restart(&[KEPT, &["--namespace", "kube-system"]].concat())?;
    let line = site
        .node
        .child
        .wait_for_line("made with other flags", PATIENCE)?;
    assert!(line.contains("state/snapshot"), "{line}");
    is_at_a_loss(&site)?;
    site.terminate()?;
    assert_eq!(fs::read(site.path("state/snapshot"))?, snapshot, "it stays");

    site.restart(KEPT)?;
    site.node.wait_until_ready()?;
    is_as_before(&site)
}

/// The maps outlive dns-ctl, and were changed after the snapshot was written.
#[test]
fn what_the_kernel_still_knows_is_newer() -> Result<()> {
    let mut site = kept()?;
    let moved = sample::service("default", "web", "10.96.30.9");
    site.api.force(&moved)?;
    site.api.delete(Kind::Service, "default", "old")?;
    site.expect("web", Some("10.96.30.9"))?;
    site.expect("old", None)?;
    site.kill()?;
    site.api.go_away();
    site.restart(KEPT)?;
    site.node.wait_until_ready()?;
    assert!(is_restored(&site)?);
    site.in_kernel("web", Some("10.96.30.9"))?;
    site.in_kernel("old", None)?;

    site.come_back()?;
    site.node.eventually(|_| {
        ensure!(!is_restored(&site)?, "the snapshot is still served");
        Ok(())
    })?;
    site.in_kernel("web", Some("10.96.30.9"))?;
    site.in_kernel("old", None)
}

/// A part of the cluster is told before the snapshot is taken, the rest long after.
#[test]
fn a_part_of_the_cluster_does_not_spoil_the_whole() -> Result<()> {
    let mut site = kept()?;
    site.create(&sample::namespace("empty"))?;
    reboot(&mut site)?;
    site.come_back()?;
    site.api.forbid(Kind::Service);
    site.restart(KEPT)?;
    site.node.wait_until_ready()?;
    assert!(is_restored(&site)?);
    is_as_before(&site)?;
    site.api.clear_faults();
    site.node.eventually(|_| {
        ensure!(!is_restored(&site)?, "the snapshot is still served");
        Ok(())
    })?;
    is_as_before(&site)?;
    for name in ["default.svc.cluster.local.", "empty.svc.cluster.local."] {
        let message = site.node.message(name, RecordType::A)?;
        assert_eq!(
            message.metadata.response_code,
            ResponseCode::NoError,
            "{name}"
        );
    }
    Ok(())
}
