//! Writes the common answers of the zone into a reply, octet by octet as [`super::compose`] would.
//!
//! Addresses of a name, the location of a Service's port, denials: what makes a reply of more than these, or one that
//! does not fit, is left to the long way. A test holds the two together.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::{op::ResponseCode, rr::RecordType};

use super::{
    authority::{Authority, EXPIRE, HOSTMASTER, NAME_SERVER, Origin, REFRESH, RETRY},
    compose::{FEW_RECORDS, push_opt},
    plain::Plain,
    resolve::question::HEADER,
};
use crate::zone::{
    Found, Zone,
    name::MAX_NAME,
    records::{Records, Srv},
};

const TYPE_A: u16 = 1;
const TYPE_SOA: u16 = 6;
const TYPE_AAAA: u16 = 28;
const TYPE_SRV: u16 = 33;
const CLASS_IN: u8 = 1;
/// QR and AA, in the third octet of a header.
const AUTHORITATIVE: u8 = 0x84;
const RD: u8 = 0x01;
/// In the fourth octet.
const RA: u8 = 0x80;
/// Where a header counts the records of each section.
const ANSWERS: usize = 7;
const AUTHORITIES: usize = 9;
const ADDITIONALS: usize = 11;

/// A question about a cluster domain, and what its answer is made of.
pub(super) struct Direct<'a> {
    pub(super) query: &'a Plain<'a>,
    pub(super) origin: &'a Origin,
    /// The name's part before the domain, in its own case.
    pub(super) relative: &'a [u8],
    pub(super) zone: &'a Zone,
    pub(super) authority: &'a Authority,
    /// The largest reply for this client.
    pub(super) limit: usize,
}

