//! Carries plans out: the one writer of the kernel's map of names.

use std::io;

use aya::{
    maps::{HashMap, MapData, MapError},
    sys::SyscallError,
};
use dns_common::{
    entry::Entry,
    hash::{HashKeys, NameKey},
};

use super::{Row, Step, Table, plan::Plan, render::Wanted};

/// Words of an [`Entry`]: the map's value type, for which aya needs no unsafe promise.
type EntryWords = [u64; size_of::<Entry>() / 8];

/// Where steps are carried out.
pub trait Sink {
    /// Holds `row` under `key`.
    fn put(&mut self, key: NameKey, row: &Row) -> Result<(), SinkError>;
    /// Holds nothing under `key`; nothing there is no error.
    fn remove(&mut self, key: NameKey) -> Result<(), SinkError>;
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

/// The kernel's map of names.
pub struct NameMap {
    map: HashMap<MapData, u64, EntryWords>,
    keys: HashKeys,
}

impl NameMap {
    /// The map `NAMES`, whose entries are made with `keys`.
    #[must_use]
    pub const fn new(map: HashMap<MapData, u64, EntryWords>, keys: HashKeys) -> Self {
        Self { map, keys }
    }
}

impl Sink for NameMap {
    fn put(&mut self, key: NameKey, row: &Row) -> Result<(), SinkError> {
        let entry = Entry::new(&self.keys, &row.name, Some(row.a), row.ttl)
            .map_err(|_| SinkError::Kernel(io::ErrorKind::InvalidInput.into()))?;
        let words: EntryWords = bytemuck::cast(entry);
        self.map.insert(key.0, words, 0).map_err(SinkError::from)
    }

