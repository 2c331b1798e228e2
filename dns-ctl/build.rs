//! Builds the kernel object and gives dns-ctl its path, as `KXDNS_EBPF_OBJECT`, to embed.

use std::{env, process::ExitCode};

use ebpf_object::{Embedding, PACKAGE, SOURCES};

fn main() -> ExitCode {
    let features: &[&str] = if env::var_os("CARGO_FEATURE_KERNEL_LOG").is_some() {
        &["log"]
    } else {
        &[]
    };
    Embedding {
        package: PACKAGE,
        features,
        sources: SOURCES,
        variable: "KXDNS_EBPF_OBJECT",
    }
    .embed()
}
