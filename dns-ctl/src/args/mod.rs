//! The command line: what can be asked for, and what each flag means.

mod choice;
mod run;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use choice::{Endpoints, LogFormat, LogLevel, Mode, Output, Pods};
pub use run::RunArgs;

use crate::zone::name::Domain;

/// Kubernetes cluster DNS answered inside the kernel.
///
/// dns-ctl watches the Kubernetes API and writes Service names and answers into BPF maps, from which the
/// kernel answers pods' queries; a DNS server in this process answers the rest.
#[derive(Debug, Parser)]
#[command(name = "dns-ctl", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What dns-ctl can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer DNS until told to stop (SIGTERM or SIGINT).
    Run(Box<RunArgs>),
    /// Show what the kernel holds for a name; exit 1 if nothing.
    Lookup(LookupArgs),
    /// Translate another DNS server's configuration into flags and a ConfigMap.
    Import(ImportArgs),
    /// Show interfaces, the hook in use, the names held, and what became of packets.
    Status(StatusArgs),
}

/// Arguments of `import`.
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// What to translate.
    #[command(subcommand)]
    pub from: ImportFrom,
}

/// What can be translated.
#[derive(Debug, Subcommand)]
pub enum ImportFrom {
    /// Read a CoreDNS Corefile; what has no counterpart is listed.
    Corefile(CorefileArgs),
}

/// Arguments of `import corefile`.
#[derive(Args, Debug)]
pub struct CorefileArgs {
    /// The Corefile, or - for standard input.
    pub file: PathBuf,

    /// How to show it.
    #[arg(long, env = "KXDNS_OUTPUT", value_enum, default_value_t)]
    pub output: Output,
}

/// Flags of `lookup`.
#[derive(Args, Debug)]
pub struct LookupArgs {
    /// The whole name, as nginx.default.svc.cluster.local.
    pub name: Domain,

    /// A record type, such as A; all types if not given.
    #[arg(value_name = "TYPE", value_parser = parse_type)]
    pub record_type: Option<hickory_proto::rr::RecordType>,

    /// Where and how to look.
    #[command(flatten)]
    pub view: ViewArgs,
}

/// Flags of `status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// Where and how to look.
    #[command(flatten)]
    pub view: ViewArgs,
}

/// Flags of the commands that look at a running instance.
#[derive(Args, Debug)]
pub struct ViewArgs {
    /// The folder that the running instance was given.
    #[arg(long, env = "KXDNS_BPFFS", value_name = "DIR", default_value = DEFAULT_BPFFS)]
    pub bpffs: PathBuf,

    /// How to show it.
    #[arg(long, env = "KXDNS_OUTPUT", value_enum, default_value_t)]
    pub output: Output,
}

/// Where maps are pinned unless configured.
pub const DEFAULT_BPFFS: &str = "/sys/fs/bpf/kxdns";

fn parse_type(text: &str) -> Result<hickory_proto::rr::RecordType, String> {
    text.to_ascii_uppercase()
        .parse()
        .map_err(|_| format!("`{text}` is not a record type; A and AAAA are"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_run_reads_the_environment() {
        let cli = Cli::command();
        let run = cli.find_subcommand("run").unwrap();
        for argument in run
            .get_arguments()
            .filter(|argument| argument.get_id() != "help")
        {
            let long = argument.get_long().unwrap();
            let env = format!("KXDNS_{}", long.replace('-', "_").to_uppercase());
            assert_eq!(
                argument.get_env().and_then(|env| env.to_str()),
                Some(env.as_str())
            );
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for arguments in [
            &["run", "--kubeconfig", "a", "--manifests", "b"][..],
            &["run", "--context", "a"],
            &["run", "--ttl", "3601"],
            &["run", "--cluster-domain", "a..b"],
            &["run", "--upstream", "dns.example"],
            &["run", "--hook", "fast"],
            &["run", "--interface", ""],
            &["lookup", "a.b", "NOTYPE"],
        ] {
            let error = Cli::try_parse_from(["dns-ctl"].iter().chain(arguments)).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{arguments:?}");
        }
    }
}
