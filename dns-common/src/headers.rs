//! The headers of a DNS packet as they stand on the wire: octet arrays, so that order can't be forgotten.

use bytemuck::{Pod, Zeroable};

/// `EtherType` of IPv4.
pub const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
/// IP protocol number of UDP.
pub const PROTOCOL_UDP: u8 = 17;
/// IPv4 version 4 and a header of five words: no options.
pub const VERSION_IHL: u8 = 0x45;
/// Don't-fragment bit in the first octet of the fragment field.
pub const DONT_FRAGMENT: u8 = 0x40;
/// QTYPE and RR type of an IPv4 address.
pub const TYPE_A: [u8; 2] = [0, 1];
/// Class Internet.
pub const CLASS_IN: [u8; 2] = [0, 1];

/// Ethernet II header.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Ethernet {
    /// Destination address.
    pub destination: [u8; 6],
    /// Source address.
    pub source: [u8; 6],
    /// Type of the payload.
    pub ethertype: [u8; 2],
}

/// IPv4 header without options (RFC 791).
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Ipv4 {
    /// Version in the high, header length in words in the low half.
    pub version_ihl: u8,
    /// DSCP and ECN.
    pub tos: u8,
    /// Length of header and payload.
    pub total_length: [u8; 2],
    /// Identification.
    pub id: [u8; 2],
    /// Flags and fragment offset.
    pub fragment: [u8; 2],
    /// Time to live.
    pub ttl: u8,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Checksum of the header.
    pub checksum: [u8; 2],
    /// Source address.
    pub source: [u8; 4],
    /// Destination address.
    pub destination: [u8; 4],
}

/// UDP header (RFC 768).
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Udp {
    /// Source port.
    pub source: [u8; 2],
    /// Destination port.
    pub destination: [u8; 2],
    /// Length of header and payload.
    pub length: [u8; 2],
    /// Checksum over pseudo header, header and payload.
    pub checksum: [u8; 2],
}

/// DNS header (RFC 1035, section 4.1.1).
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Dns {
    /// Identifier chosen by the client.
    pub id: [u8; 2],
    /// `QR`, opcode, `AA`, `TC`, `RD`.
    pub flags: u8,
    /// `RA`, `Z`, `AD`, `CD`, RCODE.
    pub flags2: u8,
    /// QDCOUNT.
    pub questions: [u8; 2],
    /// ANCOUNT.
    pub answers: [u8; 2],
    /// NSCOUNT.
    pub authorities: [u8; 2],
    /// ARCOUNT.
    pub additionals: [u8; 2],
}

impl Dns {
    /// `QR`, in [`Dns::flags`]: the message is a response.
    pub const QR: u8 = 0x80;
    /// Opcode, in [`Dns::flags`]; zero is QUERY.
    pub const OPCODE: u8 = 0x78;
    /// `AA`, in [`Dns::flags`]: the answer is authoritative.
    pub const AA: u8 = 0x04;
    /// `RD`, in [`Dns::flags`]: recursion desired.
    pub const RD: u8 = 0x01;
    /// `RA`, in [`Dns::flags2`]: recursion available.
    pub const RA: u8 = 0x80;
    /// `AD`, in [`Dns::flags2`]: authentic data.
    pub const AD: u8 = 0x20;
    /// `CD`, in [`Dns::flags2`]: checking disabled.
    pub const CD: u8 = 0x10;
}

/// QTYPE and QCLASS, which follow the name of a question.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct QuestionTail {
    /// QTYPE.
    pub qtype: [u8; 2],
    /// QCLASS.
    pub qclass: [u8; 2],
}

const _: () = {
    assert!(size_of::<Ethernet>() == 14);
    assert!(size_of::<Ipv4>() == 20);
    assert!(size_of::<Udp>() == 8);
    assert!(size_of::<Dns>() == 12);
    assert!(size_of::<QuestionTail>() == 4);
};
