//! Carries plans out: the one writer of the kernel's map of names.

use std::io;

use aya::{
    maps::{Array, HashMap, MapData, MapError},
    sys::SyscallError,
};
use dns_common::{
    entry::ENTRY_WORDS,
    hash::{HashKeys, NameKey},
    state::State,
};

use super::{Row, Step, Table, plan::Plan, render::Wanted};

/// Words of a [`State`].
const STATE_WORDS: usize = size_of::<State>() / 8;

/// Where steps are carried out.
pub trait Sink {
    /// Holds `row` under `key`.
    fn put(&mut self, key: NameKey, row: &Row) -> Result<(), SinkError>;
    /// Holds nothing under `key`; nothing there is no error.
    fn remove(&mut self, key: NameKey) -> Result<(), SinkError>;
    /// Has no name denied any more for not being held.
    fn stop_denying(&mut self) -> Result<(), SinkError>;
}

/// A sink that can tell what it holds.
pub trait Readable: Sink {
    /// What is really held under `key`.
    fn found(&self, key: NameKey, row: &Row) -> Result<Found, SinkError>;
    /// Every key under which something is held.
    fn keys(&self) -> Result<Vec<NameKey>, SinkError>;
}

/// What a sink holds under a key, seen from a row that it should hold there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// The row.
    Same,
    /// Something else.
    Other,
}

/// Why a step could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The map has no room for another name.
    #[error("the kernel's map of names is full")]
    Full,
    /// The kernel refused the step for another reason.
    #[error("the kernel's map of names can't be changed: {0}")]
    Kernel(#[source] io::Error),
}

/// What a change led to.
#[derive(Debug, Default)]
pub struct Report {
    /// Steps carried out.
    pub done: usize,
    /// The last error that was not for want of room.
    pub error: Option<SinkError>,
}

/// What the kernel may deny.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Denial {
    /// Names that are not held.
    pub names: bool,
    /// Types that a held name does not have.
    pub types: bool,
}

/// Until when the kernel answers, on two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// In ticks of the kernel's clock: what the programs go by.
    pub ticks: u64,
    /// In nanoseconds of `CLOCK_MONOTONIC`: what userspace can tell the time by.
    pub until: u64,
    /// In ticks: until when the programs deny names and types.
    pub denials: u64,
}

impl Lease {
    /// One that has ended.
    pub const OVER: Self = Self {
        ticks: 0,
        until: 0,
        denials: 0,
    };
    /// One that does not end.
    pub const ENDLESS: Self = Self {
        ticks: u64::MAX,
        until: u64::MAX,
        denials: u64::MAX,
    };
}

/// The kernel's map of names, and what it says of the names it does not hold.
pub struct NameMap {
    map: HashMap<MapData, u64, [u64; ENTRY_WORDS]>,
    state_map: Array<MapData, [u64; STATE_WORDS]>,
    keys: HashKeys,
    state: State,
    last_epoch: u64,
}

impl NameMap {
    /// The maps `NAMES`, whose entries are made with `keys`, and `STATE`, with what they hold.
    ///
    /// `epoch` has to be larger than any that an instance before may have used.
    pub fn open(
        map: HashMap<MapData, u64, [u64; ENTRY_WORDS]>,
        state_map: Array<MapData, [u64; STATE_WORDS]>,
        keys: HashKeys,
        epoch: u64,
    ) -> Result<Self, SinkError> {
        let state: State = bytemuck::cast(state_map.get(&0, 0)?);
        Ok(Self {
            map,
            state_map,
            keys,
            state,
            last_epoch: epoch.max(state.epoch),
        })
    }

    /// What the map `STATE` holds.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Number of names that the map holds: every key is read.
    pub fn count(&self) -> Result<usize, SinkError> {
        Ok(self.keys()?.len())
    }

    /// Whether the map holds no name.
    pub fn is_empty(&self) -> Result<bool, SinkError> {
        Ok(self.map.keys().next().transpose()?.is_none())
    }

    /// States what may be denied from now on, and the zone's serial number.
    pub fn publish(&mut self, denial: Denial, serial: u32) -> Result<(), SinkError> {
        let epoch = match (denial.names, self.state.epoch) {
            (false, _) => 0,
            (true, 0) => self.last_epoch + 1,
            (true, epoch) => epoch,
        };
        self.set(State {
            epoch,
            listed: denial.types.into(),
            serial: serial.into(),
            ..self.state
        })
    }

    /// Has the kernel answer, and deny, as long as the lease says, and no longer.
    pub fn renew(&mut self, lease: Lease) -> Result<(), SinkError> {
        self.set(State {
            lease: lease.ticks,
            until: lease.until,
            denials: lease.denials,
            ..self.state
        })
    }

    fn set(&mut self, state: State) -> Result<(), SinkError> {
        if state == self.state {
            return Ok(());
        }
        let words: [u64; STATE_WORDS] = bytemuck::cast(state);
        self.state_map.set(0, words, 0)?;
        self.last_epoch = self.last_epoch.max(state.epoch);
        self.state = state;
        Ok(())
    }
}

impl Sink for NameMap {
    fn put(&mut self, key: NameKey, row: &Row) -> Result<(), SinkError> {
        let entry = row
            .entry(&self.keys)
            .map_err(|_| SinkError::Kernel(io::ErrorKind::InvalidInput.into()))?;
        let words: [u64; ENTRY_WORDS] = bytemuck::cast(entry);
        self.map.insert(key.0, words, 0).map_err(SinkError::from)
    }

