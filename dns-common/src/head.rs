//! The first word of an entry: how long its name is, what is held, and what is left to the server.

use crate::{Hit, headers::rr_type};

/// The number of a set that is not held: only the server knows it.
pub const NOT_HELD: u8 = 255;

/// What an entry tells of the sets behind its name, in one word.
///
/// | bits | meaning |
/// | --- | --- |
/// | 0..8 | octets of the name, root label included |
/// | 8..16 | octets of the zone's name, root label included |
/// | 16..24 | number of IPv4 addresses, or octets of the name pointed to; [`NOT_HELD`] |
/// | 24..32 | number of IPv6 addresses; [`NOT_HELD`] |
/// | 32..40 | [`Others`] |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head(u64);

/// The types beside addresses that a name has, as bits: the server answers for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Others(u8);

impl Others {
    /// Only addresses, or nothing at all.
    pub const NONE: Self = Self(0);
    /// Any type may exist: only the server knows.
    pub const ANY: Self = Self(1);
    /// SRV records.
    pub const SRV: Self = Self(1 << 1);
    /// The records of a zone's apex: SOA and NS.
    pub const APEX: Self = Self(1 << 2);
    /// TXT records.
    pub const TXT: Self = Self(1 << 3);
    /// The name is that of an address: what is held is a pointer, and any other type is left to the server.
    pub const REVERSE: Self = Self(1 << 4 | 1);

    /// Whether this has all of `others`.
    #[inline(always)]
    #[must_use]
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

impl Head {
    pub(crate) const fn new(
        name_len: usize,
        zone_len: usize,
        first: u8,
        second: u8,
        others: Others,
    ) -> Self {
        Self(
            name_len as u64
                | (zone_len as u64) << 8
                | (first as u64) << 16
                | (second as u64) << 24
                | (others.0 as u64) << 32,
        )
    }

    /// The head that a word is.
    #[inline(always)]
    #[must_use]
    pub const fn of(word: u64) -> Self {
        Self(word)
    }

    /// The word.
    #[inline(always)]
    #[must_use]
    pub const fn word(self) -> u64 {
        self.0
    }

    /// Octets of the name in wire form, root label included.
    #[inline(always)]
    #[must_use]
    pub const fn name_len(self) -> usize {
        (self.0 & 0xff) as usize
    }

    /// Octets of the name of the zone that the name is in; 0 outside of the served zones.
    #[inline(always)]
    #[must_use]
    pub const fn zone_len(self) -> usize {
        (self.0 >> 8 & 0xff) as usize
    }

    /// Number of IPv4 addresses, or octets of the name pointed to.
    #[inline(always)]
    #[must_use]
    pub const fn first(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// Number of IPv6 addresses.
    #[inline(always)]
    #[must_use]
    pub const fn second(self) -> u8 {
        (self.0 >> 24) as u8
    }

    /// The types beside addresses.
    #[inline(always)]
    #[must_use]
    pub const fn others(self) -> Others {
        Others((self.0 >> 32) as u8)
    }

    /// Words that the name takes.
    #[inline(always)]
    #[must_use]
    pub const fn name_words(self) -> usize {
        self.name_len().div_ceil(8)
    }

    /// Octets of the first set.
    #[inline(always)]
    #[must_use]
    pub const fn first_octets(self) -> usize {
        let first = self.first();
        if first == NOT_HELD {
            0
        } else if self.others().has(Others::REVERSE) {
            first as usize
        } else {
            first as usize * 4
        }
    }

    /// Octets of the second set.
    #[inline(always)]
    #[must_use]
    pub const fn second_octets(self) -> usize {
        let second = self.second();
        if second == NOT_HELD {
            0
        } else {
            second as usize * 16
        }
    }

    /// Words that the first set takes.
    #[inline(always)]
    #[must_use]
    pub const fn first_words(self) -> usize {
        self.first_octets().div_ceil(8)
    }

    /// Words that the second set takes.
    #[inline(always)]
    #[must_use]
    pub const fn second_words(self) -> usize {
        self.second_octets().div_ceil(8)
    }

    /// What a question of this type comes to; `None` if only the server knows.
    #[inline(always)]
    #[must_use]
    pub const fn kind(self, qtype: u16) -> Option<Hit> {
        let others = self.others();
        let (number, kind) = match qtype {
            rr_type::A if !others.has(Others::REVERSE) => (self.first(), Hit::A),
            rr_type::AAAA => (self.second(), Hit::Aaaa),
            rr_type::PTR if others.has(Others::REVERSE) => (self.first(), Hit::Ptr),
            _ if others.has(Others::ANY) => return None,
            rr_type::SRV if others.has(Others::SRV) => return None,
            rr_type::TXT if others.has(Others::TXT) => return None,
            rr_type::SOA | rr_type::NS if others.has(Others::APEX) => return None,
            _ => return Some(Hit::NoData),
        };
        match number {
            NOT_HELD => None,
            0 if others.has(Others::ANY) => None,
            0 => Some(Hit::NoData),
            _ => Some(kind),
        }
    }
}
