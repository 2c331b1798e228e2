//! The one place that knows how the kernel object is built: inputs, tools, command.
//!
//! The build script of dns-ctl embeds the object, `cargo xtask` builds and checks it. Both run the same
//! nested cargo in the same folder, so cargo's own fingerprint decides whether there is anything to do and
//! the object can't be stale.

mod command;
mod embed;
mod tools;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    process::ExitStatus,
};

pub use command::{cargo, object_path};
pub use embed::Embedding;
pub use tools::{MissingTool, is_program, missing_tools, rust_src_marker, sysroot};

/// The package that holds the kernel programs; its binary has the same name.
pub const PACKAGE: &str = "dns-ebpf";
/// What that package is made of, relative to the workspace.
pub const SOURCES: &[&str] = &["dns-ebpf", "dns-common"];

/// Builds the kernel object and returns its path.
///
/// `root` is the workspace, `target_dir` the folder of all build output (the object has a folder of its own in it),
/// `features` are those of the `dns-ebpf` package. Compiler messages go to standard error.
pub fn build(root: &Path, target_dir: &Path, features: &[&str]) -> Result<PathBuf, Error> {
    build_package(PACKAGE, root, target_dir, features)
}

/// As [`build`], for another package of eBPF programs, whose binary has the package's name.
pub(crate) fn build_package(
    package: &str,
    root: &Path,
    target_dir: &Path,
    features: &[&str],
) -> Result<PathBuf, Error> {
    let missing = missing_tools(root)?;
    if !missing.is_empty() {
        return Err(Error::Missing(missing));
    }
    let mut command = command::cargo_of(package, "build", root, target_dir);
    if !features.is_empty() {
        command.args(["--features", &features.join(",")]);
    }
    let status = command
        .status()
        .map_err(|error| Error::Start("cargo".into(), error))?;
    if !status.success() {
        return Err(Error::Failed(status));
    }
    let object = command::object_path_of(package, target_dir);
    if object.is_file() {
        Ok(object)
    } else {
        Err(Error::NoObject(object))
    }
}

/// Why there is no kernel object.
#[derive(Debug)]
pub enum Error {
    /// Tools of the eBPF tool chain are not installed.
    Missing(Vec<MissingTool>),
    /// A program could not be started.
    Start(String, io::Error),
    /// A program said something that can't be used: its name, and what was wrong.
    Unusable(String, String),
    /// The nested cargo failed; it has said why on standard error.
    Failed(ExitStatus),
    /// Cargo succeeded, but the object is not where it should be.
    NoObject(PathBuf),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(tools) => {
                let names: Vec<_> = tools.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "the kernel program needs {}: run `cargo xtask build-ebpf`, which installs what is missing",
                    names.join(" and ")
                )
            }
            Self::Start(program, error) => write!(f, "can't start {program}: {error}"),
            Self::Unusable(program, what) => write!(f, "{program}: {what}"),
            Self::Failed(status) => write!(f, "building the kernel program failed ({status})"),
            Self::NoObject(path) => write!(
                f,
                "cargo succeeded, but left no kernel object at {}",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The workspace this crate is in.
    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn every_source_exists() {
        for source in SOURCES {
            assert!(root().join(source).exists(), "{source} is not there");
        }
    }

    #[test]
    fn missing_tools_name_the_remedy() {
        let text = Error::Missing(vec![MissingTool::BpfLinker, MissingTool::RustSrc]).to_string();
        assert_eq!(
            text,
            "the kernel program needs bpf-linker and rust-src: run `cargo xtask build-ebpf`, \
             which installs what is missing"
        );
    }
}
