//! The checks that are other tools' work: formatting, clippy, cargo-deny.

use anyhow::{Result, ensure};
use testbed::output;

use crate::{
    prerequisites::{self, Purpose},
    workspace::{Workspace, run},
};

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

/// Checks the dependencies against deny.toml.
pub(crate) fn deny(workspace: &Workspace) -> Result<()> {
    ensure!(
        output(&mut workspace.cargo(&["deny", "--version"])).is_ok(),
        "cargo-deny is not installed: run `cargo install --locked cargo-deny`, which takes some minutes"
    );
    run(&mut workspace.cargo(&["deny", "--workspace", "check"]))
}
