//! Counters and samples looked at over and over, and the figures they come to.

use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::{
    figures::{Choice, Figures},
    pace::shift_for,
    source::{Reading, Source},
    tally::{Order, Tally},
    watch::Watcher,
};

/// For how long queries are counted before it is decided how rare samples are to be.
const FIRST_LOOK: Duration = Duration::from_millis(100);
/// How long maps that are being exchanged are waited for.
const EXCHANGE: Duration = Duration::from_millis(200);
/// After so long, a sample has half of its weight on the screen.
const HALF_LIFE: Duration = Duration::from_secs(5);

/// What becomes of samples when an interval is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// Each interval has its own.
    Interval,
    /// They fade.
    Fading,
}

/// An instance that is looked at.
pub(super) struct Monitor {
    bpffs: PathBuf,
    source: Source,
    watcher: Option<Watcher>,
    memory: Memory,
    shows_names: bool,
    tally: Tally,
    taken: u64,
    lost: u64,
    before: Reading,
    last: Reading,
}

/// What is wanted of names and clients.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// In which order.
    pub(super) order: Order,
    /// How many of each.
    pub(super) rows: usize,
    /// Whether names are wanted.
    pub(super) names: bool,
}

impl Monitor {
    /// Begins to look at the instance at `bpffs`; `samples` says whether at single queries, too.
    pub(super) fn start(
        bpffs: &Path,
        samples: bool,
        shows_names: bool,
        memory: Memory,
    ) -> anyhow::Result<Self> {
        let mut source = Source::open(bpffs)?;
        let watcher = samples.then(|| Watcher::claim(bpffs)).transpose()?;
        let reading = source.read()?;
        let mut monitor = Self {
            bpffs: bpffs.to_owned(),
            source,
            watcher,
            memory,
            shows_names,
            tally: Tally::default(),
            taken: 0,
            lost: 0,
            before: reading.clone(),
            last: reading,
        };
        monitor.restart()?;
        Ok(monitor)
    }

    /// Begins a new interval; what has happened before is in none.
    pub(super) fn restart(&mut self) -> anyhow::Result<()> {
        if self.watcher.is_some() {
            self.before = self.source.read()?;
            thread::sleep(FIRST_LOOK);
        }
        let reading = self.source.read()?;
        self.adapt(&self.before.clone(), &reading)?;
        if let Some(watcher) = &mut self.watcher {
            // Of before.
            watcher.drain(drop);
        }
        self.before = reading;
        Ok(())
    }

    /// Whether names may be shown.
    pub(super) const fn shows_names(&self) -> bool {
        self.shows_names
    }

    /// Takes over the samples that there are, and has more taken. Without this, the ring buffer has no room before long,
    /// and samples end.
    pub(super) fn drain(&mut self) -> anyhow::Result<()> {
        let Self {
            watcher,
            tally,
            taken,
            lost,
            ..
        } = self;
        if let Some(watcher) = watcher {
            watcher.drain(|asked| {
                *taken += 1;
                tally.add(asked);
            });
            *lost += watcher.renew()?;
        }
        Ok(())
    }

    /// Ends the interval: its figures.
    pub(super) fn figures(&mut self, wanted: Wanted) -> anyhow::Result<Figures> {
        if !self.source.is_current() {
            self.reopen()?;
        }
        self.drain()?;
        let after = self.source.read()?;
        self.adapt(&self.before.clone(), &after)?;
        let figures = self.tell(&after, wanted);
        match self.memory {
            Memory::Interval => {
                self.tally = Tally::default();
                (self.taken, self.lost) = (0, 0);
            }
            Memory::Fading => {
                let passed = (after.at - self.before.at).as_secs_f64();
                self.tally
                    .fade(0.5_f64.powf(passed / HALF_LIFE.as_secs_f64()));
            }
        }
        self.last = std::mem::replace(&mut self.before, after);
        Ok(figures)
    }

    /// The figures of the interval that was ended last, with something else wanted of it.
    pub(super) fn again(&self, wanted: Wanted) -> Figures {
        figures(self, &self.last, &self.before, wanted)
    }

    fn tell(&self, after: &Reading, wanted: Wanted) -> Figures {
        figures(self, &self.before, after, wanted)
    }

    /// Has samples taken as rarely as the rate between two readings asks for.
    fn adapt(&mut self, before: &Reading, after: &Reading) -> anyhow::Result<()> {
        if let Some(watcher) = &mut self.watcher {
            self.lost += watcher.want(shift_for(after.queries_per_second_since(before)))?;
        }
        Ok(())
    }

    /// Opens the maps that have taken the place of those before.
    fn reopen(&mut self) -> anyhow::Result<()> {
        if Source::open(&self.bpffs).is_err() {
            thread::sleep(EXCHANGE);
        }
        self.source = Source::open(&self.bpffs)?;
        if self.watcher.is_some() {
            self.watcher = Some(Watcher::claim(&self.bpffs)?);
        }
        self.restart()
    }
}

fn figures(monitor: &Monitor, before: &Reading, after: &Reading, wanted: Wanted) -> Figures {
    let choice = monitor.watcher.as_ref().map(|watcher| Choice {
        tally: &monitor.tally,
        shift: watcher.shift(),
        taken: monitor.taken,
        lost: monitor.lost,
        order: wanted.order,
        rows: wanted.rows,
        with_names: monitor.shows_names && wanted.names,
    });
    Figures::between(before, after, choice, now())
}

/// The time of day, in seconds, RFC 3339.
fn now() -> String {
    jiff::Timestamp::now()
        .round(jiff::Unit::Second)
        .unwrap_or_else(|_| jiff::Timestamp::now())
        .to_string()
}