impl Direct<'_> {
    /// Appends the reply to `reply`; `None`, and nothing is appended, if it takes the long way.
    pub(super) fn write(&self, reply: &mut Vec<u8>) -> Option<ResponseCode> {
        let start = reply.len();
        let written = self.try_write(reply, start);
        let fits = reply.len() - start <= self.limit;
        let written = written.filter(|_| fits);
        if written.is_none() {
            reply.truncate(start);
        }
        written
    }

    fn try_write(&self, reply: &mut Vec<u8>, start: usize) -> Option<ResponseCode> {
        let mut lower = [0; MAX_NAME];
        let lower = lower.get_mut(..self.relative.len())?;
        lower.copy_from_slice(self.relative);
        lower.make_ascii_lowercase();
        let found = self.zone.find_wire(lower)?;

        reply.extend_from_slice(self.query.question);
        reply[start + 2] = AUTHORITATIVE | self.query.question[2] & RD;
        reply[start + 3] = RA;
        reply[start + ADDITIONALS] = 0;
        let rcode = match &found {
            Found::Records(records) if records.alias.is_none() => {
                self.records(reply, start, lower, records)?;
                ResponseCode::NoError
            }
            Found::NoSuchName => {
                self.nothing(reply, start)?;
                ResponseCode::NXDomain
            }
            _ => return None,
        };
        reply[start + 3] |= rcode.low();
        if let Some(edns) = self.query.edns {
            push_opt(reply, edns.dnssec_ok);
            reply[start + ADDITIONALS] += 1;
        }
        Some(rcode)
    }

    /// The records of the type asked for, or NODATA.
    fn records(
        &self,
        reply: &mut Vec<u8>,
        start: usize,
        lower: &[u8],
        records: &Records,
    ) -> Option<()> {
        let turn = |length: usize| usize::from(self.query.id()) % length.max(1);
        match self.query.query_type {
            RecordType::A if !records.a.is_empty() => {
                reply[start + ANSWERS] = few(records.a.len())?;
                let (before, from) = records.a.split_at(turn(records.a.len()));
                self.push_a(reply, HEADER, from.iter().chain(before));
            }
            RecordType::AAAA if !records.aaaa.is_empty() => {
                reply[start + ANSWERS] = few(records.aaaa.len())?;
                let (before, from) = records.aaaa.split_at(turn(records.aaaa.len()));
                self.push_aaaa(reply, HEADER, from.iter().chain(before));
            }
            RecordType::SRV if !records.srv.is_empty() => {
                let [location] = &*records.srv else {
                    return None;
                };
                self.location(reply, start, lower, location)?;
            }
            // An object that is not listed yet may add to the name.
            _ if !self.zone.synced() => return None,
            _ => self.nothing(reply, start)?,
        }
        Some(())
    }

    /// A location whose target is what the question's name ends in, and its addresses.
    fn location(&self, reply: &mut Vec<u8>, start: usize, lower: &[u8], srv: &Srv) -> Option<()> {
        let target = srv.target.wire();
        let before = lower.len().checked_sub(target.len())?;
        // Names are compressed only into the same octets, and where a label begins.
        let is_end = self.relative.ends_with(target) && self.has_domain_as_written();
        if !is_end || target.is_empty() || !begins_label(lower, before) {
            return None;
        }
        let Some(Found::Records(addresses)) = self.zone.find_wire(target) else {
            return None;
        };
        let count = addresses.a.len() + addresses.aaaa.len();
        few(count + 1)?;
        let domain = self.origin.labels();
        let length = target.len() + domain.len() + 1;
        self.push_head(reply, HEADER, TYPE_SRV, 6 + u16::try_from(length).ok()?);
        reply.extend_from_slice(&[0, 0]);
        reply.extend_from_slice(&srv.weight.to_be_bytes());
        reply.extend_from_slice(&srv.port.to_be_bytes());
        reply.extend_from_slice(target);
        reply.extend_from_slice(domain);
        reply.push(0);
        reply[start + ANSWERS] = 1;
        self.push_a(reply, HEADER + before, addresses.a.iter());
        self.push_aaaa(reply, HEADER + before, addresses.aaaa.iter());
        reply[start + ADDITIONALS] = few(count)?;
        Some(())
    }

    /// The start of authority, which goes with a denial.
    fn nothing(&self, reply: &mut Vec<u8>, start: usize) -> Option<()> {
        // Another name of the record may end in what is asked, and would be compressed further.
        let is_other = |own: &[u8]| {
            let last = own.iter().rposition(|&octet| octet < 32).unwrap_or(0);
            let relative = self.relative;
            let at = relative.len().checked_sub(own.len() - last);
            at.is_none_or(|at| !relative[at..].eq_ignore_ascii_case(&own[last..]))
        };
        if !self.has_domain_as_written() || !is_other(NAME_SERVER) || !is_other(HOSTMASTER) {
            return None;
        }
        let at = HEADER + self.relative.len();
        let length = NAME_SERVER.len() + 2 + HOSTMASTER.len() + 2 + 5 * 4;
        self.push_head(reply, at, TYPE_SOA, u16::try_from(length).ok()?);
        reply.extend_from_slice(NAME_SERVER);
        reply.extend_from_slice(&pointer(at));
        reply.extend_from_slice(HOSTMASTER);
        reply.extend_from_slice(&pointer(at));
        reply.extend_from_slice(&self.zone.serial().to_be_bytes());
        for timer in [REFRESH, RETRY, EXPIRE] {
            reply.extend_from_slice(&timer.to_be_bytes());
        }
        reply.extend_from_slice(&self.authority.ttl.to_be_bytes());
        reply[start + AUTHORITIES] = 1;
        Some(())
    }

    /// Whether the question has the domain in the case in which our records have it.
    fn has_domain_as_written(&self) -> bool {
        let name = self.query.name();
        name[self.relative.len()..].starts_with(self.origin.labels())
    }

    fn push_a<'r>(
        &self,
        reply: &mut Vec<u8>,
        owner: usize,
        set: impl Iterator<Item = &'r Ipv4Addr>,
    ) {
        for address in set {
            self.push_head(reply, owner, TYPE_A, 4);
            reply.extend_from_slice(&address.octets());
        }
    }

    fn push_aaaa<'r>(
        &self,
        reply: &mut Vec<u8>,
        owner: usize,
        set: impl Iterator<Item = &'r Ipv6Addr>,
    ) {
        for address in set {
            self.push_head(reply, owner, TYPE_AAAA, 16);
            reply.extend_from_slice(&address.octets());
        }
    }

    /// A record up to its data, which has `length` octets; its owner stands in the question, at `owner`.
    fn push_head(&self, reply: &mut Vec<u8>, owner: usize, record_type: u16, length: u16) {
        let mut head = [0; 12];
        head[..2].copy_from_slice(&pointer(owner));
        head[2..4].copy_from_slice(&record_type.to_be_bytes());
        head[5] = CLASS_IN;
        head[6..10].copy_from_slice(&self.authority.ttl.to_be_bytes());
        head[10..].copy_from_slice(&length.to_be_bytes());
        reply.extend_from_slice(&head);
    }
}

/// The number of records as the last octet of a count; `None` if they are many.
fn few(count: usize) -> Option<u8> {
    u8::try_from(count).ok().filter(|_| count <= FEW_RECORDS)
}

/// A pointer to the name at `at`, which is in the question: names have 255 octets at most.
fn pointer(at: usize) -> [u8; 2] {
    (0xC000 | u16::try_from(at).unwrap_or(0)).to_be_bytes()
}

/// Whether a label of `wire` begins at `at`.
fn begins_label(wire: &[u8], at: usize) -> bool {
    let mut label = 0;
    while label < at {
        label += 1 + usize::from(wire[label]);
    }
    label == at
}

#[cfg(test)]
mod tests;
