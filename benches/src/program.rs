//! `bench program`: what the kernel programs cost, packet by packet, beside a program that does nothing.

mod kinds;
mod loaded;
mod names;
mod population;
pub(crate) mod report;

use std::{borrow::Cow, fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use bench_ebpf::SLOTS;
use clap::Args;
use dns_common::{Hook, sample::MAX_SHIFT};
use dns_ctl::attach::kernel::OBJECT;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use crate::summary::{Summary, middle_mean};
use kinds::{KINDS, Kind, Subject};
use loaded::{Loaded, Who};
use report::{Report, Row, Timing};

/// Packets that are run one by one in each round, for each kind.
const SINGLES: usize = 512;

/// What to measure.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Names in the map; give it several times to compare (1000000 takes about half a gibibyte)
    #[arg(long, value_name = "NUMBER", default_values_t = [1000, 100_000])]
    names: Vec<usize>,
    /// Rounds; in each one every kind has its turn
    #[arg(long, default_value_t = 21, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Kernel object to measure instead of the one that was built in (`cargo xtask build-ebpf` says where one is)
    #[arg(long, value_name = "FILE")]
    object: Option<PathBuf>,
    /// Have the programs take samples of one query in 2^SHIFT for `dns-ctl top`, as while somebody looks
    #[arg(long, value_name = "SHIFT", value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_SHIFT)))]
    samples: Option<u32>,
    /// Write the results into a file, too; the format is `json`
    #[arg(long, num_args = 2, value_names = ["FORMAT", "FILE"])]
    pub(crate) output: Option<Vec<String>>,
}

/// Measures everything; says on standard error how far it is.
pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "loading kernel programs needs root"
    );
    let object = match &arguments.object {
        Some(file) => fs::read(file)
            .with_context(|| format!("can't read {}", file.display()))?
            .into(),
        None => Cow::Borrowed(OBJECT),
    };
    stay_on_one_cpu()?;
    let mut rows = Vec::new();
    for &names in &arguments.names {
        let population = names / names::Sort::ALL.len();
        ensure!(population > 0, "--names has to be 8 or more");
        eprintln!("{names} names: filling the map");
        let mut loaded = Loaded::new(&object, population)?;
        if let Some(shift) = arguments.samples {
            loaded.take_samples(shift)?;
        }
        let mut series: Vec<Series> = series_of_all();
        for round in 1..=arguments.rounds {
            eprintln!("{names} names: round {round} of {}", arguments.rounds);
            for one in &mut series {
                one.measure(&mut loaded, population)?;
            }
        }
        rows.extend(rows_of(names, &series));
    }
    Ok(Report {
        rounds: arguments.rounds,
        rows,
    })
}

/// Keeps this thread on the last of the CPUs it may use; the first is where interrupts tend to be.
fn stay_on_one_cpu() -> Result<()> {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this)?;
    let last = (0..CpuSet::count()).rfind(|&cpu| allowed.is_set(cpu) == Ok(true));
    let mut one = CpuSet::new();
    one.set(last.unwrap_or(0))?;
    Ok(sched_setaffinity(this, &one)?)
}

/// A kind's measurements on a hook, one of each sort for each round, in nanoseconds.
struct Series {
    hook: Hook,
    kind: Kind,
    fed: Pairs,
    single: Pairs,
    repeated: Pairs,
}

/// Measurements of a subject, and of the empty program with the same packets.
#[derive(Default)]
struct Pairs {
    subject: Vec<f64>,
    empty: Vec<f64>,
}

/// Every kind on every hook.
fn series_of_all() -> Vec<Series> {
    let series = |hook: Hook| {
        KINDS.into_iter().map(move |kind| Series {
            hook,
            kind,
            fed: Pairs::default(),
            single: Pairs::default(),
            repeated: Pairs::default(),
        })
    };
    Hook::ALL.iter().flat_map(|&hook| series(hook)).collect()
}

