//! `bench pod`: DNS through ordinary sockets in a pod, answered by kxdns in the kernel, by CoreDNS, unbound and dnsmasq.

mod bed;
mod books;
mod clock;
mod compare;
mod cost;
mod generator;
mod question;
mod reflector;
pub(crate) mod report;
mod schedule;
mod series;
mod subject;
mod tables;

use std::{path::PathBuf, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum as _};
use testbed::{Scratch, interrupt};

use crate::{
    neighbours::Hook,
    output::Files,
    peers::coredns::Tuning,
    server::{
        dnsperf::{self, Load},
        population::Population,
        verify,
        workload::{Kind, Workload},
    },
    summary::Summary,
};
use bed::{Bed, Programs, SERVICE};
use cost::{ProgramTimes, Reading};
use question::Question;
use report::{Report, Setting, Version};
use series::{Cost, Open, Series};
use subject::Subject;

/// Clients of each of dnsperf's threads.
const CLIENTS: u32 = 32;
/// Queries of each of dnsperf's threads that wait for an answer, at most; what dnsperf does by default.
const OUTSTANDING: u32 = 100;
/// The part of CoreDNS's best rate, in hundredths, at which subjects are compared.
const COMPARED: u32 = 60;
/// Up to this part all are asked, beyond only who has answered as many a second before.
const ALL_UP_TO: u32 = 90;
/// A run before the first measurement: it finds out whether all is in place.
const WARM_UP: Duration = Duration::from_millis(100);
const WARM_UP_RATE: f64 = 1000.0;

/// What to measure.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Who answers; give it several times to choose more than one [default: all]
    #[arg(long, value_enum, value_name = "SUBJECT")]
    subject: Vec<Subject>,
    /// Services in the cluster, each with one name that is asked for
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    services: u32,
    /// Rounds; in each one every subject has its turn
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long a turn is
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Offered rates, in hundredths of the best rate of `coredns`; 60 is always among them
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', default_values_t = [10, 30, 60, 90, 150, 250, 400], value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rates: Vec<u32>,
    /// The rate that is 100 % [default: the median of the best rates of `coredns`]
    #[arg(long, value_name = "QUERIES-PER-SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    base_rate: Option<u32>,
    /// The dns-ctl to measure [default: the one of this workspace]
    #[arg(long, value_name = "FILE")]
    dns_ctl: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) files: Files,
}

/// Measures everything; says on standard error how far it is.
pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    testbed::require_root()?;
    interrupt::catch()?;
    let subjects = arguments.subjects();
    ensure!(
        arguments.base_rate.is_some() || subjects.contains(&Subject::CoreDns(Tuning::Stock)),
        "without `coredns` among the subjects there is no best rate of it: give --base-rate"
    );
    let programs = Programs::find(arguments.dns_ctl.as_deref())?;
    let versions = subjects.iter().map(|&subject| {
        let version = programs.version(subject)?;
        Ok(Version { subject, version })
    });
    let versions = versions.collect::<Result<_>>()?;
    let population = Population {
        services: arguments.services,
        hosts: 1,
    };
    let bench = Bench::start(arguments, programs, &subjects, population)?;
    let mut series: Vec<_> = bench.beds.iter().map(|_| Series::default()).collect();
    let measured = bench.measure(&mut series);
    // A server's own words may tell why; a person who pressed Ctrl-C knows.
    if measured.is_err() && !interrupt::is_there() {
        for bed in &bench.beds {
            eprintln!("{} wrote:\n{}\n", bed.label, bed.words());
        }
    }
    let base = measured?;
    let load = bench.load();
    let setting = Setting {
        versions,
        services: arguments.services,
        rounds: arguments.rounds,
        seconds: arguments.seconds,
        base,
        compared: COMPARED,
        threads: load.threads,
        clients: load.clients,
        outstanding: load.outstanding,
    };
    let all = bench.beds.iter().map(|bed| bed.subject).zip(&series);
    let labels = bench.beds.iter().map(|bed| bed.label);
    Ok(Report::of(setting, labels, all))
}

impl Arguments {
    fn subjects(&self) -> Vec<Subject> {
        if self.subject.is_empty() {
            Subject::value_variants().to_vec()
        } else {
            self.subject.clone()
        }
    }

    /// The offered rates in hundredths, in order.
    fn percents(&self) -> Vec<u32> {
        let mut percents = self.rates.clone();
        percents.push(COMPARED);
        percents.sort_unstable();
        percents.dedup();
        percents
    }
}

/// All that is measured, and how.
struct Bench<'a> {
    arguments: &'a Arguments,
    programs: Programs,
    /// The subjects' first, then those of the reflectors.
    beds: Vec<Bed>,
    workload: Workload,
    questions: Vec<Question>,
}

