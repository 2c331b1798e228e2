//! `bench server`: the userspace server of dns-ctl beside other servers, asked by dnsperf.

mod bed;
pub(crate) mod dnsperf;
pub(crate) mod population;
pub(crate) mod report;
pub(crate) mod verify;
pub(crate) mod workload;

use std::{
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context as _, Result};
use clap::Args;
use testbed::{Scratch, interrupt};

use crate::{output::Files, process};
use bed::{Bed, Other, Programs, Subject};
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
    /// Rounds; in each one every server has its turn
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long a turn is
    #[arg(long, value_name = "SECONDS", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// The rate at which processor time is compared; every server should hold it
    #[arg(long, value_name = "QUERIES-PER-SECOND", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Threads of dnsperf that send [default: half as many as there are processors]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: Option<u32>,
    /// The dns-ctl to measure [default: the one of this workspace]
    #[arg(long, value_name = "FILE")]
    dns_ctl: Option<PathBuf>,
    /// Another build of dns-ctl to measure beside it; give it several times for more than one
    #[arg(long, value_name = "FILE")]
    against: Vec<PathBuf>,
    /// Servers to measure beside it; give it several times for more than one [default: all, or with --against none]
    #[arg(long, value_enum, value_name = "SERVER")]
    beside: Vec<Other>,
    #[command(flatten)]
    pub(crate) files: Files,
}

/// Measures everything; says on standard error how far it is.
pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    testbed::require_root()?;
    interrupt::catch()?;
    let given = arguments.dns_ctl.as_deref();
    let programs = Programs::find(given, &arguments.against, arguments.others())?;
    let population = Population {
        services: arguments.services,
        hosts: arguments.external_names,
    };
    let setting = arguments.setting(programs.versions()?);
    eprintln!("starting the servers with {} Services", population.services);
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
    fn others(&self) -> &[Other] {
        if self.beside.is_empty() && self.against.is_empty() {
            clap::ValueEnum::value_variants()
        } else {
            &self.beside
        }
    }

    fn setting(&self, versions: Vec<String>) -> Setting {
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
    let subjects: Vec<_> = bed
        .subjects
        .iter()
        .filter(|subject| subject.answers(workload.kind))
        .collect();
    eprintln!("{title}: looking at every answer");
    for subject in &subjects {
        verify::verify(&bed.namespace, subject, workload)?;
    }
    let rounds = |rate: Option<u32>| -> Result<Vec<Vec<Run>>> {
        let speed = rate.map_or_else(|| "full speed".to_owned(), |rate| format!("{rate}/s"));
        let mut series = vec![Vec::new(); subjects.len()];
        for round in 1..=setting.rounds {
            eprintln!("{title}: {speed}, round {round} of {}", setting.rounds);
            for (subject, runs) in subjects.iter().zip(&mut series) {
                let run = turn(bed, subject, &queries, setting.load(rate), workload);
                runs.push(run.with_context(|| format!("{title}: {} at {speed}", subject.label))?);
            }
        }
        Ok(series)
    };
    let unlimited = rounds(None)?;
    let limited = rounds(Some(setting.rate))?;
    let servers = subjects
        .iter()
        .zip(unlimited.iter().zip(&limited))
        .enumerate()
        .map(|(number, (subject, runs))| {
            // The others' numbers are what the first one's are compared with.
            let ratio = (number > 0).then(|| Ratios {
                unlimited: Ratio::of(&unlimited[0], runs.0),
                limited: Ratio::of(&limited[0], runs.1),
            });
            Row::of(subject, runs.0, runs.1, ratio)
        });
    Ok(Results {
        queries: workload.kind,
        title,
        distinct: workload.queries.len(),
        servers: servers.collect::<Result<_>>()?,
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
    fn of(
        subject: &Subject,
        unlimited: &[Run],
        limited: &[Run],
        ratio: Option<Ratios>,
    ) -> Result<Self> {
        Ok(Self {
            server: subject.label.clone(),
            unlimited: Speed::of(unlimited),
            limited: Speed::of(limited),
            memory: process::memory(subject.pid())?,
            ratio,
        })
    }
}
