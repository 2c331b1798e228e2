//! Decides what a question gets: an answer from the zone, an error, or the upstreams' word.
//!
//! Pure: a request and a zone go in, a [`Decision`] comes out. `ANY` gets what a type without
//! records gets, NODATA or NXDOMAIN, as `CoreDNS` answers it in a cluster domain.

use hickory_proto::{
    ProtoError,
    op::ResponseCode,
    rr::{
        DNSClass, Name, RData, Record, RecordType,
        rdata::{A, AAAA, NS, SOA, TXT},
    },
    serialize::binary::{BinDecodable, BinDecoder},
};

use super::request::Request;
use crate::zone::{
    Found, RecordKind, SCHEMA_VERSION, Zone,
    name::{Domain, RelativeName},
};

/// SOA timers (seconds) for secondaries, which this zone does not have.
const REFRESH: i32 = 7200;
const RETRY: i32 = 1800;
const EXPIRE: i32 = 86_400;

/// What this server answers for, and how.
#[derive(Clone, Debug)]
pub struct Authority {
    origins: Vec<Origin>,
    ttl: u32,
    recursion: bool,
}

/// A served cluster domain with the names that its own records hold.
#[derive(Clone, Debug)]
struct Origin {
    domain: Domain,
    labels: usize,
    name_server: Name,
    hostmaster: Name,
}

/// What a question gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// This reply.
    Reply(Answer),
    /// The word of the upstreams: the name is outside the served domains.
    Forward,
}

/// The parts of a reply that depend on the zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The response code.
    pub rcode: ResponseCode,
    /// Whether the reply is the word of the zone itself (AA).
    pub authoritative: bool,
    /// Whether the question is about a served domain.
    pub in_cluster: bool,
    /// The answer section.
    pub answers: Vec<Record>,
    /// The authority section.
    pub authorities: Vec<Record>,
    /// The additional section, without OPT.
    pub additionals: Vec<Record>,
    /// Why the server can't answer, for clients that speak EDNS.
    pub cause: Option<Cause>,
}

/// Why the server can't answer: an Extended DNS Error (RFC 8914).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The lists of the API server are not complete yet.
    NotReady,
    /// The name's data is of a kind that this server does not hold.
    NotHeld,
    /// No upstream is configured.
    NoUpstream,
    /// No upstream answered.
    Unreachable,
    /// Too many queries are waiting for the upstreams.
    Overload,
}

impl Cause {
    /// Info-code (RFC 8914, section 4) and text.
    #[must_use]
    pub const fn extended_error(self) -> (u16, &'static str) {
        match self {
            Self::NotReady => (14, "cluster objects are still being listed"),
            Self::NotHeld => (21, "records of this kind are not served"),
            Self::NoUpstream => (22, "no upstream is configured"),
            Self::Unreachable => (22, "no upstream answered"),
            Self::Overload => (0, "too many queries are waiting for upstreams"),
        }
    }
}

impl Authority {
    /// Answers for `domains` with records of `ttl` seconds; `recursion` tells whether there are upstreams.
    pub fn new(domains: &[Domain], ttl: u32, recursion: bool) -> Result<Self, DomainError> {
        let origins = domains.iter().map(Origin::new).collect::<Result<_, _>>()?;
        Ok(Self {
            origins,
            ttl,
            recursion,
        })
    }

    /// Whether replies offer recursion (RA).
    #[must_use]
    pub const fn recursion(&self) -> bool {
        self.recursion
    }

    /// The most specific served domain that `name` is in, and the name's part before it.
    fn locate(&self, name: &Name) -> Option<(&Origin, RelativeName)> {
        let wire = to_wire(name);
        self.origins
            .iter()
            .filter_map(|origin| Some((origin, RelativeName::within(&wire, &origin.domain)?)))
            .max_by_key(|(origin, _)| origin.labels)
    }
}

/// A cluster domain that leaves no room for the names of its own records.
#[derive(Debug, thiserror::Error)]
#[error("the cluster domain `{domain}` can't be served: {source}")]
pub struct DomainError {
    domain: Domain,
    source: ProtoError,
}

impl Origin {
    fn new(domain: &Domain) -> Result<Self, DomainError> {
        let error = |source| DomainError {
            domain: domain.clone(),
            source,
        };
        let apex = Name::read(&mut BinDecoder::new(&domain.to_wire()))
            .map_err(|decode| error(decode.into()))?;
        Ok(Self {
            domain: domain.clone(),
            labels: apex.iter().count(),
            name_server: below(&["ns", "dns"], &apex).map_err(error)?,
            hostmaster: below(&["hostmaster"], &apex).map_err(error)?,
        })
    }

    /// The apex in the case the client wrote it, so that it compresses into the question.
    fn apex_as_asked(&self, name: &Name) -> Name {
        name.trim_to(self.labels)
    }

