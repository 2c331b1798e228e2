//! The nested cargo: its arguments, and an environment free of the outer cargo's traces.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{PACKAGE, tools};

/// The target: both supported hosts, x86-64 and aarch64, are little-endian.
const TARGET: &str = "bpfel-unknown-none";

/// A cargo command (`build`, `clippy`) for the kernel program, with all that building for eBPF on stable Rust needs.
///
/// Arguments may be added, first more of cargo's, then `--` and those of the tool behind it.
#[must_use]
pub fn cargo(subcommand: &str, root: &Path, target_dir: &Path) -> Command {
    cargo_of(PACKAGE, subcommand, root, target_dir)
}

/// As [`cargo`], for the binary of another package, which has the package's name.
pub(crate) fn cargo_of(package: &str, subcommand: &str, root: &Path, target_dir: &Path) -> Command {
    // Cargo names itself to what it runs; without it, the one on PATH.
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command
        .current_dir(root)
        .args([subcommand, "--package", package, "--bin", package])
        .args(["--release", "--target", TARGET, "-Z", "build-std=core"])
        .arg("--target-dir")
        .arg(ebpf_dir(target_dir))
        // A build script's standard output is read as instructions by the cargo around it.
        .stdout(Stdio::null());
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_outer_build) {
            command.env_remove(name);
        }
    }
    command
        // `-Z build-std` is unstable; only this process, and no other crate of the build, may use it.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(&target_arch()))
        .env("PATH", path_with_cargo_bin());
    command
}

/// Where a build leaves the object.
#[must_use]
pub fn object_path(target_dir: &Path) -> PathBuf {
    object_path_of(PACKAGE, target_dir)
}

/// As [`object_path`], for another package.
pub(crate) fn object_path_of(package: &str, target_dir: &Path) -> PathBuf {
    ebpf_dir(target_dir)
        .join(TARGET)
        .join("release")
        .join(package)
}

/// The nested cargo's own folder: it would wait for ever for the lock the outer cargo holds on a shared one.
fn ebpf_dir(target_dir: &Path) -> PathBuf {
    target_dir.join("ebpf")
}

/// Flags for rustc, in cargo's encoding, which allows quotes and spaces within a flag.
fn rustflags(arch: &str) -> String {
    [
        // aya-ebpf reads registers of the machine the program will run on.
        &format!("--cfg=bpf_target_arch=\"{arch}\""),
        // BTF, which the kernel needs to name functions and map types, is made from full debug information.
        "-Cdebuginfo=2",
        "-Clink-arg=--btf",
        // 32-bit jumps and arithmetic: Linux 5.1 and later.
        "-Ctarget-cpu=v3",
        // Packets have no alignment; without this every word of them is put together from its octets.
        "-Clink-arg=--cpu-features=+allows-misaligned-mem-access",
    ]
    .join("\x1f")
}

/// The architecture the object will run on: dns-ctl's target in a build script, else this machine's.
fn target_arch() -> String {
    env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_else(|_| env::consts::ARCH.to_owned())
}

/// Whether a variable belongs to the build this runs in, and would change or needlessly repeat the nested one.
///
/// The wrappers (clippy's, a compiler cache's) and flags are meant for the host; the rest is what cargo tells build
/// scripts, which dependencies' build scripts watch, so that leaving it would rebuild them each time `cargo build`
/// and `cargo xtask` alternate.
fn is_outer_build(name: &str) -> bool {
    const NAMES: [&str; 22] = [
        "CARGO_BUILD_RUSTC",
        "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_RUSTC_WRAPPER",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "CLIPPY_ARGS",
        "DEBUG",
        "HOST",
        "NUM_JOBS",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "RUSTC",
        "RUSTC_LINKER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOC",
        "RUSTFLAGS",
        "TARGET",
    ];
    const PREFIXES: [&str; 6] = [
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "CARGO_PROFILE_",
        "DEP_",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// PATH with cargo's bin folder in front, where `cargo install` puts bpf-linker even if PATH lacks it.
fn path_with_cargo_bin() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let Some(bin) = tools::cargo_bin() else {
        return path;
    };
    let folders = std::iter::once(bin).chain(env::split_paths(&path));
    // Only a folder with a colon in its name can't be joined; then PATH has to do.
    env::join_paths(folders).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_in_cargos_encoding() {
        let encoded = rustflags("aarch64");
        let flags: Vec<_> = encoded.split('\x1f').collect();
        assert_eq!(flags[0], "--cfg=bpf_target_arch=\"aarch64\"");
        assert!(flags.contains(&"-Clink-arg=--btf"));
        assert!(flags.iter().all(|flag| flag.starts_with('-')), "{flags:?}");
    }

    #[test]
    fn the_outer_build_is_forgotten_and_the_machine_is_not() {
        for name in ["RUSTC", "RUSTFLAGS", "CARGO_FEATURE_STD", "OUT_DIR"] {
            assert!(
                is_outer_build(name),
                "{name} must not reach the nested cargo"
            );
        }
        for name in [
            "PATH",
            "CARGO_HOME",
            "RUSTUP_TOOLCHAIN",
            "CARGO_NET_OFFLINE",
            "CARGO_MAKEFLAGS",
        ] {
            assert!(!is_outer_build(name), "the nested cargo needs {name}");
        }
    }

    #[test]
    fn command_builds_the_one_binary() {
        let command = cargo("build", Path::new("/src"), Path::new("/out"));
        let args: Vec<_> = command.get_args().filter_map(|arg| arg.to_str()).collect();
        assert_eq!(
            args.join(" "),
            "build --package dns-ebpf --bin dns-ebpf --release --target bpfel-unknown-none \
             -Z build-std=core --target-dir /out/ebpf"
        );
        assert_eq!(
            object_path(Path::new("/out")),
            Path::new("/out/ebpf/bpfel-unknown-none/release/dns-ebpf")
        );
    }
}