    fn remove(&mut self, key: NameKey) -> Result<(), SinkError> {
        match self.map.remove(&key.0).map_err(SinkError::from) {
            Err(SinkError::Kernel(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn stop_denying(&mut self) -> Result<(), SinkError> {
        self.set(State {
            epoch: 0,
            ..self.state
        })
    }
}

impl Readable for NameMap {
    fn found(&self, key: NameKey, row: &Row) -> Result<Found, SinkError> {
        let held = match self.map.get(&key.0, 0) {
            Ok(held) => held,
            Err(MapError::KeyNotFound) => return Ok(Found::Nothing),
            Err(error) => return Err(error.into()),
        };
        // A row that can't be an entry is not held.
        let entry = row.entry(&self.keys).ok();
        let is_same =
            entry.is_some_and(|entry| bytemuck::cast::<_, [u64; ENTRY_WORDS]>(entry) == held);
        Ok(if is_same { Found::Same } else { Found::Other })
    }

    fn keys(&self) -> Result<Vec<NameKey>, SinkError> {
        let keys: Result<Vec<u64>, MapError> = self.map.keys().collect();
        Ok(keys?.into_iter().map(NameKey).collect())
    }
}

impl From<MapError> for SinkError {
    fn from(error: MapError) -> Self {
        match error {
            // E2BIG: the map has as many elements as it may have (kernel/bpf/hashtab.c).
            MapError::SyscallError(SyscallError { io_error, .. })
                if io_error.kind() == io::ErrorKind::ArgumentListTooLong =>
            {
                Self::Full
            }
            MapError::SyscallError(SyscallError { io_error, .. }) => Self::Kernel(io_error),
            other => Self::Kernel(io::Error::other(other)),
        }
    }
}

/// Makes the map and the table hold what is wanted; rows for which there is no place are left out.
///
/// Rows left out earlier are tried again if rows were removed, or if they were refused for a reason that may pass.
pub fn change(
    table: &mut Table,
    sink: &mut impl Sink,
    wanted: impl IntoIterator<Item = Wanted>,
) -> Report {
    let mut report = Report::default();
    let unwanted = table.plan_unwanted();
    carry_out(table, sink, unwanted, &mut report);
    let wanted: Vec<Wanted> = wanted.into_iter().collect();
    for unwanted in wanted.iter().filter(|wanted| wanted.content.is_none()) {
        table.forget(&unwanted.name);
    }
    let plan = table.plan(wanted);
    carry_out(table, sink, plan, &mut report);
    let again = table.plan_left_out();
    carry_out(table, sink, again, &mut report);
    report
}

/// Makes the table and the sink, which may hold anything, hold just what is wanted.
///
/// What the sink really holds counts, not what the table has of it. What already is as it should be is not touched, what is new is put in first, and what is not wanted is
/// removed last: a name that stays is answered all the time.
pub fn reconcile(
    table: &mut Table,
    sink: &mut impl Readable,
    wanted: impl IntoIterator<Item = Wanted>,
) -> Report {
    let mut report = Report::default();
    *table = Table::default();
    let plan = table.plan(wanted);
    for (key, row) in plan.shadowed {
        table.leave_out(key, row);
    }
    let mut changes = Plan::default();
    for step in plan.steps {
        if let Step::Put(key, row) = &step {
            match sink.found(*key, row) {
                Ok(Found::Same) => {
                    table.done(step);
                    continue;
                }
                Ok(Found::Nothing) => {}
                // The table does not know that something is held there, which `carry_out` goes by.
                Ok(Found::Other) => {
                    if let Err(error) = sink.stop_denying() {
                        report.note(error);
                    }
                }
                Err(error) => report.note(error),
            }
        }
        changes.steps.push(step);
    }
    carry_out(table, sink, changes, &mut report);
    match sink.keys() {
        Ok(keys) => {
            let left_over = keys
                .into_iter()
                .filter(|key| !table.held().contains_key(key));
            let left_over = Plan {
                steps: left_over.map(Step::Remove).collect(),
                shadowed: Vec::new(),
            };
            carry_out(table, sink, left_over, &mut report);
        }
        Err(error) => report.note(error),
    }
    let again = table.plan_left_out();
    carry_out(table, sink, again, &mut report);
    report
}

fn carry_out(table: &mut Table, sink: &mut impl Sink, plan: Plan, report: &mut Report) {
    for (key, row) in plan.shadowed {
        table.leave_out(key, row);
    }
    for step in plan.steps {
        let result = match &step {
            // A look-up may have passed the place of the new element before it was there, and come to that of
            // the old one when it is gone.
            Step::Put(key, row) if table.held().contains_key(key) => {
                sink.stop_denying().and_then(|()| sink.put(*key, row))
            }
            Step::Put(key, row) => sink.put(*key, row).inspect_err(|_| {
                // Before the name counts as left out; if this fails, so will what is published after.
                let _told = sink.stop_denying();
            }),
            Step::Remove(key) => sink.stop_denying().and_then(|()| sink.remove(*key)),
        };
        match (result, step) {
            (Ok(()), step) => {
                table.done(step);
                report.done += 1;
            }
            (Err(error), Step::Put(key, row)) => {
                // Better no answer in the kernel than the one that no longer holds.
                if table.held().contains_key(&key) {
                    match sink.stop_denying().and_then(|()| sink.remove(key)) {
                        Ok(()) => table.done(Step::Remove(key)),
                        Err(_) => table.keep_unwanted(key),
                    }
                }
                table.leave_out(key, row);
                if !matches!(error, SinkError::Full) {
                    table.try_again();
                }
                report.note(error);
            }
            (Err(error), Step::Remove(key)) => {
                table.keep_unwanted(key);
                report.note(error);
            }
        }
    }
}

impl Report {
    fn note(&mut self, error: SinkError) {
        if !matches!(error, SinkError::Full) {
            self.error = Some(error);
        }
    }
}

#[cfg(test)]
mod tests;
