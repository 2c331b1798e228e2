//! `cargo xtask image`: one static program and certificate authorities in an otherwise empty image, with the list of
//! what all that is made of.

mod sbom;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use testbed::output;

use crate::{
    prerequisites::{self, Purpose},
    tally::Tally,
    terminal,
    workspace::{self, Workspace},
};

/// The image's name where no registry is named; nothing can be pulled by it from anywhere.
const NAME: &str = "localhost/kxdns";
/// The build profile of the shipped image.
const PROFILE: &str = "image";
/// How the program is put into the image.
const CONTAINERFILE: &str = "deploy/Containerfile";
/// The certificate authorities of Debian's package, for upstreams that are asked over TLS; the same path in the image.
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";
/// The tests that run what is in the image in containers.
const TESTS: &str = "test --package kxdns-tests --test container";

/// How the image is made.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Build the program with this profile; dev is quick, and large
    #[arg(long, value_name = "PROFILE", default_value = PROFILE)]
    profile: String,
    /// Run the image's content in containers, as the manifests have it run (needs root)
    #[arg(long)]
    test: bool,
}

/// Builds the program, the list of its parts and the image; shows their sizes.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let mut tally = Tally::default();
    build(workspace, options, &mut tally)?;
    if options.test {
        println!("{tally}");
    }
    Ok(())
}

/// The quick build with its tests.
pub(crate) fn test(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    let options = Options {
        profile: "dev".to_owned(),
        test: true,
    };
    build(workspace, &options, tally)
}

fn build(workspace: &Workspace, options: &Options, tally: &mut Tally) -> Result<()> {
    prerequisites::ensure(workspace, Purpose::Image)?;
    let target = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let program = compile(workspace, &target, &options.profile)?;

    let folder = workspace.target_dir.join("image");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let root = folder.join("root");
    fs::create_dir_all(&root)?;
    let in_image = root.join("dns-ctl");
    // Of a debug build only what runs.
    workspace::run(Command::new("strip").arg("-o").arg(&in_image).arg(&program))?;
    let authorities = root.join(AUTHORITIES);
    fs::create_dir_all(authorities.parent().context("a file is in a folder")?)?;
    fs::copy(Path::new("/").join(AUTHORITIES), &authorities)
        .with_context(|| format!("can't copy /{AUTHORITIES}"))?;
    let bill = sbom::write(workspace, &target, &root)?;
    let revision = revision(workspace);
    let archive = pack(workspace, &root, &folder, &revision)?;

    let mut table = terminal::table(&["made", "MiB"]);
    for file in [&in_image, &authorities, &bill, &archive] {
        table.add_row([file.display().to_string(), mib(file)?]);
    }
    println!("{table}");
    println!(
        "import it with `ctr -n k8s.io images import`, or push it with `skopeo copy oci-archive:...`"
    );
    if options.test {
        let mut tests = workspace.cargo(&TESTS.split(' ').collect::<Vec<_>>());
        tally.run(tests.env("KXDNS_IMAGE_ROOT", &root))?;
    }
    Ok(())
}

/// Builds dns-ctl so that it needs nothing of the system around it, and no path of this machine is in it.
fn compile(workspace: &Workspace, target: &str, profile: &str) -> Result<PathBuf> {
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    let sysroot = ebpf_object::sysroot(&workspace.root)?;
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    let mut remap = |from: &Path, to: &str| {
        flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    };
    remap(&workspace.root, "/kxdns");
    remap(&sysroot.join("lib/rustlib/src/rust"), "/rust");
    if let Some(home) = cargo_home {
        remap(&home, "/cargo");
    }
    let arguments = [
        "build",
        "--locked",
        "--package",
        "dns-ctl",
        "--bin",
        "dns-ctl",
    ];
    let mut build = workspace.cargo(&arguments);
    build
        .args(["--profile", profile, "--target", target])
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    workspace::run(&mut build)?;
    let folder = if profile == "dev" { "debug" } else { profile };
    let program = workspace
        .target_dir
        .join(target)
        .join(folder)
        .join("dns-ctl");
    let about = fs::read(&program).with_context(|| format!("can't read {}", program.display()))?;
    ensure!(
        !needs_interpreter(&about)?,
        "{} is not static; is the C library's static part installed (libc6-dev, glibc-static)?",
        program.display()
    );
    Ok(program)
}

