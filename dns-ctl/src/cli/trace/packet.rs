//! Builds the frame of a query as a client's would come in, and finds the message in the answer's frame.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context as _;
use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query},
    rr::{Name, RecordType},
};

/// The client's Ethernet address, and that of the interface: not of a group, and of no maker's.
const STATIONS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];
/// The client's addresses: for documentation (RFC 5737, RFC 3849).
const CLIENTS: (Ipv4Addr, Ipv6Addr) = (
    Ipv4Addr::new(192, 0, 2, 1),
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
);
/// The client's port: out of those that clients choose from.
const CLIENT_PORT: u16 = 53_053;
/// Hops that the packet may still take.
const TTL: u8 = 64;

/// A query, as a stub resolver asks it.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// Identifier of the query; the order of addresses depends on it.
    pub(super) id: u16,
    /// The name asked for.
    pub(super) name: Name,
    /// The type asked for.
    pub(super) record_type: RecordType,
    /// Octets of the largest answer, if the query says so in an OPT record.
    pub(super) edns: Option<u16>,
}

/// The source of queries to an address of this family.
pub(super) const fn client(to: SocketAddr) -> SocketAddr {
    let address = match to {
        SocketAddr::V4(_) => IpAddr::V4(CLIENTS.0),
        SocketAddr::V6(_) => IpAddr::V6(CLIENTS.1),
    };
    SocketAddr::new(address, CLIENT_PORT)
}

/// The frame in which a client sends a message to this address.
pub(super) fn frame(message: &[u8], to: SocketAddr) -> anyhow::Result<Vec<u8>> {
    let [client_station, station] = STATIONS;
    let builder = PacketBuilder::ethernet2(client_station, station);
    let builder = match to.ip() {
        IpAddr::V4(to) => builder.ipv4(CLIENTS.0.octets(), to.octets(), TTL),
        IpAddr::V6(to) => builder.ipv6(CLIENTS.1.octets(), to.octets(), TTL),
    };
    let builder = builder.udp(CLIENT_PORT, to.port());
    let mut frame = Vec::with_capacity(builder.size(message.len()));
    builder
        .write(&mut frame, message)
        .context("can't build the packet")?;
    Ok(frame)
}

/// The DNS message in a frame, decoded, and its octets.
pub(super) fn read(frame: &[u8]) -> anyhow::Result<(Message, usize)> {
    let packet = SlicedPacket::from_ethernet(frame).context("the headers can't be read")?;
    let Some(TransportSlice::Udp(udp)) = packet.transport else {
        anyhow::bail!("it is not UDP");
    };
    let message = Message::from_vec(udp.payload()).context("the DNS message can't be read")?;
    Ok((message, udp.payload().len()))
}

/// The DNS message of a question.
pub(super) fn message(question: &Question) -> anyhow::Result<Vec<u8>> {
    let mut message = Message::new(question.id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(question.name.clone(), question.record_type));
    if let Some(size) = question.edns {
        let mut edns = Edns::new();
        edns.set_max_payload(size);
        message.set_edns(edns);
    }
    message.to_vec().context("can't encode the question")
}

#[cfg(test)]
mod tests {
    use etherparse::NetSlice;

    use super::*;

    fn question(edns: Option<u16>) -> Question {
        Question {
            id: 0x1234,
            name: Name::from_ascii("Nginx.x.").unwrap(),
            record_type: RecordType::AAAA,
            edns,
        }
    }

    #[test]
    fn a_message_is_what_a_stub_resolver_sends() {
        let plain = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x05Nginx\x01x\0\0\x1c\0\x01";
        assert_eq!(message(&question(None)).unwrap(), plain);
        let mut with_edns = plain.to_vec();
        with_edns[11] = 1;
        with_edns.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
        assert_eq!(message(&question(Some(1232))).unwrap(), with_edns);
    }

    #[test]
    fn a_frame_has_correct_lengths_and_checksums() {
        for to in ["10.96.0.10:53", "[fd00::a]:53"] {
            let to: SocketAddr = to.parse().unwrap();
            let frame = frame(&message(&question(None)).unwrap(), to).unwrap();
            let packet = SlicedPacket::from_ethernet(&frame).unwrap();
            let Some(TransportSlice::Udp(udp)) = packet.transport else {
                panic!("{to}: not UDP");
            };
            let udp_header = udp.to_header();
            assert_eq!(udp_header.source_port, client(to).port());
            assert_eq!(udp_header.destination_port, 53);
            let checksum = match packet.net.unwrap() {
                NetSlice::Ipv4(ip) => {
                    let ip = ip.header().to_header();
                    assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                    assert_eq!(IpAddr::from(ip.destination), to.ip());
                    assert_eq!(IpAddr::from(ip.source), client(to).ip());
                    udp_header.calc_checksum_ipv4(&ip, udp.payload()).unwrap()
                }
                NetSlice::Ipv6(ip) => {
                    let ip = ip.header().to_header();
                    assert_eq!(IpAddr::from(ip.destination), to.ip());
                    assert_eq!(IpAddr::from(ip.source), client(to).ip());
                    udp_header.calc_checksum_ipv6(&ip, udp.payload()).unwrap()
                }
                NetSlice::Arp(_) => panic!("{to}: ARP"),
            };
            assert_eq!(udp_header.checksum, checksum, "{to}");
            let (found, octets) = read(&frame).unwrap();
            assert_eq!((found.metadata.id, octets), (0x1234, 25), "{to}");
            assert_eq!(found.queries[0].name().to_ascii(), "Nginx.x.");
        }
    }
}
