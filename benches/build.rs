//! Builds the benches' kernel programs and gives their object's path, as `KXDNS_BENCH_OBJECT`, to embed.

use std::process::ExitCode;

use ebpf_object::Embedding;

fn main() -> ExitCode {
    Embedding {
        package: "bench-ebpf",
        features: &[],
        sources: &["benches/ebpf"],
        variable: "KXDNS_BENCH_OBJECT",
    }
    .embed()
}