/// Whether a program names a dynamic linker.
fn needs_interpreter(program: &[u8]) -> Result<bool> {
    use object::read::elf::{ElfFile64, ProgramHeader as _};
    let file = ElfFile64::<object::Endianness>::parse(program)?;
    let endian = file.endian();
    let mut headers = file.elf_program_headers().iter();
    Ok(headers.any(|header| header.p_type(endian) == object::elf::PT_INTERP))
}

/// What of the history the image is made of: the commit, with a mark if files differ from it, and its moment.
struct Revision {
    commit: String,
    seconds: String,
}

fn revision(workspace: &Workspace) -> Revision {
    let git = |arguments: &[&str]| {
        let said = output(
            Command::new("git")
                .current_dir(&workspace.root)
                .args(arguments),
        );
        said.map(|text| text.trim().to_owned()).unwrap_or_default()
    };
    let mut commit = git(&["rev-parse", "HEAD"]);
    if !git(&["status", "--porcelain"]).is_empty() {
        commit += "-dirty";
    }
    // As other tools that make the same bytes of the same source have it.
    let given = env::var("SOURCE_DATE_EPOCH").ok();
    let seconds = given.unwrap_or_else(|| git(&["log", "-1", "--format=%ct"]));
    Revision { commit, seconds }
}

/// Puts the content of `root` into an OCI archive in `folder`.
fn pack(workspace: &Workspace, root: &Path, folder: &Path, revision: &Revision) -> Result<PathBuf> {
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("{NAME}:{version}");
    let storage = folder.join("storage");
    let buildah = || {
        let mut buildah = Command::new("buildah");
        buildah
            .current_dir(&workspace.root)
            .arg("--root")
            .arg(&storage)
            .arg("--runroot")
            .arg(folder.join("run"))
            // Needs no support of the kernel; there is one layer only.
            .args(["--storage-driver", "vfs"]);
        buildah
    };
    let seconds = if revision.seconds.is_empty() {
        "0"
    } else {
        &revision.seconds
    };
    let mut build = buildah();
    build.args([
        "build",
        "--isolation",
        "chroot",
        "--format",
        "oci",
        "--quiet",
    ]);
    build.args([
        "--timestamp",
        seconds,
        "--tag",
        &name,
        "--file",
        CONTAINERFILE,
    ]);
    for (label, value) in [("version", version), ("revision", &revision.commit)] {
        build
            .arg("--label")
            .arg(format!("org.opencontainers.image.{label}={value}"));
    }
    workspace::run(build.arg(root))?;
    let archive = folder.join(format!("kxdns-{version}-{}.tar", env::consts::ARCH));
    let target = format!("oci-archive:{}:{name}", archive.display());
    workspace::run(buildah().args(["push", "--quiet", &name, &target]))?;
    // It is in the archive; nobody but this task knows of it here.
    fs::remove_dir_all(storage)?;
    Ok(archive)
}

/// A file's size for people.
fn mib(file: &Path) -> Result<String> {
    let octets = fs::metadata(file)?.len();
    let hundredths = octets * 100 / (1 << 20);
    Ok(format!("{}.{:02}", hundredths / 100, hundredths % 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_needs_a_dynamic_linker_is_told() {
        // Test programs are linked as usual.
        let this = fs::read(env::current_exe().unwrap()).unwrap();
        assert!(needs_interpreter(&this).unwrap());
        assert!(needs_interpreter(b"#!/bin/sh\n").is_err());
    }
}
