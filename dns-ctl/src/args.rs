//! The command line: what can be asked for, and what each flag means.

use std::{net::IpAddr, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    attach::{rung::HookChoice, select::InterfacePattern},
    serve::upstream::Upstream,
    zone::name::Domain,
};

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
    /// Show interfaces, the hook in use, the names held, and what became of packets.
    Status(StatusArgs),
}

/// Flags of `run`. Each can be given in the environment instead, as `KXDNS_` and its name.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Find the API server in this file [default: $KUBECONFIG, ~/.kube/config, or the pod's service account].
    #[arg(
        long,
        env = "KXDNS_KUBECONFIG",
        value_name = "FILE",
        conflicts_with = "manifests"
    )]
    pub kubeconfig: Option<PathBuf>,

    /// Use this context of the kubeconfig.
    #[arg(
        long,
        env = "KXDNS_CONTEXT",
        value_name = "NAME",
        requires = "kubeconfig"
    )]
    pub context: Option<String>,

    /// Take Services and Namespaces from a manifest, or a folder of them, instead of an API server.
    ///
    /// Changes of the files take effect at once.
    #[arg(long, env = "KXDNS_MANIFESTS", value_name = "PATH")]
    pub manifests: Option<PathBuf>,

    /// Serve this cluster domain; can be given several times.
    #[arg(
        long,
        env = "KXDNS_CLUSTER_DOMAIN",
        value_name = "DOMAIN",
        default_value = "cluster.local",
        value_delimiter = ','
    )]
    pub cluster_domain: Vec<Domain>,

    /// An address at which clients reach DNS; the kernel answers only what is sent to these, on port 53.
    ///
    /// [default: the ClusterIPs of the Service labelled k8s-app=kube-dns in kube-system]
    #[arg(
        long,
        env = "KXDNS_SERVICE_IP",
        value_name = "IP",
        value_delimiter = ','
    )]
    pub service_ip: Vec<IpAddr>,

    /// Answer queries that come in by this interface: a name, or a pattern such as 'veth*'.
    #[arg(
        long,
        env = "KXDNS_INTERFACE",
        value_name = "NAME-OR-GLOB",
        value_delimiter = ','
    )]
    pub interface: Vec<InterfacePattern>,

    /// Where on the interfaces to answer.
    #[arg(long, env = "KXDNS_HOOK", value_enum, default_value_t)]
    pub hook: HookChoice,

    /// Serve DNS over UDP and TCP at this address [default: 0.0.0.0:53 in serve mode, none in accelerate mode].
    #[arg(
        long,
        env = "KXDNS_LISTEN",
        value_name = "ADDR:PORT",
        value_delimiter = ','
    )]
    pub listen: Vec<SocketAddr>,

    /// Ask this server for names outside the cluster domains [default: those of /etc/resolv.conf].
    #[arg(
        long,
        env = "KXDNS_UPSTREAM",
        value_name = "ADDR[:PORT]",
        value_delimiter = ','
    )]
    pub upstream: Vec<Upstream>,

    /// TTL of the cluster's records.
    #[arg(long, env = "KXDNS_TTL", value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub ttl: u32,

    /// Serve /metrics, /healthz and /readyz over HTTP at this address [default: not at all].
    #[arg(long, env = "KXDNS_METRICS_LISTEN", value_name = "ADDR:PORT")]
    pub metrics_listen: Option<SocketAddr>,

    /// A folder on a BPF file system, where the maps can be found while this runs.
    #[arg(long, env = "KXDNS_BPFFS", value_name = "DIR", default_value = DEFAULT_BPFFS)]
    pub bpffs: PathBuf,

    /// serve: this is the cluster's DNS; accelerate: what the kernel does not answer goes on to the existing DNS.
    #[arg(long, env = "KXDNS_MODE", value_enum, default_value_t)]
    pub mode: Mode,

    /// How log lines look; klog as Kubernetes components write them.
    #[arg(long, env = "KXDNS_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// The least severe log lines to write.
    #[arg(long, env = "KXDNS_LOG_LEVEL", value_enum, default_value_t)]
    pub log_level: LogLevel,
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

/// Whether this is the cluster's DNS, or stands before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// This is the cluster's DNS.
    #[default]
    Serve,
    /// Another DNS answers what the kernel does not.
    Accelerate,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
    /// As Kubernetes components write them.
    Klog,
}

/// The least severe log lines to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Errors only.
    Error,
    /// And what may need attention.
    Warn,
    /// And what happens.
    #[default]
    Info,
    /// And details.
    Debug,
    /// And everything.
    Trace,
}

/// How results are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table.
    #[default]
    Table,
    /// A JSON object.
    Json,
}

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
