//! Judges a response with etherparse and hickory-proto, which share no code with the packet path.

mod opened;

use std::fmt::Debug;

use hickory_proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{DNSClass, RData, Record, RecordType},
    serialize::binary::{BinDecodable as _, BinDecoder},
};

pub use self::opened::{Network, Opened, check_udp_checksum, open};
use crate::{
    fixture::{SERIAL, TTL},
    model::Expected,
    wire,
};

/// TTL of the packets that are sent.
const HOPS: u8 = 64;
/// The largest message that is sent, as the OPT record of a response says.
const SIZE: u16 = 1232;

/// Checks that `response` answers `query` with just what is expected; both are whole frames.
///
/// A query whose IPv4 checksum is wrong has to have a response whose checksum is wrong, too.
///
/// # Errors
/// What is wrong with it.
pub fn check(query: &[u8], response: &[u8], expected: &Expected) -> Result<(), String> {
    let (asked, answered) = (open(query)?, open(response)?);
    check_headers(&asked, &answered)?;
    equal("octets behind the datagram", 0, answered.behind)?;
    check_udp_checksum(response)?;
    check_message(asked.payload, answered.payload, expected)
}

/// Checks that `response` tells the client of `query` to ask over TCP, and nothing else; both are whole frames.
///
/// # Errors
/// What is wrong with it.
pub fn check_truncated(query: &[u8], response: &[u8]) -> Result<(), String> {
    let (asked, answered) = (open(query)?, open(response)?);
    check_headers(&asked, &answered)?;
    equal("octets behind the datagram", 0, answered.behind)?;
    check_udp_checksum(response)?;
    let (asked, answered) = (message(asked.payload)?, message(answered.payload)?);
    // What is said of no name is said with no authority.
    check_dns_header(&asked, &answered, ResponseCode::NoError, Part::First)?;
    check_question(&asked, &answered)?;
    equal("answers", 0, answered.answers.len())?;
    equal("authorities", 0, answered.authorities.len())?;
    let dnssec_ok = asked.edns.as_ref().map(|edns| edns.flags().dnssec_ok);
    check_additional(&answered, dnssec_ok)
}

/// How much of the answer a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    First,
}

/// Checks that the DNS message `answered` answers the message `asked` with just what is expected.
///
/// # Errors
/// What is wrong with it.
pub fn check_message(asked: &[u8], answered: &[u8], expected: &Expected) -> Result<(), String> {
    equal("octets of the message", expected.len, answered.len())?;
    let (asked, answered) = (message(asked)?, message(answered)?);
    check_dns_header(&asked, &answered, expected.rcode, Part::Whole)?;
    let name = check_question(&asked, &answered)?;
    check_answers(asked.metadata.id, &name, &answered.answers, expected)?;
    check_authority(&answered.authorities, expected)?;
    check_additional(&answered, expected.edns)
}

/// Checks that the question is the same, letter by letter; gives its name in wire form.
fn check_question(asked: &Message, answered: &Message) -> Result<Vec<u8>, String> {
    let [query] = asked.queries.as_slice() else {
        return Err("not one question".to_owned());
    };
    let [echo] = answered.queries.as_slice() else {
        return Err("not one question in the response".to_owned());
    };
    // Equality of names does not see the case of letters; their octets do.
    let name = wire::of_name(query.name());
    equal("name of the question", &name, &wire::of_name(echo.name()))?;
    equal("questions", &asked.queries, &answered.queries)?;
    Ok(name)
}

/// Checks that there is our OPT record if the client has sent one, with its bit DO, and nothing else.
fn check_additional(answered: &Message, dnssec_ok: Option<bool>) -> Result<(), String> {
    equal("additional records", 0, answered.additionals.len())?;
    equal("a signature", false, answered.signature.is_some())?;
    let edns = answered.edns.as_ref();
    equal("DO", dnssec_ok, edns.map(|edns| edns.flags().dnssec_ok))?;
    let Some(edns) = edns else {
        return Ok(());
    };
    equal("EDNS size", SIZE, edns.max_payload())?;
    equal("EDNS version", 0, edns.version())?;
    equal("EDNS RCODE", 0, edns.rcode_high())?;
    equal("EDNS flags", 0, edns.flags().z)?;
    equal("EDNS options", 0, edns.options().as_ref().len())
}

