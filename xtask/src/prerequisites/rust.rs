//! The two parts of the eBPF tool chain: bpf-linker and rust-src.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use testbed::{Scratch, output};

use super::debian;
use crate::workspace::{Workspace, run};

/// The newest bpf-linker that needs no LLVM besides the one in rustc.
const BPF_LINKER_VERSION: &str = "0.10.4";

/// Builds and installs bpf-linker from the crates registry.
pub(super) fn install_bpf_linker(workspace: &Workspace) -> Result<()> {
    run(&mut workspace.cargo(&[
        "install",
        "--locked",
        "bpf-linker",
        "--version",
        BPF_LINKER_VERSION,
    ]))
}

/// Adds the standard library's source to the toolchain: from rustup, or else from Debian's package of it.
pub(super) fn install_rust_src(workspace: &Workspace) -> Result<()> {
    let sysroot = ebpf_object::sysroot(&workspace.root)?;
    let by_rustup = run(Command::new("rustup").current_dir(&workspace.root).args([
        "component",
        "add",
        "rust-src",
    ]));
    match by_rustup {
        Ok(()) if ebpf_object::rust_src_marker(&sysroot).is_file() => return Ok(()),
        Ok(()) => println!("rustup takes rust-src for installed, but it is not there"),
        Err(error) => println!("rustup does not deliver rust-src: {error:#}"),
    }
    println!("trying Debian's package of the same version");
    let version = rustc_version(workspace)?;
    rust_src_from_debian(&version, &sysroot)
}

/// Unpacks Debian's package of the standard library's source, and copies it to where cargo looks for it.
fn rust_src_from_debian(version: &str, sysroot: &Path) -> Result<()> {
    let scratch = Scratch::new("rust-src")?;
    debian::unpack_from_backports("rust-src", &format!("{version}*"), scratch.path())?;
    let library = scratch
        .path()
        .join(format!("usr/src/rustc-{version}/library"));
    let folder = sysroot.join("lib/rustlib/src/rust");
    let target = folder.join("library");
    // Copied beside and then renamed: a half-made copy is never taken for the whole.
    let unfinished = folder.join("library.unfinished");
    fs::create_dir_all(&folder)
        .with_context(|| format!("can't write to the Rust toolchain in {}", sysroot.display()))?;
    for old in [&unfinished, &target] {
        if old.exists() {
            fs::remove_dir_all(old).with_context(|| format!("can't replace {}", old.display()))?;
        }
    }
    // Not with its dates: cargo has to see that the files are new.
    output(
        Command::new("cp")
            .arg("--recursive")
            .arg(library)
            .arg(&unfinished),
    )?;
    fs::rename(unfinished, &target)?;
    println!("rust-src {version} is now in {}", target.display());
    Ok(())
}

/// The version of the toolchain, such as `1.95.0`.
fn rustc_version(workspace: &Workspace) -> Result<String> {
    let said = output(
        Command::new("rustc")
            .current_dir(&workspace.root)
            .arg("--version"),
    )?;
    match said.split_whitespace().nth(1) {
        Some(version) => Ok(version.to_owned()),
        None => bail!("`rustc --version` says `{}`", said.trim()),
    }
}
