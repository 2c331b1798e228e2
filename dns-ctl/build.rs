//! Builds the kernel object and gives dns-ctl its path, as `KXDNS_EBPF_OBJECT`, to embed.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use ebpf_object::MissingTool;

fn main() -> ExitCode {
    match embed_kernel_object() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn embed_kernel_object() -> Result<(), Box<dyn Error>> {
    let package = env::var("CARGO_MANIFEST_DIR")?;
    let root = Path::new(&package)
        .parent()
        .ok_or("dns-ctl is not inside a workspace")?;
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    // OUT_DIR is <target>/<profile>/build/<package>/out.
    let target_dir = out_dir
        .ancestors()
        .nth(4)
        .ok_or("OUT_DIR is not inside a target folder")?;
    let embedded = out_dir.join("dns-ebpf.o");
    println!("cargo::rustc-env=KXDNS_EBPF_OBJECT={}", embedded.display());

    println!("cargo::rerun-if-changed=build.rs");
    for input in ebpf_object::inputs(root) {
        println!("cargo::rerun-if-changed={}", input.display());
    }

    let features: &[&str] = if env::var_os("CARGO_FEATURE_KERNEL_LOG").is_some() {
        &["log"]
    } else {
        &[]
    };
    match ebpf_object::build(root, target_dir, features) {
        Ok(object) => {
            fs::copy(object, embedded)?;
        }
        // Whoever works on the user side alone needs no eBPF tool chain: `cargo test` goes on, and dns-ctl says at
        // run time that it was built without the kernel program.
        Err(ebpf_object::Error::Missing(tools)) if env::var("PROFILE")? == "debug" => {
            rerun_when_installed(&tools, root)?;
            fs::write(embedded, [])?;
            let error = ebpf_object::Error::Missing(tools);
            println!("cargo::warning=dns-ctl is built without its kernel program: {error}");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Has cargo run this again as soon as one of the missing tools may have been installed.
fn rerun_when_installed(tools: &[MissingTool], root: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=PATH");
    let sysroot = ebpf_object::sysroot(root)?;
    for folder in tools
        .iter()
        .flat_map(|tool| tool.folders_to_watch(&sysroot))
    {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    Ok(())
}
