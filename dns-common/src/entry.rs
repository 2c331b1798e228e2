//! An entry of the map of names: the name itself and what is answered for it.

use bytemuck::{Pod, Zeroable};

use crate::{
    Hit, Miss,
    answer::Answer,
    cell::Cell,
    hash::{HashKeys, NameKey},
    head::{Head, NOT_HELD, Others},
    maps::ConfigCells,
    name::{MAX_NAME, WireName},
    scratch::ScratchCells,
};

/// Words in which an entry holds its name, and then its answers.
pub const AREA_WORDS: usize = 52;
/// Words of an entry.
///
/// With what the kernel puts before the value this makes an element of 512 octets, which is what its
/// allocator would hand out for a smaller one, too (`kernel/bpf/memalloc.c`).
pub const ENTRY_WORDS: usize = 56;

/// The value under a [`NameKey`], as userspace writes it.
///
/// It is made of whole words, because a reader in the kernel may see it while it is replaced: each word
/// is old or new, never half of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Entry {
    /// A [`Head`]: the name's length, and what follows it in the area.
    pub head: u64,
    /// Seal of `head` under the entry's key.
    pub head_seal: u64,
    /// Seal of `head` and the words of the first set.
    pub first_seal: u64,
    /// Seal of `head` and the words of the second set.
    pub second_seal: u64,
    /// The lower-cased name as [`crate::name::words`] has it; then the first and the second set of answers, each in words
    /// of its own.
    pub area: [u64; AREA_WORDS],
}

/// What an entry says of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'c> {
    /// A name in a served zone, all of whose types are known.
    Owner {
        /// Octets of the zone's name in wire form: the name's last ones. Zero if it is in none; then
        /// `others` is [`Others::ANY`], since nothing can be denied.
        zone_len: usize,
        /// IPv4 addresses.
        a: &'c [[u8; 4]],
        /// IPv6 addresses.
        aaaa: &'c [[u8; 16]],
        /// What there is beside addresses.
        others: Others,
    },
    /// The name of an address, which points to this name in wire form, root label included. Other types
    /// are not known here.
    Reverse(&'c [u8]),
}

/// Why an entry can't be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryError {
    /// The name is empty or longer than 255 octets.
    NameLength,
    /// The zone's name is empty or longer than the name that lies in it.
    ZoneLength,
}

impl Entry {
    /// The entry of the name `wire` (wire form, root label included, in any case).
    ///
    /// A set for which there is no room is not held. The key is [`HashKeys::name_key`] of the name.
    ///
    /// # Errors
    /// [`EntryError`] if `wire` can't be a name, or can't lie in its zone.
    pub fn new(keys: &HashKeys, wire: &[u8], content: &Content<'_>) -> Result<Self, EntryError> {
        if wire.is_empty() || wire.len() > MAX_NAME {
            return Err(EntryError::NameLength);
        }
        let mut entry = Self::zeroed();
        let mut area = entry.area.iter_mut();
        // The words come second: of the first, `zip` takes one too many.
        for (from, word) in crate::name::words(wire).zip(area.by_ref()) {
            *word = from;
        }
        let mut put = |octets: &[u8], number: usize| {
            let words = octets.len().div_ceil(8);
            let number = u8::try_from(number).ok().filter(|&it| it < NOT_HELD);
            let Some(number) = number.filter(|_| words <= area.len()) else {
                return NOT_HELD;
            };
            for (octets, word) in octets.chunks(8).zip(area.by_ref()) {
                *word = crate::name::word(octets);
            }
            number
        };
        let head = match *content {
            Content::Owner {
                zone_len,
                a,
                aaaa,
                others,
            } => {
                let in_none = zone_len == 0 && others.has(Others::ANY);
                if !in_none && !(1..=wire.len()).contains(&zone_len) {
                    return Err(EntryError::ZoneLength);
                }
                let first = put(a.as_flattened(), a.len());
                let second = put(aaaa.as_flattened(), aaaa.len());
                Head::new(wire.len(), zone_len, first, second, others)
            }
            Content::Reverse(target) => {
                let first = put(target, target.len());
                Head::new(wire.len(), 0, first, NOT_HELD, Others::REVERSE)
            }
        };
        entry.head = head.word();
        let key = keys.name_key(wire);
        let (first, second) = entry.sets();
        let seals = [&[][..], first, second].map(|words| keys.seal(key, head.word(), words));
        [entry.head_seal, entry.first_seal, entry.second_seal] = seals;
        Ok(entry)
    }

    /// The name, as far as the head is true.
    #[must_use]
    pub fn wire_name(&self) -> WireName {
        WireName::new(&self.area, self.head().name_len())
    }

    /// What is held beside the name.
    #[must_use]
    pub const fn head(&self) -> Head {
        Head::of(self.head)
    }

