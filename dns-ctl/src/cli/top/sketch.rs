//! The most frequent of a stream, in bounded memory: the space-saving sketch, with weights that fade.

use std::{collections::HashMap, hash::Hash};

/// Counters for as many keys as there is room for.
///
/// A key that comes when there is no room takes the place of the lightest one, and its weight as a possible error
/// (Metwally, Agrawal, El Abbadi: Efficient Computation of Frequent and Top-k Elements in Data Streams, 2005). A key
/// whose weight is more than the whole divided by the room is always among them.
#[derive(Debug)]
pub(super) struct Sketch<K> {
    slots: HashMap<K, Slot>,
    room: usize,
    total: f64,
    squares: f64,
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Slot {
    /// At least its weight.
    weight: f64,
    /// At most so much of it is that of other keys.
    error: f64,
    /// Weight of those that were answered since it has its place.
    answered: f64,
}

/// A frequent key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frequent<K> {
    /// The key.
    pub(super) key: K,
    /// Its part of the whole, 0 to 1.
    pub(super) share: f64,
    /// How far off that may be: what the sketch may have taken from others, and the bounds of chance (95 %).
    pub(super) error: f64,
    /// The part of its queries that were answered, 0 to 1.
    pub(super) answered: f64,
}

/// A weight that has faded to this is gone.
const NOTHING: f64 = 1e-3;
/// So many standard deviations to each side hold 95 % of a normal distribution.
const DEVIATIONS: f64 = 1.96;

impl<K: Clone + Eq + Hash + Ord> Sketch<K> {
    /// An empty one.
    pub(super) fn new(room: usize) -> Self {
        Self {
            slots: HashMap::with_capacity(room),
            room,
            total: 0.0,
            squares: 0.0,
        }
    }

    /// Adds a key that stands for `weight` of them.
    pub(super) fn add(&mut self, key: K, weight: f64, is_answered: bool) {
        self.total += weight;
        self.squares += weight * weight;
        let is_known = self.slots.contains_key(&key);
        let inherited = if is_known || self.slots.len() < self.room {
            0.0
        } else {
            self.evict()
        };
        let slot = self.slots.entry(key).or_insert(Slot {
            weight: inherited,
            error: inherited,
            answered: 0.0,
        });
        slot.weight += weight;
        if is_answered {
            slot.answered += weight;
        }
    }

    /// Removes the lightest key; gives its weight.
    fn evict(&mut self) -> f64 {
        let lightest = self
            .slots
            .iter()
            .min_by(|(_, a), (_, b)| a.weight.total_cmp(&b.weight));
        let Some((key, weight)) = lightest.map(|(key, slot)| (key.clone(), slot.weight)) else {
            return 0.0;
        };
        self.slots.remove(&key);
        weight
    }

    /// Lets everything weigh only `factor` of what it did.
    pub(super) fn fade(&mut self, factor: f64) {
        self.total *= factor;
        self.squares *= factor * factor;
        self.slots.retain(|_, slot| {
            slot.weight *= factor;
            slot.error *= factor;
            slot.answered *= factor;
            slot.weight > NOTHING
        });
    }

    /// The heaviest keys, the heaviest first. `sampled` is the part of all that was looked at, 0 to 1.
    pub(super) fn heaviest(&self, count: usize, sampled: f64) -> Vec<Frequent<K>> {
        let mut all: Vec<_> = self.slots.iter().collect();
        all.sort_by(|(a, a_slot), (b, b_slot)| {
            b_slot
                .weight
                .total_cmp(&a_slot.weight)
                .then_with(|| a.cmp(b))
        });
        let heaviest = all.into_iter().take(count);
        heaviest
            .map(|(key, slot)| self.frequent(key, slot, sampled))
            .collect()
    }

    fn frequent(&self, key: &K, slot: &Slot, sampled: f64) -> Frequent<K> {
        let share = slot.weight / self.total;
        // As many equal samples would say as much (Kish's effective size).
        let size = self.total * self.total / self.squares;
        // Of a sample of everything nothing is left to chance.
        let chance = share * (1.0 - share) / size * (1.0 - sampled).max(0.0);
        Frequent {
            key: key.clone(),
            share,
            error: slot.error / self.total + DEVIATIONS * chance.max(0.0).sqrt(),
            answered: (slot.answered / (slot.weight - slot.error)).min(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const NEAR: f64 = 1e-9;

    #[test]
    fn with_room_for_all_it_counts() {
        let mut sketch = Sketch::new(4);
        for (key, is_answered) in [
            ("a", true),
            ("b", true),
            ("a", false),
            ("c", true),
            ("a", true),
        ] {
            sketch.add(key, 2.0, is_answered);
        }
        let heaviest = sketch.heaviest(2, 1.0);
        assert_eq!(heaviest[0].key, "a");
        assert!((heaviest[0].share - 0.6).abs() < NEAR);
        assert!((heaviest[0].answered - 2.0 / 3.0).abs() < NEAR);
        assert!(heaviest[0].error.abs() < NEAR, "everything was looked at");
        assert_eq!(heaviest[1].key, "b", "of equal ones the first by name");
        assert_eq!(heaviest.len(), 2);
    }

    #[test]
    fn the_error_is_that_of_a_poll() {
        let mut sketch = Sketch::new(2);
        for _ in 0..500 {
            sketch.add("yes", 64.0, true);
            sketch.add("no", 64.0, true);
        }
        // The textbook: half of a thousand, give or take 3.1 %.
        let error = sketch.heaviest(1, 0.0)[0].error;
        assert!((error - 0.031).abs() < 0.0005, "{error}");
    }

    #[test]
    fn what_fades_makes_room() {
        let mut sketch = Sketch::new(1);
        sketch.add("old", 1000.0, true);
        sketch.fade(0.5);
        assert!((sketch.heaviest(1, 1.0)[0].share - 1.0).abs() < NEAR);
        for _ in 0..30 {
            sketch.fade(0.5);
        }
        assert_eq!(sketch.heaviest(1, 1.0), []);
        sketch.add("new", 1.0, false);
        assert_eq!(sketch.heaviest(1, 1.0)[0].key, "new");
    }

    proptest! {
        /// The two promises of the sketch, against a count of everything.
        #[test]
        fn no_heavy_key_is_missing_and_no_error_is_larger_than_told(
            keys in prop::collection::vec(prop_oneof![3 => 0..5_u32, 2 => 0..200_u32], 1..600),
            room in 1..20_usize,
        ) {
            let mut exact: HashMap<u32, f64> = HashMap::new();
            let mut sketch = Sketch::new(room);
            for &key in &keys {
                sketch.add(key, 1.0, true);
                *exact.entry(key).or_default() += 1.0;
            }
            #[expect(clippy::cast_precision_loss, reason = "few keys")]
            let (total, places) = (keys.len() as f64, room as f64);
            let found = sketch.heaviest(room, 1.0);
            prop_assert!(found.len() <= room);
            for (key, count) in &exact {
                if *count > total / places {
                    prop_assert!(found.iter().any(|it| it.key == *key), "{key} is missing");
                }
            }
            for it in &found {
                let share = exact[&it.key] / total;
                prop_assert!(it.share >= share - NEAR && it.share - it.error <= share + NEAR);
            }
        }
    }
}
