//! The name of a question: lower-cased and hashed a word at a time, from its end, and walked only if nobody holds it.

use core::{cmp::Ordering, hint::black_box};

use crate::{
    Frame, Miss,
    checksum::Sum,
    entry::EntryCells,
    hash::{NameKey, Nh},
    head::Head,
    maps::ConfigCells,
    scratch::ScratchCells,
    verifier::forget_range,
};

/// Longest name in wire form, root label included (RFC 1035, section 2.3.4).
pub const MAX_NAME: usize = 255;
/// Longest label (RFC 1035, section 2.3.4).
pub const MAX_LABEL: u8 = 63;
/// Most labels that a name can have, the root label counted.
pub(crate) const MAX_LABELS: usize = 128;
/// Words that hold the longest name.
pub const NAME_WORDS: usize = MAX_NAME.div_ceil(8);

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * ONES;

/// A name that was found in a packet.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    /// Offset of the name's first octet in the frame.
    pub at: usize,
    /// Octets of the name, root label included.
    pub len: usize,
    /// Hash of the lower-cased name.
    pub key: NameKey,
    /// Sum of the name's octets as they stand, as if its last one were at an odd offset.
    pub sum: Sum,
}

impl Name {
    /// Reads the `len` octets at offset `at` of the frame; they are kept, lower-cased, in the scratch space.
    ///
    /// Whether they are a name at all is not looked at: those that are the octets of a name that is held are one, and
    /// [`Self::check`] is for the others.
    ///
    /// # Errors
    /// [`Miss::Truncated`] if the frame ends before the name does.
    #[inline(always)]
    pub fn read(
        frame: &Frame<'_>,
        at: usize,
        len: usize,
        config: &ConfigCells,
        scratch: &ScratchCells,
    ) -> Result<Self, Miss> {
        let at = forget_range(at);
        let len = forget_range(len);
        let mut hash = Nh::new();
        let mut sum = Sum::new();
        let mut visit = |index, word| {
            sum = sum.add_word(word);
            let word = lower(word);
            scratch.put_name_word(index, word);
            hash = hash.add(word, config.name_key(index));
        };
        // Were it known to be at most 31, the compiler would leave out the bound that the verifier needs.
        let whole = forget_range(len / 8);
        let end = at + len;
        for index in 0..NAME_WORDS {
            if index == whole {
                break;
            }
            visit(
                index,
                frame.word(end - 8 * (index + 1)).ok_or(Miss::Truncated)?,
            );
        }
        let left = len % 8;
        if left > 0 {
            // The first octets are read together with those before them, the header's, which are cleared.
            let word = frame.word(end - 8 * (whole + 1)).ok_or(Miss::Truncated)?;
            visit(whole, word & u64::MAX << (64 - 8 * left));
        }
        Ok(Self {
            at,
            len,
            key: hash.name_key(len),
            sum,
        })
    }

    /// Whether `entry`, whose head was read as `head`, is that of this very name, as the scratch space has it.
    ///
    /// # Errors
    /// [`Miss::OtherName`] if another name has the same hash.
    #[inline(always)]
    pub fn matches(
        &self,
        entry: &EntryCells,
        head: Head,
        scratch: &ScratchCells,
    ) -> Result<(), Miss> {
        if head.name_len() != self.len {
            return Err(Miss::OtherName);
        }
        let words = forget_range(self.len.div_ceil(8));
        for index in 0..NAME_WORDS {
            if index == words {
                break;
            }
            if entry.name_word(index) != scratch.name_word(index) {
                return Err(Miss::OtherName);
            }
        }
        Ok(())
    }

    /// Checks that the octets are a name that ends where they do; gives whether one of its labels begins `tail` octets
    /// before the end.
    ///
    /// # Errors
    /// As [`measure`]; [`Miss::TrailingOctets`] if the name ends before.
    #[inline(always)]
    pub fn check(&self, frame: &Frame<'_>, tail: usize) -> Result<bool, Miss> {
        // Not compared: the verifier would follow both ways through all labels that come after.
        let mut begins = 0;
        let len = walk(frame, self.at, |at| {
            let off = (at + tail).wrapping_sub(self.len);
            begins |= 1 ^ (black_box(off | off.wrapping_neg()) >> (usize::BITS - 1));
        })?;
        // By a comparison with one that it knows, the verifier would learn another length for each number of labels.
        match forget_range(len).cmp(&self.len) {
            Ordering::Less => Err(Miss::TrailingOctets),
            Ordering::Equal => Ok(begins != 0),
            Ordering::Greater => Err(Miss::Truncated),
        }
    }
}

