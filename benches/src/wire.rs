//! `bench wire`: native XDP on a wire, beside a bare reflector and Knot, asked by kxdpgun.

mod bed;
mod knot;
mod kxdpgun;
mod names;
mod napi;
pub(crate) mod report;
mod search;
mod subject;
mod verify;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use aya::sys::{Stats, enable_stats};
use clap::Args;
use testbed::interrupt;

use crate::{dns_ctl, output::Files};
use bed::Bed;
use kxdpgun::{Gun, Shot};
use names::Kind;
use report::{Report, Series, Speed};
use search::Search;
use subject::{Subject, Who};

/// The share of the questions that has to be answered for a rate to be held.
const HELD: f64 = 0.995;
/// The share of a rate that kxdpgun has to reach, or it is to blame.
const SENT: f64 = 0.99;
/// More than kxdpgun can send in a second.
const FULL: u32 = 10_000_000;
/// Microseconds in a second.
const MICROSECONDS: f64 = 1e6;
/// Nanoseconds in a second.
const NANOSECONDS: f64 = 1e9;

/// What to measure.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Services that are asked for
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    services: u32,
    /// Sorts of questions; give it several times to choose more than one [default: all]
    #[arg(long, value_enum, value_name = "SORT")]
    queries: Vec<Kind>,
    /// Who is asked; give it several times to choose more than one, of whom the reflector has to be one [default: all]
    #[arg(long, value_enum, value_name = "SUBJECT")]
    subject: Vec<Who>,
    /// Rounds; in each one every subject has its turn
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long each run of kxdpgun is; a turn has about eight for each sort of questions
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// The dns-ctl to measure [default: the one of this workspace]
    #[arg(long, value_name = "FILE")]
    dns_ctl: Option<PathBuf>,
    /// Where the results go
    #[command(flatten)]
    pub(crate) files: Files,
}

/// Measures everything; says on standard error how far it is.
pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    testbed::require_root()?;
    interrupt::catch()?;
    let kinds = chosen(&arguments.queries);
    let subjects = chosen(&arguments.subject);
    ensure!(
        subjects.contains(&Who::Reflector),
        "the reflector has to be among the subjects, as what the others are compared with"
    );
    let bed = Bed::build(
        dns_ctl::find(arguments.dns_ctl.as_deref())?,
        arguments.services,
    )?;
    let versions = bed.versions()?;
    let mut all: Vec<(Who, Vec<Series>)> = subjects
        .iter()
        .map(|who| (*who, kinds.iter().map(|_| Series::default()).collect()))
        .collect();
    for round in 0..arguments.rounds {
        // None of them is always the first, or always behind the same one.
        let first = round as usize % all.len();
        let (before, from) = all.split_at_mut(first);
        for (who, series) in from.iter_mut().chain(before) {
            eprintln!(
                "round {} of {}: {}",
                round + 1,
                arguments.rounds,
                who.label()
            );
            turn(&bed, *who, kinds, arguments, series).with_context(|| who.label())?;
        }
    }
    // Statistics cost time in every run of a program, so that they have a round of their own.
    let _on = enable_stats(Stats::RunTime)?;
    for (who, series) in &mut all {
        eprintln!("the program alone: {}", who.label());
        program_alone(&bed, *who, kinds, arguments, series).with_context(|| who.label())?;
    }
    Ok(Report::of(
        versions,
        (arguments.services, arguments.rounds, arguments.seconds),
        kinds,
        &all,
    ))
}

/// What was chosen; nothing stands for all.
fn chosen<T: clap::ValueEnum>(given: &[T]) -> &[T] {
    if given.is_empty() {
        T::value_variants()
    } else {
        given
    }
}

/// One subject's turn: for each sort of questions as fast as can be, then the highest rate that it holds.
fn turn(
    bed: &Bed,
    who: Who,
    kinds: &[Kind],
    arguments: &Arguments,
    series: &mut [Series],
) -> Result<()> {
    let subject = Subject::start(bed, who)?;
    let gun = bed.gun(arguments.seconds);
    for (kind, series) in kinds.iter().zip(series) {
        let size = subject.verify(*kind, arguments.services)?;
        let run = |rate| fire(&subject, &gun, bed, (*kind, size), rate);
        let (shot, full) = run(FULL)?;
        // Most of the time it is as in the round before.
        let mut search = match series.held.last() {
            Some(last) if last.rate > 0.0 => Search::again(last.rate),
            _ => Search::near(shot.reply_rate),
        };
        let mut highest = Speed::default();
        while let Some(rate) = search.next() {
            let whole = whole(rate);
            let (shot, speed) = run(whole)?;
            let is_held = shot.answered() >= HELD && shot.sent_rate >= SENT * f64::from(whole);
            if is_held {
                highest = speed;
            }
            search.note(rate, is_held);
        }
        series.full.push(full);
        series.held.push(highest);
    }
    subject.stop()
}

/// A rate as kxdpgun takes it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are positive, and a cast keeps what is too large within bounds"
)]
fn whole(rate: f64) -> u32 {
    rate.round() as u32
}

/// One run of kxdpgun, with all its answers judged, and what it cost the subject.
fn fire(
    subject: &Subject<'_>,
    gun: &Gun<'_>,
    bed: &Bed,
    (kind, size): (Kind, u64),
    rate: u32,
) -> Result<(Shot, Speed)> {
    let hits = subject.hits()?;
    let before = subject.processor_time()?;
    let shot = gun.fire(&bed.questions(kind), rate)?;
    let spent = subject.processor_time()?.saturating_sub(before);
    // What was cut short is no measurement.
    interrupt::check()?;
    ensure!(shot.replies > 0, "nothing came back: {shot:?}");
    shot.judge(subject.code(kind), size)?;
    if let (Some(before), Some(after)) = (hits, subject.hits()?) {
        ensure!(
            after - before >= shot.replies,
            "only {} of {} answers are of the kernel",
            after - before,
            shot.replies
        );
    }
    let speed = Speed {
        rate: shot.reply_rate,
        answered: shot.answered(),
        processor: spent.as_secs_f64() * MICROSECONDS / approximate(shot.replies),
    };
    Ok((shot, speed))
}

/// What the XDP program takes for a packet while it is asked as fast as can be, by the kernel's statistics.
fn program_alone(
    bed: &Bed,
    who: Who,
    kinds: &[Kind],
    arguments: &Arguments,
    series: &mut [Series],
) -> Result<()> {
    let subject = Subject::start(bed, who)?;
    let gun = bed.gun(arguments.seconds);
    for (kind, series) in kinds.iter().zip(series) {
        let before = subject.program_cost()?;
        gun.fire(&bed.questions(*kind), FULL)?;
        interrupt::check()?;
        let after = subject.program_cost()?;
        let time = after.time.saturating_sub(before.time).as_secs_f64();
        let runs = approximate(after.runs.saturating_sub(before.runs));
        series.program = time * NANOSECONDS / runs;
    }
    subject.stop()
}

/// A count as a number to divide by; exact up to 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "no count of packets is that large"
)]
const fn approximate(count: u64) -> f64 {
    count as f64
}
