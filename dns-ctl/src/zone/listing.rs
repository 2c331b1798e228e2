//! The objects of one kind: those that hold, and those of a list that is still being read.

use std::collections::HashMap;

use super::object::{Change, EndpointSlice, Namespace, ObjectKey, Pod, Service};

/// Objects that are known by their key.
pub(super) trait Keyed {
    /// The object's key.
    fn key(&self) -> &ObjectKey;
}

macro_rules! keyed {
    ($($kind:ty),+) => {$(
        impl Keyed for $kind {
            fn key(&self) -> &ObjectKey {
                &self.key
            }
        }
    )+};
}
keyed!(EndpointSlice, Namespace, Pod, Service);

/// What a source has said of one kind.
#[derive(Debug)]
pub(super) struct Listing<T> {
    live: HashMap<ObjectKey, T>,
    staged: Option<HashMap<ObjectKey, T>>,
    listed: bool,
}

/// An object and what becomes of it: what it was, what it is. At least one of them is there.
pub(super) type Replacement<T> = (Option<T>, Option<T>);

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self {
            live: HashMap::new(),
            staged: None,
            listed: false,
        }
    }
}

impl<T: Keyed + Clone + PartialEq> Listing<T> {
    /// The objects that hold.
    pub(super) const fn live(&self) -> &HashMap<ObjectKey, T> {
        &self.live
    }

    /// Whether a list has been complete at least once.
    pub(super) const fn listed(&self) -> bool {
        self.listed
    }

    /// Applies one step; a list takes effect as a whole, at its `InitDone`.
    pub(super) fn apply(&mut self, change: Change<T>) -> Vec<Replacement<T>> {
        match change {
            Change::Init => {
                self.staged = Some(HashMap::new());
                Vec::new()
            }
            Change::InitApply(object) => {
                if let Some(staged) = &mut self.staged {
                    staged.insert(object.key().clone(), object);
                    Vec::new()
                } else {
                    self.put(object)
                }
            }
            Change::InitDone => {
                self.listed = true;
                self.staged
                    .take()
                    .map_or_else(Vec::new, |new| self.become_list(new))
            }
            Change::Apply(object) => {
                if let Some(staged) = &mut self.staged {
                    staged.insert(object.key().clone(), object.clone());
                }
                self.put(object)
            }
            Change::Delete(key) => {
                if let Some(staged) = &mut self.staged {
                    staged.remove(&key);
                }
                self.live
                    .remove(&key)
                    .map_or_else(Vec::new, |old| vec![(Some(old), None)])
            }
        }
    }

    fn put(&mut self, object: T) -> Vec<Replacement<T>> {
        let old = self.live.insert(object.key().clone(), object.clone());
        if old.as_ref() == Some(&object) {
            return Vec::new();
        }
        vec![(old, Some(object))]
    }

    /// What has changed between the old list and `new`, additions first.
    fn become_list(&mut self, new: HashMap<ObjectKey, T>) -> Vec<Replacement<T>> {
        let mut old = std::mem::replace(&mut self.live, new);
        let mut changes: Vec<Replacement<T>> = self
            .live
            .iter()
            .filter_map(|(key, object)| {
                let before = old.remove(key);
                (before.as_ref() != Some(object)).then(|| (before, Some(object.clone())))
            })
            .collect();
        changes.extend(old.into_values().map(|gone| (Some(gone), None)));
        changes
    }
}
