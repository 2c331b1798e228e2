//! Turns the query in a packet into its response: flags, records, lengths, checksums, addresses.

use crate::{
    Frame, Hit,
    checksum::{self, Sum},
    headers::{Dns, Ipv4, Ipv6, Opt, PROTOCOL_UDP, QuestionTail, Udp, rr_type},
    maps::ConfigCells,
    query::{MAX_MESSAGE, Query},
    records::{Written, records_len, write_records},
    scratch::{Handover, ScratchCells},
    state::StateCells,
};

/// Time to live of the packets sent.
const TTL: u8 = 64;
/// The part of the TOS octet that is DSCP: a response keeps it and starts without ECN marks (RFC 3168).
const DSCP: u8 = 0xfc;
/// The bits of ECN where IPv6 has them, in the second octet of its header.
const ECN6: u8 = 0x30;
/// RCODE of a name that does not exist (RFC 1035, section 4.1.1).
const NAME_ERROR: u8 = 3;

/// A header as words of four octets, in the order of the packet: the compiler changes it by words, too.
type Words<const N: usize> = [[u8; 4]; N];

/// What a query is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The kind of answer.
    pub hit: Hit,
    /// Of addresses: how many there are in the scratch space. Of a pointer: octets of the name there. Else
    /// octets of the name of the zone that has no such name or record.
    pub number: usize,
}

/// What answers are made of.
#[derive(Clone, Copy, Debug)]
pub struct Stock<'m> {
    /// The configuration.
    pub config: &'m ConfigCells,
    /// The state of the map of names.
    pub state: &'m StateCells,
    /// Where sets of answers have been copied to.
    pub scratch: &'m ScratchCells,
}

/// What the UDP checksum of a response is made of.
#[derive(Clone, Copy, Debug)]
pub struct Sums {
    /// Sum of the pseudo header (RFC 768; RFC 8200, section 8.1).
    pub pseudo: Sum,
    /// Sum of the UDP header, its checksum taken as zero, and of the DNS message.
    pub datagram: Sum,
}

impl Answer {
    /// No answer, but the word to ask over TCP.
    pub const TRUNCATED: Self = Self {
        hit: Hit::Truncated,
        number: 0,
    };

    /// Whether it says that there is nothing, so that an SOA record goes with it (RFC 2308).
    #[inline(always)]
    #[must_use]
    pub const fn is_negative(&self) -> bool {
        matches!(self.hit, Hit::NoData | Hit::NxDomain)
    }
}

impl Handover<1> for Answer {
    #[inline(always)]
    fn to_words(&self) -> [u64; 1] {
        [self.hit as u64 | (self.number as u64) << 8]
    }

    #[inline(always)]
    fn from_words([word]: [u64; 1]) -> Self {
        Self {
            hit: Hit::of(word as u8),
            number: (word >> 8 & 0xff) as usize,
        }
    }
}

/// Octets of the DNS message that carries the answer.
#[inline(always)]
#[must_use]
pub const fn message_len(query: &Query, answer: &Answer) -> usize {
    let opt = match query.edns {
        Some(_) => size_of::<Opt>(),
        None => 0,
    };
    query.question_end() + records_len(answer) + opt
}

/// Writes the response over the query, all but its UDP checksum; the frame has the length that it takes
/// to hold the message of `len` octets.
///
/// `None` if it has not; the frame is then partly written.
#[inline(always)]
pub fn write(
    frame: &mut Frame<'_>,
    query: &Query,
    answer: &Answer,
    len: usize,
    stock: &Stock<'_>,
) -> Option<Sums> {
    let at = query.name.at + query.name.len + size_of::<QuestionTail>();
    let records = write_records(frame, at, query, answer, stock)?;
    let records = stock.scratch.hand_over(&records);
    // Of the name and what follows it, as if the name's end were an even offset.
    let mut question = query
        .name
        .sum
        .add_sum(records.sum)
        .add(query.tail.qtype)
        .add(query.tail.qclass);
    if let Some(edns) = query.edns {
        let opt = write_opt(frame, at + records_len(answer), edns.dnssec_ok)?;
        question = if records.is_odd {
            question.add_odd_sum(opt)
        } else {
            question.add_sum(opt)
        };
    }
    let dns = frame.get_mut(query.transport.dns())?;
    let header = write_dns(dns, query, answer, &records, stock.config);
    let message = if query.name.len.is_multiple_of(2) {
        header.add_sum(question)
    } else {
        header.add_odd_sum(question)
    };
    let udp_len = (size_of::<Udp>() + len) as u16;
    let addresses = write_ip(frame, query.transport.ip, udp_len)?;
    let header = write_udp(frame.get_mut(query.transport.udp)?, udp_len);
    swap_ethernet(frame.get_mut(0)?);
    Some(Sums {
        pseudo: addresses.add([0, PROTOCOL_UDP]).add(udp_len.to_be_bytes()),
        datagram: message.add_sum(header),
    })
}

