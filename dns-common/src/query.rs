//! A DNS query over UDP, found in a packet and checked in every field that an answer relies on.

use crate::{
    Frame, Miss,
    checksum::Sum,
    edns::Edns,
    hash::NameKey,
    headers::{CLASS_IN, Dns, QuestionTail, rr_type},
    maps::ConfigCells,
    name::Name,
    scratch::Handover,
    transport::Transport,
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
/// # Errors
/// The [`Miss`] that says why the packet is no query that could be answered here.
#[inline(always)]
pub fn parse(
    frame: &Frame<'_>,
    transport: Transport,
    dns_len: usize,
    config: &ConfigCells,
) -> Result<Query, Miss> {
    let dns: &Dns = frame.get(transport.dns()).ok_or(Miss::Truncated)?;
    check_header(dns)?;
    let (id, additionals) = (dns.id, dns.additionals);
    let name = Name::walk(frame, transport.question(), config)?;
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

impl Handover<4> for Query {
    #[inline(always)]
    fn to_words(&self) -> [u64; 4] {
        let (ip, udp) = (self.transport.ip as u64, self.transport.udp as u64);
        let (at, len) = (self.name.at as u64, self.name.len as u64);
        let (present, dnssec_ok, udp_size) = match self.edns {
            Some(edns) => (1, u64::from(edns.dnssec_ok), edns.udp_size as u64),
            None => (0, 0, 0),
        };
        let [id, qtype, qclass] = [self.id, self.tail.qtype, self.tail.qclass]
            .map(|octets| u64::from(u16::from_le_bytes(octets)));
        [
            ip | udp << 8 | at << 16 | len << 24 | present << 32 | dnssec_ok << 40 | udp_size << 48,
            u64::from(self.name.sum.fold()) | id << 16 | qtype << 32 | qclass << 48,
            self.name.key.0,
            self.frame_len as u64,
        ]
    }

    #[inline(always)]
    fn from_words([places, numbers, key, frame_len]: [u64; 4]) -> Self {
        let octet = |shift: u32| (places >> shift & 0xff) as usize;
        let octets = |shift: u32| ((numbers >> shift) as u16).to_le_bytes();
        Self {
            transport: Transport {
                ip: octet(0),
                udp: octet(8),
            },
            id: octets(16),
            name: Name {
                at: octet(16),
                len: octet(24),
                key: NameKey(key),
                sum: Sum::of(numbers as u16),
            },
            tail: QuestionTail {
                qtype: octets(32),
                qclass: octets(48),
            },
            edns: (octet(32) != 0).then_some(Edns {
                udp_size: (places >> 48) as usize,
                dnssec_ok: octet(40) as u8,
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
