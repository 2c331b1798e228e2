//! A DNS query over UDP, found in a packet and checked in every field that an answer relies on.

use crate::{
    Frame, Hit, Miss,
    headers::{
        CLASS_IN, DONT_FRAGMENT, Dns, ETHERTYPE_IPV4, Ethernet, Ipv4, PROTOCOL_UDP, QuestionTail,
        TYPE_A, Udp, VERSION_IHL,
    },
    maps::{ConfigCells, ServiceKey},
    name::Name,
};

/// Offset of the IPv4 header.
pub const IP: usize = size_of::<Ethernet>();
/// Offset of the UDP header.
pub const UDP: usize = IP + size_of::<Ipv4>();
/// Offset of the DNS header.
pub const DNS: usize = UDP + size_of::<Udp>();
/// Offset of the question.
pub const QUESTION: usize = DNS + size_of::<Dns>();

/// The bit of an Ethernet address's first octet that says that it is a group's (IEEE 802).
const GROUP: u8 = 1;

/// A query that an answer can be written to.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    /// The name asked for.
    pub name: Name,
    /// Type and class asked for.
    pub tail: QuestionTail,
    /// Octets of the whole frame, padding of short Ethernet frames included.
    pub frame_len: usize,
}

/// Finds the query in a packet.
///
/// # Errors
/// The [`Miss`] that says why the packet is no query that could be answered here.
#[inline(always)]
pub fn parse(
    frame: &Frame<'_>,
    config: &ConfigCells,
    is_service: impl FnOnce(&ServiceKey) -> bool,
) -> Result<Query, Miss> {
    let dns_len = check_transport(frame, config, is_service)?;
    check_header(frame.get(DNS).ok_or(Miss::Truncated)?)?;
    let name = Name::walk(frame, QUESTION, config)?;
    let tail: QuestionTail = *frame.get(QUESTION + name.len).ok_or(Miss::Truncated)?;
    let read = size_of::<Dns>() + name.len + size_of::<QuestionTail>();
    if dns_len < read {
        return Err(Miss::Truncated);
    }
    if dns_len > read {
        return Err(Miss::TrailingOctets);
    }
    if tail.qclass != CLASS_IN {
        return Err(Miss::Class);
    }
    Ok(Query {
        name,
        tail,
        frame_len: frame.len(),
    })
}

impl Query {
    /// The kind of answer that the query asks for.
    ///
    /// # Errors
    /// [`Miss::TypeNotServed`] if the kernel never gives such an answer.
    #[inline(always)]
    pub fn kind(&self) -> Result<Hit, Miss> {
        match self.tail.qtype {
            TYPE_A => Ok(Hit::A),
            _ => Err(Miss::TypeNotServed),
        }
    }
}

/// Checks everything below DNS; gives the length of the DNS message in octets.
#[inline(always)]
fn check_transport(
    frame: &Frame<'_>,
    config: &ConfigCells,
    is_service: impl FnOnce(&ServiceKey) -> bool,
) -> Result<usize, Miss> {
    let ethernet: &Ethernet = frame.get(0).ok_or(Miss::Truncated)?;
    if ethernet.destination[0] & GROUP != 0 {
        return Err(Miss::NotUnicast);
    }
    if ethernet.ethertype != ETHERTYPE_IPV4 {
        return Err(Miss::NotIpv4);
    }
    let ip: &Ipv4 = frame.get(IP).ok_or(Miss::Truncated)?;
    if ip.version_ihl != VERSION_IHL {
        let has_options = ip.version_ihl > VERSION_IHL && ip.version_ihl >> 4 == 4;
        return Err(if has_options {
            Miss::IpOptions
        } else {
            Miss::IpHeader
        });
    }
    if ip.protocol != PROTOCOL_UDP {
        return Err(Miss::NotUdp);
    }
    // Neither more fragments, nor an offset, nor the reserved bit.
    if ip.fragment[0] & !DONT_FRAGMENT != 0 || ip.fragment[1] != 0 {
        return Err(Miss::Fragment);
    }
    let udp: &Udp = frame.get(UDP).ok_or(Miss::Truncated)?;
    if !config.may_have_port(udp.destination) {
        return Err(Miss::OtherPort);
    }
    if !is_service(&ServiceKey::ipv4(ip.destination, udp.destination)) {
        return Err(Miss::OtherAddress);
    }
    let ip_len = usize::from(u16::from_be_bytes(ip.total_length));
    let udp_len = usize::from(u16::from_be_bytes(udp.length));
    if ip_len < size_of::<Ipv4>() + size_of::<Udp>() {
        return Err(Miss::IpHeader);
    }
    if udp_len + size_of::<Ipv4>() != ip_len {
        return Err(Miss::UdpLength);
    }
    if IP + ip_len > frame.len() {
        return Err(Miss::Truncated);
    }
    Ok(udp_len - size_of::<Udp>())
}

/// Checks that the header is that of a plain query with one question.
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
    if dns.additionals != [0, 0] {
        return Err(Miss::Additional);
    }
    Ok(())
}
