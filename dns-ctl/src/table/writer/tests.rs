//! Whatever is wanted and refused: the map and the table agree, and nothing is denied that is left out.

use std::{collections::HashMap, net::Ipv4Addr};

use dns_common::head::Others;
use proptest::prelude::*;

use super::*;
use crate::table::Content;

/// A map in memory with a capacity, that can refuse steps.
#[derive(Default)]
struct Memory {
    rows: HashMap<NameKey, Row>,
    capacity: usize,
    refuses: bool,
    keeps: bool,
    denying: bool,
    puts: usize,
}

impl Sink for Memory {
    fn put(&mut self, key: NameKey, row: &Row) -> Result<(), SinkError> {
        if self.refuses {
            return Err(SinkError::Kernel(io::ErrorKind::OutOfMemory.into()));
        }
        let is_new = !self.rows.contains_key(&key);
        if is_new && self.rows.len() >= self.capacity {
            return Err(SinkError::Full);
        }
        assert!(is_new || !self.denying, "replaced while names are denied");
        self.puts += 1;
        self.rows.insert(key, row.clone());
        Ok(())
    }

    fn remove(&mut self, key: NameKey) -> Result<(), SinkError> {
        if self.keeps {
            return Err(SinkError::Kernel(io::ErrorKind::ResourceBusy.into()));
        }
        assert!(!self.denying, "removed while names are denied");
        self.rows.remove(&key);
        Ok(())
    }

    fn stop_denying(&mut self) -> Result<(), SinkError> {
        self.denying = false;
        Ok(())
    }
}

impl Readable for Memory {
    fn found(&self, key: NameKey, row: &Row) -> Result<Found, SinkError> {
        Ok(match self.rows.get(&key) {
            None => Found::Nothing,
            Some(held) if held == row => Found::Same,
            Some(_) => Found::Other,
        })
    }

    fn keys(&self) -> Result<Vec<NameKey>, SinkError> {
        Ok(self.rows.keys().copied().collect())
    }
}

fn wanted(name: u8, key: u64, address: Option<u8>) -> Wanted {
    let name: Box<[u8]> = [1, name, 0].into();
    Wanted {
        key: NameKey(key),
        name,
        content: address.map(|last| Content::Owner {
            zone_len: 1,
            a: [Ipv4Addr::new(10, 0, 0, last)].into(),
            aaaa: [].into(),
            others: Others::NONE,
        }),
    }
}

/// The row that is wanted.
fn row(wanted: &Wanted) -> Option<Row> {
    let content = wanted.content.clone()?;
    Some(Row {
        name: wanted.name.clone(),
        content,
    })
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
    assert_eq!((map.rows.len(), table.left_out().len()), (1, 1));
    let gone = if map.rows.contains_key(&NameKey(1)) {
        (b'a', 1)
    } else {
        (b'b', 2)
    };
    change(&mut table, &mut map, [wanted(gone.0, gone.1, None)]);
    assert_eq!((map.rows.len(), table.left_out().len()), (1, 0));
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
    assert_eq!(
        Some(&map.rows[&NameKey(7)]),
        row(&wanted(b'a', 7, Some(1))).as_ref()
    );
    assert_eq!(table.left_out().len(), 1);
    // The removal of the one that waits does not take the other's place.
    change(&mut table, &mut map, [wanted(b'b', 7, None)]);
    assert_eq!((map.rows.len(), table.left_out().len()), (1, 0));
    change(&mut table, &mut map, [wanted(b'b', 7, Some(2))]);
    change(&mut table, &mut map, [wanted(b'a', 7, None)]);
    assert_eq!(
        Some(&map.rows[&NameKey(7)]),
        row(&wanted(b'b', 7, Some(2))).as_ref()
    );
    assert_eq!(table.left_out().len(), 0);
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
    assert_eq!((table.held().len(), table.left_out().len()), (0, 1));
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
            map.denying = table.is_complete();
            change(&mut table, &mut map, wants);
            prop_assert_eq!(&map.rows, table.held());
            prop_assert!(table.is_complete() || !map.denying, "denied what is left out");
            let all: HashMap<_, _> = last.values().filter_map(|want| row(want).map(|row| (row.name.clone(), row))).collect();
            for row in map.rows.values() {
                prop_assert_eq!(Some(row), all.get(&row.name), "no row that is not wanted");
            }
            prop_assert_eq!(map.rows.len() + table.left_out().len(), all.len(), "no row is lost");
            prop_assert!(map.rows.len() <= capacity);
            let found = |row: &Row| map.rows.contains_key(&NameKey(u64::from(row.name[1]) % keys));
            prop_assert_eq!(table.is_complete(), all.values().all(found), "complete");
        }
    }

    /// Whatever the kernel refused meanwhile: no name is denied that is wanted, and when it refuses nothing
    /// any more, all names find their places without another change.
    #[test]
    fn what_was_refused_is_settled_when_it_can_be(
        changes in proptest::collection::vec(
            (proptest::collection::vec((0_u8..6, proptest::option::of(0_u8..3)), 1..4), any::<(bool, bool)>()), 0..12),
    ) {
        let mut table = Table::default();
        let mut map = memory(99);
        let mut last = HashMap::new();
        for (change_set, (refuses, keeps)) in changes {
            (map.refuses, map.keeps) = (refuses, keeps);
            let wants: HashMap<u8, Option<u8>> = change_set.into_iter().collect();
            let wants: Vec<_> = wants.into_iter().map(|(name, address)| wanted(name, u64::from(name), address)).collect();
            for want in &wants {
                last.insert(want.key, row(want));
            }
            map.denying = table.is_complete();
            change(&mut table, &mut map, wants);
            prop_assert_eq!(&map.rows, table.held());
            let missing = last.iter().any(|(key, row)| row.is_some() && !map.rows.contains_key(key));
            prop_assert!(!missing || !table.is_complete(), "would be denied");
        }
        (map.refuses, map.keeps) = (false, false);
        // What was removed at the first try makes room at the second.
        for _ in 0..2 {
            map.denying = false;
            change(&mut table, &mut map, []);
        }
        prop_assert!(!table.is_unsettled());
        let all: HashMap<_, _> = last.into_iter().filter_map(|(key, row)| Some((key, row?))).collect();
        prop_assert_eq!(map.rows, all);
    }
}

