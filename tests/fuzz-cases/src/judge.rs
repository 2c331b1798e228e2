//! Judges an answer with etherparse and hickory-proto: each field of each header, and each record.

use etherparse::{
    IpEcn, Ipv4Header, Ipv4HeaderSlice, Ipv6Header, Ipv6HeaderSlice, NetSlice, SlicedPacket,
    TransportSlice, UdpHeader,
};
use hickory_proto::{
    op::Message,
    rr::{DNSClass, RData, Record, RecordType, rdata::SOA},
    serialize::binary::{BinDecodable as _, BinDecoder},
};

use crate::{
    model::{Data, Reply},
    wire::{lower, of_name, wire},
    world::{Stage, TTL},
};

/// Checks that the frame `response` answers the frame `query` with `reply`, and does nothing else.
///
/// # Errors
/// What is wrong with it.
pub fn judge(query: &[u8], response: &[u8], reply: &Reply, stage: &Stage) -> Result<(), String> {
    let (asked, answered) = (slice(query)?, slice(response)?);
    let (to, from) = (&response[..6], &response[6..12]);
    equal("destination station", &query[6..12], to)?;
    equal("source station", &query[..6], from)?;
    equal("tags", &query[12..asked.ip], &response[12..answered.ip])?;
    let udp_len = 8 + reply.len;
    let udp = UdpHeader {
        source_port: asked.udp.destination_port,
        destination_port: asked.udp.source_port,
        length: u16::try_from(udp_len).map_err(|error| error.to_string())?,
        checksum: 0,
    };
    let checksum = match (&asked.net, &answered.net) {
        (Net::V4(asked_net), Net::V4(have)) => {
            ipv4(asked_net, have, udp.length)?;
            // With the reserved bit, which etherparse does not show.
            let fragment = asked.ip + 4..asked.ip + 8;
            equal(
                "identification, flags, offset",
                &query[fragment.clone()],
                &response[fragment],
            )?;
            udp.calc_checksum_ipv4(have, answered.payload)
        }
        (Net::V6(asked), Net::V6(have)) => {
            let want = Ipv6Header {
                traffic_class: asked.traffic_class & 0xfc,
                payload_length: udp.length,
                hop_limit: 64,
                source: asked.destination,
                destination: asked.source,
                ..asked.clone()
            };
            equal("IPv6 header", &want, have)?;
            udp.calc_checksum_ipv6(have, answered.payload)
        }
        _ => return Err("another version of IP".to_owned()),
    };
    let checksum = checksum.map_err(|error| error.to_string())?;
    equal("UDP header", UdpHeader { checksum, ..udp }, answered.udp)?;
    let len = response.len() - answered.ip - answered.net.len() - udp_len;
    equal("octets behind the datagram", 0, len)?;
    message(asked.payload, answered.payload, reply, stage)
}

struct Sliced<'f> {
    /// Offset of the IP header.
    ip: usize,
    net: Net,
    udp: UdpHeader,
    payload: &'f [u8],
}

enum Net {
    V4(Ipv4Header),
    V6(Ipv6Header),
}

impl Net {
    const fn len(&self) -> usize {
        match self {
            Self::V4(_) => Ipv4Header::MIN_LEN,
            Self::V6(_) => Ipv6Header::LEN,
        }
    }
}

fn slice(frame: &[u8]) -> Result<Sliced<'_>, String> {
    let packet = SlicedPacket::from_ethernet(frame).map_err(|error| error.to_string())?;
    let net = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => Net::V4(Ipv4HeaderSlice::to_header(&ip.header())),
        Some(NetSlice::Ipv6(ip)) => Net::V6(Ipv6HeaderSlice::to_header(&ip.header())),
        _ => return Err("no IP".to_owned()),
    };
    let Some(TransportSlice::Udp(udp)) = packet.transport else {
        return Err("no UDP".to_owned());
    };
    Ok(Sliced {
        ip: 14 + 4 * packet.link_exts.len(),
        net,
        udp: udp.to_header(),
        payload: udp.payload(),
    })
}

/// A header that came damaged has to leave damaged.
fn ipv4(asked: &Ipv4Header, have: &Ipv4Header, len: u16) -> Result<(), String> {
    let want = Ipv4Header {
        ecn: IpEcn::ZERO,
        total_len: 20 + len,
        time_to_live: 64,
        source: asked.destination,
        destination: asked.source,
        header_checksum: have.header_checksum,
        ..asked.clone()
    };
    equal("IPv4 header", &want, have)?;
    // The checksum's distance from the right one; a zero may be all ones, too.
    let fault = |ip: &Ipv4Header| {
        let want = u32::from(ip.calc_header_checksum());
        (u32::from(ip.header_checksum) + 0xffff - want) % 0xffff
    };
    equal("fault of the IPv4 checksum", fault(asked), fault(have))
}

