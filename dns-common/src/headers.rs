//! The headers of a DNS packet as they stand on the wire: octet arrays, so that order can't be forgotten.

use bytemuck::{Pod, Zeroable};

/// `EtherType` of IPv4.
pub const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
/// `EtherType` of IPv6.
pub const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
/// `EtherType` of a VLAN tag (IEEE 802.1Q).
pub const ETHERTYPE_VLAN: [u8; 2] = [0x81, 0x00];
/// `EtherType` of an outer VLAN tag (IEEE 802.1ad).
pub const ETHERTYPE_SERVICE_VLAN: [u8; 2] = [0x88, 0xa8];
/// IP protocol number of UDP.
pub const PROTOCOL_UDP: u8 = 17;
/// IPv4 version 4 and a header of five words: no options.
pub const VERSION_IHL: u8 = 0x45;
/// Don't-fragment bit in the first octet of the fragment field.
pub const DONT_FRAGMENT: u8 = 0x40;
/// Class Internet.
pub const CLASS_IN: [u8; 2] = [0, 1];

/// Types of records and questions, as numbers (RFC 1035, section 3.2.2, and as named).
pub mod rr_type {
    /// IPv4 address.
    pub const A: u16 = 1;
    /// Name server.
    pub const NS: u16 = 2;
    /// Start of authority.
    pub const SOA: u16 = 6;
    /// Pointer to a name.
    pub const PTR: u16 = 12;
    /// Text.
    pub const TXT: u16 = 16;
    /// IPv6 address (RFC 3596).
    pub const AAAA: u16 = 28;
    /// Service location (RFC 2782).
    pub const SRV: u16 = 33;
    /// EDNS (RFC 6891).
    pub const OPT: u16 = 41;
    /// Any type.
    pub const ANY: u16 = 255;
}

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

/// IPv6 header (RFC 8200).
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Ipv6 {
    /// Version, traffic class (DSCP and ECN) and flow label.
    pub version_class_flow: [u8; 4],
    /// Length of what follows this header.
    pub payload_length: [u8; 2],
    /// Protocol of the payload, or kind of the extension header that follows.
    pub next_header: u8,
    /// Time to live.
    pub hop_limit: u8,
    /// Source address.
    pub source: [u8; 16],
    /// Destination address.
    pub destination: [u8; 16],
}

/// What stands between the Ethernet addresses and the payload for each VLAN tag.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct VlanTag {
    /// Priority and VLAN number.
    pub control: [u8; 2],
    /// Type of the payload, or of another tag.
    pub ethertype: [u8; 2],
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
    /// `TC`, in [`Dns::flags`]: there is more, over TCP.
    pub const TC: u8 = 0x02;
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

/// An OPT record up to its options (RFC 6891, section 6.1.2).
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Opt {
    /// Owner: the root.
    pub name: u8,
    /// [`rr_type::OPT`].
    pub rr_type: [u8; 2],
    /// Largest datagram that the sender takes.
    pub udp_size: [u8; 2],
    /// Upper bits of the RCODE.
    pub rcode: u8,
    /// Version of EDNS.
    pub version: u8,
    /// DO and reserved bits.
    pub flags: [u8; 2],
    /// Octets of options.
    pub length: [u8; 2],
}

impl Opt {
    /// `DO`, in the first octet of [`Opt::flags`]: the sender takes DNSSEC records (RFC 3225).
    pub const DO: u8 = 0x80;
}

/// The head of an EDNS option.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct OptionHead {
    /// Which option it is.
    pub code: [u8; 2],
    /// Octets of its data.
    pub length: [u8; 2],
}

const _: () = {
    assert!(size_of::<Opt>() == 11);
    assert!(size_of::<Ipv6>() == 40);
    assert!(size_of::<VlanTag>() == 4);
    assert!(size_of::<Ethernet>() == 14);
    assert!(size_of::<Ipv4>() == 20);
    assert!(size_of::<Udp>() == 8);
    assert!(size_of::<Dns>() == 12);
    assert!(size_of::<QuestionTail>() == 4);
};
