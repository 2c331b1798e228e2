//! A DNS query over UDP, found in a packet and checked in every field that an answer relies on.

use crate::{
    Frame, Miss,
    checksum::Sum,
    edns::Edns,
    hash::NameKey,
    headers::{CLASS_IN, Dns, Opt, QuestionTail, rr_type},
    maps::ConfigCells,
    name::{self, MAX_NAME, Name},
    scratch::{Handover, ScratchCells},
    transport::Transport,
    verifier::forget_range,
};

/// The message size that every client takes (RFC 1035, section 4.2.1).
pub const MIN_MESSAGE: usize = 512;
/// The largest message sent: no path of today fragments it (DNS Flag Day 2020; RFC 9715, section 3.1).
pub const MAX_MESSAGE: usize = 1232;

/// A query that an answer can be written to.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    /// Where the headers stand in the frame.
    pub transport: Transport,
    /// The client's identifier of the query.
    pub id: [u8; 2],
    /// The name asked for.
    pub name: Name,
    /// Type and class asked for.
    pub tail: QuestionTail,
    /// What the client says in its OPT record, if it sent one.
    pub edns: Option<Edns>,
    /// Octets of the whole frame, padding of short Ethernet frames included.
    pub frame_len: usize,
}

/// Finds the query in a packet to a DNS service address, whose DNS message has `dns_len` octets.
///
/// Its name is whatever stands where a name would in a query of this length: it is not walked until it turns out that
/// nobody holds it ([`Name::check`]). Only where that can't be told by the length, and if the client is over its limit, is
/// it walked here.
///
/// # Errors
/// The [`Miss`] that says why the packet is no query that could be answered here.
#[inline(always)]
pub fn parse(
    frame: &Frame<'_>,
    transport: Transport,
    dns_len: usize,
    config: &ConfigCells,
    scratch: &ScratchCells,
) -> Result<Query, Miss> {
    let dns: &Dns = frame.get(transport.dns()).ok_or(Miss::Truncated)?;
    if !is_plain(dns) {
        check_header(dns)?;
    }
    let (id, additionals) = (dns.id, dns.additionals);
    let at = transport.question();
    let by_rest = len_by_rest(frame, at, dns_len, additionals != [0, 0]);
    // A query over the limit is answered without a look for its name.
    let len = match forget_range(by_rest.unwrap_or(0)) & scratch.unless_over() {
        0 => name::measure(frame, at)?,
        len => len,
    };
    let name = Name::read(frame, at, len, config, scratch)?;
    let tail: QuestionTail = *frame.get(name.at + name.len).ok_or(Miss::Truncated)?;
    let read = size_of::<Dns>() + name.len + size_of::<QuestionTail>();
    let Some(left) = dns_len.checked_sub(read) else {
        return Err(Miss::Truncated);
    };
    let edns = if additionals == [0, 0] {
        if left > 0 {
            return Err(Miss::TrailingOctets);
        }
        None
    } else {
        let at = name.at + name.len + size_of::<QuestionTail>();
        Some(Edns::read(frame, at, left)?)
    };
    if tail.qclass != CLASS_IN {
        return Err(Miss::Class);
    }
    if is_meta(tail.qtype()) {
        return Err(Miss::TypeNotServed);
    }
    Ok(Query {
        transport,
        id,
        name,
        tail,
        edns,
        frame_len: frame.len(),
    })
}

impl Query {
    /// Octets of the question with the DNS header before it.
    #[inline(always)]
    #[must_use]
    pub const fn question_end(&self) -> usize {
        size_of::<Dns>() + self.name.len + size_of::<QuestionTail>()
    }

    /// Octets of the longest message that the client takes.
    #[inline(always)]
    #[must_use]
    pub const fn limit(&self) -> usize {
        match &self.edns {
            None => MIN_MESSAGE,
            Some(edns) if edns.udp_size <= MIN_MESSAGE => MIN_MESSAGE,
            Some(edns) if edns.udp_size >= MAX_MESSAGE => MAX_MESSAGE,
            Some(edns) => edns.udp_size,
        }
    }
}

impl QuestionTail {
    /// The type asked for, as a number.
    #[inline(always)]
    #[must_use]
    pub const fn qtype(&self) -> u16 {
        u16::from_be_bytes(self.qtype)
    }
}