    fn soa(&self, name: &Name, ttl: u32, serial: u32) -> Record {
        let data = SOA::new(
            self.name_server.clone(),
            self.hostmaster.clone(),
            serial,
            REFRESH,
            RETRY,
            EXPIRE,
            ttl,
        );
        // The record's own TTL is at most the minimum (RFC 2308, section 3); here both are the zone's.
        Record::from_rdata(self.apex_as_asked(name), ttl, RData::SOA(data))
    }
}

/// What `request` gets from `zone`; `serial` is the zone's serial number at this moment.
#[must_use]
pub fn answer(request: &Request, zone: &Zone, authority: &Authority, serial: u32) -> Decision {
    let query = &request.query;
    let located = authority.locate(&query.name);
    if query.query_class != DNSClass::IN || is_transfer(query.query_type) {
        return Decision::Reply(Answer {
            rcode: ResponseCode::Refused,
            in_cluster: located.is_some(),
            ..Answer::default()
        });
    }
    let Some((origin, relative)) = located else {
        return Decision::Forward;
    };
    let ttl = authority.ttl;
    let record = |data| Record::from_rdata(query.name.clone(), ttl, data);
    let mut reply = Answer {
        authoritative: true,
        in_cluster: true,
        ..Answer::default()
    };
    match zone.find(&relative, kind(query.query_type)) {
        Found::A(addresses) => {
            reply.answers = addresses
                .iter()
                .map(|ip| record(RData::A(A(*ip))))
                .collect();
        }
        Found::Aaaa(addresses) => {
            reply.answers = addresses
                .iter()
                .map(|ip| record(RData::AAAA(AAAA(*ip))))
                .collect();
        }
        Found::Soa => reply.answers = vec![origin.soa(&query.name, ttl, serial)],
        Found::Ns => {
            reply.answers = vec![record(RData::NS(NS(origin.name_server.clone())))];
            reply.additionals = glue(origin, zone, ttl);
        }
        Found::SchemaVersion => {
            reply.answers = vec![record(RData::TXT(TXT::new(vec![
                SCHEMA_VERSION.to_owned(),
            ])))];
        }
        Found::NoData => reply.authorities = vec![origin.soa(&query.name, ttl, serial)],
        Found::NoSuchName => {
            reply.rcode = ResponseCode::NXDomain;
            reply.authorities = vec![origin.soa(&query.name, ttl, serial)];
        }
        Found::Unknown => {
            reply.authoritative = false;
            reply.rcode = ResponseCode::ServFail;
            reply.cause = Some(if zone.synced() {
                Cause::NotHeld
            } else {
                Cause::NotReady
            });
        }
    }
    Decision::Reply(reply)
}

/// The name server's addresses, where the zone knows them.
fn glue(origin: &Origin, zone: &Zone, ttl: u32) -> Vec<Record> {
    let wire = to_wire(&origin.name_server);
    let Some(relative) = RelativeName::within(&wire, &origin.domain) else {
        return Vec::new();
    };
    let record = |data| Record::from_rdata(origin.name_server.clone(), ttl, data);
    let mut records = Vec::new();
    if let Found::A(addresses) = zone.find(&relative, RecordKind::A) {
        records.extend(addresses.iter().map(|ip| record(RData::A(A(*ip)))));
    }
    if let Found::Aaaa(addresses) = zone.find(&relative, RecordKind::Aaaa) {
        records.extend(addresses.iter().map(|ip| record(RData::AAAA(AAAA(*ip)))));
    }
    records
}

const fn is_transfer(query_type: RecordType) -> bool {
    matches!(query_type, RecordType::AXFR | RecordType::IXFR)
}

const fn kind(query_type: RecordType) -> RecordKind {
    match query_type {
        RecordType::A => RecordKind::A,
        RecordType::AAAA => RecordKind::Aaaa,
        RecordType::SOA => RecordKind::Soa,
        RecordType::NS => RecordKind::Ns,
        RecordType::TXT => RecordKind::Txt,
        RecordType::SRV => RecordKind::Srv,
        _ => RecordKind::Other,
    }
}

fn below(labels: &[&str], apex: &Name) -> Result<Name, ProtoError> {
    Name::from_labels(labels.iter().map(|label| label.as_bytes()))?.append_domain(apex)
}

/// The name in wire form, uncompressed, root label included.
fn to_wire(name: &Name) -> Vec<u8> {
    let mut wire = Vec::with_capacity(name.len() + 1);
    for label in name {
        // A label that was read from a message has at most 63 octets.
        wire.push(u8::try_from(label.len()).unwrap_or(0));
        wire.extend_from_slice(label);
    }
    wire.push(0);
    wire
}

#[cfg(test)]
mod tests;