impl Series {
    /// One round: packets drawn anew, run in all ways; an error if one comes to another outcome.
    fn measure(&mut self, loaded: &mut Loaded, population: usize) -> Result<()> {
        let packets = self.kind.draw(population, SLOTS as usize);
        let (hook, subject) = (self.hook, Who::Subject(self.kind.subject));
        loaded.set_limit(self.kind.limit)?;
        // The first packet of a client is within any limit.
        loaded.give(hook, subject, &packets[0], 1)?;
        let before = self.counted(loaded)?;

        loaded.set_packets(&packets)?;
        // The first to be fed would find the slots only where userspace has written them.
        loaded.feed(hook, Who::Empty)?;
        self.fed.empty.push(loaded.feed(hook, Who::Empty)?);
        self.fed.subject.push(loaded.feed(hook, subject)?);

        let mut singles = Pairs::default();
        for packet in packets.iter().take(SINGLES) {
            singles.subject.push(loaded.give(hook, subject, packet, 1)?);
            let empty = loaded.give(hook, Who::Empty, packet, 1)?;
            singles.empty.push(empty);
        }
        let [subject_alone, empty_alone] =
            [singles.subject, singles.empty].map(|times| middle_mean(&times));
        self.single.subject.push(subject_alone);
        self.single.empty.push(empty_alone);

        let mut expected = packets.len() + SINGLES;
        if self.kind.is_unchanged() {
            let packet = &packets[0];
            let empty = loaded.give(hook, Who::Empty, packet, SLOTS)?;
            self.repeated.empty.push(empty);
            let nanoseconds = loaded.give(hook, subject, packet, SLOTS)?;
            self.repeated.subject.push(nanoseconds);
            expected += packets.len();
        }
        if let (Some(before), Some(after)) = (before, self.counted(loaded)?) {
            ensure!(
                after - before == u64::try_from(expected)?,
                "`{}` on {}: {} of {expected} packets came to the expected outcome",
                self.kind.label,
                hook.label(),
                after - before
            );
        }
        Ok(())
    }

    /// Packets that came to the outcome of this kind; nobody counts the reflector's.
    fn counted(&self, loaded: &Loaded) -> Result<Option<u64>> {
        match self.kind.subject {
            Subject::Kxdns(outcome) => loaded.count(self.hook, outcome).map(Some),
            Subject::Reflector => Ok(None),
        }
    }
}

impl Pairs {
    /// Each round's difference between subject and empty program.
    fn above_empty(&self) -> Vec<f64> {
        let pairs = self.subject.iter().zip(&self.empty);
        pairs.map(|(subject, empty)| subject - empty).collect()
    }

    /// The summaries; the floor is the reflector's, of the same rounds. `None` if nothing was measured.
    fn timing(&self, floor: &Self) -> Option<Timing> {
        if self.subject.is_empty() {
            return None;
        }
        let above_empty = self.above_empty();
        let floor = floor.above_empty();
        let above_floor: Vec<_> = above_empty.iter().zip(&floor).map(|(a, b)| a - b).collect();
        Some(Timing {
            subject: Summary::of(&self.subject),
            empty: Summary::of(&self.empty),
            above_empty: Summary::of(&above_empty),
            above_reflector: (!above_floor.is_empty()).then(|| Summary::of(&above_floor)),
        })
    }
}

/// The results for a map of `names` names.
fn rows_of(names: usize, series: &[Series]) -> Vec<Row> {
    let rows = series.chunk_by(|a, b| a.hook == b.hook).flat_map(|hook| {
        let floor = &hook[0];
        hook.iter().map(move |one| Row {
            hook: one.hook.label(),
            names,
            packet: one.kind.label,
            fed: one.fed.timing(&floor.fed),
            single: one.single.timing(&floor.single),
            repeated: one.repeated.timing(&Pairs::default()),
        })
    });
    rows.collect()
}
