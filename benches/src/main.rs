//! `kxdns-bench`: measures what kxdns costs, and prints the numbers with the machine they are of.

mod dns_ctl;
mod machine;
mod neighbours;
mod output;
mod peers;
mod plot;
mod pod;
mod process;
mod program;
mod scale;
mod server;
mod summary;
mod wire;

use std::{path::Path, process::ExitCode};

use anyhow::Result;
use clap::Parser;
use serde::Serialize;

use output::Files;

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
    /// Queries of a pod: kxdns in the kernel beside CoreDNS, unbound and dnsmasq; rate, latency, processor time
    Pod(pod::Arguments),
    /// Native XDP on a wire, beside a bare reflector and Knot: answers a second, by kxdpgun
    Wire(wire::Arguments),
    /// The controller with thousands of Services beside CoreDNS: start, memory, and how soon a change is answered
    Scale(scale::Arguments),
}

fn main() -> ExitCode {
    let result = match Bench::parse() {
        Bench::Program(arguments) => bench(
            &arguments.files,
            || program::run(&arguments),
            program::report::text,
            program::report::plot,
        ),
        Bench::Server(arguments) => bench(
            &arguments.files,
            || server::run(&arguments),
            server::report::text,
            server::report::plot,
        ),
        Bench::Neighbours(arguments) => bench(
            &arguments.files,
            || neighbours::run(&arguments),
            neighbours::report::text,
            neighbours::report::plot,
        ),
        Bench::Pod(arguments) => bench(
            &arguments.files,
            || pod::run(&arguments),
            pod::report::text,
            pod::report::plot,
        ),
        Bench::Wire(arguments) => bench(
            &arguments.files,
            || wire::run(&arguments),
            wire::report::text,
            wire::report::plot,
        ),
        Bench::Scale(arguments) => bench(
            &arguments.files,
            || scale::run(&arguments),
            scale::shown::text,
            scale::shown::plot,
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

/// Measures with `run`, and shows what came out as `text` and `plot` have it, with the machine's facts.
fn bench<R: Serialize>(
    files: &Files,
    run: impl FnOnce() -> Result<R>,
    text: fn(&R) -> String,
    plot: fn(&R, &Path) -> Result<()>,
) -> Result<()> {
    let json = files.json()?;
    let machine = machine::Machine::read();
    println!("{machine}\n");
    let report = run()?;
    println!("{}", text(&report));
    if let Some(file) = json {
        output::write_json(file, &machine, &report)?;
    }
    files
        .plot
        .as_deref()
        .map_or(Ok(()), |file| plot(&report, file))
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
