//! `cargo xtask`: everything one does with this workspace beyond building it, each as one word.

mod bench;
mod build_ebpf;
mod chart;
mod checks;
mod conformance;
mod demo;
mod image;
mod prerequisites;
mod steps;
mod tally;
mod terminal;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::{prerequisites::Purpose, workspace::Workspace};

/// Build, demo, test and upkeep of kxdns.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", disable_help_subcommand = true)]
enum Task {
    /// Build the kernel programs, and show their size
    ///
    /// Installs bpf-linker and rust-src first if they are missing. An ordinary `cargo build` of dns-ctl builds and
    /// embeds the same object; it does not install anything.
    BuildEbpf,
    /// Show kxdns at work on this machine: a node, two pods, real programs asking for names (needs root)
    ///
    /// Makes its own network namespaces, starts dns-ctl on the manifests in examples/, and has getent and dig
    /// resolve names in the pods. Shows who answered each query: the kernel, dns-ctl's server, or the upstream
    /// DNS. Removes everything again, also after Ctrl-C.
    Demo,
    /// Run all tests; those of the kernel programs and the network need root
    Test {
        /// Run only the tests that do not need root
        #[arg(long)]
        host_only: bool,
    },
    /// Compare dns-ctl with CoreDNS on generated clusters
    ///
    /// What differs on purpose, and what is compared at all, is in docs/compatibility.md. A difference that is not
    /// listed there is printed with the seed of its cluster.
    Conformance {
        /// How much
        #[command(flatten)]
        extent: conformance::Extent,
    },
    /// Measure what kxdns costs on this machine (needs root)
    ///
    /// `cargo xtask bench program` measures the kernel programs, `cargo xtask bench server` the server beside CoreDNS,
    /// `cargo xtask bench neighbours` what the programs cost other traffic, `cargo xtask bench pod` what a pod gets that
    /// asks through ordinary sockets, `cargo xtask bench wire` native XDP beside a bare reflector and Knot, `cargo xtask
    /// bench scale` the controller beside CoreDNS;
    /// their options tells `cargo xtask bench -- --help`. How to read the numbers is in docs/benchmarks.md.
    Bench {
        /// The bench and its options
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check the formatting (`cargo fmt` repairs it)
    Fmt,
    /// Run clippy on the host's and the kernel's crates; a warning is an error
    Clippy,
    /// Check what no compiler checks: file sizes, first lines, licences, the README, the tables of docs/datapath.md
    Tidy,
    /// Check licences and sources of the dependencies with cargo-deny
    Deny {
        /// And whether faults of them are known, by the `RustSec` database (needs the network)
        #[arg(long)]
        advisories: bool,
    },
    /// Build the container image, and the list of what is in it
    ///
    /// The image is an OCI archive in the target folder. The program in it is static, so that nothing else is.
    Image {
        /// How
        #[command(flatten)]
        options: image::Options,
    },
    /// Check the Helm chart, and that the plain manifests are those made from it
    ///
    /// Renders each of deploy/cases with Helm's own code, checks the objects against Kubernetes' schemas, the flags
    /// against dns-ctl, and the access rules against what dns-ctl asks of an API server.
    Chart {
        /// Write the manifests instead of comparing them
        #[arg(long)]
        write: bool,
    },
    /// Install what a task needs, and say what that is
    Prerequisites {
        /// The task
        #[arg(value_enum, default_value_t = Purpose::Test)]
        purpose: Purpose,
    },
}

fn main() -> ExitCode {
    match run(Task::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{} {error:#}", terminal::red("error:"));
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let workspace = Workspace::find()?;
    match task {
        Task::BuildEbpf => build_ebpf::run(&workspace),
        Task::Demo => demo::run(&workspace),
        Task::Test { host_only } => test::run(&workspace, host_only),
        Task::Conformance { extent } => conformance::run(&workspace, &extent),
        Task::Bench { arguments } => bench::run(&workspace, &arguments),
        Task::Fmt => checks::fmt(&workspace),
        Task::Clippy => checks::clippy(&workspace),
        Task::Tidy => tidy::run(&workspace),
        Task::Deny { advisories } => checks::deny(&workspace, advisories),
        Task::Image { options } => image::run(&workspace, &options),
        Task::Chart { write } => chart::run(&workspace, write),
        Task::Prerequisites { purpose } => prerequisites::ensure(&workspace, purpose),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Task::command().debug_assert();
    }
}