fn message(query: &[u8], response: &[u8], reply: &Reply, stage: &Stage) -> Result<(), String> {
    let mut decoder = BinDecoder::new(response);
    let answered = Message::read(&mut decoder).map_err(|error| error.to_string())?;
    equal("octets behind the message", 0, decoder.len())?;
    let asked = Message::from_vec(query).map_err(|error| error.to_string())?;
    let [question] = asked.queries.as_slice() else {
        return Err("not one question".to_owned());
    };
    let name = of_name(question.name());
    let (rcode, answers, authorities) = match &reply.data {
        Data::A(set) => (0, set.len(), 0),
        Data::Aaaa(set) => (0, set.len(), 0),
        Data::Ptr(_) => (0, 1, 0),
        Data::No { rcode, .. } => (*rcode, 0, 1),
    };
    let recursion = if stage.recursion { 0x80 } else { 0 };
    equal("id", &query[..2], &response[..2])?;
    equal("QR, opcode, AA, TC, RD", 0x84 | query[2] & 1, response[2])?;
    let low = u8::try_from(rcode).map_err(|error| error.to_string())? | recursion;
    equal("RA, Z, AD, CD, RCODE", low, response[3])?;
    equal("RCODE", rcode, answered.metadata.response_code.into())?;
    equal("questions", 1, answered.queries.len())?;
    let end = 12 + name.len() + 4;
    equal("question", &query[12..end], &response[12..end])?;
    equal("answers", answers, answered.answers.len())?;
    equal("authorities", authorities, answered.authorities.len())?;
    equal("additionals", 0, answered.additionals.len())?;
    equal("signature", false, answered.signature.is_some())?;
    let edns = answered.edns.as_ref();
    let opt = edns.map(|edns| (edns.flags().dnssec_ok, edns.flags().z, edns.max_payload()));
    equal("OPT", reply.edns.map(|dnssec_ok| (dnssec_ok, 0, 1232)), opt)?;
    if let Some(edns) = edns {
        let rest = (
            edns.version(),
            edns.rcode_high(),
            edns.options().options.len(),
        );
        equal("OPT's version, RCODE, options", (0, 0, 0), rest)?;
    }
    match &reply.data {
        Data::A(set) => set
            .iter()
            .zip(&answered.answers)
            .try_for_each(|(it, have)| {
                let data = record(have, &name, RecordType::A)?;
                equal("address", &RData::A((*it).into()), data)
            }),
        Data::Aaaa(set) => set
            .iter()
            .zip(&answered.answers)
            .try_for_each(|(it, have)| {
                let data = record(have, &name, RecordType::AAAA)?;
                equal("address", &RData::AAAA((*it).into()), data)
            }),
        Data::Ptr(target) => {
            let data = record(&answered.answers[0], &name, RecordType::PTR)?;
            let RData::PTR(have) = data else {
                return Err("no pointer".to_owned());
            };
            equal("target", target, &of_name(have))
        }
        Data::No { zone, .. } => {
            // The zone's name is a part of the question, and in its case.
            let owner = &name[name.len() - zone.len()..];
            equal("zone", zone, &lower(owner))?;
            let data = record(&answered.authorities[0], owner, RecordType::SOA)?;
            let RData::SOA(have) = data else {
                return Err("no start of authority".to_owned());
            };
            soa(have, owner, stage.serial)
        }
    }
}

fn soa(have: &SOA, zone: &[u8], serial: u32) -> Result<(), String> {
    let inside = |labels: &str| {
        let labels = wire(labels);
        [&labels[..labels.len() - 1], zone].concat()
    };
    equal("MNAME", inside("ns.dns"), of_name(&have.mname))?;
    equal("RNAME", inside("hostmaster"), of_name(&have.rname))?;
    let timers = (have.refresh, have.retry, have.expire);
    equal("timers", (7200, 1800, 86_400), timers)?;
    equal("serial number", serial, have.serial)?;
    equal("negative TTL", TTL, have.minimum)
}

/// Checks what records have before their data, which it gives.
fn record<'r>(have: &'r Record, owner: &[u8], kind: RecordType) -> Result<&'r RData, String> {
    equal("owner", owner, of_name(&have.name).as_slice())?;
    equal("type", kind, have.record_type())?;
    equal("class", DNSClass::IN, have.dns_class)?;
    equal("TTL", TTL, have.ttl)?;
    Ok(&have.data)
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
