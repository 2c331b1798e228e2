//! The command line program: reads the arguments, does what they ask, gives the exit code.

use std::process::ExitCode;

use clap::Parser as _;
use dns_ctl::{
    args::{Cli, Command, RunArgs},
    cli::{import, lookup, status, trace},
    config::Config,
    run, telemetry,
};

/// The request can't be carried out as it was made.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => run_until_stopped(*args),
        Command::Import(args) => report(import::import(&args)),
        Command::Lookup(args) => report(lookup::lookup(&args)),
        Command::Trace(args) => report(trace::trace(&args)),
        Command::Status(args) => report(status::status(&args).map(|()| ExitCode::SUCCESS)),
    }
}

fn run_until_stopped(args: RunArgs) -> ExitCode {
    let format = args.log_format;
    telemetry::init(format, args.log_level);
    let config = match Config::try_from(args) {
        Ok(config) => config,
        Err(error) => {
            telemetry::fatal(Some(format), &error.to_string());
            return ExitCode::from(USAGE);
        }
    };
    let result = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run::run(config)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            telemetry::fatal(Some(format), &format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn report(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        telemetry::fatal(None, &format!("{error:#}"));
        ExitCode::FAILURE
    })
}
