//! Remembers what was said about the objects of one list, so that nothing is said twice.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
};

use crate::zone::object::ObjectKey;

/// How many objects are remembered; a cluster with more faulty ones has a common cause for them.
const MOST: usize = 1000;

/// What was said about the objects of one list-and-watch.
#[derive(Debug, Default)]
pub(super) struct Reports {
    told: HashMap<ObjectKey, Told>,
    /// Which list the objects were last seen in, or after.
    round: u32,
    /// How many of them are invalid.
    invalid: usize,
    full: bool,
    hasher: RandomState,
}

#[derive(Debug)]
struct Told {
    complaint: u64,
    is_invalid: bool,
    round: u32,
}

/// Whether a complaint is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum News {
    /// It was told already.
    Old,
    /// It is new.
    New,
    /// There are too many; that, and no more, is to be told.
    TooMany,
}

impl Reports {
    /// A new list begins.
    pub(super) const fn begin(&mut self) {
        self.round = self.round.wrapping_add(1);
    }

    /// The list is complete: objects that are not in it are forgotten.
    pub(super) fn finish(&mut self) {
        self.told.retain(|_, told| told.round == self.round);
        self.invalid = self.told.values().filter(|told| told.is_invalid).count();
        self.full = self.told.len() >= MOST && self.full;
    }

    /// There is nothing to complain about with this object, or it is gone.
    pub(super) fn forget(&mut self, key: &ObjectKey) {
        if let Some(old) = self.told.remove(key) {
            self.invalid -= usize::from(old.is_invalid);
            self.full = false;
        }
    }

    /// There is this complaint about the object, which is invalid, or usable in part.
    pub(super) fn complain(&mut self, key: &ObjectKey, complaint: &str, is_invalid: bool) -> News {
        let told = Told {
            complaint: self.hasher.hash_one(complaint),
            is_invalid,
            round: self.round,
        };
        if let Some(old) = self.told.get_mut(key) {
            let is_old = old.complaint == told.complaint;
            self.invalid -= usize::from(old.is_invalid);
            self.invalid += usize::from(is_invalid);
            *old = told;
            if is_old { News::Old } else { News::New }
        } else if self.told.len() < MOST {
            self.invalid += usize::from(is_invalid);
            self.told.insert(key.clone(), told);
            News::New
        } else if std::mem::replace(&mut self.full, true) {
            News::Old
        } else {
            News::TooMany
        }
    }

    /// How many objects are invalid, as far as they are remembered.
    pub(super) const fn invalid(&self) -> usize {
        self.invalid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("default", name)
    }

    #[test]
    fn a_complaint_is_told_once_until_it_changes_or_ends() {
        let mut reports = Reports::default();
        let a = key("a");
        assert_eq!(reports.complain(&a, "bad", true), News::New);
        assert_eq!(reports.complain(&a, "bad", true), News::Old);
        assert_eq!(reports.complain(&a, "worse", true), News::New);
        assert_eq!(reports.complain(&key("b"), "worse", true), News::New);
        assert_eq!(reports.invalid(), 2);
        // Usable in part: still told, no longer invalid.
        assert_eq!(reports.complain(&a, "not all", false), News::New);
        assert_eq!(reports.invalid(), 1);
        reports.forget(&a);
        reports.forget(&a);
        assert_eq!(reports.complain(&a, "not all", false), News::New);
        assert_eq!(reports.invalid(), 1);
    }

    #[test]
    fn a_new_list_does_not_repeat_and_forgets_what_is_not_in_it() {
        let mut reports = Reports::default();
        let (a, b) = (key("a"), key("b"));
        reports.begin();
        assert_eq!(reports.complain(&a, "bad", true), News::New);
        assert_eq!(reports.complain(&b, "bad", true), News::New);
        reports.finish();
        assert_eq!(reports.invalid(), 2);
        // A list that breaks off changes nothing.
        reports.begin();
        reports.begin();
        assert_eq!(reports.complain(&a, "bad", true), News::Old);
        reports.finish();
        assert_eq!(reports.invalid(), 1);
        assert_eq!(reports.complain(&b, "bad", true), News::New);
    }

    #[test]
    fn its_memory_is_bounded() {
        let mut reports = Reports::default();
        let many = |range: std::ops::Range<usize>| range.map(|number| key(&number.to_string()));
        for key in many(0..MOST) {
            assert_eq!(reports.complain(&key, "bad", true), News::New);
        }
        assert_eq!(reports.complain(&key("x"), "bad", true), News::TooMany);
        assert_eq!(reports.complain(&key("y"), "bad", true), News::Old);
        assert_eq!(reports.told.len(), MOST);
        assert_eq!(reports.invalid(), MOST);
        reports.forget(&key("y"));
        assert_eq!(reports.complain(&key("y"), "bad", true), News::Old);
        reports.forget(&key("0"));
        assert_eq!(reports.complain(&key("y"), "bad", true), News::New);
        assert_eq!(reports.complain(&key("x"), "bad", true), News::TooMany);
        // A shorter list makes room again.
        reports.begin();
        reports.finish();
        assert_eq!(reports.invalid(), 0);
        assert_eq!(reports.complain(&key("x"), "bad", true), News::New);
    }
}
