//! `bench scale`: the controller with thousands of Services beside CoreDNS: start, memory, and events.

mod asking;
mod bed;
mod events;
mod memory;
mod plain;
mod population;
mod report;
pub(crate) mod shown;
mod start;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use testbed::interrupt;

use crate::output::Files;
use bed::{Bed, Programs, Subject};
use events::{Changes, Pace};
use population::Population;
use report::{Cluster, Events, Report, Setting};
use start::Start;

/// What to measure.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// What to measure; give it several times to choose more than one [default: all]
    #[arg(long, value_enum, value_name = "PART")]
    part: Vec<Part>,
    /// Services to start with; give it several times to choose more than one
    #[arg(long, value_name = "NUMBER", default_values_t = [1000, 10_000, 100_000], value_parser = clap::value_parser!(u32).range(2..=500_000))]
    services: Vec<u32>,
    /// Rounds; in each one every subject has its turn
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Endpoints of each of 10,000 Services where memory is compared
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    endpoints: u32,
    /// Changes a second, with 10,000 Services
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// How long changes are made in each turn
    #[arg(long, value_name = "SECONDS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// The dns-ctl to measure [default: the one of this workspace]
    #[arg(long, value_name = "FILE")]
    dns_ctl: Option<PathBuf>,
    /// Another dns-ctl, that takes turns with it
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Leave CoreDNS out
    #[arg(long)]
    without_coredns: bool,
    #[command(flatten)]
    pub(crate) files: Files,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// From start to synced, for each number of Services
    Start,
    /// Memory with 10,000 Services and their endpoints
    Memory,
    /// From a change at the API server to its answer, with 10,000 Services
    Events,
}

/// The Services of the parts that have one number of them.
const MANY: u32 = 10_000;

/// Measures everything; says on standard error how far it is.
pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    testbed::require_root()?;
    interrupt::catch()?;
    let programs = Programs::find(
        arguments.dns_ctl.as_deref(),
        arguments.against.as_deref(),
        !arguments.without_coredns,
    )?;
    let mut report = Report {
        versions: programs.versions()?,
        setting: Setting {
            rounds: arguments.rounds,
            rate: arguments.rate,
            seconds: arguments.seconds,
            services_of_events: MANY,
        },
        clusters: Vec::new(),
        events: Vec::new(),
    };
    if arguments.wants(Part::Start) {
        let subjects = [Subject::DnsCtl, Subject::Against, Subject::CoreDns];
        for &services in &arguments.services {
            let population = Population {
                services,
                endpoints: 0,
            };
            report
                .clusters
                .push(starts(&programs, population, &subjects, arguments.rounds)?);
        }
    }
    if arguments.wants(Part::Memory) {
        let subjects = [
            Subject::DnsCtl,
            Subject::Against,
            Subject::AllEndpoints,
            Subject::CoreDns,
        ];
        let population = Population {
            services: MANY,
            endpoints: arguments.endpoints,
        };
        report
            .clusters
            .push(starts(&programs, population, &subjects, arguments.rounds)?);
    }
    if arguments.wants(Part::Events) {
        report.events = changes(&programs, arguments)?;
    }
    Ok(report)
}

impl Arguments {
    fn wants(&self, part: Part) -> bool {
        self.part.is_empty() || self.part.contains(&part)
    }
}

/// Starts of all subjects with one population.
fn starts(
    programs: &Programs,
    population: Population,
    subjects: &[Subject],
    rounds: u32,
) -> Result<Cluster> {
    let Population { services, .. } = population;
    let endpoints = population.all_endpoints();
    eprintln!("{services} Services, {endpoints} endpoints: filling the API server");
    let bed = Bed::build(programs, population)?;
    let subjects = programs.subjects(subjects);
    let mut lists: Vec<Duration> = Vec::new();
    let mut series: Vec<(Subject, Vec<Start>)> = subjects
        .into_iter()
        .map(|subject| (subject, Vec::new()))
        .collect();
    for round in 1..=rounds {
        eprintln!("{services} Services, {endpoints} endpoints: round {round} of {rounds}");
        interrupt::check()?;
        lists.push(plain::list_all(bed.node(), bed.api.address())?);
        for (subject, starts) in turns(&mut series, round) {
            let start = start::start_and_stop(&bed, *subject);
            starts.push(start.with_context(|| subject.label())?);
        }
    }
    Ok(Cluster::of(population, &lists, &series))
}

/// Changes as all subjects see them.
fn changes(programs: &Programs, arguments: &Arguments) -> Result<Vec<Events>> {
    let population = Population {
        services: MANY,
        endpoints: 0,
    };
    let pace = Pace {
        rate: arguments.rate,
        seconds: arguments.seconds,
    };
    eprintln!("{MANY} Services: filling the API server");
    let bed = Bed::build(programs, population)?;
    let subjects = [Subject::DnsCtl, Subject::Against, Subject::CoreDns];
    let plain = std::iter::once(None);
    let subjects = plain.chain(programs.subjects(&subjects).into_iter().map(Some));
    let mut series: Vec<(Option<Subject>, Vec<Vec<f64>>)> =
        subjects.map(|subject| (subject, Vec::new())).collect();
    let mut changes = Changes::default();
    for round in 1..=arguments.rounds {
        eprintln!(
            "{} changes a second: round {round} of {}",
            arguments.rate, arguments.rounds
        );
        for (subject, turns) in turns(&mut series, round) {
            let times = match subject {
                Some(subject) => events::of_subject(&bed, *subject, pace, &mut changes),
                None => events::of_plain_watch(&bed, pace, &mut changes),
            };
            let label = subject.map_or("a plain watch", Subject::label);
            turns.push(times.context(label)?);
        }
    }
    let of = |(subject, turns): &(Option<Subject>, Vec<Vec<f64>>)| Events::of(*subject, turns);
    Ok(series.iter().map(of).collect())
}

/// All in the order of this round: none of them is always the first, or always behind the same one.
fn turns<T>(series: &mut [T], round: u32) -> impl Iterator<Item = &mut T> {
    let first = round as usize % series.len();
    let (before, from) = series.split_at_mut(first);
    from.iter_mut().chain(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_begins_once() {
        let mut series = ['a', 'b', 'c'];
        let mut order = |round| turns(&mut series, round).map(|it| *it).collect::<String>();
        assert_eq!([1, 2, 3].map(&mut order), ["bca", "cab", "abc"]);
    }
}
