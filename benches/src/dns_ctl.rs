//! Which dns-ctl is measured.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// The one that is given, or else the one that was built beside this program.
pub(crate) fn find(given: Option<&Path>) -> Result<PathBuf> {
    let beside = || -> Result<PathBuf> {
        let this = std::env::current_exe().context("can't tell where this program is")?;
        Ok(this.with_file_name("dns-ctl"))
    };
    let program = given.map_or_else(beside, |given| Ok(given.to_owned()))?;
    ensure!(
        program.is_file(),
        "{} is not there: build it with `cargo build --release --package dns-ctl`, or name one with --dns-ctl",
        program.display()
    );
    Ok(program)
}
