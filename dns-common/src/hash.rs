//! The keyed hash that finds a name's entry, and the seal that proves an entry was read whole.
//!
//! Both are NH, the universal hash of UMAC (Black et al., CRYPTO 1999; RFC 4418): for each 64-bit word
//! of the message, add a secret 32-bit key to either half and multiply. Two messages chosen without the
//! key collide with a probability of at most 2^-32, and the multiplications don't wait for each other.

use bytemuck::{Pod, Zeroable};

use crate::{entry::AREA_WORDS, name::NAME_WORDS};

/// Most words that a seal covers: the head, and a set of answers.
pub const SEAL_WORDS: usize = 1 + AREA_WORDS;

/// The secret of one set of maps; random, never changed while the maps live.
#[derive(Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct HashKeys {
    /// Keys of a name's words.
    pub name: [u64; NAME_WORDS],
    /// Keys of a sealed answer's words, the head first.
    pub seal: [u64; SEAL_WORDS],
}

/// The key of a name's entry: its hash, in the order of memory of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct NameKey(pub u64);

/// A running NH sum.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nh(u64);

impl Nh {
    /// Nothing hashed yet.
    #[inline(always)]
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Hashes `word` under the key of its place.
    #[inline(always)]
    #[must_use]
    pub const fn add(self, word: u64, key: u64) -> Self {
        let low = (word as u32).wrapping_add(key as u32);
        let high = ((word >> 32) as u32).wrapping_add((key >> 32) as u32);
        Self(self.0.wrapping_add(low as u64 * high as u64))
    }

    /// The key of a name of `len` octets, all of which are hashed.
    ///
    /// Of two names the shorter one may have the same words, as the last word has zeros before the name's beginning. NH
    /// is nearly as universal for any difference of two sums as for none.
    #[inline(always)]
    #[must_use]
    pub const fn name_key(self, len: usize) -> NameKey {
        NameKey(self.0.wrapping_add(len as u64))
    }

    /// The sum.
    #[inline(always)]
    #[must_use]
    pub const fn finish(self) -> u64 {
        self.0
    }
}

impl HashKeys {
    /// The key of the name `wire`: a whole name in wire form, root label included, in any case.
    ///
    /// Of what is longer than the longest name the first octets are not hashed; no such name is a name.
    #[must_use]
    pub fn name_key(&self, wire: &[u8]) -> NameKey {
        let words = crate::name::words(wire).zip(self.name);
        let sum = words.fold(Nh::new(), |sum, (word, key)| sum.add(word, key));
        sum.name_key(wire.len())
    }

    /// The seal of `head` and `words` in the entry under `key`.
    #[must_use]
    pub fn seal(&self, key: NameKey, head: u64, words: &[u64]) -> u64 {
        let words = core::iter::once(&head).chain(words).zip(self.seal);
        let sum = words.fold(Nh::new(), |sum, (&word, key)| sum.add(word, key));
        sum.finish() ^ key.0
    }
}
