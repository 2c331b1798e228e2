//! Debian packages: installed with apt-get, or only downloaded and unpacked.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use testbed::{Scratch, output};

use crate::workspace::run;

/// The suite that carries newer packages for Debian 13; those of architecture `all` suit any Debian.
const BACKPORTS: &str = "trixie-backports";
/// The keys by which Debian's suites are signed, part of every installation.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Installs packages; an error that names them if this machine or user can't.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    ensure!(
        ebpf_object::is_program("apt-get"),
        "this machine has no apt-get: install what your system calls {names}, and run this again"
    );
    ensure!(
        testbed::require_root().is_ok(),
        "installing packages needs root: run `sudo apt-get install {names}`, and this again"
    );
    let update = || run(apt_get().arg("update"));
    let install = || {
        run(apt_get()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages))
    };
    if !packages.iter().all(|package| is_known(package)) {
        update()?;
        return install();
    }
    // The lists may be there, but older than what the mirror still has.
    install().or_else(|_| update().and_then(|()| install()))
}

/// Downloads a package and unpacks it into a folder; of what it depends on, only libraries are installed.
///
/// Nothing is started: libraries are no services.
pub(super) fn unpack(package: &str, into: &Path) -> Result<()> {
    ensure!(
        ebpf_object::is_program("apt-get") && ebpf_object::is_program("dpkg-deb"),
        "this machine has no apt-get to fetch Debian's package {package} with: put its programs on PATH"
    );
    let scratch = Scratch::new("apt")?;
    let download = || {
        run(apt_get()
            .current_dir(scratch.path())
            // The folder is private to this user, so apt can't hand the download to its own one.
            .args(["-o", "APT::Sandbox::User=root", "download", package]))
    };
    // The lists may be there, but older than what the mirror still has.
    download().or_else(|_| run(apt_get().arg("update")).and_then(|()| download()))?;
    let archive = archive_in(scratch.path())?;
    install_libraries(&archive)?;
    // Unpacked beside and then renamed: a half-made copy is never taken for the whole.
    let unfinished = into.with_extension("unfinished");
    for old in [&unfinished, into] {
        if old.exists() {
            fs::remove_dir_all(old).with_context(|| format!("can't replace {}", old.display()))?;
        }
    }
    fs::create_dir_all(&unfinished)
        .with_context(|| format!("can't make {}", unfinished.display()))?;
    run(Command::new("dpkg-deb")
        .arg("-x")
        .arg(archive)
        .arg(&unfinished))?;
    fs::rename(&unfinished, into)?;
    println!("{package} is now in {}", into.display());
    Ok(())
}

/// Installs the libraries that a package demands, unless they are there.
fn install_libraries(archive: &Path) -> Result<()> {
    let depends = output(
        Command::new("dpkg-deb")
            .args(["-f"])
            .arg(archive)
            .arg("Depends"),
    )?;
    let libraries = libraries(&depends);
    let plan = output(apt_get().args(["satisfy", "--simulate"]).arg(&libraries));
    if plan.is_ok_and(|plan| !plan.lines().any(|line| line.starts_with("Inst "))) {
        return Ok(());
    }
    ensure!(
        testbed::require_root().is_ok(),
        "installing libraries needs root: run `sudo apt-get satisfy '{libraries}'`, and this again"
    );
    run(apt_get()
        .args(["satisfy", "--yes", "--no-install-recommends"])
        .arg(&libraries))
}

/// Those of a package's dependencies that are libraries.
fn libraries(depends: &str) -> String {
    let libraries: Vec<_> = depends
        .split(',')
        .map(str::trim)
        .filter(|dependency| dependency.starts_with("lib"))
        .collect();
    libraries.join(", ")
}

/// Downloads one package of Debian's backports and unpacks it into a folder.
///
/// `version` may end in `*`. The machine's apt configuration, package lists and installed packages stay as they are.
pub(super) fn unpack_from_backports(package: &str, version: &str, into: &Path) -> Result<()> {
    ensure!(
        ebpf_object::is_program("apt-get") && ebpf_object::is_program("dpkg-deb"),
        "this machine has no apt-get to fetch Debian's package with"
    );
    let scratch = Scratch::new("apt")?;
    let download = download(package, version, scratch.path())
        .with_context(|| format!("{BACKPORTS} has no {package} {version} to download"))?;
    run(Command::new("dpkg-deb").arg("-x").arg(download).arg(into))
}

/// Downloads a package with an apt that has its own sources and lists, in `folder`; gives the file.
fn download(package: &str, version: &str, folder: &Path) -> Result<PathBuf> {
    let lists = folder.join("lists");
    let cache = folder.join("cache");
    fs::create_dir_all(lists.join("partial"))?;
    fs::create_dir_all(cache.join("archives/partial"))?;
    let sources = folder.join("sources.list");
    let mirror = mirror()?;
    fs::write(
        &sources,
        format!("deb [signed-by={KEYRING}] {mirror} {BACKPORTS} main\n"),
    )?;

    let apt = || {
        let mut apt = apt_get();
        apt.current_dir(folder);
        for (name, value) in [
            ("Dir::Etc::SourceList", sources.as_path()),
            ("Dir::Etc::SourceParts", Path::new("/dev/null")),
            ("Dir::State::Lists", &lists),
            ("Dir::Cache", &cache),
        ] {
            apt.arg("-o").arg(format!("{name}={}", value.display()));
        }
        // The folder is private to this user, so apt can't hand the download to its own one.
        apt.args(["-o", "APT::Sandbox::User=root"]);
        apt
    };
    run(apt().arg("update"))?;
    run(apt().arg("download").arg(format!("{package}={version}")))?;
    archive_in(folder)
}

/// The package that apt-get has left in a folder.
fn archive_in(folder: &Path) -> Result<PathBuf> {
    fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get succeeded, but left no package")
}

/// The mirror this machine already gets Debian's packages from.
fn mirror() -> Result<String> {
    let targets = output(apt_get().args([
        "indextargets",
        "--format",
        "$(REPO_URI) $(CODENAME)",
        "Created-By: Packages",
        "Origin: Debian",
    ]))?;
    match main_mirror(&targets) {
        Some(mirror) => Ok(mirror.to_owned()),
        None => bail!("apt knows no mirror of Debian: run `apt-get update`, if this is a Debian"),
    }
}

/// The first mirror in lines of address and suite that is not one for security updates only.
fn main_mirror(targets: &str) -> Option<&str> {
    targets
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(_, suite)| !suite.ends_with("-security"))
        .map(|(mirror, _)| mirror)
}

/// Whether the package lists name a package; they are empty on a fresh machine.
fn is_known(package: &str) -> bool {
    output(Command::new("apt-cache").args(["show", "--no-all-versions", package])).is_ok()
}

/// apt-get, never asking a question, and without a moving progress bar.
fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["--quiet", "-o", "Dpkg::Use-Pty=0"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_told_from_other_dependencies() {
        let depends = "adduser, libc6 (>= 2.36), lsb-base (>= 3.0-6), libssl3 (>= 3.0.0)\n";
        assert_eq!(libraries(depends), "libc6 (>= 2.36), libssl3 (>= 3.0.0)");
        assert_eq!(libraries("adduser"), "");
    }

    #[test]
    fn security_mirrors_have_no_backports() {
        let targets = "http://a.example/debian-security/ bookworm-security\nhttp://b.example/debian/ bookworm\n";
        assert_eq!(main_mirror(targets), Some("http://b.example/debian/"));
        assert_eq!(main_mirror(""), None);
    }
}
