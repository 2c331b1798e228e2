//! Builds the kernel object and gives dns-ctl its path, as `KXDNS_EBPF_OBJECT`, to embed.

use std::{env, process::ExitCode};

use ebpf_object::{Embedding, PACKAGE, SOURCES};

/// Features of the kernel programs, each behind the variable by which cargo tells of the one of dns-ctl that asks for it.
const FEATURES: [(&str, &str); 2] = [
    ("CARGO_FEATURE_KERNEL_LOG", "log"),
    ("CARGO_FEATURE_NEXT_ABI", "next-abi"),
];

fn main() -> ExitCode {
    let features: Vec<&str> = FEATURES
        .into_iter()
        .filter(|(variable, _)| env::var_os(variable).is_some())
        .map(|(_, feature)| feature)
        .collect();
    Embedding {
        package: PACKAGE,
        features: &features,
        sources: SOURCES,
        variable: "KXDNS_EBPF_OBJECT",
    }
    .embed()
}
