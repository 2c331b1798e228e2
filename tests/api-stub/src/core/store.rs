//! All objects and the history of their changes, each change with its own revision.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::kind::Kind;
use super::object::{Key, Object, key_of};

/// One change: what there was, what there is.
#[derive(Clone, Debug)]
pub struct Change {
    /// The revision the change made.
    pub revision: u64,
    /// The kind of the object changed.
    pub kind: Kind,
    /// The object before, `None` if it was created.
    pub before: Option<Arc<Object>>,
    /// The object after, `None` if it was deleted.
    pub after: Option<Arc<Object>>,
}

/// Objects and history; the revision counts changes of every kind together.
#[derive(Debug)]
pub struct Store {
    revision: u64,
    /// The oldest revision that can still be read or watched from.
    oldest: u64,
    objects: BTreeMap<Kind, BTreeMap<Key, Arc<Object>>>,
    log: VecDeque<Change>,
    history: usize,
}

impl Store {
    /// An empty store at revision 1 that remembers the last `history` changes.
    #[must_use]
    pub fn new(history: usize) -> Self {
        Self {
            revision: 1,
            oldest: 1,
            objects: BTreeMap::new(),
            log: VecDeque::new(),
            history,
        }
    }

    /// The revision of the last change.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The oldest revision that can still be read or watched from.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.oldest
    }

    /// The object of that name as it is now.
    #[must_use]
    pub fn get(&self, kind: Kind, key: &Key) -> Option<&Arc<Object>> {
        self.objects.get(&kind)?.get(key)
    }

    /// All objects of a kind as they are now, in the order of namespace and name.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &Arc<Object>> {
        self.objects
            .get(&kind)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// All objects of a kind as they were at `revision`, which must be between oldest and current.
    #[must_use]
    pub fn all_at(&self, kind: Kind, revision: u64) -> Vec<Arc<Object>> {
        // The first change after that revision knows what the object was.
        let mut was: HashMap<&Key, Option<&Arc<Object>>> = HashMap::new();
        for change in self
            .changes_after(revision)
            .filter(|change| change.kind == kind)
        {
            if let Some(object) = change.before.as_ref().or(change.after.as_ref()) {
                was.entry(object.key()).or_insert(change.before.as_ref());
            }
        }
        if was.is_empty() {
            return self.all(kind).cloned().collect();
        }
        let unchanged = self
            .all(kind)
            .filter(|object| !was.contains_key(object.key()));
        let mut objects: Vec<_> = unchanged
            .chain(was.values().copied().flatten())
            .cloned()
            .collect();
        objects.sort_by(|a, b| a.key().cmp(b.key()));
        objects
    }

    /// Changes after `revision`, oldest first, as far as they are remembered.
    pub fn changes_after(&self, revision: u64) -> impl Iterator<Item = &Change> {
        let first = self
            .log
            .partition_point(|change| change.revision <= revision);
        self.log.range(first..)
    }

    /// Writes an object under the key in its metadata, as a new revision.
    pub fn put(&mut self, kind: Kind, value: Value) -> Arc<Object> {
        let key = key_of(&value);
        let after = Arc::new(Object::new(kind, value, self.revision + 1));
        let before = self
            .objects
            .entry(kind)
            .or_default()
            .insert(key, Arc::clone(&after));
        self.record(kind, before, Some(Arc::clone(&after)));
        after
    }

    /// Removes an object, as a new revision; what it was, or `None` if there was nothing.
    pub fn remove(&mut self, kind: Kind, key: &Key) -> Option<Arc<Object>> {
        let before = self.objects.get_mut(&kind)?.remove(key)?;
        self.record(kind, Some(Arc::clone(&before)), None);
        Some(before)
    }

    /// Forgets the history: nothing older than now can be read or watched from.
    pub fn compact(&mut self) {
        self.log.clear();
        self.oldest = self.revision;
    }

    fn record(&mut self, kind: Kind, before: Option<Arc<Object>>, after: Option<Arc<Object>>) {
        self.revision += 1;
        self.log.push_back(Change {
            revision: self.revision,
            kind,
            before,
            after,
        });
        while self.log.len() > self.history {
            if let Some(forgotten) = self.log.pop_front() {
                self.oldest = forgotten.revision;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn named(name: &str, note: &str) -> Value {
        json!({ "metadata": { "name": name, "namespace": "a" }, "data": { "note": note } })
    }

    fn notes(objects: &[Arc<Object>]) -> Vec<String> {
        objects
            .iter()
            .map(|object| format!("{}@{}", object.key().1, object.revision()))
            .collect()
    }

    #[test]
    fn reads_the_past() {
        let mut store = Store::new(100);
        store.put(Kind::ConfigMap, named("x", "1")); // 2
        store.put(Kind::ConfigMap, named("y", "1")); // 3
        store.put(Kind::Service, named("x", "1")); // 4
        store.put(Kind::ConfigMap, named("x", "2")); // 5
        store.remove(Kind::ConfigMap, &("a".into(), "y".into())); // 6
        store.put(Kind::ConfigMap, named("y", "2")); // 7
        let at = |revision| notes(&store.all_at(Kind::ConfigMap, revision));
        assert_eq!(at(1), Vec::<String>::new());
        assert_eq!(at(2), ["x@2"]);
        assert_eq!(at(4), ["x@2", "y@3"]);
        assert_eq!(at(6), ["x@5"]);
        assert_eq!(at(7), ["x@5", "y@7"]);
    }

    #[test]
    fn history_is_bounded() {
        let mut store = Store::new(2);
        for note in ["1", "2", "3"] {
            store.put(Kind::ConfigMap, named("x", note));
        }
        assert_eq!((store.oldest(), store.revision()), (2, 4));
        store.compact();
        assert_eq!((store.oldest(), store.changes_after(0).count()), (4, 0));
    }
}