impl<'a> Bench<'a> {
    /// Starts all subjects, and looks at every answer of each.
    fn start(
        arguments: &'a Arguments,
        programs: Programs,
        subjects: &[Subject],
        population: Population,
    ) -> Result<Self> {
        let workload = Kind::Cluster.workload(population);
        let mut beds = Vec::new();
        for &subject in subjects {
            eprintln!("{}: starting, and looking at every answer", subject.label());
            let bed = Bed::start(&programs, subject, population)?;
            verify::answers(bed.pod(), SERVICE, &workload).context(bed.label)?;
            beds.push(bed);
        }
        for &hook in Hook::value_variants() {
            // One is always there, as what all others are measured against.
            if hook == Hook::Tcx || subjects.contains(&Subject::Kxdns(hook)) {
                beds.push(Bed::reflector(hook)?);
            }
        }
        Ok(Self {
            arguments,
            programs,
            beds,
            questions: Question::all(&workload)?,
            workload,
        })
    }

    /// All rounds of everything; gives the rate that is 100 %.
    fn measure(&self, series: &mut [Series]) -> Result<f64> {
        for (number, bed) in self.beds.iter().enumerate() {
            self.open_loop(bed, WARM_UP_RATE, WARM_UP, number)?;
        }
        let folder = Scratch::new("queries")?;
        let queries = folder.write("queries", &self.workload.file())?;
        self.rounds("as fast as can be", series, |_, bed, series| {
            if bed.subject.is_some() {
                let outcome = dnsperf::run(bed.pod(), SERVICE, &queries, self.load())?;
                // What was cut short is no measurement, and need not be as demanded.
                interrupt::check()?;
                outcome.judge(&self.workload)?;
                series.best.push(outcome.queries_per_second);
            }
            Ok(())
        })?;
        let base = self.base(series)?;
        let seconds = Duration::from_secs(self.arguments.seconds.into());
        for percent in self.arguments.percents() {
            let rate = base * f64::from(percent) / 100.0;
            let what = format!("{rate:.0}/s ({percent} %)");
            self.rounds(&what, series, |round, bed, series| {
                // Of the reflectors that at tcx shows what the generator itself can do, at any rate.
                let asked = match bed.subject {
                    Some(_) => percent <= ALL_UP_TO || series.can(rate),
                    None => bed.label == subject::reflector(Hook::Tcx),
                };
                if asked {
                    let outcome = self.open_loop(bed, rate, seconds, round)?;
                    series
                        .open
                        .entry(percent)
                        .or_default()
                        .push(Open { rate, outcome });
                }
                Ok(())
            })?;
        }
        let rate = base * f64::from(COMPARED) / 100.0;
        let _timed = ProgramTimes::keep()?;
        self.rounds("processor time", series, |round, bed, series| {
            let answered = bed.kernel_answers(&self.programs)?;
            let before = Reading::take(bed.process(), &bed.programs)?;
            let outcome = self.open_loop(bed, rate, seconds, round)?;
            let spent = Reading::take(bed.process(), &bed.programs)?.since(&before);
            let answers = bed.kernel_answers(&self.programs)?.zip(answered);
            series.costs.push(Cost {
                spent,
                answers: outcome.sent - outcome.lost,
                in_kernel: answers.map(|(after, before)| after - before),
            });
            Ok(())
        })?;
        Ok(base)
    }

    /// Has every bed take its turn in each round; none is always the first, or always behind the same one.
    fn rounds(
        &self,
        what: &str,
        series: &mut [Series],
        mut turn: impl FnMut(usize, &Bed, &mut Series) -> Result<()>,
    ) -> Result<()> {
        for round in 0..self.arguments.rounds as usize {
            eprintln!("{what}: round {} of {}", round + 1, self.arguments.rounds);
            for place in 0..self.beds.len() {
                interrupt::check()?;
                let number = (round + place) % self.beds.len();
                let bed = &self.beds[number];
                turn(round, bed, &mut series[number])
                    .with_context(|| format!("{}, {what}", bed.label))?;
            }
        }
        Ok(())
    }

    fn open_loop(
        &self,
        bed: &Bed,
        rate: f64,
        length: Duration,
        round: usize,
    ) -> Result<books::Outcome> {
        let arrivals = schedule::arrivals(rate, length, round as u64);
        let plan = generator::Plan {
            server: SERVICE,
            arrivals: &arrivals,
            questions: &self.questions,
            right: bed.right,
        };
        let outcome = generator::run(bed.pod(), &plan)?;
        ensure!(outcome.lost < outcome.sent, "no query was answered");
        Ok(outcome)
    }

    fn base(&self, series: &[Series]) -> Result<f64> {
        if let Some(rate) = self.arguments.base_rate {
            return Ok(rate.into());
        }
        let stock = Some(Subject::CoreDns(Tuning::Stock));
        let found = self
            .beds
            .iter()
            .zip(series)
            .find(|(bed, _)| bed.subject == stock);
        let (_, series) = found.context("coredns is not among the subjects")?;
        Ok(Summary::of(&series.best).median)
    }

    fn load(&self) -> Load {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let threads = u32::try_from(processors / 2).unwrap_or(1).clamp(1, 64);
        Load {
            seconds: self.arguments.seconds,
            threads,
            clients: threads * CLIENTS,
            outstanding: threads * OUTSTANDING,
            rate: None,
        }
    }
}
