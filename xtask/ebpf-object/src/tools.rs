//! What the eBPF tool chain needs beyond Rust itself, and where it is looked for.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Error;

/// A tool of the eBPF tool chain that is not installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingTool {
    /// The linker that makes one BPF object of LLVM bitcode.
    BpfLinker,
    /// The source of `core`, of which no prebuilt copy for BPF exists.
    RustSrc,
}

impl MissingTool {
    /// Existing folders in which an installation of this tool would show as a change.
    #[must_use]
    pub fn folders_to_watch(self, sysroot: &Path) -> Vec<PathBuf> {
        match self {
            Self::BpfLinker => program_folders().filter(|f| f.is_dir()).collect(),
            Self::RustSrc => vec![sysroot.join("lib/rustlib")],
        }
    }
}

impl fmt::Display for MissingTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BpfLinker => "bpf-linker",
            Self::RustSrc => "rust-src",
        })
    }
}

/// The tools that are missing for a build of the workspace at `root`; empty if it can be built.
pub fn missing_tools(root: &Path) -> Result<Vec<MissingTool>, Error> {
    let mut missing = Vec::new();
    if !is_program("bpf-linker") {
        missing.push(MissingTool::BpfLinker);
    }
    if !rust_src_marker(&sysroot(root)?).is_file() {
        missing.push(MissingTool::RustSrc);
    }
    Ok(missing)
}

/// Whether a program of that name is on PATH or among those cargo has installed.
#[must_use]
pub fn is_program(name: &str) -> bool {
    program_folders().any(|folder| folder.join(name).is_file())
}

/// The file by which cargo itself recognises an installed `rust-src`.
#[must_use]
pub fn rust_src_marker(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib/src/rust/library/Cargo.lock")
}

/// The folder of the Rust toolchain that applies to the workspace at `root`.
pub fn sysroot(root: &Path) -> Result<PathBuf, Error> {
    let program = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let name = program.to_string_lossy().into_owned();
    let output = Command::new(program)
        .current_dir(root)
        .args(["--print", "sysroot"])
        .output()
        .map_err(|error| Error::Start(name.clone(), error))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && !text.trim().is_empty() {
        Ok(text.trim().into())
    } else {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::Unusable(
            name,
            format!("`--print sysroot` failed: {said}"),
        ))
    }
}

/// The folder into which `cargo install` puts programs.
pub(crate) fn cargo_bin() -> Option<PathBuf> {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
        .map(|home| home.join("bin"))
}

/// The folders in which programs are looked for, cargo's own first.
fn program_folders() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&path).collect();
    cargo_bin().into_iter().chain(folders)
}
