//! The Internet checksum (RFC 1071) over octets that are read a word at a time.
//!
//! A one's complement sum does not care for byte order, so octets are summed in the order of memory
//! (lowest octet first) and the result is stored in that order.

/// A running one's complement sum of 16-bit units.
///
/// Sums of up to 2^31 words fit: far more than a packet has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Nothing summed yet.
    #[inline(always)]
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds two octets in the order of the packet.
    #[inline(always)]
    #[must_use]
    pub const fn add(self, octets: [u8; 2]) -> Self {
        Self(self.0 + u16::from_le_bytes(octets) as u64)
    }

    /// Adds four octets in the order of the packet.
    #[inline(always)]
    #[must_use]
    pub const fn add4(self, octets: [u8; 4]) -> Self {
        Self(self.0 + u32::from_le_bytes(octets) as u64)
    }

    /// Adds eight octets as [`crate::Frame::word`] reads them.
    #[inline(always)]
    #[must_use]
    pub const fn add_word(self, word: u64) -> Self {
        Self(self.0 + (word >> 32) + (word & 0xffff_ffff))
    }

    /// Adds another sum whose octets began at an even offset of the packet; nothing is folded, and both count as one.
    #[inline(always)]
    #[must_use]
    pub const fn add_sum(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// Adds another sum whose octets began at an odd offset of the packet (RFC 1071, section 2 B).
    #[inline(always)]
    #[must_use]
    pub const fn add_odd_sum(self, other: Self) -> Self {
        Self(self.0 + other.fold().swap_bytes() as u64)
    }

    /// The sum that [`Self::word`] gave.
    #[inline(always)]
    #[must_use]
    pub const fn of(word: u64) -> Self {
        Self(word)
    }

    /// The sum as it is kept in memory.
    #[inline(always)]
    #[must_use]
    pub const fn word(self) -> u64 {
        self.0
    }

    /// The sum of `number` repetitions, each of which counts.
    #[inline(always)]
    #[must_use]
    pub const fn times(self, number: u8) -> Self {
        Self(self.0 * number as u64)
    }

    /// The sum in 16 bits, in the order of memory.
    #[inline(always)]
    #[must_use]
    pub const fn fold(self) -> u16 {
        let sum = (self.0 >> 32) + (self.0 & 0xffff_ffff);
        let sum = (sum >> 16) + (sum & 0xffff);
        let sum = (sum >> 16) + (sum & 0xffff);
        let sum = (sum >> 16) + (sum & 0xffff);
        sum as u16
    }

    /// The checksum as it goes into a header.
    #[inline(always)]
    #[must_use]
    pub const fn checksum(self) -> [u8; 2] {
        (!self.fold()).to_le_bytes()
    }

    /// The checksum as it goes into a UDP header: zero would mean that there is none (RFC 768).
    #[inline(always)]
    #[must_use]
    pub const fn udp_checksum(self) -> [u8; 2] {
        let checksum = !self.fold();
        (checksum | 0_u16.wrapping_sub((checksum == 0) as u16)).to_le_bytes()
    }
}

/// The checksum of a header in which the units `removed` were replaced by `added` (RFC 1624, equation 3), all in the
/// order of memory.
#[inline(always)]
#[must_use]
pub fn update<const N: usize>(checksum: u16, removed: [u16; N], added: [u16; N]) -> u16 {
    let mut sum = u32::from(!checksum);
    for (old, new) in removed.into_iter().zip(added) {
        sum += u32::from(!old) + u32::from(new);
    }
    // Of so few units the carries are gone after two rounds.
    const { assert!(N < 1 << 15) };
    let sum = (sum >> 16) + (sum & 0xffff);
    !((sum >> 16) + sum) as u16
}