/// The name's length if the rest of the message, an OPT record without options or nothing, stands where it would behind
/// a question of class IN.
#[inline(always)]
fn len_by_rest(frame: &Frame<'_>, at: usize, dns_len: usize, has_opt: bool) -> Option<usize> {
    let opt_len = if has_opt { size_of::<Opt>() } else { 0 };
    let len = dns_len.wrapping_sub(size_of::<Dns>() + size_of::<QuestionTail>() + opt_len);
    if len.wrapping_sub(1) >= MAX_NAME {
        return None;
    }
    let end = at + len;
    let tail: &QuestionTail = frame.get(end)?;
    if tail.qclass != CLASS_IN || is_meta(tail.qtype()) {
        return None;
    }
    if has_opt {
        let opt: &Opt = frame.get(end + size_of::<QuestionTail>())?;
        if opt.name != 0 || u16::from_be_bytes(opt.rr_type) != rr_type::OPT || opt.length != [0, 0]
        {
            return None;
        }
    }
    Some(len)
}

impl Handover<6> for Query {
    #[inline(always)]
    fn to_words(&self) -> [u64; 6] {
        let (ip, udp, len) = (
            self.transport.ip as u64,
            self.transport.udp as u64,
            self.name.len as u64,
        );
        let [id, qtype] =
            [self.id, self.tail.qtype].map(|octets| u64::from(u16::from_le_bytes(octets)));
        let edns = match self.edns {
            Some(edns) => 1 << 32 | u64::from(edns.dnssec_ok) << 16 | edns.udp_size as u64,
            None => 0,
        };
        [
            ip | udp << 8 | len << 16,
            id | qtype << 16,
            edns,
            self.name.key.0,
            self.name.sum.word(),
            self.frame_len as u64,
        ]
    }

    #[inline(always)]
    fn from_words([places, question, edns, key, sum, frame_len]: [u64; 6]) -> Self {
        let transport = Transport {
            ip: (places & 0xff) as usize,
            udp: (places >> 8 & 0xff) as usize,
        };
        let octets = |shift: u32| ((question >> shift) as u16).to_le_bytes();
        Self {
            transport,
            id: octets(0),
            name: Name {
                at: transport.question(),
                len: (places >> 16 & 0xff) as usize,
                key: NameKey(key),
                sum: Sum::of(sum),
            },
            tail: QuestionTail {
                qtype: octets(16),
                qclass: CLASS_IN,
            },
            edns: (edns != 0).then_some(Edns {
                udp_size: (edns & 0xffff) as usize,
                dnssec_ok: (edns >> 16) as u8,
            }),
            frame_len: frame_len as usize,
        }
    }
}

/// Whether a type is none of records: reserved, EDNS, a transfer or another meta type (RFC 6895, section 3.1).
/// `ANY` is answered as a type that no name has.
#[inline(always)]
const fn is_meta(qtype: u16) -> bool {
    matches!(qtype, 0 | rr_type::OPT | 128..rr_type::ANY)
}

/// Whether the header is what [`check_header`] lets pass, looked at as a whole.
#[inline(always)]
fn is_plain(dns: &Dns) -> bool {
    let words: [[u8; 4]; 3] = bytemuck::cast(*dns);
    let [first, second, third] = words.map(u32::from_le_bytes);
    let free = u32::from_le_bytes([0xff, 0xff, Dns::RD, Dns::AD | Dns::CD]);
    first & !free == 0
        && second == u32::from_le_bytes([0, 1, 0, 0])
        && third & !u32::from_le_bytes([0, 0, 0, 1]) == 0
}

/// Checks that the header is that of a plain query with one question and no records but one additional.
#[inline(always)]
fn check_header(dns: &Dns) -> Result<(), Miss> {
    if dns.flags & Dns::QR != 0 {
        return Err(Miss::Response);
    }
    if dns.flags & Dns::OPCODE != 0 {
        return Err(Miss::Opcode);
    }
    if dns.flags & !Dns::RD != 0 || dns.flags2 & !(Dns::AD | Dns::CD) != 0 {
        return Err(Miss::HeaderBits);
    }
    if dns.questions != [0, 1] {
        return Err(Miss::QuestionCount);
    }
    if dns.answers != [0, 0] || dns.authorities != [0, 0] {
        return Err(Miss::RecordCount);
    }
    if dns.additionals[0] != 0 || dns.additionals[1] > 1 {
        return Err(Miss::Additional);
    }
    Ok(())
}
