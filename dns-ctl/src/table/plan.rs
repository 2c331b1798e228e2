//! Compares what the kernel holds with what it should hold: the steps from one to the other.

use std::collections::HashMap;

use dns_common::hash::NameKey;

use super::{Row, Step, Table, render::Wanted};

/// Steps in the order in which they have to be carried out, and the rows for which there is no place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// New and changed rows first, removals last: a name that stays is answered all the time.
    pub steps: Vec<Step>,
    /// Rows whose key another name holds.
    pub shadowed: Vec<(NameKey, Row)>,
}

impl Table {
    /// The steps after which the map holds what is wanted of the names given; other names stay.
    #[must_use]
    pub fn plan(&self, wanted: impl IntoIterator<Item = Wanted>) -> Plan {
        let wanted = wanted.into_iter();
        let (count, _) = wanted.size_hint();
        // By their place among those that are put.
        let mut planned: HashMap<NameKey, usize> = HashMap::with_capacity(count);
        let mut puts: Vec<(NameKey, Row)> = Vec::with_capacity(count);
        let mut removals = Vec::new();
        let mut shadowed = Vec::new();
        for Wanted { key, name, content } in wanted {
            let holder = planned.get(&key).map(|&place| &puts[place].1);
            let holder = holder.or_else(|| self.held.get(&key));
            let is_other = holder.is_some_and(|held| held.name != name);
            let is_held = holder.is_some();
            match content.map(|content| Row { name, content }) {
                Some(row) if is_other => shadowed.push((key, row)),
                // One that is to go as soon as it can has to be put anew.
                Some(row) if holder == Some(&row) && !self.unwanted.contains(&key) => {}
                Some(row) => {
                    planned.insert(key, puts.len());
                    puts.push((key, row));
                }
                None if is_other || !is_held => {}
                None => removals.push(Step::Remove(key)),
            }
        }
        let puts = puts.into_iter().map(|(key, row)| Step::Put(key, row));
        Plan {
            steps: puts.chain(removals).collect(),
            shadowed,
        }
    }

    /// The steps that give rows left out a place, if there may be one now.
    pub(super) fn plan_left_out(&mut self) -> Plan {
        if !std::mem::take(&mut self.may_have_place) {
            return Plan::default();
        }
        self.plan(self.left_out.values().map(|(key, row)| Wanted {
            key: *key,
            name: row.name.clone(),
            content: Some(row.content.clone()),
        }))
    }

    /// The steps that remove what the kernel refused to remove earlier.
    #[must_use]
    pub fn plan_unwanted(&self) -> Plan {
        Plan {
            steps: self.unwanted.iter().copied().map(Step::Remove).collect(),
            shadowed: Vec::new(),
        }
    }

    /// Notes that the kernel has refused to remove a row.
    pub(super) fn keep_unwanted(&mut self, key: NameKey) {
        self.unwanted.insert(key);
    }

    /// Notes that a step has been carried out.
    pub(super) fn done(&mut self, step: Step) {
        match step {
            Step::Put(key, row) => {
                self.unwanted.remove(&key);
                self.left_out.remove(&row.name);
                self.held.insert(key, row);
            }
            Step::Remove(key) => {
                self.unwanted.remove(&key);
                self.held.remove(&key);
                self.may_have_place = true;
            }
        }
    }

    /// Notes that there is no place for a row.
    pub(super) fn leave_out(&mut self, key: NameKey, row: Row) {
        self.left_out.insert(row.name.clone(), (key, row));
    }

    /// Notes that a row was refused for a reason that may pass.
    pub(super) fn try_again(&mut self) {
        self.may_have_place = true;
    }

    /// Notes that a name is no longer wanted, so that it is not given a place later.
    pub(super) fn forget(&mut self, name: &[u8]) {
        self.left_out.remove(name);
    }
}
