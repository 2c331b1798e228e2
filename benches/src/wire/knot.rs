//! Knot, the peer: its configuration, and its start.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};
use testbed::{Child, Namespace, Scratch, find_unpacked};

/// How long it may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Finds knotd: on PATH, or where `cargo xtask bench` has unpacked it.
pub(super) fn find() -> Result<PathBuf> {
    // This program is <target>/<profile>/kxdns-bench.
    let this = std::env::current_exe()?;
    let target = this.ancestors().nth(2);
    let target = target.context("this program lies in a target folder")?;
    find_unpacked(target, "knot", "knotd")
        .context("there is no knotd: run `cargo xtask bench wire`, which fetches it")
}

/// What it says of its version.
pub(super) fn version(knotd: &Path) -> Result<String> {
    Ok(testbed::output(Command::new(knotd).arg("-V"))?
        .trim()
        .to_owned())
}

/// Starts it with a zone, on XDP of an interface; it runs on one processor, as a NIC's queue would have it.
pub(super) fn start(
    knotd: &Path,
    namespace: &Namespace,
    (interface, address): (&str, Ipv4Addr),
    zone: &Path,
    cpu: usize,
) -> Result<(Child, Scratch)> {
    let folder = Scratch::new("knot")?;
    let configuration = configuration(folder.path(), interface, address, zone);
    let file = folder.write("knot.conf", &configuration)?;
    let mut command = namespace.command("taskset");
    command.args(["--cpu-list", &cpu.to_string()]);
    command.arg(knotd).arg("--config").arg(file);
    let mut child = Child::spawn("knotd", &mut command)?;
    child.wait_for_line("native mode", START_LIMIT)?;
    child.wait_for_line("server started", START_LIMIT)?;
    Ok((child, folder))
}

/// One worker on the interface's one queue. Ordinary sockets are there for TCP, as its manual wants it.
///
/// `route-check` is left off, so that no route is looked up for an answer: it goes back where the query came from.
fn configuration(folder: &Path, interface: &str, address: Ipv4Addr, zone: &Path) -> String {
    let (folder, zone) = (folder.display(), zone.display());
    format!(
        "server:
    rundir: \"{folder}\"
    listen: {address}@53
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
xdp:
    listen: {interface}
    udp: on
    tcp: off
    route-check: off
database:
    storage: \"{folder}\"
log:
  - target: stdout
    any: info
zone:
  - domain: cluster.local
    storage: \"{folder}\"
    file: \"{zone}\"
    zonefile-sync: -1
    journal-content: none
"
    )
}
