//! Turns the query in a packet into its response: flags, record, lengths, checksums, addresses.

use crate::{
    Frame,
    checksum::{self, Sum},
    entry::Record,
    headers::{Dns, Ethernet, Ipv4, PROTOCOL_UDP, QuestionTail, Udp},
    maps::ConfigCells,
    query::{DNS, IP, QUESTION, Query, UDP},
};

/// Time to live of the IPv4 packets sent.
const TTL: u8 = 64;
/// The part of the TOS octet that is DSCP: a response keeps it and starts without ECN marks (RFC 3168).
const DSCP: u8 = 0xfc;

/// Offset of the UDP checksum, which [`write()`] leaves to the caller.
pub const UDP_CHECKSUM: usize = UDP + core::mem::offset_of!(Udp, checksum);

/// What the UDP checksum of a response is made of.
#[derive(Clone, Copy, Debug)]
pub struct Sums {
    /// Sum of the pseudo header (RFC 768).
    pub pseudo: Sum,
    /// Sum of the UDP header, its checksum taken as zero, and of the DNS message.
    pub datagram: Sum,
}

/// Octets of the frame that carries the answer.
#[inline(always)]
#[must_use]
pub const fn frame_len(query: &Query) -> usize {
    QUESTION + query.name.len + size_of::<QuestionTail>() + Record::LEN
}

/// Writes the response over the query, all but its UDP checksum; the frame has the length that
/// [`frame_len`] gives.
///
/// `None` if it has not; the frame is then partly written.
#[inline(always)]
pub fn write(
    frame: &mut Frame<'_>,
    query: &Query,
    record: &Record,
    config: &ConfigCells,
) -> Option<Sums> {
    let end = frame_len(query);
    *frame.get_mut(end - Record::LEN)? = record.octets();
    let message = write_dns(frame.get_mut(DNS)?, query, record, config);
    let addresses = write_ip(frame.get_mut(IP)?, end - IP);
    let header = write_udp(frame.get_mut(UDP)?, end - UDP);
    let ethernet: &mut Ethernet = frame.get_mut(0)?;
    (ethernet.source, ethernet.destination) = (ethernet.destination, ethernet.source);
    Some(Sums {
        pseudo: addresses
            .add([0, PROTOCOL_UDP])
            .add(((end - UDP) as u16).to_be_bytes()),
        datagram: message.add_sum(header),
    })
}

/// Makes the header that of the response; gives the sum of the whole message.
#[inline(always)]
fn write_dns(dns: &mut Dns, query: &Query, record: &Record, config: &ConfigCells) -> Sum {
    *dns = Dns {
        id: dns.id,
        flags: Dns::QR | Dns::AA | dns.flags & Dns::RD,
        // AD and CD are clear in authoritative responses (RFC 4035, section 3.1.6).
        flags2: config.recursion(),
        questions: [0, 1],
        answers: [0, 1],
        authorities: [0, 0],
        additionals: [0, 0],
    };
    let header = Sum::new()
        .add(dns.id)
        .add([dns.flags, dns.flags2])
        .add(dns.questions)
        .add(dns.answers);
    // What follows the name begins at an odd offset if the name has an odd length.
    let after_name = record.sum().add(query.tail.qtype).add(query.tail.qclass);
    let message = header.add_sum(query.name.sum);
    if query.name.len.is_multiple_of(2) {
        message.add_sum(after_name)
    } else {
        message.add_odd_sum(after_name)
    }
}

/// Makes the header that of a packet of `len` octets on its way back; gives the sum of the addresses.
///
/// The checksum is updated, not computed: a header that came damaged leaves damaged.
#[inline(always)]
fn write_ip(ip: &mut Ipv4, len: usize) -> Sum {
    let removed = Sum::new()
        .add(ip.total_length)
        .add([ip.version_ihl, ip.tos])
        .add([ip.ttl, ip.protocol]);
    ip.tos &= DSCP;
    ip.ttl = TTL;
    ip.total_length = (len as u16).to_be_bytes();
    let added = Sum::new()
        .add(ip.total_length)
        .add([ip.version_ihl, ip.tos])
        .add([ip.ttl, ip.protocol]);
    ip.checksum = checksum::update(ip.checksum, removed, added);
    (ip.source, ip.destination) = (ip.destination, ip.source);
    Sum::new().add4(ip.source).add4(ip.destination)
}

/// Makes the header that of a datagram of `len` octets on its way back; gives its sum, without the
/// checksum, which is computed whole: that of a packet from a local pod is only begun.
#[inline(always)]
fn write_udp(udp: &mut Udp, len: usize) -> Sum {
    udp.length = (len as u16).to_be_bytes();
    (udp.source, udp.destination) = (udp.destination, udp.source);
    Sum::new()
        .add(udp.length)
        .add(udp.source)
        .add(udp.destination)
}