    fn remove(&mut self, key: NameKey) -> Result<(), SinkError> {
        match self.map.remove(&key.0).map_err(SinkError::from) {
            Err(SinkError::Kernel(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
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
/// When rows are removed, those left out earlier are tried again.
pub fn change(
    table: &mut Table,
    sink: &mut impl Sink,
    wanted: impl IntoIterator<Item = Wanted>,
) -> Report {
    let mut report = Report::default();
    let unwanted = table.plan_unwanted();
    carry_out(table, sink, unwanted, &mut report);
    let wanted: Vec<Wanted> = wanted.into_iter().collect();
    for unwanted in wanted.iter().filter(|wanted| wanted.row.is_none()) {
        table.forget(&unwanted.name);
    }
    let plan = table.plan(wanted);
    let removes = plan
        .steps
        .iter()
        .any(|step| matches!(step, Step::Remove(_)));
    carry_out(table, sink, plan, &mut report);
    if removes && table.left_out() > 0 {
        let again = table.plan_left_out();
        carry_out(table, sink, again, &mut report);
    }
    report
}

fn carry_out(table: &mut Table, sink: &mut impl Sink, plan: Plan, report: &mut Report) {
    for (key, row) in plan.shadowed {
        table.leave_out(key, row);
    }
    for step in plan.steps {
        let result = match &step {
            Step::Put(key, row) => sink.put(*key, row),
            Step::Remove(key) => sink.remove(*key),
        };
        match (result, step) {
            (Ok(()), step) => {
                table.done(step);
                report.done += 1;
            }
            (Err(error), Step::Put(key, row)) => {
                // Better no answer in the kernel than the one that no longer holds.
                if table.held().contains_key(&key) {
                    match sink.remove(key) {
                        Ok(()) => table.done(Step::Remove(key)),
                        Err(_) => table.keep_unwanted(key),
                    }
                }
                table.leave_out(key, row);
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
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// A map in memory with a capacity, that can refuse steps.
    #[derive(Default)]
    struct Memory {
        rows: HashMap<NameKey, Row>,
        capacity: usize,
        refuses: bool,
        keeps: bool,
    }

    impl Sink for Memory {
        fn put(&mut self, key: NameKey, row: &Row) -> Result<(), SinkError> {
            if self.refuses {
                return Err(SinkError::Kernel(io::ErrorKind::OutOfMemory.into()));
            }
            if !self.rows.contains_key(&key) && self.rows.len() >= self.capacity {
                return Err(SinkError::Full);
            }
            self.rows.insert(key, row.clone());
            Ok(())
        }

        fn remove(&mut self, key: NameKey) -> Result<(), SinkError> {
            if self.keeps {
                return Err(SinkError::Kernel(io::ErrorKind::ResourceBusy.into()));
            }
            self.rows.remove(&key);
            Ok(())
        }
    }

    fn wanted(name: u8, key: u64, address: Option<u8>) -> Wanted {
        let name: Box<[u8]> = [1, name, 0].into();
        Wanted {
            key: NameKey(key),
            name: name.clone(),
            row: address.map(|last| Row {
                name,
                a: [10, 0, 0, last],
                ttl: 5,
            }),
        }
    }

    fn memory(capacity: usize) -> Memory {
        Memory {
            capacity,
            ..Memory::default()
        }
    }

    #[test]
    fn new_rows_come_before_removals() {
        let mut table = Table::default();
        change(&mut table, &mut memory(9), [wanted(b'a', 1, Some(1))]);
        let plan = table.plan([wanted(b'a', 1, None), wanted(b'b', 2, Some(2))]);
        assert!(matches!(
            plan.steps.as_slice(),
            [Step::Put(..), Step::Remove(_)]
        ));
    }

    #[test]
    fn what_holds_already_is_not_written_again() {
        let mut table = Table::default();
        let mut map = memory(9);
        change(&mut table, &mut map, [wanted(b'a', 1, Some(1))]);
        assert_eq!(
            change(&mut table, &mut map, [wanted(b'a', 1, Some(1))]).done,
            0
        );
        assert_eq!(
            change(&mut table, &mut map, [wanted(b'z', 9, None)]).done,
            0
        );
    }

    #[test]
    fn a_row_left_out_of_a_full_map_gets_the_place_that_becomes_free() {
        let mut table = Table::default();
        let mut map = memory(1);
        change(
            &mut table,
            &mut map,
            [wanted(b'a', 1, Some(1)), wanted(b'b', 2, Some(2))],
        );
        assert_eq!((map.rows.len(), table.left_out()), (1, 1));
        let gone = if map.rows.contains_key(&NameKey(1)) {
            (b'a', 1)
        } else {
            (b'b', 2)
        };
        change(&mut table, &mut map, [wanted(gone.0, gone.1, None)]);
        assert_eq!((map.rows.len(), table.left_out()), (1, 0));
        assert!(!map.rows.contains_key(&NameKey(gone.1)));
    }

    #[test]
    fn of_two_names_with_one_hash_the_second_waits_for_the_first() {
        let mut table = Table::default();
        let mut map = memory(9);
        change(
            &mut table,
            &mut map,
            [wanted(b'a', 7, Some(1)), wanted(b'b', 7, Some(2))],
        );
        assert_eq!(map.rows[&NameKey(7)].a, [10, 0, 0, 1]);
        assert_eq!(table.left_out(), 1);
        // The removal of the one that waits does not take the other's place.
        change(&mut table, &mut map, [wanted(b'b', 7, None)]);
        assert_eq!((map.rows.len(), table.left_out()), (1, 0));
        change(&mut table, &mut map, [wanted(b'b', 7, Some(2))]);
        change(&mut table, &mut map, [wanted(b'a', 7, None)]);
        assert_eq!(map.rows[&NameKey(7)].a, [10, 0, 0, 2]);
        assert_eq!(table.left_out(), 0);
    }

    #[test]
    fn an_address_that_can_not_be_replaced_is_taken_away() {
        let mut table = Table::default();
        let mut map = memory(9);
        change(&mut table, &mut map, [wanted(b'a', 1, Some(1))]);
        map.refuses = true;
        let report = change(&mut table, &mut map, [wanted(b'a', 1, Some(2))]);
        assert!(report.error.is_some());
        assert!(map.rows.is_empty());
        assert_eq!((table.held().len(), table.left_out()), (0, 1));
    }

    #[test]
    fn a_row_that_can_not_be_removed_is_removed_as_soon_as_it_can() {
        let mut table = Table::default();
        let mut map = memory(9);
        change(
            &mut table,
            &mut map,
            [wanted(b'a', 1, Some(1)), wanted(b'b', 2, Some(2))],
        );
        map.keeps = true;
        assert!(
            change(&mut table, &mut map, [wanted(b'a', 1, None)])
                .error
                .is_some()
        );
        assert_eq!(map.rows.len(), 2);
        map.keeps = false;
        change(&mut table, &mut map, []);
        assert_eq!(map.rows.len(), 1);
        assert_eq!(table.held().len(), 1);
    }

    proptest! {
        /// Whatever came before: in the end the map holds what was last wanted, or the row waits for room.
        #[test]
        fn the_map_comes_to_hold_what_is_wanted(
            changes in proptest::collection::vec(
                proptest::collection::vec((0_u8..12, proptest::option::of(0_u8..3)), 1..6), 0..12),
            capacity in 0_usize..14,
            keys in 4_u64..20,
        ) {
            let mut table = Table::default();
            let mut map = memory(capacity);
            let mut last = HashMap::new();
            for change_set in changes {
                let wants: Vec<_> = change_set
                    .iter()
                    .copied()
                    .collect::<HashMap<u8, Option<u8>>>()
                    .into_iter()
                    .map(|(name, address)| wanted(name, u64::from(name) % keys, address))
                    .collect();
                for want in &wants {
                    last.insert(want.name.clone(), want.clone());
                }
                change(&mut table, &mut map, wants);
                prop_assert_eq!(&map.rows, table.held());
                let all: HashMap<_, _> = last.values().filter_map(|want| want.row.clone().map(|row| (row.name.clone(), row))).collect();
                for row in map.rows.values() {
                    prop_assert_eq!(Some(row), all.get(&row.name), "no row that is not wanted");
                }
                prop_assert_eq!(map.rows.len() + table.left_out(), all.len(), "no row is lost");
                prop_assert!(map.rows.len() <= capacity);
            }
        }
    }
}
