//! `kxdns-bench`: measures what kxdns costs, and prints the numbers with the machine they are of.

mod dns_ctl;
mod machine;
mod neighbours;
mod output;
mod program;
mod server;
mod summary;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use serde::Serialize;

/// Measure what kxdns costs (needs root)
#[derive(Parser)]
#[command(disable_help_subcommand = true)]
enum Bench {
    /// The kernel programs: nanoseconds for each kind of packet, by `BPF_PROG_TEST_RUN`
    Program(program::Arguments),
    /// The DNS server of dns-ctl beside CoreDNS: answers a second and processor time for each, by dnsperf
    Server(server::Arguments),
    /// What the programs cost other traffic of pods: a TCP stream by iperf3, and small datagrams back and forth
    Neighbours(neighbours::Arguments),
}

fn main() -> ExitCode {
    let result = match Bench::parse() {
        Bench::Program(arguments) => bench(
            arguments.output.as_deref(),
            || program::run(&arguments),
            program::report::text,
        ),
        Bench::Server(arguments) => bench(
            arguments.output.as_deref(),
            || server::run(&arguments),
            server::report::text,
        ),
        Bench::Neighbours(arguments) => bench(
            arguments.output.as_deref(),
            || neighbours::run(&arguments),
            neighbours::report::text,
        ),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures with `run`, and shows what came out as `text` has it, with the machine's facts.
fn bench<R: Serialize>(
    format_and_file: Option<&[String]>,
    run: impl FnOnce() -> Result<R>,
    text: fn(&R) -> String,
) -> Result<()> {
    let file = format_and_file.map(output::json_file).transpose()?;
    let machine = machine::Machine::read();
    println!("{machine}\n");
    let report = run()?;
    println!("{}", text(&report));
    match file {
        Some(file) => output::write_json(file, &machine, &report),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Bench::command().debug_assert();
    }
}
