//! `bench neighbours`: what the programs cost traffic that is none of their business, from one pod to another.

mod bed;
pub(crate) mod report;
mod traffic;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use testbed::interrupt;

use crate::{dns_ctl, output::Files};
use bed::Bed;
use report::{Report, Row, Runs};
use traffic::Servers;

/// What to measure.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Where the programs are; give it several times to choose more than one [default: all]
    #[arg(long, value_enum, value_name = "HOOK")]
    hook: Vec<Hook>,
    /// Rounds; in each one every state of the interfaces has its turn, and to be without programs has two
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long each of a turn's two runs is, TCP and UDP
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// The dns-ctl to measure [default: the one of this workspace]
    #[arg(long, value_name = "FILE")]
    dns_ctl: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) files: Files,
}

/// Where the programs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Hook {
    /// A tcx link
    Tcx,
    /// A filter of the clsact qdisc
    Tc,
    /// XDP on socket buffers
    XdpGeneric,
}

impl Hook {
    /// Its name as dns-ctl has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Tc => "tc",
            Self::XdpGeneric => "xdp-generic",
        }
    }
}

/// Measures everything; says on standard error how far it is.
pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    testbed::require_root()?;
    interrupt::catch()?;
    let bed = Bed::build(dns_ctl::find(arguments.dns_ctl.as_deref())?)?;
    let version = bed.version()?;
    let servers = Servers::start(bed.server(), bed.server_address())?;
    let hooks = if arguments.hook.is_empty() {
        Hook::value_variants()
    } else {
        arguments.hook.as_slice()
    };
    // Twice without: what lies between the two is chance.
    let mut states: Vec<(&str, Option<Hook>, Runs)> = [("none", None), ("none, again", None)]
        .into_iter()
        .chain(hooks.iter().map(|hook| (hook.name(), Some(*hook))))
        .map(|(name, hook)| (name, hook, Runs::default()))
        .collect();
    for round in 0..arguments.rounds {
        eprintln!("round {} of {}", round + 1, arguments.rounds);
        // None of them is always the first, or always behind the same one.
        let first = round as usize % states.len();
        let (before, from) = states.split_at_mut(first);
        for (name, hook, runs) in from.iter_mut().chain(before) {
            turn(&bed, &servers, *hook, arguments.seconds, runs)
                .with_context(|| format!("programs: {name}"))?;
        }
    }
    let without = states.first().map(|(.., runs)| runs.clone());
    let without = without.context("one state is without programs")?;
    let rows = states
        .iter()
        .map(|(name, _, runs)| Row::of(name, runs, &without))
        .collect();
    Ok(Report {
        version,
        rounds: arguments.rounds,
        seconds: arguments.seconds,
        rows,
    })
}

/// One run of each sort, with the programs or without.
fn turn(
    bed: &Bed,
    servers: &Servers,
    hook: Option<Hook>,
    seconds: u32,
    runs: &mut Runs,
) -> Result<()> {
    interrupt::check()?;
    let dns_ctl = hook.map(|hook| bed.attach(hook)).transpose()?;
    let stream = servers.stream(bed.client(), seconds)?;
    runs.stream.push(stream.rate);
    runs.processor.push(stream.processor);
    interrupt::check()?;
    let round_trips = servers.ping_pong(bed.client(), seconds)?;
    runs.round_trips.push(round_trips.rate);
    runs.lost += round_trips.lost;
    if let Some(dns_ctl) = dns_ctl {
        let status = dns_ctl.stop()?;
        anyhow::ensure!(status.success(), "dns-ctl ended with {status}");
    }
    Ok(())
}