    /// The octets of the first and of the second set, as far as the head is true.
    #[must_use]
    pub fn set_octets(&self) -> (&[u8], &[u8]) {
        let (first, second) = self.sets();
        let cut = |words, len| {
            let octets: &[u8] = bytemuck::cast_slice(words);
            octets.get(..len).unwrap_or(octets)
        };
        let head = self.head();
        (
            cut(first, head.first_octets()),
            cut(second, head.second_octets()),
        )
    }

    /// Whether name and sets are those that were written together under this key: one that is read while it is
    /// replaced may be a mixture.
    #[must_use]
    pub fn is_whole(&self, keys: &HashKeys, key: NameKey) -> bool {
        let (first, second) = self.sets();
        let seals = [&[][..], first, second].map(|words| keys.seal(key, self.head, words));
        keys.name_key(self.wire_name().wire()) == key
            && seals == [self.head_seal, self.first_seal, self.second_seal]
    }

    fn sets(&self) -> (&[u64], &[u64]) {
        let head = self.head();
        let rest = self.area.get(head.name_words()..).unwrap_or(&[]);
        let (first, rest) = rest.split_at(head.first_words().min(rest.len()));
        (first, &rest[..head.second_words().min(rest.len())])
    }
}

/// An [`Entry`] as the kernel sees it: words that may change at any time.
#[derive(Debug)]
#[repr(transparent)]
pub struct EntryCells([Cell; ENTRY_WORDS]);

const HEAD: usize = 0;
const HEAD_SEAL: usize = 1;
const FIRST_SEAL: usize = 2;
const SECOND_SEAL: usize = 3;
const AREA: usize = 4;

const _: () = {
    assert!(size_of::<Entry>() == size_of::<EntryCells>());
    assert!(core::mem::offset_of!(Entry, head) == HEAD * 8);
    assert!(core::mem::offset_of!(Entry, head_seal) == HEAD_SEAL * 8);
    assert!(core::mem::offset_of!(Entry, first_seal) == FIRST_SEAL * 8);
    assert!(core::mem::offset_of!(Entry, second_seal) == SECOND_SEAL * 8);
    assert!(core::mem::offset_of!(Entry, area) == AREA * 8);
    assert!(AREA_WORDS * 8 >= MAX_NAME);
};

impl From<Entry> for EntryCells {
    fn from(entry: Entry) -> Self {
        let words: [u64; ENTRY_WORDS] = bytemuck::cast(entry);
        Self(words.map(Cell::new))
    }
}

impl EntryCells {
    /// The head as it is now.
    #[inline(always)]
    #[must_use]
    pub fn head(&self) -> Head {
        Head::of(self.word(HEAD))
    }

    /// A word of the lower-cased name, counted from its end; `index` is below [`crate::name::NAME_WORDS`].
    #[inline(always)]
    #[must_use]
    pub fn name_word(&self, index: usize) -> u64 {
        self.word(AREA + index)
    }

    /// What is held for the type, by the entry whose head was read as `head`; addresses or the name pointed
    /// to are then in the scratch space, where they no longer change.
    ///
    /// # Errors
    /// [`Miss::TypeNotHeld`] if only the server knows, [`Miss::Torn`] if a seal shows that the entry was
    /// being replaced.
    #[inline(always)]
    pub fn answer(
        &self,
        head: Head,
        qtype: u16,
        key: NameKey,
        config: &ConfigCells,
        scratch: &ScratchCells,
    ) -> Result<Answer, Miss> {
        let hit = head.kind(qtype).ok_or(Miss::TypeNotHeld)?;
        let area = AREA + head.name_words();
        let (at, words, seal, number) = match hit {
            Hit::Aaaa => {
                let at = area + head.first_words();
                let number = head.second().into();
                (at, head.second_words(), SECOND_SEAL, number)
            }
            Hit::A | Hit::Ptr => (area, head.first_words(), FIRST_SEAL, head.first().into()),
            // No entry leads to the other two.
            Hit::NoData | Hit::NxDomain | Hit::Truncated => (area, 0, HEAD_SEAL, head.zone_len()),
        };
        let mut sum = config.begin_seal(head.word());
        for index in 0..AREA_WORDS {
            if index == words {
                break;
            }
            // Made anew in each round, or the compiler steps a pointer whose bound the verifier can't see.
            let word = self.0.get(core::hint::black_box(at + index));
            let word = word.ok_or(Miss::Torn)?.get();
            scratch.put(index, word);
            sum = config.add_to_seal(sum, index, word);
        }
        if sum.finish() ^ key.0 != self.word(seal) {
            return Err(Miss::Torn);
        }
        Ok(Answer { hit, number })
    }

    #[inline(always)]
    fn word(&self, index: usize) -> u64 {
        self.0.get(index).map_or(0, Cell::get)
    }
}