/// Length in octets of the name at `at`, root label included.
///
/// # Errors
/// [`Miss::Compressed`], [`Miss::LabelType`], [`Miss::NameTooLong`], or [`Miss::Truncated`] if the frame ends before the
/// name does.
#[inline(always)]
pub fn measure(frame: &Frame<'_>, at: usize) -> Result<usize, Miss> {
    walk(frame, forget_range(at), |_| ())
}

/// Goes from label to label of the name at `at`, and gives its length; `visit` gets the place of each label.
#[inline(always)]
fn walk(frame: &Frame<'_>, at: usize, mut visit: impl FnMut(usize)) -> Result<usize, Miss> {
    let mut len = 0;
    for _ in 0..MAX_LABELS {
        visit(len);
        match *frame.get::<u8>(at + len).ok_or(Miss::Truncated)? {
            0 => return Ok(len + 1),
            label @ 1..=MAX_LABEL => len += usize::from(label) + 1,
            0xc0.. => return Err(Miss::Compressed),
            _ => return Err(Miss::LabelType),
        }
        if len >= MAX_NAME {
            break;
        }
    }
    Err(Miss::NameTooLong)
}

/// The words of a lower-cased name in wire form, its last eight octets first; the last word has its octets above, zeros
/// below.
pub fn words(wire: &[u8]) -> impl Iterator<Item = u64> {
    wire.rchunks(8)
        .map(|octets| lower(word(octets)) << (64 - 8 * octets.len()))
}

/// Octets that were kept as [`words`], as userspace reads them.
#[derive(Clone, Copy, Debug)]
pub struct WireName {
    octets: [u8; NAME_WORDS * 8],
    len: usize,
}

impl WireName {
    /// The name of `len` octets with these words.
    #[must_use]
    pub fn new(words: &[u64], len: usize) -> Self {
        let mut octets = [0; NAME_WORDS * 8];
        for (place, word) in octets.rchunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        Self { octets, len }
    }

    /// The lower-cased name in wire form, root label included.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        let begin = self.octets.len().saturating_sub(self.len);
        &self.octets[begin..]
    }
}

/// Up to eight octets as a word, the first one lowest, padded with zeros.
#[must_use]
pub fn word(octets: &[u8]) -> u64 {
    octets
        .iter()
        .rev()
        .fold(0, |word, &octet| word << 8 | u64::from(octet))
}

/// The word with the letters `A` to `Z` of its eight octets in lower case.
///
/// Length octets of a name are at most 63 and so below `A`: a name may be lower-cased blindly.
#[inline(always)]
#[must_use]
pub const fn lower(word: u64) -> u64 {
    let low_bits = word & !HIGH;
    let from_a = low_bits + (0x80 - b'A' as u64) * ONES;
    let past_z = low_bits + (0x7f - b'Z' as u64) * ONES;
    let upper = (from_a ^ past_z) & !word & HIGH;
    word | upper >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_agrees_with_the_standard_library_on_every_octet_and_place() {
        for octet in 0..=u8::MAX {
            for place in 0..8 {
                for around in [0x00, 0x41, 0x5a, 0x7f, 0x80, 0xff] {
                    let mut octets = [around; 8];
                    octets[place] = octet;
                    let want = u64::from_le_bytes(octets.map(|o| o.to_ascii_lowercase()));
                    assert_eq!(lower(u64::from_le_bytes(octets)), want, "{octets:x?}");
                }
            }
        }
    }

    #[test]
    fn words_are_padded_with_zeros() {
        assert_eq!(word(&[]), 0);
        assert_eq!(word(&[1, 2]), 0x0201);
        assert_eq!(word(&[1, 2, 3, 4, 5, 6, 7, 8]), 0x0807_0605_0403_0201);
    }
}
