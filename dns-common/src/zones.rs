//! The zones in which names that do not exist are denied, and how the zone of a name is found.

use bytemuck::{Pod, Zeroable};

use crate::{
    Frame, Miss,
    cell::Cell,
    name::{MAX_NAME, NAME_WORDS, Name},
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
    /// The lower-cased name, its last eight octets first; the last word has its octets above, zeros below.
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
        for (word, octets) in cut.words.iter_mut().zip(wire.rchunks(8)) {
            let shift = 64 - 8 * octets.len();
            *word = crate::name::lower(crate::name::word(octets)) << shift;
        }
        self.count += 1;
        Ok(())
    }
}

/// A name in [`Zones`], as userspace reads it.
#[derive(Clone, Copy, Debug)]
pub struct ZoneName {
    octets: [u8; NAME_WORDS * 8],
    len: usize,
    /// Whether names inside exist by a rule that only the server knows; else they are denied if they are not held.
    pub by_rule: bool,
}

impl ZoneName {
    /// The lower-cased name in wire form, root label included.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        let begin = self.octets.len().saturating_sub(self.len);
        &self.octets[begin..]
    }
}

impl Zones {
    /// The names, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = ZoneName> {
        let count = usize::try_from(self.count).unwrap_or(MAX_CUTS);
        self.cuts.iter().take(count).map(|cut| {
            let mut octets = [0; NAME_WORDS * 8];
            for (place, word) in octets.rchunks_exact_mut(8).zip(cut.words) {
                place.copy_from_slice(&word.to_le_bytes());
            }
            ZoneName {
                octets,
                len: usize::try_from(cut.len).unwrap_or(0).min(octets.len()),
                by_rule: cut.by_rule != 0,
            }
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
    /// Octets of the name of the zone that denies `name` if it is not held.
    ///
    /// # Errors
    /// [`Miss::OutsideZones`] if the name is in none, [`Miss::ByRule`] if only the server can tell.
    #[inline(always)]
    pub fn find(&self, frame: &Frame<'_>, name: &Name) -> Result<usize, Miss> {
        let count = self.word(COUNT) as usize;
        for index in 0..MAX_CUTS {
            if index == count {
                break;
            }
            let cut = CUTS + index * CUT_WORDS;
            let len = self.word(cut + LEN) as usize;
            if len <= name.len && self.is_end(cut, len, frame, name) {
                let len = forget_range(len);
                if !is_boundary(frame, name, len) {
                    continue;
                }
                if self.word(cut + BY_RULE) != 0 {
                    return Err(Miss::ByRule);
                }
                return Ok(len);
            }
        }
        Err(Miss::OutsideZones)
    }

    /// Whether the name's last `len` octets are those of the cut.
    #[inline(always)]
    fn is_end(&self, cut: usize, len: usize, frame: &Frame<'_>, name: &Name) -> bool {
        let end = name.at + name.len;
        let whole = len / 8;
        for index in 0..NAME_WORDS {
            if index == whole {
                break;
            }
            let Some(word) = frame.word(end - 8 * (index + 1)) else {
                return false;
            };
            if crate::name::lower(word) != self.word(cut + WORDS + index) {
                return false;
            }
        }
        let left = len % 8;
        if left == 0 {
            return true;
        }
        // What stands before, of the name or of the header, is shifted out.
        let Some(word) = frame.word(end - 8 * (whole + 1)) else {
            return false;
        };
        let differing = crate::name::lower(word) ^ self.word(cut + WORDS + whole);
        differing >> (64 - 8 * left) == 0
    }

    #[inline(always)]
    fn word(&self, index: usize) -> u64 {
        self.0.get(index).map_or(0, Cell::get)
    }
}

/// Whether a label begins `len` octets before the name's end: labels may hold any octets.
#[inline(always)]
fn is_boundary(frame: &Frame<'_>, name: &Name, len: usize) -> bool {
    let mut left = name.len;
    for _ in 0..crate::name::MAX_LABELS {
        if left <= len {
            break;
        }
        let Some(&label) = frame.get::<u8>(name.at + (name.len - left)) else {
            return false;
        };
        left = left.saturating_sub(usize::from(label) + 1);
    }
    left == len
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
