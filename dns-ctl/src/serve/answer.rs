//! Decides what a question gets: an answer from the zone, an error, or the upstreams' word.
//!
//! Pure: a request and a zone go in, a [`Decision`] comes out. `ANY` gets what a type without
//! records gets, NODATA or NXDOMAIN, as CoreDNS answers it in a cluster domain.

use std::borrow::Cow;

use hickory_proto::{
    op::ResponseCode,
    rr::{
        DNSClass, Name, RData, Record, RecordType,
        rdata::{A, AAAA, CNAME, NS, PTR, SRV, TXT},
    },
};

use super::{
    authority::{Authority, Origin, to_name},
    request::Request,
};
use crate::zone::{Found, SCHEMA_VERSION, Zone, name::RelativeName, records::Records};

/// TTL of the schema's version, in seconds: it changes with the software, if ever. CoreDNS has the same.
const SCHEMA_VERSION_TTL: u32 = 28_800;
/// Most aliases that are followed one after another.
const MAX_ALIASES: usize = 8;

/// What a question gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// This reply.
    Reply(Answer),
    /// The word of the upstreams: the name is outside the served domains.
    Forward,
    /// This answer, which ends in an alias, and the word of the upstreams for the alias' target.
    Follow(Answer, Name),
}

/// The parts of a reply that depend on the zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The response code.
    pub rcode: ResponseCode,
    /// Whether the reply is the word of the zone itself (AA).
    pub authoritative: bool,
    /// Whether the question is about a served domain, or about an address that the zone knows.
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
    /// An alias leads in a circle, or through too many others.
    AliasLoop,
    /// No upstream is configured.
    NoUpstream,
    /// Every upstream leads back to this server.
    Loop,
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
            Self::AliasLoop => (0, "the alias leads in a circle or through too many others"),
            Self::NoUpstream => (22, "no upstream is configured"),
            Self::Loop => (22, "every upstream leads back to this server"),
            Self::Unreachable => (22, "no upstream answered"),
            Self::Overload => (0, "too many queries are waiting for upstreams"),
        }
    }
}

/// What the zone says of a question.
struct Inquiry<'a> {
    request: &'a Request,
    zone: &'a Zone,
    authority: &'a Authority,
    reply: Answer,
}

/// What `request` gets from `zone`.
#[must_use]
pub fn answer(request: &Request, zone: &Zone, authority: &Authority) -> Decision {
    let query = &request.query;
    let located = authority.locate(&query.name);
    if query.query_class != DNSClass::IN || is_transfer(query.query_type) {
        return Decision::Reply(Answer {
            rcode: ResponseCode::Refused,
            in_cluster: located.is_some(),
            ..Answer::default()
        });
    }
    let inquiry = Inquiry {
        request,
        zone,
        authority,
        reply: Answer {
            authoritative: true,
            in_cluster: true,
            ..Answer::default()
        },
    };
    match located {
        Some((origin, relative)) => inquiry.in_cluster(origin, relative),
        None if query.query_type == RecordType::PTR => inquiry.pointer(),
        None => Decision::Forward,
    }
}

impl<'a> Inquiry<'a> {
    /// Follows the name through the zone's aliases to its records.
    fn in_cluster(mut self, mut origin: &'a Origin, mut relative: RelativeName) -> Decision {
        let mut owner = self.request.query.name.clone();
        loop {
            let records = match self.zone.find(&relative) {
                Found::Apex => return self.apex(origin, owner),
                Found::SchemaVersion if self.asks(RecordType::TXT) => {
                    return self.schema_version(owner);
                }
                Found::SchemaVersion => Cow::default(),
                Found::Records(records) => records,
                Found::NoSuchName => {
                    self.reply.rcode = ResponseCode::NXDomain;
                    return self.nothing(origin, &owner);
                }
                Found::Unknown => return fail(Cause::NotReady),
            };
            let Some(alias) = records
                .alias
                .as_ref()
                .filter(|_| !self.asks(RecordType::ANY))
            else {
                return self.records(origin, &owner, &records);
            };
            let Ok(target) = to_name(alias) else {
                return fail(Cause::AliasLoop);
            };
            self.push(owner, RData::CNAME(CNAME(target.clone())));
            if self.asks(RecordType::CNAME) {
                return Decision::Reply(self.reply);
            }
            if self.reply.answers.len() > MAX_ALIASES {
                return fail(Cause::AliasLoop);
            }
            match self.authority.locate(&target) {
                Some(next) => (origin, relative) = next,
                // Without recursion a client follows by itself (RFC 1034, section 4.3.1).
                None if !self.request.recursion_desired => return Decision::Reply(self.reply),
                None => return Decision::Follow(self.reply, target),
            }
            owner = target;
        }
    }

    fn schema_version(mut self, owner: Name) -> Decision {
        let text = TXT::new(vec![SCHEMA_VERSION.to_owned()]);
        let record = Record::from_rdata(owner, SCHEMA_VERSION_TTL, RData::TXT(text));
        self.reply.answers.push(record);
        Decision::Reply(self.reply)
    }

