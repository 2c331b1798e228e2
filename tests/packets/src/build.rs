//! Builds queries with etherparse and hickory-proto, which share no code with the packet path.

use std::net::Ipv4Addr;

use etherparse::{IpNumber, Ipv4Header, PacketBuilder};
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{Name, RecordType},
};

use crate::fixture::SERVICE;

/// The client's address.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 244, 1, 7);
/// The client's port.
pub const CLIENT_PORT: u16 = 40_053;
/// The client's Ethernet address.
pub const CLIENT_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x07];
/// The node's Ethernet address.
pub const NODE_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];

/// Offset of the IPv4 header in a frame.
pub const IP: usize = 14;
/// Offset of the UDP header in a frame.
pub const UDP: usize = 34;
/// Offset of the DNS message in a frame.
pub const DNS: usize = 42;

/// A query with `RD` set for the name, its letters as they are.
#[must_use]
pub fn message(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(0xbeef, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut name =
        Name::from_labels(labels.map(str::as_bytes)).expect("the table's names are names");
    name.set_fqdn(true);
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
    let builder = PacketBuilder::ethernet2(CLIENT_MAC, NODE_MAC)
        .ip(etherparse::IpHeaders::Ipv4(
            ip,
            etherparse::Ipv4Extensions::default(),
        ))
        .udp(CLIENT_PORT, 53);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder
        .write(&mut frame, payload)
        .expect("a vector takes every octet");
    frame
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
