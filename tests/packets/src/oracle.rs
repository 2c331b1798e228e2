//! Judges a response with etherparse and hickory-proto, which share no code with the packet path.

use std::net::Ipv4Addr;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use hickory_proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{DNSClass, RData, RecordType},
};

/// Checks that `response` answers `query` with just this address; both are whole frames.
///
/// # Errors
/// What is wrong with it.
pub fn check(query: &[u8], response: &[u8], address: Ipv4Addr, ttl: u32) -> Result<(), String> {
    let (asked, answered) = (slice(query)?, slice(response)?);
    equal(
        "Ethernet addresses",
        (asked.ethernet.1, asked.ethernet.0),
        answered.ethernet,
    )?;
    equal("IPv4 addresses", (asked.ip.1, asked.ip.0), answered.ip)?;
    equal("ports", (asked.ports.1, asked.ports.0), answered.ports)?;
    let (asked, answered) = (message(asked.payload)?, message(answered.payload)?);
    let (question, header) = (&asked.metadata, &answered.metadata);
    equal("id", question.id, header.id)?;
    equal("QR", MessageType::Response, header.message_type)?;
    equal("opcode", OpCode::Query, header.op_code)?;
    equal("AA", true, header.authoritative)?;
    equal("TC", false, header.truncation)?;
    equal("RD", question.recursion_desired, header.recursion_desired)?;
    equal("RA", true, header.recursion_available)?;
    equal("AD", false, header.authentic_data)?;
    equal("CD", false, header.checking_disabled)?;
    equal("RCODE", ResponseCode::NoError, header.response_code)?;
    equal("questions", &asked.queries, &answered.queries)?;
    let [query] = asked.queries.as_slice() else {
        return Err("not one question".to_owned());
    };
    let [echo] = answered.queries.as_slice() else {
        return Err("not one question in the response".to_owned());
    };
    // Equality of names does not see the case of letters; their text does.
    equal(
        "case of the question",
        query.name().to_ascii(),
        echo.name().to_ascii(),
    )?;
    let [record] = answered.answers.as_slice() else {
        return Err(format!("{} answers", answered.answers.len()));
    };
    equal("owner", query.name().to_ascii(), record.name.to_ascii())?;
    equal("type", RecordType::A, record.record_type())?;
    equal("class", DNSClass::IN, record.dns_class)?;
    equal("TTL", ttl, record.ttl)?;
    let RData::A(data) = &record.data else {
        return Err("the record holds no address".to_owned());
    };
    equal("address", address, data.0)?;
    equal(
        "other records",
        0,
        answered.authorities.len() + answered.additionals.len(),
    )
}

struct Sliced<'f> {
    ethernet: ([u8; 6], [u8; 6]),
    ip: (Ipv4Addr, Ipv4Addr),
    ports: (u16, u16),
    payload: &'f [u8],
}

/// The frame's addresses and payload, its lengths and the checksums that it carries checked.
fn slice(frame: &[u8]) -> Result<Sliced<'_>, String> {
    let packet = SlicedPacket::from_ethernet(frame).map_err(|error| error.to_string())?;
    let link = packet
        .link
        .and_then(|link| link.to_header())
        .ok_or("no Ethernet")?;
    let ethernet = link.ethernet2().ok_or("no Ethernet")?;
    let Some(NetSlice::Ipv4(ipv4)) = packet.net else {
        return Err("no IPv4".to_owned());
    };
    let ip = ipv4.header().to_header();
    equal(
        "IPv4 checksum",
        ip.calc_header_checksum(),
        ip.header_checksum,
    )?;
    let Some(TransportSlice::Udp(udp)) = packet.transport else {
        return Err("no UDP".to_owned());
    };
    equal("UDP length", udp.slice().len(), usize::from(udp.length()))?;
    Ok(Sliced {
        ethernet: (ethernet.source, ethernet.destination),
        ip: (ip.source.into(), ip.destination.into()),
        ports: (udp.source_port(), udp.destination_port()),
        payload: udp.payload(),
    })
}

/// Checks the UDP checksum of a whole frame.
///
/// # Errors
/// The checksum that it should have, beside the one it has.
pub fn check_udp_checksum(frame: &[u8]) -> Result<(), String> {
    let packet = SlicedPacket::from_ethernet(frame).map_err(|error| error.to_string())?;
    let (Some(NetSlice::Ipv4(ipv4)), Some(TransportSlice::Udp(udp))) =
        (packet.net, packet.transport)
    else {
        return Err("no UDP over IPv4".to_owned());
    };
    let wanted = udp
        .to_header()
        .calc_checksum_ipv4(&ipv4.header().to_header(), udp.payload())
        .map_err(|error| error.to_string())?;
    equal("UDP checksum", wanted, udp.checksum())
}

fn message(payload: &[u8]) -> Result<Message, String> {
    Message::from_vec(payload).map_err(|error| error.to_string())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "most values are made for the call"
)]
fn equal<T: PartialEq + std::fmt::Debug>(what: &str, want: T, have: T) -> Result<(), String> {
    if want == have {
        return Ok(());
    }
    Err(format!("{what}: {have:?} where {want:?} was expected"))
}
