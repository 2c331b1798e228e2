//! Memory of one CPU and kind of hook: a set of answers is copied there before it is trusted, the name asked for is kept
//! there in lower case, and the stages of the packet path hand over there what they have found.

use crate::{cell::Cell, entry::AREA_WORDS, name::NAME_WORDS};

/// Words by which a stage hands over.
const HANDOVER_WORDS: usize = 6;

/// A scratch space as the kernel allots it.
pub type Scratch = [u64; AREA_WORDS + HANDOVER_WORDS + 1 + NAME_WORDS];

/// A [`Scratch`] as the packet path uses it.
#[derive(Debug)]
#[repr(C)]
pub struct ScratchCells {
    set: [Cell; AREA_WORDS],
    handover: [Cell; HANDOVER_WORDS],
    /// Whether the packet's client asks more often than it may.
    over: Cell,
    /// The lower-cased name, its last eight octets first; the last word has its octets above, zeros below.
    name: [Cell; NAME_WORDS],
}

const _: () = assert!(size_of::<Scratch>() == size_of::<ScratchCells>());

/// What a stage of the packet path hands over to the next.
pub(crate) trait Handover<const N: usize> {
    /// All of it, as words.
    fn to_words(&self) -> [u64; N];
    /// It again, whatever the words are.
    fn from_words(words: [u64; N]) -> Self;
}

impl Default for ScratchCells {
    fn default() -> Self {
        Self {
            set: [const { Cell::new(0) }; AREA_WORDS],
            handover: [const { Cell::new(0) }; HANDOVER_WORDS],
            over: Cell::new(0),
            name: [const { Cell::new(0) }; NAME_WORDS],
        }
    }
}

impl ScratchCells {
    /// The same value, of which the verifier then knows no more than how large its parts can be.
    ///
    /// The verifier follows each way through a stage by itself for as long as it knows something else of
    /// it. What was written to memory and read from there it knows nothing of: behind this all ways are one.
    #[inline(always)]
    pub(crate) fn hand_over<const N: usize, T: Handover<N>>(&self, value: &T) -> T {
        const { assert!(N <= HANDOVER_WORDS) };
        for (cell, word) in self.handover.iter().zip(value.to_words()) {
            cell.set(word);
        }
        let mut words = [0; N];
        for (word, cell) in words.iter_mut().zip(&self.handover) {
            *word = cell.get();
        }
        T::from_words(words)
    }

    /// Notes whether the packet's client asks more often than it may: the verifier would follow both ways through all
    /// that comes before this is asked for.
    #[inline(always)]
    pub(crate) fn note_over(&self, is_over: bool) {
        self.over.set(is_over.into());
    }

    /// What was noted of the packet's client.
    #[inline(always)]
    pub(crate) fn is_over(&self) -> bool {
        self.over.get() != 0
    }

    /// All bits, or none if the packet's client asks more often than it may.
    #[inline(always)]
    pub(crate) fn unless_over(&self) -> usize {
        self.over.get().wrapping_sub(1) as usize
    }

    /// The word of the lower-cased name at `index`, counted from its end; zero outside.
    #[inline(always)]
    pub(crate) fn name_word(&self, index: usize) -> u64 {
        self.name.get(index).map_or(0, Cell::get)
    }

    /// Keeps a word of the lower-cased name; outside, nothing happens.
    #[inline(always)]
    pub(crate) fn put_name_word(&self, index: usize, word: u64) {
        if let Some(cell) = self.name.get(index) {
            cell.set(word);
        }
    }

    /// The word of the set at `index`; `None` outside.
    #[inline(always)]
    pub(crate) fn get(&self, index: usize) -> Option<u64> {
        self.set.get(index).map(Cell::get)
    }

    /// The words at `index` and behind it, under one bound that the verifier understands; `None` outside.
    #[inline(always)]
    pub(crate) fn get_two(&self, index: usize) -> Option<[u64; 2]> {
        if index > AREA_WORDS - 2 {
            return None;
        }
        Some([self.get(index)?, self.get(index + 1)?])
    }

    /// Puts a word of the set; outside, nothing happens.
    #[inline(always)]
    pub(crate) fn put(&self, index: usize, word: u64) {
        if let Some(cell) = self.set.get(index) {
            cell.set(word);
        }
    }
}