/// Writes our OPT record; gives its sum, as if it began at an even offset.
#[inline(always)]
fn write_opt(frame: &mut Frame<'_>, at: usize, dnssec_ok: u8) -> Option<Sum> {
    let opt: &mut Opt = frame.get_mut(at)?;
    *opt = Opt {
        name: 0,
        rr_type: rr_type::OPT.to_be_bytes(),
        udp_size: (MAX_MESSAGE as u16).to_be_bytes(),
        rcode: 0,
        version: 0,
        flags: [dnssec_ok, 0],
        length: [0, 0],
    };
    let [type_high, type_low] = opt.rr_type;
    let [size_high, size_low] = opt.udp_size;
    Some(
        Sum::new()
            .add([0, type_high])
            .add([type_low, size_high])
            .add([size_low, 0])
            .add([0, dnssec_ok]),
    )
}

/// Makes the header that of the response; gives its sum.
#[inline(always)]
fn write_dns(
    dns: &mut Words<3>,
    query: &Query,
    answer: &Answer,
    records: &Written,
    config: &ConfigCells,
) -> Sum {
    let rcode = match answer.hit {
        Hit::NxDomain => NAME_ERROR,
        _ => 0,
    };
    // Nothing is said of the name, so not with authority either.
    let flags = match answer.hit {
        Hit::Truncated => Dns::TC,
        _ => Dns::AA,
    };
    let (answers, authorities) = if answer.is_negative() {
        (0, 1)
    } else {
        (records.answers, 0)
    };
    let [id_low, id_high, asked, _] = dns[0];
    *dns = [
        // AD and CD are clear in authoritative responses (RFC 4035, section 3.1.6).
        [
            id_low,
            id_high,
            Dns::QR | flags | asked & Dns::RD,
            config.recursion() | rcode,
        ],
        [0, 1, 0, answers],
        [0, authorities, 0, query.edns.is_some().into()],
    ]
    .map(joined);
    let [first, second, third] = *dns;
    Sum::new().add4(first).add4(second).add4(third)
}

/// Makes the IP header at `at` that of a packet on its way back, with `len` octets behind it; gives the
/// sum of the addresses.
#[inline(always)]
fn write_ip(frame: &mut Frame<'_>, at: usize, len: u16) -> Option<Sum> {
    match frame.get::<u8>(at)? >> 4 {
        4 => Some(write_ipv4(frame.get_mut(at)?, len)),
        _ => Some(write_ipv6(frame.get_mut(at)?, len)),
    }
}

/// The checksum is updated, not computed: a header that came damaged leaves damaged.
#[inline(always)]
fn write_ipv4(ip: &mut Words<5>, len: u16) -> Sum {
    let [first, _, third, source, destination] = ip.map(u32::from_le_bytes);
    let total_length = (size_of::<Ipv4>() as u16 + len).swap_bytes();
    let version_tos = first as u16 & u16::from_le_bytes([0xff, DSCP]);
    let ttl_protocol = third as u16 & 0xff00 | u16::from(TTL);
    let checksum = checksum::update(
        (third >> 16) as u16,
        [first as u16, (first >> 16) as u16, third as u16],
        [version_tos, total_length, ttl_protocol],
    );
    ip[0] = (u32::from(version_tos) | u32::from(total_length) << 16).to_le_bytes();
    ip[2] = (u32::from(ttl_protocol) | u32::from(checksum) << 16).to_le_bytes();
    ip[3] = destination.to_le_bytes();
    ip[4] = source.to_le_bytes();
    Sum::new().add4(ip[3]).add4(ip[4])
}

/// The flow label stays: what balances by it takes the response the way of the query.
#[inline(always)]
fn write_ipv6(ip: &mut Ipv6, len: u16) -> Sum {
    ip.version_class_flow[1] &= !ECN6;
    ip.hop_limit = TTL;
    ip.payload_length = len.to_be_bytes();
    let [source, destination]: [[[u8; 8]; 2]; 2] =
        [bytemuck::cast(ip.source), bytemuck::cast(ip.destination)];
    let sums = [source, destination].map(|address| address.map(u64::from_le_bytes));
    ip.source = bytemuck::cast(destination);
    ip.destination = bytemuck::cast(source);
    let [[first, second], [third, fourth]] = sums;
    Sum::new()
        .add_word(first)
        .add_word(second)
        .add_word(third)
        .add_word(fourth)
}

/// Makes the header that of a datagram of `len` octets on its way back; gives its sum. The
/// checksum, which is computed whole, as that of a packet from a local pod is only begun, is zero.
#[inline(always)]
fn write_udp(udp: &mut Words<2>, len: u16) -> Sum {
    let ports = u32::from_le_bytes(udp[0]).rotate_left(16);
    let length = u32::from(len.swap_bytes());
    *udp = [ports, length].map(u32::to_le_bytes);
    Sum::new().add4(udp[0]).add4(udp[1])
}

/// Swaps the addresses.
#[inline(always)]
fn swap_ethernet(addresses: &mut Words<3>) {
    let [first, second, third] = addresses.map(u32::from_le_bytes);
    *addresses = [
        second >> 16 | third << 16,
        third >> 16 | first << 16,
        first >> 16 | second << 16,
    ]
    .map(u32::to_le_bytes);
}

/// Four octets that are written at once: the compiler writes an array that it has in parts octet by octet.
#[inline(always)]
fn joined(octets: [u8; 4]) -> [u8; 4] {
    core::hint::black_box(u32::from_le_bytes(octets)).to_le_bytes()
}