    fn apex(mut self, origin: &Origin, owner: Name) -> Decision {
        match self.request.query.query_type {
            RecordType::SOA => {
                let soa = origin.soa(&owner, self.authority.ttl, self.zone.serial());
                self.reply.answers.push(soa);
            }
            RecordType::NS => {
                self.push(owner, RData::NS(NS(origin.name_server.clone())));
                if let Some((_, relative)) = self.authority.locate(&origin.name_server) {
                    self.add_glue(origin, &relative);
                }
            }
            _ => return self.nothing(origin, &owner),
        }
        Decision::Reply(self.reply)
    }

    /// The records of the type asked for, or NODATA.
    fn records(mut self, origin: &Origin, owner: &Name, records: &Records) -> Decision {
        let before = self.reply.answers.len();
        match self.request.query.query_type {
            RecordType::A => {
                for address in self.in_turn(&records.a) {
                    self.push(owner.clone(), RData::A(A(*address)));
                }
            }
            RecordType::AAAA => {
                for address in self.in_turn(&records.aaaa) {
                    self.push(owner.clone(), RData::AAAA(AAAA(*address)));
                }
            }
            RecordType::SRV => self.add_locations(origin, owner, records),
            _ => {}
        }
        if self.reply.answers.len() > before {
            Decision::Reply(self.reply)
        } else if self.zone.synced() {
            self.nothing(origin, owner)
        } else {
            // An object that is not listed yet may add to the name.
            fail(Cause::NotReady)
        }
    }

    fn add_locations(&mut self, origin: &Origin, owner: &Name, records: &Records) {
        let mut glued: Option<&RelativeName> = None;
        for srv in &records.srv {
            let Some(target) = origin.name(&srv.target) else {
                continue;
            };
            self.push(
                owner.clone(),
                RData::SRV(SRV::new(0, srv.weight, srv.port, target)),
            );
            // They are sorted: ports of one target stand together.
            if glued != Some(&srv.target) {
                self.add_glue(origin, &srv.target);
                glued = Some(&srv.target);
            }
        }
    }

    /// The addresses of a name that a record leads to.
    fn add_glue(&mut self, origin: &Origin, relative: &RelativeName) {
        let (Found::Records(records), Some(name)) =
            (self.zone.find(relative), origin.name(relative))
        else {
            return;
        };
        let a = records.a.iter().map(|ip| RData::A(A(*ip)));
        let aaaa = records.aaaa.iter().map(|ip| RData::AAAA(AAAA(*ip)));
        let ttl = self.authority.ttl;
        let glue = a.chain(aaaa);
        let glue = glue.map(|data| Record::from_rdata(name.clone(), ttl, data));
        self.reply.additionals.extend(glue);
    }

    /// The names that an address of the cluster points back to; others are known to the upstreams.
    fn pointer(mut self) -> Decision {
        let name = &self.request.query.name;
        let Some(address) = super::reverse::address(name) else {
            return Decision::Forward;
        };
        let pointers = self.zone.pointers(address);
        if pointers.is_empty() {
            // The upstreams would deny an address that may turn out to be the cluster's.
            return if self.zone.synced() {
                Decision::Forward
            } else {
                fail(Cause::NotReady)
            };
        }
        let names = self.authority.primary().into_iter();
        let names = names.flat_map(|origin| pointers.iter().filter_map(|name| origin.name(name)));
        for target in names {
            self.push(name.clone(), RData::PTR(PTR(target)));
        }
        Decision::Reply(self.reply)
    }

    fn nothing(mut self, origin: &Origin, owner: &Name) -> Decision {
        let soa = origin.soa(owner, self.authority.ttl, self.zone.serial());
        self.reply.authorities.push(soa);
        Decision::Reply(self.reply)
    }

    fn push(&mut self, owner: Name, data: RData) {
        let record = Record::from_rdata(owner, self.authority.ttl, data);
        self.reply.answers.push(record);
    }

    fn asks(&self, query_type: RecordType) -> bool {
        self.request.query.query_type == query_type
    }

    /// The set, each time beginning elsewhere, so that clients that take the first share the load.
    fn in_turn<'s, T>(&self, set: &'s [T]) -> impl Iterator<Item = &'s T> + use<'s, T> {
        let start = usize::from(self.request.id) % set.len().max(1);
        let (before, from) = set.split_at(start);
        from.iter().chain(before)
    }
}

fn fail(cause: Cause) -> Decision {
    Decision::Reply(Answer {
        rcode: ResponseCode::ServFail,
        in_cluster: true,
        cause: Some(cause),
        ..Answer::default()
    })
}

const fn is_transfer(query_type: RecordType) -> bool {
    matches!(query_type, RecordType::AXFR | RecordType::IXFR)
}

#[cfg(test)]
mod tests;
