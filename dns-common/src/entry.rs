//! An entry of the map of names: the name itself and its prepared answers.

use bytemuck::{Pod, Zeroable};

use crate::{
    Hit, Miss,
    cell::Cell,
    checksum::Sum,
    hash::{HashKeys, NameKey, SEAL_WORDS},
    headers::{CLASS_IN, TYPE_A},
    maps::ConfigCells,
    name::{MAX_NAME, NAME_WORDS},
};

/// Words of one prepared address answer.
const RECORD_WORDS: usize = 2;
/// A compression pointer to the name of the question: owner of every prepared record.
const OWNER: [u8; 2] = [0xc0, 0x0c];

/// The value under a [`NameKey`], as userspace writes it.
///
/// It is made of whole words, because a reader in the kernel may see it while it is replaced: each word
/// is old or new, never half of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Entry {
    /// Octets of the name in wire form, root label included.
    pub name_len: u64,
    /// Seal of `name_len` and `a` under the entry's key.
    pub a_seal: u64,
    /// The A record in wire form; zero if the name has none here.
    pub a: [u64; RECORD_WORDS],
    /// The lower-cased name in wire form, padded with zeros.
    pub name: [u64; NAME_WORDS],
}

/// An [`Entry`] as the kernel sees it: words that may change at any time.
#[derive(Debug)]
#[repr(transparent)]
pub struct EntryCells([Cell; ENTRY_WORDS]);

const ENTRY_WORDS: usize = size_of::<Entry>() / 8;
const NAME_LEN: usize = 0;
const A_SEAL: usize = 1;
const A: usize = 2;
const NAME: usize = A + RECORD_WORDS;

const _: () = {
    assert!(size_of::<Entry>() == size_of::<EntryCells>());
    assert!(core::mem::offset_of!(Entry, a_seal) == A_SEAL * 8);
    assert!(core::mem::offset_of!(Entry, a) == A * 8);
    assert!(core::mem::offset_of!(Entry, name) == NAME * 8);
};

/// A prepared record that was read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    words: [u64; RECORD_WORDS],
}

/// Why an entry can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryError {
    /// The name is empty or longer than 255 octets.
    NameLength,
}

impl Entry {
    /// The entry of the name `wire` (wire form, root label included, in any case) with its address.
    ///
    /// `ttl` is in seconds. The key is [`HashKeys::name_key`] of the name.
    ///
    /// # Errors
    /// [`EntryError::NameLength`] if `wire` can't be a name.
    pub fn new(
        keys: &HashKeys,
        wire: &[u8],
        a: Option<[u8; 4]>,
        ttl: u32,
    ) -> Result<Self, EntryError> {
        if wire.is_empty() || wire.len() > MAX_NAME {
            return Err(EntryError::NameLength);
        }
        let mut entry = Self::zeroed();
        entry.name_len = wire.len() as u64;
        for (word, octets) in entry.name.iter_mut().zip(wire.chunks(8)) {
            *word = crate::name::lower(crate::name::word(octets));
        }
        if let Some(address) = a {
            entry.a = address_record(address, ttl);
        }
        entry.a_seal = keys.seal(keys.name_key(wire), entry.sealed());
        Ok(entry)
    }

    /// The name's octets in wire form, as far as `name_len` is true.
    #[must_use]
    pub fn wire_name(&self) -> &[u8] {
        let octets: &[u8] = bytemuck::cast_slice(&self.name);
        usize::try_from(self.name_len)
            .ok()
            .and_then(|len| octets.get(..len))
            .unwrap_or(octets)
    }

    /// Address and TTL in seconds of the answer to A, if there is one.
    #[must_use]
    pub fn address(&self) -> Option<([u8; 4], u32)> {
        if self.a == [0; RECORD_WORDS] {
            return None;
        }
        let octets: [u8; 16] = bytemuck::cast(self.a);
        let [_, _, _, _, _, _, t0, t1, t2, t3, _, _, a0, a1, a2, a3] = octets;
        Some(([a0, a1, a2, a3], u32::from_be_bytes([t0, t1, t2, t3])))
    }

    const fn sealed(&self) -> [u64; SEAL_WORDS] {
        [self.name_len, self.a[0], self.a[1]]
    }
}

impl From<Entry> for EntryCells {
    fn from(entry: Entry) -> Self {
        let words: [u64; ENTRY_WORDS] = bytemuck::cast(entry);
        Self(words.map(Cell::new))
    }
}

impl EntryCells {
    /// Octets of the name in wire form, root label included.
    #[inline(always)]
    #[must_use]
    pub fn name_len(&self) -> usize {
        self.word(NAME_LEN) as usize
    }

    /// A word of the lower-cased name; `index` is below [`NAME_WORDS`].
    #[inline(always)]
    #[must_use]
    pub fn name_word(&self, index: usize) -> u64 {
        self.word(NAME + index)
    }

    /// The prepared records of the given kind, read into values that can no longer change.
    ///
    /// # Errors
    /// [`Miss::TypeNotHeld`] if there are none, [`Miss::Torn`] if the seal shows that the entry was
    /// being replaced.
    #[inline(always)]
    pub fn answer(&self, kind: Hit, key: NameKey, config: &ConfigCells) -> Result<Record, Miss> {
        let Hit::A = kind;
        let words = [self.word(A), self.word(A + 1)];
        let sealed = [self.word(NAME_LEN), words[0], words[1]];
        if config.seal(key, sealed) != self.word(A_SEAL) {
            return Err(Miss::Torn);
        }
        if words == [0; RECORD_WORDS] {
            return Err(Miss::TypeNotHeld);
        }
        Ok(Record { words })
    }

    #[inline(always)]
    fn word(&self, index: usize) -> u64 {
        self.0.get(index).map_or(0, Cell::get)
    }
}

impl Record {
    /// Octets of the record.
    pub const LEN: usize = 8 * RECORD_WORDS;

    /// The record in wire form.
    #[inline(always)]
    #[must_use]
    pub fn octets(&self) -> [u8; Self::LEN] {
        bytemuck::cast(self.words)
    }

    /// Sum of the record's octets, as if they began at an even offset.
    #[inline(always)]
    #[must_use]
    pub const fn sum(&self) -> Sum {
        Sum::new().add_word(self.words[0]).add_word(self.words[1])
    }
}

/// An A record whose owner is the question's name.
fn address_record(address: [u8; 4], ttl: u32) -> [u64; RECORD_WORDS] {
    let mut octets = [0; 8 * RECORD_WORDS];
    let parts: [&[u8]; 6] = [
        &OWNER,
        &TYPE_A,
        &CLASS_IN,
        &ttl.to_be_bytes(),
        &[0, 4],
        &address,
    ];
    for (to, &from) in octets.iter_mut().zip(parts.into_iter().flatten()) {
        *to = from;
    }
    bytemuck::cast(octets)
}
