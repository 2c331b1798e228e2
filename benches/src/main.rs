//! `kxdns-bench`: measures what kxdns costs, and prints the numbers with the machine they are of.

mod machine;
mod output;
mod program;
mod summary;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// Measure what kxdns costs (needs root)
#[derive(Parser)]
#[command(disable_help_subcommand = true)]
enum Bench {
    /// The kernel programs: nanoseconds for each kind of packet, by `BPF_PROG_TEST_RUN`
    Program(program::Arguments),
}

fn main() -> ExitCode {
    let result = match Bench::parse() {
        Bench::Program(arguments) => run_program(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_program(arguments: &program::Arguments) -> Result<()> {
    let file = arguments
        .output
        .as_deref()
        .map(output::json_file)
        .transpose()?;
    let machine = machine::Machine::read();
    println!("{machine}\n");
    let report = program::run(arguments)?;
    println!("{}", program::report::text(&report));
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