#[test]
fn what_another_left_in_the_map_is_kept_changed_or_removed() {
    let mut map = memory(4);
    for (name, key, last) in [(b'a', 1, 1), (b'b', 2, 2), (b'c', 3, 3), (b'x', 5, 9)] {
        let row = row(&wanted(name, key, Some(last))).unwrap();
        map.rows.insert(NameKey(key), row);
    }
    map.denying = true;
    // The table says otherwise, and is not believed.
    let mut table = Table::default();
    table.done(Step::Put(
        NameKey(7),
        row(&wanted(b'q', 7, Some(7))).unwrap(),
    ));
    let report = reconcile(
        &mut table,
        &mut map,
        [
            wanted(b'a', 1, Some(1)),
            wanted(b'b', 2, Some(20)),
            wanted(b'd', 4, Some(4)),
            // Under the key of a name that is no longer wanted.
            wanted(b'y', 5, Some(9)),
        ],
    );
    assert!(report.error.is_none());
    assert_eq!(map.rows, *table.held());
    assert_eq!(table.held().len(), 4);
    assert_eq!(map.puts, 3, "what was as it should be was not written");
    assert!(
        table.left_out().next().is_none(),
        "there was room once `c` was gone"
    );
}

proptest! {
    #[test]
    fn whatever_is_in_the_map_only_what_is_wanted_stays(
        before in proptest::collection::hash_map(0..12_u64, (0..12_u8, 0..3_u8), 0..12),
        after in proptest::collection::hash_map(0..12_u8, (0..12_u64, 0..3_u8), 0..12),
        capacity in 1..14_usize,
        refuses in any::<bool>(),
        denying in any::<bool>(),
    ) {
        let mut map = memory(capacity);
        for (&key, &(name, last)) in &before {
            map.rows.insert(NameKey(key), row(&wanted(name, key, Some(last))).unwrap());
        }
        map.refuses = refuses;
        map.denying = denying;
        let mut table = Table::default();
        let all: Vec<Wanted> =
            after.iter().map(|(&name, &(key, last))| wanted(name, key, Some(last))).collect();
        reconcile(&mut table, &mut map, all.clone());
        prop_assert_eq!(&map.rows, table.held());
        for row in map.rows.values() {
            prop_assert!(all.iter().any(|it| self::row(it).as_ref() == Some(row)), "nobody wants {:?}", row);
        }
        let left_out = table.left_out().count();
        prop_assert_eq!(left_out + map.rows.len(), all.len(), "nothing is forgotten");
        prop_assert!(!map.denying || table.is_complete(), "denied while names are left out");
    }
}
