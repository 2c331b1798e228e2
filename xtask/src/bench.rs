//! `cargo xtask bench`: builds the benches as they are meant to be measured, and runs one.

use anyhow::Result;

use crate::{
    prerequisites::{self, Purpose},
    workspace::{self, Workspace},
};

/// The package and binary of the benches.
const PACKAGE: &str = "kxdns-bench";

/// Builds the release binary, and runs it with these arguments.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    testbed::require_root()?;
    prerequisites::ensure(workspace, Purpose::Build)?;
    workspace::run(&mut workspace.cargo(&["build", "--release", "--package", PACKAGE]))?;
    let program = workspace.target_dir.join("release").join(PACKAGE);
    workspace::run(std::process::Command::new(program).args(arguments))
}
