//! `cargo xtask conformance`: CoreDNS and dns-ctl on many generated clusters.

use anyhow::Result;
use clap::Args;

use crate::{
    prerequisites::{self, Purpose},
    workspace::{self, Workspace},
};

/// How much is to be compared.
#[derive(Args, Debug)]
pub(crate) struct Extent {
    /// How many clusters
    #[arg(long, value_name = "CLUSTERS", default_value_t = 200)]
    clusters: usize,
    /// How many questions about each
    #[arg(long, value_name = "QUESTIONS", default_value_t = 500)]
    questions: usize,
    /// The first cluster's seed, the others' follow [default: fresh ones]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

/// Runs the comparison, and shows what it counts.
pub(crate) fn run(workspace: &Workspace, extent: &Extent) -> Result<()> {
    prerequisites::ensure(workspace, Purpose::HostTest)?;
    let test = "dns_ctl_says_what_coredns_says";
    let mut command = workspace.cargo(&["test", "--package", "conformance", "--features", "peer"]);
    command
        .args(["--test", "servers", "--", "--nocapture", "--exact", test])
        .env("KXDNS_CONFORMANCE_CLUSTERS", extent.clusters.to_string())
        .env("KXDNS_CONFORMANCE_QUESTIONS", extent.questions.to_string());
    if let Some(seed) = extent.seed {
        command.env("KXDNS_CONFORMANCE_SEED", seed.to_string());
    }
    workspace::run(&mut command)
}
