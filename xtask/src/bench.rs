//! `cargo xtask bench`: builds the benches as they are meant to be measured, and becomes one.

use std::{os::unix::process::CommandExt as _, process::Command};

use anyhow::{Context as _, Result};

use crate::{
    prerequisites::{self, Purpose},
    workspace::{self, Workspace},
};

/// The package and binary of the benches.
const PACKAGE: &str = "kxdns-bench";
/// The benches that run dns-ctl, and what they need.
const WITH_DNS_CTL: [(&str, Purpose); 5] = [
    ("server", Purpose::BenchServer),
    ("neighbours", Purpose::BenchNeighbours),
    ("pod", Purpose::BenchPod),
    ("wire", Purpose::BenchWire),
    ("scale", Purpose::BenchScale),
];

/// Builds the release binaries, and runs the bench with these arguments.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    testbed::require_root()?;
    let named = |(name, _): &&(&str, Purpose)| arguments.first().is_some_and(|bench| bench == name);
    let with_dns_ctl = WITH_DNS_CTL.iter().find(named);
    let purpose = with_dns_ctl.map_or(Purpose::Build, |(_, purpose)| *purpose);
    prerequisites::ensure(workspace, purpose)?;
    let mut build = vec!["build", "--release", "--package", PACKAGE];
    if with_dns_ctl.is_some() {
        build.extend(["--package", "dns-ctl"]);
    }
    workspace::run(&mut workspace.cargo(&build))?;

    let program = workspace.target_dir.join("release").join(PACKAGE);
    let mut bench = Command::new(program);
    bench.args(arguments);
    let shown = workspace::announce(&bench);
    // In place of this process: a signal has to reach the one that has something to clean up.
    Err(bench.exec()).with_context(|| format!("can't start `{shown}`"))
}
