//! The programs of this workspace, built for the tests that run them.

use std::{
    collections::HashMap,
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::{LazyLock, Mutex, PoisonError},
};

use anyhow::{Context as _, Result, anyhow};

/// What has been built by this process, or why it could not be.
static BUILT: LazyLock<Mutex<HashMap<String, Result<PathBuf, String>>>> =
    LazyLock::new(Mutex::default);

/// The program of a package of the same name, in the profile of the program that asks; built once in a process.
pub fn program(package: &str) -> Result<PathBuf> {
    program_with(package, package, None)
}

/// A program of a package, which may need a feature of it; as [`program`].
pub fn program_with(package: &str, program: &str, feature: Option<&str>) -> Result<PathBuf> {
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built
        .entry(program.to_owned())
        .or_insert_with(|| build(package, program, feature).map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(|error| anyhow!("can't build {program}: {error}"))
}

fn build(package: &str, program: &str, feature: Option<&str>) -> Result<PathBuf> {
    // This program is <target>/<profile>/deps/<name>.
    let this = env::current_exe()?;
    let folder = this
        .ancestors()
        .nth(2)
        .context("a test lies in the target folder")?;
    let target = folder
        .parent()
        .context("a profile lies in the target folder")?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--package", package, "--bin", program])
        .args(feature.map(|feature| format!("--features={feature}")))
        .arg("--target-dir")
        .arg(target)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
    // What cargo tells a test about its package would make build scripts that watch it run again, each time.
    for (name, _) in env::vars_os() {
        let of_this_package = |name: &str| {
            ["CARGO_PKG_", "CARGO_MANIFEST_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        };
        if name.to_str().is_some_and(of_this_package) {
            command.env_remove(name);
        }
    }
    if folder.ends_with("release") {
        command.arg("--release");
    }
    crate::output(&mut command)?;
    Ok(folder.join(program))
}
