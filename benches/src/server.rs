//! `bench server`: the userspace server of dns-ctl beside CoreDNS, asked by dnsperf.

mod bed;
mod dnsperf;
mod population;
mod process;
pub(crate) mod report;
mod verify;
mod workload;

use std::{
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context as _, Result};
use clap::Args;
use testbed::{Scratch, interrupt};

use bed::{Bed, Programs, Subject};
use dnsperf::Load;
use population::Population;
use report::{Ratio, Ratios, Report, Results, Row, Run, Setting, Speed};
use workload::{Kind, Workload};

/// Clients of each of dnsperf's threads.
const CLIENTS: u32 = 32;
/// Queries of each of dnsperf's threads that wait for an answer, at most; what dnsperf does by default.
const OUTSTANDING: u32 = 100;

/// Microseconds in a second.
const MICROSECONDS: f64 = 1e6;

/// What to measure.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Services in the cluster
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(3..=100_000))]
    services: u32,
    /// Names outside the cluster
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    external_names: u32,
    /// Sorts of queries; give it several times to choose more than one [default: all]
    #[arg(long, value_enum, value_name = "SORT")]
    queries: Vec<Kind>,
    /// Rounds; in each one both servers have their turn
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long a turn is
    #[arg(long, value_name = "SECONDS", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// The rate at which processor time is compared; both servers should hold it
    #[arg(long, value_name = "QUERIES-PER-SECOND", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Threads of dnsperf that send [default: half as many as there are processors]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: Option<u32>,
    /// The dns-ctl to measure [default: the one of this workspace]
    #[arg(long, value_name = "FILE")]
    dns_ctl: Option<PathBuf>,
    /// Write the results into a file, too; the format is `json`
    #[arg(long, num_args = 2, value_names = ["FORMAT", "FILE"])]
    pub(crate) output: Option<Vec<String>>,
}

/// Measures everything; says on standard error how far it is.
pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    testbed::require_root()?;
    interrupt::catch()?;
    let programs = Programs::find(arguments.dns_ctl.as_deref())?;
    let population = Population {
        services: arguments.services,
        hosts: arguments.external_names,
    };
    let setting = arguments.setting(programs.versions()?);
    eprintln!(
        "starting both servers with {} Services",
        population.services
    );
    let bed = Bed::start(&programs, population)?;
    let kinds = if arguments.queries.is_empty() {
        clap::ValueEnum::value_variants()
    } else {
        arguments.queries.as_slice()
    };
    let measured = kinds
        .iter()
        .map(|kind| measure(&bed, &kind.workload(population), &setting))
        .collect::<Result<_>>();
    // A server's own words may tell why; a person who pressed Ctrl-C knows.
    if measured.is_err() && !interrupt::is_there() {
        for subject in &bed.subjects {
            eprintln!("{} wrote last:\n{}\n", subject.label, subject.last_words());
        }
    }
    Ok(Report {
        setting,
        workloads: measured?,
    })
}

impl Arguments {
    fn setting(&self, versions: [String; 2]) -> Setting {
        let half = || {
            let processors = thread::available_parallelism().map_or(1, usize::from);
            u32::try_from(processors / 2).unwrap_or(1).clamp(1, 64)
        };
        let threads = self.threads.unwrap_or_else(half);
        Setting {
            versions,
            services: self.services,
            external_names: self.external_names,
            rounds: self.rounds,
            seconds: self.seconds,
            rate: self.rate,
            threads,
            clients: threads * CLIENTS,
            outstanding: threads * OUTSTANDING,
        }
    }
}

impl Setting {
    fn load(&self, rate: Option<u32>) -> Load {
        Load {
            seconds: self.seconds,
            threads: self.threads,
            clients: self.clients,
            outstanding: self.outstanding,
            rate,
        }
    }
}

/// All rounds of a workload, first as fast as can be, then at the given rate.
fn measure(bed: &Bed, workload: &Workload, setting: &Setting) -> Result<Results> {
    let title = workload.kind.title();
    let folder = Scratch::new("queries")?;
    let queries = folder.write("queries", &workload.file())?;
    eprintln!("{title}: looking at every answer");
    for subject in &bed.subjects {
        verify::verify(&bed.namespace, subject, workload)?;
    }
    let rounds = |rate: Option<u32>| -> Result<[Vec<Run>; 2]> {
        let speed = rate.map_or_else(|| "full speed".to_owned(), |rate| format!("{rate}/s"));
        let mut series = [Vec::new(), Vec::new()];
        for round in 1..=setting.rounds {
            eprintln!("{title}: {speed}, round {round} of {}", setting.rounds);
            for (subject, runs) in bed.subjects.iter().zip(&mut series) {
                let run = turn(bed, subject, &queries, setting.load(rate), workload);
                runs.push(run.with_context(|| format!("{title}: {} at {speed}", subject.label))?);
            }
        }
        Ok(series)
    };
    let unlimited = rounds(None)?;
    let limited = rounds(Some(setting.rate))?;
    let [dns_ctl, coredns] = &bed.subjects;
    Ok(Results {
        queries: workload.kind,
        title,
        distinct: workload.queries.len(),
        servers: [
            Row::of(dns_ctl, &unlimited[0], &limited[0])?,
            Row::of(coredns, &unlimited[1], &limited[1])?,
        ],
        ratio: Ratios {
            unlimited: Ratio::of(&unlimited),
            limited: Ratio::of(&limited),
        },
    })
}

/// One run of dnsperf, and what it cost the server.
fn turn(
    bed: &Bed,
    subject: &Subject,
    queries: &Path,
    load: Load,
    workload: &Workload,
) -> Result<Run> {
    interrupt::check()?;
    let before = process::processor_time(subject.pid())?;
    let outcome = dnsperf::run(&bed.namespace, subject.address, queries, load)?;
    let spent = process::processor_time(subject.pid())?.saturating_sub(before);
    // What was cut short is no measurement, and need not be as demanded.
    interrupt::check()?;
    outcome.judge(workload)?;
    Ok(Run {
        queries_per_second: outcome.queries_per_second,
        latency: outcome.latency * MICROSECONDS,
        processor: spent.as_secs_f64() * MICROSECONDS / f64::from(outcome.completed),
        sent: outcome.sent,
        lost: outcome.lost,
    })
}

impl Row {
    fn of(subject: &Subject, unlimited: &[Run], limited: &[Run]) -> Result<Self> {
        Ok(Self {
            server: subject.label,
            unlimited: Speed::of(unlimited),
            limited: Speed::of(limited),
            resident: process::resident(subject.pid())?,
        })
    }
}
