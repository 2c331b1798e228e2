//! The command line program: reads the arguments, does what they ask, gives the exit code.

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    args::{CheckArgs, Cli, Command, LogLevel, RunArgs},
    cli::{check, dump, import, lookup, pages, status, top, trace, uninstall},
    config::Config,
    run, telemetry,
};

/// The request can't be carried out as it was made.
const USAGE: u8 = 2;

/// Does what this process's arguments ask for.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => run_until_stopped(*args),
        Command::Check(args) => check_before_run(*args),
        Command::Import(args) => report(import::import(&args)),
        Command::Lookup(args) => report(lookup::lookup(&args)),
        Command::Trace(args) => report(trace::trace(&args)),
        Command::Man(args) => report(pages::man(&args.folder).map(|()| ExitCode::SUCCESS)),
        Command::Completions(args) => {
            report(pages::completions(args.shell).map(|()| ExitCode::SUCCESS))
        }
        Command::Dump(args) => report(dump::dump(&args).map(|()| ExitCode::SUCCESS)),
        Command::Top(args) => report(top::top(&args).map(|()| ExitCode::SUCCESS)),
        Command::Uninstall(args) => {
            report(block_on(uninstall::uninstall(&args)).map(|()| ExitCode::SUCCESS))
        }
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
    let end = block_on(async {
        let telling = tokio::spawn(telemetry::tell_held_back());
        let end = run::run(config).await;
        telling.abort();
        telemetry::tell_now();
        end
    });
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            telemetry::fatal(Some(format), &sentence(&error));
            ExitCode::FAILURE
        }
    }
}

fn check_before_run(args: CheckArgs) -> ExitCode {
    let (format, output) = (args.run.log_format, args.output);
    // What `run` would log at the usual levels is in the report.
    if matches!(args.run.log_level, LogLevel::Debug | LogLevel::Trace) {
        telemetry::init(format, args.run.log_level);
    }
    match Config::try_from(args.run) {
        Ok(config) => report(check::check(config, output)),
        Err(error) => {
            telemetry::init(format, LogLevel::Error);
            telemetry::fatal(Some(format), &error.to_string());
            ExitCode::from(USAGE)
        }
    }
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Runtime::new()?.block_on(work)
}

/// What went wrong and why, each cause said once: many errors name theirs themselves.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn report(result: anyhow::Result<ExitCode>) -> ExitCode {
    result.unwrap_or_else(|error| {
        telemetry::fatal(None, &sentence(&error));
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let low = || anyhow::anyhow!("no space left");
        let told = low().context("can't write: no space left; make room");
        assert_eq!(sentence(&told), "can't write: no space left; make room");
        let untold = low().context("can't write").context("can't keep it");
        assert_eq!(
            sentence(&untold),
            "can't keep it: can't write: no space left"
        );
    }
}
