//! Builds the benches' kernel programs and gives their object's path, as `KXDNS_BENCH_OBJECT`, to embed.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

fn main() -> ExitCode {
    match embed_object() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn embed_object() -> Result<(), Box<dyn Error>> {
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
    let embedded = out_dir.join("bench-ebpf.o");
    println!("cargo::rustc-env=KXDNS_BENCH_OBJECT={}", embedded.display());
    for input in [
        "benches/build.rs",
        "benches/ebpf",
        "Cargo.toml",
        "Cargo.lock",
        "rust-toolchain.toml",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    match ebpf_object::build_package("bench-ebpf", root, target_dir, &[]) {
        Ok(object) => {
            fs::copy(object, embedded)?;
        }
        // As for dns-ctl: whoever only checks the code needs no eBPF tool chain.
        Err(error @ ebpf_object::Error::Missing(_)) if env::var("PROFILE")? == "debug" => {
            fs::write(embedded, [])?;
            println!("cargo::warning=the benches are built without their kernel programs: {error}");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
