//! The zones in which names that do not exist are denied, and how the zone of a name is found.

use bytemuck::{Pod, Zeroable};

use crate::{
    Frame, Miss,
    cell::Cell,
    name::{MAX_NAME, NAME_WORDS, Name, WireName},
    scratch::ScratchCells,
    verifier::forget_range,
};

/// Most cluster domains that the kernel programs take.
pub const MAX_ZONES: usize = 8;
/// Each zone may have a part whose names the kernel does not know.
const MAX_CUTS: usize = 2 * MAX_ZONES;

/// Where the served zones begin; written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Zones {
    /// How many of the cuts are in use.
    count: u64,
    /// The first one that a name lies in decides.
    cuts: [Cut; MAX_CUTS],
}

/// A name, and what is known of the names in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
struct Cut {
    /// Octets of the name in wire form, root label included.
    len: u64,
    /// 1 if names inside exist by a rule that only the server knows, else 0.
    by_rule: u64,
    /// The name as [`crate::name::words`] has it.
    words: [u64; NAME_WORDS],
}

/// Longest name of a zone: `hostmaster.<zone>`, which its SOA record names, has to be a name.
const MAX_ZONE: usize = MAX_NAME - 11;

/// There is no place for another zone, or its name has no octets or too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneError;

impl Zones {
    /// Adds a name in wire form, root label included, after those that lie in it.
    ///
    /// `by_rule`: names inside exist by a rule that only the server knows.
    ///
    /// # Errors
    /// [`ZoneError`] if there is no place left, or the name has no octets, or more than 244 (255 if `by_rule`).
    pub fn push(&mut self, wire: &[u8], by_rule: bool) -> Result<(), ZoneError> {
        let place = usize::try_from(self.count).ok();
        let cut = place.and_then(|place| self.cuts.get_mut(place));
        let most = if by_rule { MAX_NAME } else { MAX_ZONE };
        let has_length = (1..=most).contains(&wire.len());
        let cut = cut.filter(|_| has_length).ok_or(ZoneError)?;
        cut.len = wire.len() as u64;
        cut.by_rule = by_rule.into();
        for (word, from) in cut.words.iter_mut().zip(crate::name::words(wire)) {
            *word = from;
        }
        self.count += 1;
        Ok(())
    }
}

/// A name in [`Zones`], as userspace reads it.
#[derive(Clone, Copy, Debug)]
pub struct ZoneName {
    name: WireName,
    /// Whether names inside exist by a rule that only the server knows; else they are denied if they are not held.
    pub by_rule: bool,
}

impl ZoneName {
    /// The lower-cased name in wire form, root label included.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        self.name.wire()
    }
}

impl Zones {
    /// The names, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = ZoneName> {
        let count = usize::try_from(self.count).unwrap_or(MAX_CUTS);
        self.cuts.iter().take(count).map(|cut| ZoneName {
            name: WireName::new(&cut.words, usize::try_from(cut.len).unwrap_or(0)),
            by_rule: cut.by_rule != 0,
        })
    }
}

/// [`Zones`] as the kernel sees them.
#[derive(Debug)]
#[repr(transparent)]
pub struct ZonesCells([Cell; ZONES_WORDS]);

const ZONES_WORDS: usize = size_of::<Zones>() / 8;
const CUT_WORDS: usize = size_of::<Cut>() / 8;
const COUNT: usize = 0;
const CUTS: usize = 1;
const LEN: usize = 0;
const BY_RULE: usize = 1;
const WORDS: usize = 2;

const _: () = {
    assert!(core::mem::offset_of!(Zones, count) == COUNT * 8);
    assert!(core::mem::offset_of!(Zones, cuts) == CUTS * 8);
    assert!(core::mem::offset_of!(Cut, len) == LEN * 8);
    assert!(core::mem::offset_of!(Cut, by_rule) == BY_RULE * 8);
    assert!(core::mem::offset_of!(Cut, words) == WORDS * 8);
};

impl From<Zones> for ZonesCells {
    fn from(zones: Zones) -> Self {
        let words: [u64; ZONES_WORDS] = bytemuck::cast(zones);
        Self(words.map(Cell::new))
    }
}

impl ZonesCells {
    /// Octets of the name of the zone that denies `name`, which is in the scratch space, if it is not held.
    ///
    /// # Errors
    /// [`Miss::OutsideZones`] if the name is in none, [`Miss::ByRule`] if only the server can tell; what
    /// [`Name::check`] says if it is no name.
    #[inline(always)]
    pub fn find(
        &self,
        frame: &Frame<'_>,
        name: &Name,
        scratch: &ScratchCells,
    ) -> Result<usize, Miss> {
        let count = self.word(COUNT) as usize;
        for index in 0..MAX_CUTS {
            if index == count {
                break;
            }
            let cut = CUTS + index * CUT_WORDS;
            let len = self.word(cut + LEN) as usize;
            if len <= name.len && self.is_end(cut, len, scratch) {
                let len = forget_range(len);
                // Labels may hold any octets.
                if !name.check(frame, len)? {
                    continue;
                }
                if self.word(cut + BY_RULE) != 0 {
                    return Err(Miss::ByRule);
                }
                return Ok(len);
            }
        }
        name.check(frame, 0)?;
        Err(Miss::OutsideZones)
    }

    /// Whether the last `len` octets of the name in the scratch space are those of the cut.
    #[inline(always)]
    fn is_end(&self, cut: usize, len: usize, scratch: &ScratchCells) -> bool {
        let whole = len / 8;
        for index in 0..NAME_WORDS {
            if index == whole {
                break;
            }
            if scratch.name_word(index) != self.word(cut + WORDS + index) {
                return false;
            }
        }
        let left = len % 8;
        if left == 0 {
            return true;
        }
        // What stands before is shifted out.
        let differing = scratch.name_word(whole) ^ self.word(cut + WORDS + whole);
        differing >> (64 - 8 * left) == 0
    }

    #[inline(always)]
    fn word(&self, index: usize) -> u64 {
        self.0.get(index).map_or(0, Cell::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_were_added() {
        let mut zones = Zones::zeroed();
        let long = [&[63][..], &[b'x'; 63], &[63], &[b'y'; 63], b"\x01z\0"].concat();
        let names = [
            (&b"\x03POD\x07cluster\x05local\0"[..], true),
            (b"\x07cluster\x05local\0", false),
            (b"\x05local\x01k\0", false),
            (b"\0", true),
            (&long, false),
        ];
        for (wire, by_rule) in names {
            zones.push(wire, by_rule).unwrap();
        }
        let mut read = zones.names();
        for (wire, by_rule) in names {
            let name = read.next().unwrap();
            assert_eq!(name.wire(), wire.to_ascii_lowercase());
            assert_eq!(name.by_rule, by_rule);
        }
        assert!(read.next().is_none());
    }
}
