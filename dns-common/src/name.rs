//! The name of a question: walked, lower-cased and hashed a word at a time.

use crate::{
    Frame, Miss,
    checksum::Sum,
    entry::EntryCells,
    hash::{NameKey, Nh},
    head::Head,
    maps::ConfigCells,
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
    /// Sum of the name's octets as they stand.
    pub sum: Sum,
}

impl Name {
    /// Walks the name at offset `at` of the frame.
    ///
    /// # Errors
    /// [`Miss::Compressed`], [`Miss::LabelType`], [`Miss::NameTooLong`], or [`Miss::Truncated`] if the
    /// frame ends before the name does.
    #[inline(always)]
    pub fn walk(frame: &Frame<'_>, at: usize, config: &ConfigCells) -> Result<Self, Miss> {
        let at = forget_range(at);
        let len = forget_range(measure(frame, at)?);
        let mut hash = Nh::new();
        let mut sum = Sum::new();
        for_each_word(frame, at, len, |index, word| {
            sum = sum.add_word(word);
            hash = hash.add(lower(word), config.name_key(index));
            Ok(())
        })?;
        Ok(Self {
            at,
            len,
            key: NameKey(hash.finish()),
            sum,
        })
    }

    /// Whether `entry`, whose head was read as `head`, is that of this very name.
    ///
    /// # Errors
    /// [`Miss::OtherName`] if another name has the same hash.
    #[inline(always)]
    pub fn matches(&self, frame: &Frame<'_>, entry: &EntryCells, head: Head) -> Result<(), Miss> {
        if head.name_len() != self.len {
            return Err(Miss::OtherName);
        }
        for_each_word(frame, self.at, self.len, |index, word| {
            if entry.name_word(index) == lower(word) {
                Ok(())
            } else {
                Err(Miss::OtherName)
            }
        })
    }
}

/// Length in octets of the name at `at`, root label included.
#[inline(always)]
fn measure(frame: &Frame<'_>, at: usize) -> Result<usize, Miss> {
    let mut len = 0;
    for _ in 0..MAX_LABELS {
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

/// Gives the words of the name of `len` octets at `at` with their indices, the last one padded with zeros.
#[inline(always)]
fn for_each_word(
    frame: &Frame<'_>,
    at: usize,
    len: usize,
    mut visit: impl FnMut(usize, u64) -> Result<(), Miss>,
) -> Result<(), Miss> {
    // Were it known to be at most 31, the compiler would leave out the bound that the verifier needs.
    let whole = forget_range(len / 8);
    for index in 0..NAME_WORDS {
        if index == whole {
            break;
        }
        visit(index, frame.word(at + 8 * index).ok_or(Miss::Truncated)?)?;
    }
    let left = len % 8;
    if left > 0 {
        // The last octets are read together with the ones before them (the header's, in a short name):
        // what follows the name may lie past the packet's end.
        let word = frame.word(at + len - 8).ok_or(Miss::Truncated)?;
        visit(whole, word >> (64 - 8 * left))?;
    }
    Ok(())
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