fn check_headers(asked: &Opened<'_>, answered: &Opened<'_>) -> Result<(), String> {
    let swapped = |(source, destination)| (destination, source);
    let (to, from) = asked.ethernet;
    equal("Ethernet addresses", (from, to), answered.ethernet)?;
    equal("VLAN tags", asked.tags, answered.tags)?;
    equal("ports", swapped(asked.ports), answered.ports)?;
    match (&asked.network, &answered.network) {
        (Network::V4(asked), Network::V4(answered)) => {
            let wanted = etherparse::Ipv4Header {
                source: asked.header.destination,
                destination: asked.header.source,
                ecn: etherparse::IpEcn::ZERO,
                time_to_live: HOPS,
                total_len: answered.header.total_len,
                header_checksum: answered.header.header_checksum,
                ..asked.header.clone()
            };
            equal("IPv4 header", &wanted, &answered.header)?;
            equal(
                "whether the IPv4 checksum is right",
                asked.checksum_holds,
                answered.checksum_holds,
            )
        }
        (Network::V6(asked), Network::V6(answered)) => {
            let wanted = etherparse::Ipv6Header {
                source: asked.destination,
                destination: asked.source,
                // ECN is the class's lower two bits.
                traffic_class: asked.traffic_class & !3,
                hop_limit: HOPS,
                payload_length: answered.payload_length,
                ..asked.clone()
            };
            equal("IPv6 header", &wanted, answered)
        }
        _ => Err("another version of IP".to_owned()),
    }
}

fn check_dns_header(
    asked: &Message,
    answered: &Message,
    rcode: ResponseCode,
    part: Part,
) -> Result<(), String> {
    let (question, header) = (&asked.metadata, &answered.metadata);
    equal("id", question.id, header.id)?;
    equal("QR", MessageType::Response, header.message_type)?;
    equal("opcode", OpCode::Query, header.op_code)?;
    equal("AA", part == Part::Whole, header.authoritative)?;
    equal("TC", part == Part::First, header.truncation)?;
    equal("RD", question.recursion_desired, header.recursion_desired)?;
    equal("RA", true, header.recursion_available)?;
    equal("AD", false, header.authentic_data)?;
    equal("CD", false, header.checking_disabled)?;
    equal("RCODE", rcode, header.response_code)
}

/// Checks that the answers are those expected, each once, beginning at the one that the id says: the server
/// begins there, too.
fn check_answers(
    id: u16,
    name: &[u8],
    answers: &[Record],
    expected: &Expected,
) -> Result<(), String> {
    let mut wanted: Vec<&RData> = expected.answers.iter().collect();
    if !wanted.is_empty() {
        let start = usize::from(id) % wanted.len();
        wanted.rotate_left(start);
    }
    let data: Vec<&RData> = answers.iter().map(|record| &record.data).collect();
    equal("answers", wanted, data)?;
    for record in answers {
        check_record(record, name)?;
        // Equality of data does not see the case of letters in a name either.
        if let RData::PTR(target) = &record.data {
            let lower = wire::of_name(target).to_ascii_lowercase();
            equal("case of the target", lower, wire::of_name(target))?;
        }
    }
    Ok(())
}

fn check_authority(authorities: &[Record], expected: &Expected) -> Result<(), String> {
    let Some(zone) = &expected.soa else {
        return equal("authority records", 0, authorities.len());
    };
    let [record] = authorities else {
        return Err(format!("{} authority records", authorities.len()));
    };
    // The name may have any case: the zone's name is a part of the question's.
    equal("zone", zone, &record.name)?;
    check_record(record, &wire::of_name(&record.name))?;
    let RData::SOA(soa) = &record.data else {
        return Err("the authority record is no SOA".to_owned());
    };
    let below = |labels: &[&[u8]]| {
        let zone = wire::of_name(zone);
        let labels = labels.iter().copied().chain(wire::labels(&zone));
        wire::name(&wire::joined(labels))
    };
    equal("MNAME", &below(&[b"ns", b"dns"]), &soa.mname)?;
    equal("RNAME", &below(&[b"hostmaster"]), &soa.rname)?;
    equal("serial number", SERIAL, soa.serial)?;
    let timers = (soa.refresh, soa.retry, soa.expire, soa.minimum);
    equal("timers", (7200, 1800, 86_400, TTL), timers)
}

fn check_record(record: &Record, owner: &[u8]) -> Result<(), String> {
    equal("owner", owner, &wire::of_name(&record.name))?;
    equal("class", DNSClass::IN, record.dns_class)?;
    equal("TTL", TTL, record.ttl)?;
    let kind = match &record.data {
        RData::A(_) => RecordType::A,
        RData::AAAA(_) => RecordType::AAAA,
        RData::PTR(_) => RecordType::PTR,
        RData::SOA(_) => RecordType::SOA,
        other => return Err(format!("a record that nobody asked for: {other:?}")),
    };
    equal("type", kind, record.record_type())
}

/// The message that fills `payload`.
fn message(payload: &[u8]) -> Result<Message, String> {
    let mut decoder = BinDecoder::new(payload);
    let message = Message::read(&mut decoder).map_err(|error| error.to_string())?;
    equal("octets behind the message", 0, decoder.len())?;
    Ok(message)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "most values are made for the call"
)]
fn equal<T: PartialEq + Debug>(what: &str, want: T, have: T) -> Result<(), String> {
    if want == have {
        return Ok(());
    }
    Err(format!("{what}: {have:?} where {want:?} was expected"))
}
