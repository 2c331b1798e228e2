//! Kills, upgrades, a change of the map contract and a takeover under a steady load: the kernel loses no answer.
//!
//! `KXDNS_HITLESS_SECONDS` and `KXDNS_HITLESS_RATE` (queries a second) make it longer and heavier than it is
//! otherwise; `--nocapture` shows the figures.

mod churn;
mod cluster;
mod look;
mod report;

use std::{
    collections::BTreeMap,
    env,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use kxdns_tests::node::{Build, Node, PATIENCE, SERVICE, plan, run_build};
use testbed::{Child, Load, Scratch, Seen, Signal, Tally, Upstream};

use churn::Churn;
use look::Counters;
use report::Figures;

const SECONDS: u64 = 15;
const RATE: u32 = 20_000;
/// Queries a second that only the server answers.
const LIGHT: u32 = 200;
/// One at a time: each wants the machine for itself.
static TURN: Mutex<()> = Mutex::new(());

/// How one instance gives way to the next.
#[derive(Clone, Copy)]
enum Step {
    /// Not at all.
    Steady,
    /// It is killed.
    Kill,
    /// It is told to stop.
    Stop,
    /// The next one takes its place.
    Takeover,
}

/// The steps: name, how, which build comes next, and whether Services stay as they are meanwhile.
const STEPS: [(&str, Step, Build, bool); 9] = [
    ("steady", Step::Steady, Build::Plain, false),
    ("kill -9, Services at rest", Step::Kill, Build::Plain, true),
    ("kill -9", Step::Kill, Build::Plain, false),
    ("kill -9", Step::Kill, Build::Plain, false),
    ("another version", Step::Stop, Build::Other, true),
    ("another ABI", Step::Stop, Build::Next, true),
    ("and back", Step::Stop, Build::Plain, true),
    ("takeover", Step::Takeover, Build::Plain, true),
    ("steady", Step::Steady, Build::Plain, false),
];

/// A node under load.
struct Bed {
    heavy: Load,
    light: Load,
    interfaces: Churn,
    counters: Counters,
    /// What was counted before the loads.
    before: BTreeMap<&'static str, u64>,
    node: Node,
    hook: &'static str,
    build: Build,
    folder: Arc<Scratch>,
    _internet: Upstream,
}

impl Bed {
    fn start(hook: &'static str, rate: u32) -> Result<Self> {
        let folder = Scratch::new("manifests")?;
        folder.write("lasting.yaml", &cluster::lasting())?;
        let bed = plan().build()?;
        let upstream = "127.0.0.1:5300".parse()?;
        let internet = Upstream::start(&bed.node, upstream, cluster::internet())?;
        let path = folder.path().to_string_lossy().into_owned();
        let node = Node::start(bed, &["--manifests", &path], &flags(hook))?;
        let mut counters = Counters::default();
        counters.add(&node, Build::Plain)?;
        is_answered_in_the_kernel(&node, &counters)?;

        let questions = [cluster::held(), cluster::denied()].concat();
        let before = counters.read()?;
        Ok(Self {
            interfaces: Churn::of_interfaces(&node.bed.node)?,
            heavy: Load::start(node.pod(), SERVICE, questions, rate)?,
            light: Load::start(node.pod(), SERVICE, cluster::served(), LIGHT)?,
            before,
            counters,
            node,
            hook,
            build: Build::Plain,
            folder: Arc::new(folder),
            _internet: internet,
        })
    }

    fn spawn(&self, build: Build, more: &[&str]) -> Result<Child> {
        let path = self.folder.path().to_string_lossy().into_owned();
        let flags = [&flags(self.hook), more].concat();
        let Node { bed, bpffs, .. } = &self.node;
        let mut command = run_build(build, bed, bpffs, &["--manifests", &path], &flags);
        Child::spawn("dns-ctl", &mut command)
    }

    /// Has the next build in the place of the one that runs, and waits until it answers.
    fn replace(&mut self, step: Step, build: Build, figures: &mut Figures) -> Result<()> {
        let begin = Instant::now();
        let started = match step {
            Step::Steady => return Ok(()),
            Step::Kill | Step::Stop => {
                let signal = match step {
                    Step::Kill => Signal::SIGKILL,
                    _ => Signal::SIGTERM,
                };
                self.node.child.signal(signal)?;
                until_ended(&mut self.node.child)?;
                figures.stop = Some(begin.elapsed());
                let started = Instant::now();
                self.node.child = self.spawn(build, &[])?;
                started
            }
            Step::Takeover => {
                let next = self.spawn(build, &["--takeover"])?;
                let mut before = std::mem::replace(&mut self.node.child, next);
                until_ended(&mut before)?;
                figures.stop = Some(begin.elapsed());
                Instant::now()
            }
        };
        self.build = build;
        let light = &self.light;
        let first = self.node.child.wait_for("an answer", PATIENCE, || {
            Ok(light.last_right().filter(|&at| at > started))
        })?;
        figures.start = Some(first - started);
        self.node.wait_until_ready()
    }

    /// Waits until all is as it should be, while interfaces stay as they are.
    fn settle(&mut self, names_before: u32) -> Result<()> {
        let _interfaces = self.interfaces.pause();
        let Self { node, build, .. } = self;
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = look::check(node, *build, self.hook) {
            if Instant::now() > deadline {
                return Err(error).with_context(|| node.child.output());
            }
            thread::sleep(Duration::from_millis(20));
        }
        let names = look::names(node, *build)?;
        while names != names_before && look::is_there(names_before) {
            ensure!(Instant::now() < deadline, "the old map of names is there");
            thread::sleep(Duration::from_millis(20));
        }
        self.counters.add(node, *build)
    }

    /// Waits until the kernel has what the manifests say after so many changes, and no more are to come.
    fn rest(&self, changes: u64) -> Result<()> {
        let marker = cluster::marker(changes.saturating_sub(1)).to_string();
        let deadline = Instant::now() + PATIENCE;
        // Names go after others have come: once more, when all steps of the change are done.
        let mut good = 0;
        while good < 2 {
            // The first of them may still be to come.
            let held = self.node.lookup_of(self.build, cluster::MARKER);
            let is_held = held.is_ok_and(|it| it["records"][0]["data"] == marker);
            let status = self.node.status_of(self.build)?;
            if is_held && status["denies"] == true {
                good += 1;
                continue;
            }
            good = 0;
            ensure!(Instant::now() < deadline, "no {marker}: {status}");
        }
        Ok(())
    }

    fn count(&self, labels: &[&str]) -> Result<u64> {
        let counts = self.counters.read()?;
        Ok(labels.iter().map(|&label| counts[label]).sum())
    }

    /// Takes a step, which lasts so long at least.
    fn step(
        &mut self,
        (name, step, build, rests): (&'static str, Step, Build, bool),
        services: &Churn,
        length: Duration,
    ) -> Result<Figures> {
        let end = Instant::now() + length;
        let mut figures = Figures {
            name,
            ..Figures::default()
        };
        let guard = services.pause();
        let guard = if rests {
            self.rest(*guard)?;
            Some(guard)
        } else {
            drop(guard);
            None
        };
        let names = look::names(&self.node, self.build)?;
        let passed = self.count(&[PASSED])?;
        self.replace(step, build, &mut figures)?;
        self.settle(names)?;
        if rests {
            let passed = self.count(&[PASSED])? - passed;
            ensure!(
                passed == 0,
                "{name}: nothing has changed, but {passed} denials were passed on; {}",
                self.node.child.output()
            );
        }
        drop(guard);
        thread::sleep(end.saturating_duration_since(Instant::now()));
        figures.passed = self.count(&[PASSED])? - passed;
        Ok(figures)
    }

    /// Whether the kernel has answered all that it had to answer, and nothing was wrong.
    fn judge(&self, kernel: &Seen) -> Result<()> {
        let after = self.counters.read()?;
        let met: BTreeMap<_, _> = after
            .iter()
            .map(|(&label, &count)| (label, count - self.before[label]))
            .filter(|&(_, count)| count > 0)
            .collect();
        println!("packets by outcome: {met:?}");
        let count = |labels: &[&str]| -> u64 {
            let counts = labels.iter().filter_map(|label| met.get(label));
            counts.sum()
        };
        let held = cluster::held().len();
        let sum = |part: fn(&[Tally], usize) -> &[Tally]| {
            Tally::sum(kernel.parts.iter().flat_map(|it| part(&it.tallies, held)))
        };
        let hits = sum(|tallies, held| &tallies[..held]);
        let denials = sum(|tallies, held| &tallies[held..]);
        let overflowed = kernel.overflowed;
        ensure!(kernel.wrong.is_empty(), "{:?}", kernel.wrong);
        ensure!(hits.sent > 0 && denials.sent > 0, "nothing was asked");
        ensure!(
            hits.wrong + hits.failed + denials.wrong == 0 && hits.lost <= overflowed,
            "{hits:?}, of denials {denials:?}; the sockets had no room for {overflowed}"
        );
        let answered = count(&HITS);
        ensure!(
            answered == hits.sent,
            "the kernel has answered {answered} of {hits:?}"
        );
        let (denied, passed) = (count(&DENIALS), count(&[PASSED]));
        ensure!(
            denied + passed == denials.sent,
            "of {denials:?} the kernel has denied {denied} and passed on {passed}"
        );
        ensure!(
            denials.lost + denials.failed <= passed + overflowed,
            "{denials:?}, of which {passed} were passed on"
        );
        Ok(())
    }
}

fn flags(hook: &str) -> [&str; 4] {
    ["--interface", "pod-*", "--hook", hook]
}

fn until_ended(child: &mut Child) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while child.ended()?.is_none() {
        ensure!(
            Instant::now() < deadline,
            "it does not end: {}",
            child.output()
        );
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Each question that is to be the kernel's is answered there, and right.
fn is_answered_in_the_kernel(node: &Node, counters: &Counters) -> Result<()> {
    let hits = || -> Result<u64> {
        let counts = counters.read()?;
        Ok(HITS
            .iter()
            .chain(&DENIALS)
            .map(|&label| counts[label])
            .sum())
    };
    for question in cluster::held().into_iter().chain(cluster::denied()) {
        let before = hits()?;
        let answer = node.ask(&question.query(1)?)?;
        let fault = question.fault(&answer);
        ensure!(fault.is_none(), "{question:?}: {fault:?}");
        ensure!(hits()? == before + 1, "not in the kernel: {question:?}");
    }
    for question in cluster::served() {
        let before = hits()?;
        let answer = node.ask(&question.query(1)?)?;
        let fault = question.fault(&answer);
        ensure!(fault.is_none(), "{question:?}: {fault:?}");
        ensure!(hits()? == before, "in the kernel: {question:?}");
    }
    Ok(())
}

/// Counters of answers with records, and of denials.
const HITS: [&str; 3] = ["a", "aaaa", "ptr"];
const DENIALS: [&str; 2] = ["nodata", "nxdomain"];
/// Counter of denials that are passed on because the map is being changed.
const PASSED: &str = "incomplete";

fn hitless(hook: &'static str) -> Result<()> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let number = |name: &str| env::var(name).ok().map(|text| text.parse()).transpose();
    let seconds = number("KXDNS_HITLESS_SECONDS")?.unwrap_or(SECONDS);
    let rate = match number("KXDNS_HITLESS_RATE")? {
        Some(rate) => u32::try_from(rate)?,
        None => RATE,
    };
    for build in [Build::Plain, Build::Other, Build::Next] {
        build.program()?;
    }
    let mut bed = Bed::start(hook, rate)?;
    let mut services = Churn::of_services(&bed.folder)?;
    let begin = Instant::now();
    let length = Duration::from_secs(seconds) / u32::try_from(STEPS.len())?;
    let mut figures = Vec::new();
    for step in STEPS {
        figures.push(bed.step(step, &services, length)?);
        bed.heavy.next_part();
        bed.light.next_part();
    }
    let changes = (services.finish()?, bed.interfaces.finish()?);
    let (kernel, server) = (bed.heavy.finish()?, bed.light.finish()?);
    println!(
        "\n{hook}: {rate} queries/s for {} s; {} changes of Services, {} of interfaces",
        begin.elapsed().as_secs(),
        changes.0,
        changes.1
    );
    report::print(
        &figures,
        &kernel.parts,
        cluster::held().len(),
        &server.parts,
    );
    bed.judge(&kernel)
}

#[test]
fn at_tcx_no_answer_is_lost() -> Result<()> {
    hitless("tcx")
}

#[test]
fn at_a_filter_no_answer_is_lost() -> Result<()> {
    hitless("tc")
}

#[test]
fn at_generic_xdp_no_answer_is_lost() -> Result<()> {
    hitless("xdp-generic")
}
