//! Reads a query with etherparse and hickory-proto, and checks what they let pass and kxdns does not.

use std::net::IpAddr;

use etherparse::{
    EtherType, IpNumber, LinkExtSlice, LinkSlice, NetSlice, SlicedPacket, TransportSlice,
};
use hickory_proto::{
    op::{Message, MessageType, OpCode},
    rr::DNSClass,
    serialize::binary::{BinDecodable as _, BinDecoder},
};

use crate::wire::of_name;

/// A UDP packet that may be answered, whatever it carries.
pub(crate) struct Datagram<'f> {
    /// Where it goes to.
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) payload: &'f [u8],
}

/// A query that may be answered, whatever it asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) id: u16,
    /// The name in wire form, in the case it came in.
    pub(crate) name: Vec<u8>,
    pub(crate) qtype: u16,
    pub(crate) edns: Option<AskedEdns>,
}

/// What an OPT record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AskedEdns {
    pub(crate) udp_size: u16,
    pub(crate) dnssec_ok: bool,
}

/// Most EDNS options that kxdns steps over, and most octets of them.
const OPTIONS: (usize, usize) = (8, 512);
/// NSID and client subnet: the server checks what is in them.
const CHECKED: [u16; 2] = [3, 8];

/// Reads a frame down to the payload of UDP; `None` if it is none that kxdns takes.
pub(crate) fn datagram(frame: &[u8]) -> Option<Datagram<'_>> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(LinkSlice::Ethernet2(ethernet)) = &packet.link else {
        return None;
    };
    let is_group = ethernet.destination()[0] & 1 == 1;
    if is_group || !tags_are_right(ethernet.ether_type(), &packet.link_exts) {
        return None;
    }
    let (address, len) = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => {
            let header = ip.header();
            // The reserved bit, which etherparse does not show.
            let is_whole = !header.is_fragmenting_payload() && header.slice()[6] & 0x80 == 0;
            if header.ihl() != 5 || !is_whole || header.protocol() != IpNumber::UDP {
                return None;
            }
            let address = IpAddr::V4(header.destination_addr());
            (address, header.payload_len().ok()?)
        }
        Some(NetSlice::Ipv6(ip)) => {
            let header = ip.header();
            if header.next_header() != IpNumber::UDP {
                return None;
            }
            let address = IpAddr::V6(header.destination_addr());
            (address, header.payload_length())
        }
        _ => return None,
    };
    let Some(TransportSlice::Udp(udp)) = &packet.transport else {
        return None;
    };
    let has_checksum = udp.checksum() != 0 || address.is_ipv4();
    // Where a length is zero, etherparse takes what there is.
    let is_long_enough = len >= 8;
    (is_long_enough && udp.length() == len && has_checksum).then(|| Datagram {
        address,
        port: udp.destination_port(),
        payload: udp.payload(),
    })
}

/// No VLAN tag, one of either kind, or a second one that is a customer's.
fn tags_are_right(outer: EtherType, tags: &[LinkExtSlice<'_>]) -> bool {
    let kinds = [EtherType::VLAN_TAGGED_FRAME, EtherType::PROVIDER_BRIDGING];
    match tags {
        [] => true,
        [LinkExtSlice::Vlan(_)] => kinds.contains(&outer),
        [LinkExtSlice::Vlan(first), LinkExtSlice::Vlan(_)] => {
            kinds.contains(&outer) && first.ether_type() == EtherType::VLAN_TAGGED_FRAME
        }
        _ => false,
    }
}

/// Reads a DNS message; `None` if it is none that kxdns takes.
pub(crate) fn asked(payload: &[u8]) -> Option<Asked> {
    let mut decoder = BinDecoder::new(payload);
    let message = Message::read(&mut decoder).ok()?;
    let header = &message.metadata;
    let is_query = header.message_type == MessageType::Query && header.op_code == OpCode::Query;
    // All bits but RD, AD and CD, one of which hickory-proto does not show.
    let is_plain = payload[2] & !0x01 == 0 && payload[3] & !0x30 == 0;
    let [query] = message.queries.as_slice() else {
        return None;
    };
    let records = message.answers.len()
        + message.authorities.len()
        + message.additionals.len()
        + usize::from(message.signature.is_some());
    if !is_query || !is_plain || records > 0 || !decoder.is_empty() {
        return None;
    }
    let name = of_name(query.name());
    let rest = payload[12..].strip_prefix(name.as_slice())?;
    let qtype = u16::from(query.query_type());
    let is_meta = matches!(qtype, 0 | 41 | 128..=254);
    if query.query_class() != DNSClass::IN || is_meta {
        return None;
    }
    let edns = match &message.edns {
        None => None,
        Some(edns) => {
            let opt = rest.get(4..)?;
            // A pointer to a zero octet is a root, too, and not expected here.
            let is_root = opt.first() == Some(&0);
            let options = opt.get(11..)?;
            let is_for_server = !options_pass(options) || has_another_end(options, payload);
            if !is_root || edns.version() != 0 || is_for_server {
                return None;
            }
            Some(AskedEdns {
                udp_size: edns.max_payload(),
                dnssec_ok: edns.flags().dnssec_ok,
            })
        }
    };
    Some(Asked {
        id: header.id,
        name,
        qtype,
        edns,
    })
}

/// Whether options end in what could be the end of another question with an OPT record: kxdns leaves that to the server.
fn has_another_end(options: &[u8], payload: &[u8]) -> bool {
    let Some(&[high, low, 0, 1, 0, 0, 41, .., 0, 0]) = payload.last_chunk::<15>() else {
        return false;
    };
    let is_meta = matches!(u16::from_be_bytes([high, low]), 0 | 41 | 128..=254);
    let has_length = (1..=255).contains(&payload.len().saturating_sub(27));
    !options.is_empty() && !is_meta && has_length
}

/// Whether EDNS options are well-formed and none but such that have no influence.
fn options_pass(mut options: &[u8]) -> bool {
    if options.len() > OPTIONS.1 {
        return false;
    }
    let mut number = 0;
    while !options.is_empty() {
        let Some((&[code_high, code_low, high, low], data)) = options.split_first_chunk() else {
            return false;
        };
        let len = usize::from(u16::from_be_bytes([high, low]));
        let is_checked = CHECKED.contains(&u16::from_be_bytes([code_high, code_low]));
        match data.get(len..) {
            Some(rest) if !is_checked => options = rest,
            _ => return false,
        }
        number += 1;
    }
    number <= OPTIONS.0
}
