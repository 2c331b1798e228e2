//! What the resolver gives: an upstream's message, its age, and how it becomes a reply.
//!
//! A reply is a copy of the message in which octets are exchanged, so records of every type go through
//! as they came. `AA` is the upstream's own word as long as it is passed on at once; what comes out of
//! the cache is nobody's authoritative word any more, and has it clear.

use std::sync::Arc;

use hickory_proto::{
    ProtoError,
    op::{Message, ResponseCode},
};

use super::{
    lifetime::Word,
    question::{HEADER, question_end},
    stored::Stored,
};
use crate::serve::{compose::push_opt, request::ClientEdns};

/// TTL of records that are given although they have expired, in seconds (RFC 8767, section 4).
const STALE_TTL: u32 = 30;

const AA: u8 = 0x04;
const TC: u8 = 0x02;
const RD: u8 = 0x01;
const RA: u8 = 0x80;
const AD: u8 = 0x20;
const CD: u8 = 0x10;

/// An upstream's word, first-hand or kept. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Response {
    stored: Arc<Stored>,
    age: Age,
}

/// How old a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// It has just come.
    FirstHand,
    /// It has been kept for so many seconds, and still holds.
    Kept(u32),
    /// It has expired, and nothing better is to be had.
    Stale,
}

/// What a reply takes from the query it answers.
#[derive(Clone, Copy, Debug)]
pub struct Client<'q> {
    /// Header and question.
    query: &'q [u8],
    edns: Option<ClientEdns>,
    limit: usize,
}

impl<'q> Client<'q> {
    /// The sender of `query`, whose OPT record says `edns`, and who takes `limit` octets.
    ///
    /// `None` if the query does not have one plain question.
    #[must_use]
    pub fn new(query: &'q [u8], edns: Option<ClientEdns>, limit: usize) -> Option<Self> {
        let end = question_end(query)?;
        Some(Self {
            query: &query[..end],
            edns,
            limit,
        })
    }

    /// Whether this client wants to know what has been validated (RFC 6840, section 5.7).
    fn understands_ad(&self) -> bool {
        self.query[3] & AD != 0 || self.edns.is_some_and(|edns| edns.dnssec_ok)
    }
}

impl Response {
    pub(super) const fn new(stored: Arc<Stored>, age: Age) -> Self {
        Self { stored, age }
    }

    /// The response code.
    #[must_use]
    pub fn rcode(&self) -> ResponseCode {
        self.stored.rcode()
    }

    /// Whether the upstreams said that they can't answer: FORMERR, SERVFAIL, NOTIMP or REFUSED.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.stored.word == Word::Failure
    }

    /// Whether the records have expired and are given for want of better ones (RFC 8767).
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.age == Age::Stale
    }

    /// The message with TTLs as they are now, to be looked at: answers, authorities, code.
    ///
    /// Fails on a record that `hickory-proto` can't read; [`Self::write`] passes such a record on.
    pub fn to_message(&self) -> Result<Message, ProtoError> {
        let mut bytes = self.stored.bytes().to_vec();
        self.age_ttls(&mut bytes);
        Ok(Message::from_vec(&bytes)?)
    }

    /// Appends the reply to `client` to `replies`.
    ///
    /// Additional records are left out if it would be too large; if that is not enough, all are, and it
    /// is marked as truncated, so that the client asks again over TCP.
    pub fn write(&self, client: &Client<'_>, replies: &mut Vec<u8>) {
        let stored = self.stored.bytes();
        let opt = Opt::new(client, self.extended_error());
        let whole = stored.len() + opt.length();
        let without_additional = self.stored.additional_at() + opt.length();
        let (end, truncated) = if whole <= client.limit {
            (stored.len(), false)
        } else if without_additional <= client.limit {
            (self.stored.additional_at(), false)
        } else {
            (self.stored.question_end(), true)
        };
        let start = replies.len();
        replies.reserve(end + opt.length());
        replies.extend_from_slice(&stored[..end]);
        let reply = &mut replies[start..];
        if truncated {
            reply[6..HEADER].fill(0);
        } else if end < stored.len() {
            reply[10..HEADER].fill(0);
        }
        self.age_ttls(reply);
        self.write_header(reply, client, truncated);
        // The question is as long as the client's, since it is the same name.
        let question = HEADER..self.stored.question_end().min(client.query.len());
        reply[question.clone()].copy_from_slice(&client.query[question]);
        opt.count(reply);
        opt.write(replies);
    }

    fn write_header(&self, reply: &mut [u8], client: &Client<'_>, truncated: bool) {
        let (upstream, query) = ([reply[2], reply[3]], client.query);
        reply[..2].copy_from_slice(&query[..2]);
        let aa = if self.age == Age::FirstHand {
            upstream[0] & AA
        } else {
            0
        };
        let tc = if truncated { TC } else { 0 };
        reply[2] = 0x80 | aa | tc | query[2] & RD;
        let ad = if client.understands_ad() {
            upstream[1] & AD
        } else {
            0
        };
        reply[3] = RA | ad | query[3] & CD | upstream[1] & 0x0F;
    }

    /// Writes the TTLs as they are now into a copy of the message, or of its beginning.
    fn age_ttls(&self, bytes: &mut [u8]) {
        for at in self.stored.ttls() {
            let Some(field) = bytes.get_mut(at..at + 4) else {
                return;
            };
            let ttl = u32::from_be_bytes([field[0], field[1], field[2], field[3]]);
            let ttl = match self.age {
                Age::FirstHand => ttl,
                Age::Kept(seconds) => ttl.saturating_sub(seconds),
                Age::Stale => ttl.min(STALE_TTL),
            };
            field.copy_from_slice(&ttl.to_be_bytes());
        }
    }

    /// The code of RFC 8914, section 4, that the reply carries.
    fn extended_error(&self) -> Option<u16> {
        match (self.is_stale(), self.rcode()) {
            (false, _) => None,
            // Stale NXDOMAIN Answer.
            (true, ResponseCode::NXDomain) => Some(19),
            // Stale Answer.
            (true, _) => Some(3),
        }
    }
}

/// The OPT record of a reply, for clients that sent one.
struct Opt {
    dnssec_ok: Option<bool>,
    extended_error: Option<u16>,
}

impl Opt {
    fn new(client: &Client<'_>, extended_error: Option<u16>) -> Self {
        Self {
            dnssec_ok: client.edns.map(|edns| edns.dnssec_ok),
            extended_error,
        }
    }

    const fn length(&self) -> usize {
        match (self.dnssec_ok, self.extended_error) {
            (None, _) => 0,
            (Some(_), None) => 11,
            (Some(_), Some(_)) => 17,
        }
    }

    /// Counts the record in the header of `reply`.
    fn count(&self, reply: &mut [u8]) {
        if self.dnssec_ok.is_some() {
            let count = u16::from_be_bytes([reply[10], reply[11]]).saturating_add(1);
            reply[10..HEADER].copy_from_slice(&count.to_be_bytes());
        }
    }

    /// Appends the record.
    fn write(&self, reply: &mut Vec<u8>) {
        let Some(dnssec_ok) = self.dnssec_ok else {
            return;
        };
        push_opt(reply, dnssec_ok);
        if let Some(code) = self.extended_error {
            let [high, low] = code.to_be_bytes();
            // Instead of no data, six octets: option 15, two octets long.
            reply.truncate(reply.len() - 2);
            reply.extend_from_slice(&[0, 6, 0, 15, 0, 2, high, low]);
        }
    }
}

#[cfg(test)]
mod tests;
