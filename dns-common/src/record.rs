//! The parts of records that are prepared, and how a record is made of them.

use bytemuck::{Pod, Zeroable};

/// Octets of a record before its data: owner, type, class, TTL, length (RFC 1035, section 4.1.3).
pub const HEAD_LEN: usize = 12;
/// Octets of an A record whose owner is a pointer.
pub const A_LEN: usize = HEAD_LEN + 4;
/// Octets of an AAAA record whose owner is a pointer.
pub const AAAA_LEN: usize = HEAD_LEN + 16;
/// Octets of an SOA record whose names end in a pointer to the zone.
pub const SOA_LEN: usize = HEAD_LEN + SOA_DATA_LEN;
/// Octets of its data.
const SOA_DATA_LEN: usize = 42;
/// Words that hold its data.
pub const SOA_WORDS: usize = SOA_DATA_LEN.div_ceil(8);

/// The two bits that make a length octet a pointer (RFC 1035, section 4.1.4).
const POINTER: u16 = 0xc000;
/// Places of the SOA data that depend on the query: pointers after both names' labels, then the serial number.
const MNAME_POINTER: usize = 7;
const RNAME_POINTER: usize = 20;
const SERIAL: usize = 22;
/// Timers for secondaries in seconds: refresh, retry, expire.
const TIMERS: [u32; 3] = [7200, 1800, 86_400];

/// What records have in common, in wire form; written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Templates {
    /// A record before its data: a pointer to the question's name, the TTL; type and length are zero. The
    /// last four octets are zero.
    pub record: [u64; 2],
    /// The data of the SOA record: `ns.dns` and `hostmaster` in the zone, timers, TTL; pointers and serial
    /// number are zero.
    pub soa: [u64; SOA_WORDS],
}

impl Templates {
    /// Records of `ttl` seconds.
    #[must_use]
    pub fn new(ttl: u32) -> Self {
        let ttl = ttl.to_be_bytes();
        let parts: [&[u8]; 4] = [&[0xc0, 0x0c, 0, 0, 0, 1], &ttl, &[0, 0], &[0; 4]];
        let record: [u8; 16] = joined(&parts);
        let timers = TIMERS.map(u32::to_be_bytes);
        let parts: [&[u8]; 7] = [
            b"\x02ns\x03dns",
            &[0; 2],
            b"\x0ahostmaster",
            &[0; 2],
            &[0; 4],
            timers.as_flattened(),
            &ttl,
        ];
        let soa: [u8; SOA_WORDS * 8] = joined(&parts);
        Self {
            record: bytemuck::cast(record),
            soa: bytemuck::cast(soa),
        }
    }
}

impl Templates {
    /// TTL of the records in seconds.
    #[must_use]
    pub fn ttl(&self) -> u32 {
        let octets: [u8; 16] = bytemuck::cast(self.record);
        let [_, _, _, _, _, _, a, b, c, d, ..] = octets;
        u32::from_be_bytes([a, b, c, d])
    }
}

/// The octets of the parts, padded with zeros.
fn joined<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut octets = [0; N];
    for (to, &from) in octets.iter_mut().zip(parts.iter().copied().flatten()) {
        *to = from;
    }
    octets
}

/// The head of a record as it is written: eight octets, and the low four of the second word.
#[inline(always)]
#[must_use]
pub const fn head(template: [u64; 2], rr_type: u16, length: usize) -> [u64; 2] {
    // Type and length are octets 2 and 3, 10 and 11; the numbers used fit the lower octet.
    [
        template[0] | (rr_type as u64) << 24,
        template[1] | (length as u64) << 24,
    ]
}

/// The head with a pointer to `offset` of the message as its owner.
#[inline(always)]
#[must_use]
pub const fn with_owner([first, second]: [u64; 2], offset: usize) -> [u64; 2] {
    [first & !0xffff | pointer(offset), second]
}

/// The data of the SOA record of a zone whose name stands at `offset` of the message.
#[inline(always)]
#[must_use]
pub fn soa_data(mut words: [u64; SOA_WORDS], offset: usize, serial: u32) -> [u64; SOA_WORDS] {
    let pointer = pointer(offset);
    let serial = u64::from(serial.swap_bytes());
    insert(&mut words, MNAME_POINTER, pointer);
    insert(&mut words, RNAME_POINTER, pointer);
    insert(&mut words, SERIAL, serial);
    words
}

/// Puts up to four octets at the place `at`, where zeros are.
#[inline(always)]
fn insert(words: &mut [u64; SOA_WORDS], at: usize, octets: u64) {
    let shift = 8 * (at % 8);
    words[at / 8] |= octets << shift;
    if shift > 32 {
        words[at / 8 + 1] |= octets >> (64 - shift);
    }
}

/// A pointer to `offset` of the message, in the order of memory.
#[inline(always)]
const fn pointer(offset: usize) -> u64 {
    (POINTER | offset as u16).swap_bytes() as u64
}
