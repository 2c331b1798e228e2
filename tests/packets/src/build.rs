//! Builds queries with etherparse and hickory-proto, which share no code with the packet path.

mod link;
mod opt;

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::{IpHeaders, IpNumber, Ipv4Extensions, Ipv4Header, PacketBuilder};
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{Name, RecordType},
};

pub use self::{
    link::{Tags, dns_at, frame_over, ip6_header, over_ip6},
    opt::{Opt, edns, option, with_opt, with_record},
};
use crate::fixture::SERVICE;

/// The client's address.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 244, 1, 7);
/// The client's IPv6 address.
pub const CLIENT6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x10, 0x244, 0x1, 0, 0, 0xbe, 0x7);
/// The client's port.
pub const CLIENT_PORT: u16 = 40_053;
/// The client's Ethernet address.
pub const CLIENT_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x07];
/// The node's Ethernet address.
pub const NODE_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];

/// Offset of the IP header in a frame without VLAN tags.
pub const IP: usize = 14;
/// Offset of the UDP header in a frame of IPv4 without VLAN tags.
pub const UDP: usize = 34;
/// Offset of the DNS message in a frame of IPv4 without VLAN tags.
pub const DNS: usize = 42;
/// Offset of the UDP header in a frame of IPv6 without VLAN tags.
pub const UDP6: usize = 54;

/// A query with `RD` set for the name, its letters as they are.
#[must_use]
pub fn message(name: &str, kind: RecordType) -> Message {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut name =
        Name::from_labels(labels.map(str::as_bytes)).expect("the table's names are names");
    name.set_fqdn(true);
    query(name, kind)
}

/// A query with `RD` set for the name in wire form, its letters as they are.
#[must_use]
pub fn message_for(wire: &[u8], kind: RecordType) -> Message {
    query(crate::wire::name(wire), kind)
}

fn query(name: Name, kind: RecordType) -> Message {
    let mut message = Message::new(0xbeef, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, kind));
    message
}

/// The message in wire form.
#[must_use]
pub fn octets(message: &Message) -> Vec<u8> {
    message
        .to_vec()
        .expect("the table's messages have a wire form")
}

/// A frame from the client to the DNS service with this payload.
#[must_use]
pub fn frame(payload: &[u8]) -> Vec<u8> {
    frame_to(SERVICE, 53, payload)
}

/// A frame from the client to any address and port with this payload.
#[must_use]
pub fn frame_to(address: Ipv4Addr, port: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(CLIENT_MAC, NODE_MAC)
        .ipv4(CLIENT.octets(), address.octets(), 64)
        .udp(CLIENT_PORT, port);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder
        .write(&mut frame, payload)
        .expect("a vector takes every octet");
    frame
}

/// A frame whose IPv4 header the caller has prepared; lengths and checksums are filled in.
#[must_use]
pub fn frame_with_ip(mut ip: Ipv4Header, payload: &[u8]) -> Vec<u8> {
    ip.protocol = IpNumber::UDP;
    frame_over(
        Tags::None,
        IpHeaders::Ipv4(ip, Ipv4Extensions::default()),
        payload,
    )
}

/// An IPv4 header from the client to the service.
#[must_use]
pub fn ip_header() -> Ipv4Header {
    Ipv4Header {
        source: CLIENT.octets(),
        destination: SERVICE.octets(),
        time_to_live: 64,
        ..Ipv4Header::default()
    }
}

/// A frame that asks for the A records of `name`.
#[must_use]
pub fn a_query(name: &str) -> Vec<u8> {
    frame(&octets(&message(name, RecordType::A)))
}

/// The frame with some of its octets replaced, beginning at `at`.
#[must_use]
pub fn patched(mut frame: Vec<u8>, at: usize, octets: &[u8]) -> Vec<u8> {
    frame[at..at + octets.len()].copy_from_slice(octets);
    frame
}

/// The frame with `payload` behind its own, lengths corrected; checksums are left stale.
#[must_use]
pub fn extended(mut frame: Vec<u8>, payload: &[u8]) -> Vec<u8> {
    frame.extend_from_slice(payload);
    let ip_len = u16::try_from(frame.len() - IP).expect("the table's packets are short");
    frame[IP + 2..IP + 4].copy_from_slice(&ip_len.to_be_bytes());
    frame[UDP + 4..UDP + 6].copy_from_slice(&(ip_len - 20).to_be_bytes());
    frame
}
