//! `bench program`: what the kernel programs cost, packet by packet, beside a program that does nothing.

mod kinds;
mod loaded;
mod names;
mod population;
pub(crate) mod report;

use std::{borrow::Cow, fs, iter, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use bench_ebpf::SLOTS;
use clap::Args;
use dns_common::{Hook, sample::MAX_SHIFT};
use dns_ctl::attach::kernel::OBJECT;
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use crate::{
    output::Files,
    summary::{Summary, middle_mean},
};
use kinds::{Draw, KINDS, Kind, Subject};
pub(crate) use loaded::BENCH_OBJECT;
use loaded::{Loaded, Who};
use report::{Report, Row, Timing};

/// The objects: the one that is measured, and the one of `--against`.
const OBJECTS: [&str; 2] = ["", "other"];

/// Packets that are run one by one in each round, for each kind.
const SINGLES: usize = 512;

/// What to measure.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Names in the map; give it several times to compare (1000000 takes about half a gibibyte)
    #[arg(long, value_name = "NUMBER", default_values_t = [1000, 100_000])]
    names: Vec<usize>,
    /// Measure only kinds of packets whose name has this in it; give it several times to choose more than one [default: all]
    #[arg(long, value_name = "TEXT")]
    packets: Vec<String>,
    /// How the names are drawn that are asked for
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Draw::Equal)]
    draw: Draw,
    /// Rounds; in each one every kind has its turn
    #[arg(long, default_value_t = 21, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Kernel object to measure instead of the one that was built in (`cargo xtask build-ebpf` says where one is)
    #[arg(long, value_name = "FILE")]
    object: Option<PathBuf>,
    /// Another kernel object with the same map contract, which has its turns in the same rounds, for comparison
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Have the programs take samples of one query in 2^SHIFT for `dns-ctl top`, as while somebody looks
    #[arg(long, value_name = "SHIFT", value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_SHIFT)))]
    samples: Option<u32>,
    #[command(flatten)]
    pub(crate) files: Files,
}

/// Measures everything; says on standard error how far it is.
pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "loading kernel programs needs root"
    );
    let read = |file: &PathBuf| -> Result<Cow<'_, [u8]>> {
        let octets = fs::read(file).with_context(|| format!("can't read {}", file.display()))?;
        Ok(Cow::Owned(octets))
    };
    let object = arguments
        .object
        .as_ref()
        .map_or(Ok(Cow::Borrowed(OBJECT)), read)?;
    let other = arguments.against.as_ref().map(read).transpose()?;
    let kinds = chosen(&arguments.packets)?;
    stay_on_one_cpu()?;
    let mut rows = Vec::new();
    for &names in &arguments.names {
        let population = names / names::Sort::ALL.len();
        ensure!(population > 0, "--names has to be 8 or more");
        eprintln!("{names} names: filling the map");
        let mut subjects = Vec::new();
        for object in iter::once(&object).chain(&other) {
            let mut loaded = Loaded::new(object, population)?;
            if let Some(shift) = arguments.samples {
                loaded.take_samples(shift)?;
            }
            subjects.push((loaded, series_of(&kinds)));
        }
        for round in 1..=arguments.rounds {
            eprintln!("{names} names: round {round} of {}", arguments.rounds);
            for number in 0..2 * kinds.len() {
                let packets =
                    kinds[number % kinds.len()].draw(population, SLOTS as usize, arguments.draw);
                for (loaded, series) in &mut subjects {
                    series[number].measure(loaded, &packets)?;
                }
            }
        }
        let series: Vec<&[Series]> = subjects
            .iter()
            .map(|(_, series)| series.as_slice())
            .collect();
        rows.extend(rows_of(names, &series));
    }
    Ok(Report {
        rounds: arguments.rounds,
        draw: arguments.draw,
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

/// The kinds whose labels have one of these texts in them, or all, and the reflector before them.
fn chosen(texts: &[String]) -> Result<Vec<Kind>> {
    let [reflector, others @ ..] = KINDS;
    let is_chosen = |kind: &Kind| {
        texts.is_empty() || texts.iter().any(|text| kind.label.contains(text.as_str()))
    };
    let chosen: Vec<Kind> = others.into_iter().filter(is_chosen).collect();
    ensure!(
        !chosen.is_empty(),
        "no kind of packet has any of {texts:?} in its name; they are: {}",
        others.map(|kind| kind.label).join("; ")
    );
    Ok([vec![reflector], chosen].concat())
}

/// These kinds on every hook.
fn series_of(kinds: &[Kind]) -> Vec<Series> {
    let series = |hook: Hook| {
        kinds.iter().map(move |&kind| Series {
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
    /// One round: the packets run in all ways; an error if one comes to another outcome.
    fn measure(&mut self, loaded: &mut Loaded, packets: &[Vec<u8>]) -> Result<()> {
        let (hook, subject) = (self.hook, Who::Subject(self.kind.subject));
        loaded.set_limit(self.kind.limit)?;
        // The first packet of a client is within any limit.
        loaded.give(hook, subject, &packets[0], 1)?;
        let before = self.counted(loaded)?;

        loaded.set_packets(packets)?;
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

/// The results for a map of `names` names, of each object's series: hook by hook, and there object by object.
fn rows_of(names: usize, objects: &[&[Series]]) -> Vec<Row> {
    let mut rows = Vec::new();
    for &hook in Hook::ALL {
        for (number, series) in objects.iter().enumerate() {
            let of_hook: Vec<&Series> = series.iter().filter(|one| one.hook == hook).collect();
            for (one, first) in of_hook
                .iter()
                .zip(objects[0].iter().filter(|one| one.hook == hook))
            {
                let floor = of_hook[0];
                let (ours, theirs) = (first.fed.above_empty(), one.fed.above_empty());
                let ratios: Vec<f64> = ours
                    .iter()
                    .zip(&theirs)
                    .map(|(ours, theirs)| ours / theirs)
                    .collect();
                rows.push(Row {
                    hook: hook.label(),
                    names,
                    object: OBJECTS[number],
                    packet: one.kind.label,
                    fed: one.fed.timing(&floor.fed),
                    single: one.single.timing(&floor.single),
                    repeated: one.repeated.timing(&Pairs::default()),
                    ratio: (number > 0).then(|| Summary::of(&ratios)),
                });
            }
        }
    }
    rows
}
