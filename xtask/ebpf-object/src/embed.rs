//! What a build script does to embed a kernel object in its program.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{MissingTool, build_package, sysroot};

/// A kernel object to be embedded.
#[derive(Clone, Copy, Debug)]
pub struct Embedding<'a> {
    /// The package that holds the kernel programs; its binary has the same name.
    pub package: &'a str,
    /// The features it is built with.
    pub features: &'a [&'a str],
    /// What it depends on besides the workspace's manifests, relative to the workspace.
    pub sources: &'a [&'a str],
    /// The environment variable in which the program being compiled finds the object's path.
    pub variable: &'a str,
}

impl Embedding<'_> {
    /// Builds the object, and tells cargo where it is and when to build it again.
    ///
    /// To be called by a build script of a package directly below the workspace. A debug build on a machine
    /// without the eBPF tool chain gets an empty object and a warning, so that whoever works on the user side
    /// alone needs none; the program has to say at run time that it has no kernel programs.
    #[must_use]
    pub fn embed(&self) -> ExitCode {
        match self.try_embed() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        }
    }

    fn try_embed(&self) -> Result<(), Box<dyn Error>> {
        let package = env::var("CARGO_MANIFEST_DIR")?;
        let root = Path::new(&package)
            .parent()
            .ok_or("the package is not inside a workspace")?;
        let out_dir = PathBuf::from(env::var("OUT_DIR")?);
        // OUT_DIR is <target>/<profile>/build/<package>/out.
        let target_dir = out_dir
            .ancestors()
            .nth(4)
            .ok_or("OUT_DIR is not inside a target folder")?;
        let embedded = out_dir.join(self.package).with_extension("o");
        println!("cargo::rustc-env={}={}", self.variable, embedded.display());
        println!("cargo::rerun-if-changed=build.rs");
        let manifests = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"];
        for input in self.sources.iter().chain(&manifests) {
            println!("cargo::rerun-if-changed={}", root.join(input).display());
        }
        match build_package(self.package, root, target_dir, self.features) {
            Ok(object) => {
                fs::copy(object, embedded)?;
            }
            Err(crate::Error::Missing(tools)) if env::var("PROFILE")? == "debug" => {
                rerun_when_installed(&tools, root)?;
                fs::write(embedded, [])?;
                let error = crate::Error::Missing(tools);
                println!("cargo::warning=built without {}: {error}", self.package);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// Has cargo run the build script again as soon as one of the missing tools may have been installed.
fn rerun_when_installed(tools: &[MissingTool], root: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=PATH");
    let sysroot = sysroot(root)?;
    let folders = tools
        .iter()
        .flat_map(|tool| tool.folders_to_watch(&sysroot));
    for folder in folders {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    Ok(())
}
