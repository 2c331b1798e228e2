//! The command line: what can be asked for, and what each flag means.

mod choice;
mod look;
mod run;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use hickory_proto::rr::{Name, RecordType};

pub use choice::{
    Endpoints, KernelNegative, Kind, LogFormat, LogLevel, Mode, OnExit, Output, Pods, RateOver,
    TcxOrder,
};
pub use look::{CompletionsArgs, DumpArgs, ManArgs, TopArgs};
pub use run::RunArgs;

use crate::{version::VERSION, zone::name::Domain};

/// Kubernetes cluster DNS answered inside the kernel.
///
/// dns-ctl watches the Kubernetes API and writes Service names and answers into BPF maps, from which the
/// kernel answers pods' queries; a DNS server in this process answers the rest.
#[derive(Debug, Parser)]
#[command(
    name = "dns-ctl",
    version = VERSION,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done; 1 failed, or what `check`, `lookup` or `trace` looked for is not so; \
        2 the command line makes no sense."
)]
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
    /// See whether `run` would work here with the same flags, and say what stands in the way; exit 1 if anything does.
    ///
    /// Nothing is changed: programs are loaded into the kernel and dropped again, addresses are bound and let go.
    Check(Box<CheckArgs>),
    /// Show what the kernel holds for a name; exit 1 if nothing.
    Lookup(LookupArgs),
    /// Translate another DNS server's configuration into flags and a ConfigMap.
    Import(ImportArgs),
    /// Run a query through the kernel program, and show what it does and why; exit 1 if it passes the query on.
    ///
    /// The program is the running instance's own; the query is sent nowhere. It is counted as a client's would
    /// be, once for each run: there are up to 32, until its reason can be told from those of other packets.
    Trace(TraceArgs),
    /// Show interfaces, the hook in use, the names held, and what became of packets.
    Status(StatusArgs),
    /// Show all that the kernel's maps hold but the secret keys, a line each, for grep, sort and diff.
    ///
    /// Each line begins with its kind: config, state, zone, service, interface, packets or name. Names are in no
    /// order (`| sort` brings them into one), and are written as they are read, however many there are. With
    /// --output json each line is a JSON object with the member `kind`.
    Dump(DumpArgs),
    /// Show live how many queries there are, what becomes of them, and who asks what.
    ///
    /// On a terminal it is a screen: q ends it, p pauses it, s changes the order, n hides the names. Else, and with
    /// --once, --count or --output json, it is text. What becomes of packets is counted exactly. Names and clients
    /// are those of samples, which the kernel programs take while this runs, at most 4,000 a second; the error is
    /// shown. Only what these programs see is sampled: not what dns-ctl's server answers over TCP.
    Top(TopArgs),
    /// Remove from this node what a dns-ctl has left there: programs, filters, maps. Others' are left alone.
    Uninstall(UninstallArgs),
    /// Write the manual pages of dns-ctl and its commands into a folder, for `man -l` and for packages.
    Man(ManArgs),
    /// Write the completions of a shell to standard output, to be sourced by it or kept where it looks for them.
    Completions(CompletionsArgs),
}

/// Flags of `check`: those of `run`, and how to show the result.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// What `run` would be given.
    #[command(flatten)]
    pub run: RunArgs,

    /// How to show it.
    #[arg(long, env = "KXDNS_OUTPUT", value_enum, default_value_t)]
    pub output: Output,
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
    pub record_type: Option<RecordType>,

    /// Where and how to look.
    #[command(flatten)]
    pub view: ViewArgs,
}

/// Flags of `trace`.
#[derive(Args, Debug)]
pub struct TraceArgs {
    /// The whole name, as a client may send it; upper and lower case are kept.
    #[arg(value_parser = parse_question_name)]
    pub name: Name,

    /// A record type, such as AAAA, or TYPE65 for one without a name.
    #[arg(value_name = "TYPE", default_value = "A", value_parser = parse_question_type)]
    pub record_type: RecordType,

    /// Ask with EDNS, for an answer of at most this many octets [default without a size: 1232].
    #[arg(
        long,
        value_name = "SIZE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1232",
        value_parser = clap::value_parser!(u16).range(512..)
    )]
    pub edns: Option<u16>,

    /// Ask over IPv6.
    #[arg(long)]
    pub ipv6: bool,

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

/// Flags of `uninstall`.
#[derive(Args, Debug)]
pub struct UninstallArgs {
    /// Also remove the snapshot in this folder, and the folder if nothing else is in it.
    #[arg(long, env = "KXDNS_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

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

fn parse_type(text: &str) -> Result<RecordType, String> {
    text.to_ascii_uppercase()
        .parse()
        .map_err(|_| format!("`{text}` is not a record type; A and AAAA are"))
}

/// Any type that a question can have: unlike `lookup`'s, it need not be one of records.
fn parse_question_type(text: &str) -> Result<RecordType, String> {
    let upper = text.to_ascii_uppercase();
    if upper == "IXFR" {
        return Ok(RecordType::IXFR);
    }
    let number = upper.strip_prefix("TYPE").map(str::parse::<u16>);
    match number {
        Some(Ok(number)) => Ok(RecordType::from(number)),
        Some(Err(_)) => Err(format!("`{text}` is not TYPE and a number up to 65535")),
        None => parse_type(text),
    }
}

/// A name with any characters; it is whole with or without the last dot.
fn parse_question_name(text: &str) -> Result<Name, String> {
    if text.is_empty() {
        return Err("the name is empty; that of the root is `.`".to_owned());
    }
    // `from_str` would change upper case to lower.
    let mut name = Name::from_ascii(text).map_err(|error| error.to_string())?;
    name.set_fqdn(true);
    Ok(name)
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
    fn check_takes_the_flags_of_run_and_how_to_show_the_result() {
        let cli = Cli::command();
        let flags = |name| -> Vec<_> {
            let arguments = cli.find_subcommand(name).unwrap().get_arguments();
            arguments
                .filter_map(|argument| Some((argument.get_long()?, argument.get_env()?)))
                .collect()
        };
        let (run, mut check) = (flags("run"), flags("check"));
        let output = check.pop();
        assert_eq!(output.map(|(name, _)| name), Some("output"));
        assert_eq!(check, run);
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
            &["run", "--max-names", "0"],
            &["run", "--max-names", "16777217"],
            &["run", "--kernel-negative", "maybe"],
            &["run", "--interface", ""],
            &["lookup", "a.b", "NOTYPE"],
            &["trace", "a.b", "NOTYPE"],
            &["trace", "a.b", "TYPE65536"],
            &["trace", "a.b", "TYPE"],
            &["trace", "a..b"],
            &["trace", ""],
            &["trace", "a.b", "--edns=65536"],
            &["trace", "a.b", "--edns=511"],
            &["top", "--once", "--count", "2"],
            &["top", "--interval", "0"],
            &["top", "--rows", "501"],
        ] {
            let error = Cli::try_parse_from(["dns-ctl"].iter().chain(arguments)).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{arguments:?}");
        }
    }

    #[test]
    fn a_trace_takes_every_name_and_type() {
        for (arguments, name, number, edns) in [
            (&["nginx.x.SVC"][..], "nginx.x.SVC.", 1, None),
            (&["a.b.", "aaaa", "--edns"], "a.b.", 28, Some(1232)),
            (
                &["_http._tcp.x", "type65", "--edns=512"],
                "_http._tcp.x.",
                65,
                Some(512),
            ),
            (&[".", "TYPE65280"], ".", 65280, None),
            (&["*.x", "ixfr"], "*.x.", 251, None),
            (&["--edns", "x", "any"], "x.", 255, Some(1232)),
        ] {
            let all = ["dns-ctl", "trace"].iter().chain(arguments);
            let Command::Trace(args) = Cli::try_parse_from(all).unwrap().command else {
                panic!("{arguments:?} is a trace");
            };
            assert_eq!(args.name.to_ascii(), name);
            assert_eq!(u16::from(args.record_type), number, "{name}");
            assert_eq!(args.edns, edns, "{name}");
        }
    }
}
