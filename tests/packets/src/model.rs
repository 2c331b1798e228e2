//! What has to become of a question, worked out from the fixture's plain data and the standards alone.
//!
//! Nothing of the packet path is called here; only the names of its reasons are used.

use std::{collections::HashMap, sync::LazyLock};

use dns_common::{Hit, Miss, Outcome};
use hickory_proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{
        DNSClass, Name, RData,
        rdata::{A, AAAA, PTR},
    },
    serialize::binary::{BinDecodable as _, BinDecoder},
};

use crate::{
    fixture::{Beside, Flaw, Known, Records, ZONES, names},
    wire::{self, is_in},
};

/// A question as an independent reader finds it in a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name in wire form, its letters as they are.
    pub name: Vec<u8>,
    /// The type's number.
    pub qtype: u16,
    /// What the OPT record says, if there is one.
    pub edns: Option<Asked>,
}

/// What a client says in its OPT record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Octets of the largest message that it takes.
    pub size: u16,
    /// The DO bit.
    pub dnssec_ok: bool,
}

/// What an answer has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The response code.
    pub rcode: ResponseCode,
    /// The data of the answer's records, in the order of the fixture.
    pub answers: Vec<RData>,
    /// The zone whose SOA record goes with it.
    pub soa: Option<Name>,
    /// The DO bit of the OPT record, if there is one.
    pub edns: Option<bool>,
    /// Octets of the message.
    pub len: usize,
}

/// Octets of an entry for its name and its sets, each in whole words.
const AREA: usize = 416;
/// The number from which on a set, or octets of a name pointed to, can't be told.
const TOO_MANY: usize = 255;
/// Octets of a record before its data, if its owner is a pointer.
const RECORD: usize = 12;
/// Octets of `ns.dns` and `hostmaster`, each with a pointer behind it, and of five numbers.
const SOA: usize = (7 + 2) + (11 + 2) + 5 * 4;
/// Octets of an OPT record without options.
const OPT: usize = 11;

/// Types by number (IANA, Resource Record TYPEs).
mod of_type {
    pub(super) const A: u16 = 1;
    pub(super) const NS: u16 = 2;
    pub(super) const SOA: u16 = 6;
    pub(super) const PTR: u16 = 12;
    pub(super) const TXT: u16 = 16;
    pub(super) const AAAA: u16 = 28;
    pub(super) const SRV: u16 = 33;
    pub(super) const OPT: u16 = 41;
}

static KNOWN: LazyLock<HashMap<Vec<u8>, Known>> = LazyLock::new(|| {
    names()
        .into_iter()
        .map(|known| (known.name.clone(), known))
        .collect()
});
static ZONE_NAMES: LazyLock<Vec<(Vec<u8>, bool)>> = LazyLock::new(|| {
    let zones = ZONES.iter();
    zones
        .map(|&(zone, rule)| (wire::wire(zone), rule))
        .collect()
});

/// Reads the message of a plain query; `None` if it is none that may be answered in the kernel.
#[must_use]
pub fn read(payload: &[u8]) -> Option<Question> {
    let mut decoder = BinDecoder::new(payload);
    let message = Message::read(&mut decoder).ok()?;
    let header = &message.metadata;
    let is_plain = header.message_type == MessageType::Query
        && header.op_code == OpCode::Query
        && !(header.authoritative || header.truncation || header.recursion_available)
        && payload[3] & 0x4f == 0
        && message.signature.is_none()
        && message.answers.len() + message.authorities.len() + message.additionals.len() == 0
        && decoder.is_empty();
    let [query] = message.queries.as_slice() else {
        return None;
    };
    if !is_plain || query.query_class() != DNSClass::IN {
        return None;
    }
    let edns = match &message.edns {
        None => None,
        Some(edns) => {
            let options = edns.options().as_ref();
            // NSID and client subnet are for the server.
            let for_server = |code| matches!(code, 3 | 8);
            let are_plain = options.iter().all(|&(code, _)| !for_server(code.into()));
            if edns.version() != 0 || !are_plain || options.len() > 8 {
                return None;
            }
            Some(Asked {
                size: edns.max_payload(),
                dnssec_ok: edns.flags().dnssec_ok,
            })
        }
    };
    Some(Question {
        name: wire::of_name(query.name()),
        qtype: query.query_type().into(),
        edns,
    })
}

/// What has to become of a question, with the maps of [`crate::fixture`].
///
/// # Errors
/// Why it has to be passed on.
pub fn answer(question: &Question) -> Result<Expected, Miss> {
    let name = question.name.to_ascii_lowercase();
    answer_for(KNOWN.get(&name), question)
}

/// What has to become of a question, if this is what is held for its name.
///
/// # Errors
/// Why it has to be passed on.
pub fn answer_for(known: Option<&Known>, question: &Question) -> Result<Expected, Miss> {
    if matches!(question.qtype, 0 | of_type::OPT | 128..255) {
        return Err(Miss::TypeNotServed);
    }
    let expected = if let Some(known) = known {
        held(known, question)?
    } else {
        let name = question.name.to_ascii_lowercase();
        let zone = ZONE_NAMES.iter().find(|(zone, _)| is_in(&name, zone));
        let (zone, by_rule) = zone.ok_or(Miss::OutsideZones)?;
        if *by_rule {
            return Err(Miss::ByRule);
        }
        nothing(question, ResponseCode::NXDomain, zone)
    };
    let size = question.edns.map_or(0, |edns| edns.size);
    if expected.len > usize::from(size).clamp(512, 1232) {
        return Err(Miss::TooLong);
    }
    Ok(expected)
}

/// The outcome of a question.
#[must_use]
pub fn outcome(question: &Question) -> Outcome {
    match answer(question) {
        Ok(expected) => Outcome::Hit(expected.hit()),
        Err(miss) => Outcome::Miss(miss),
    }
}

/// What comes of a name that is held.
fn held(known: &Known, question: &Question) -> Result<Expected, Miss> {
    if let Some(Flaw::OtherName(_)) = known.flaw {
        return Err(Miss::OtherName);
    }
    let (a, aaaa, zone, beside) = match &known.records {
        Records::Owner {
            zone,
            a,
            aaaa,
            beside,
        } => (a, aaaa, *zone, *beside),
        Records::Reverse(target) => return points_to(known, target, question),
    };
    let mut room = AREA - whole_words(known.name.len());
    let has_a = fits(&mut room, a.len(), 4 * a.len());
    let has_aaaa = fits(&mut room, aaaa.len(), 16 * aaaa.len());
    let (answers, is_held, torn): (Vec<RData>, _, _) = match question.qtype {
        of_type::A => {
            let data = a.iter().map(|&address| RData::A(A(address)));
            (data.collect(), has_a, Flaw::First)
        }
        of_type::AAAA => {
            let data = aaaa.iter().map(|&address| RData::AAAA(AAAA(address)));
            (data.collect(), has_aaaa, Flaw::Second)
        }
        other => (vec![], !beside.may_have(other), Flaw::Head),
    };
    if !is_held || answers.is_empty() && beside == Beside::Unknown {
        return Err(Miss::TypeNotHeld);
    }
    let torn = if answers.is_empty() { Flaw::Head } else { torn };
    if known.flaw == Some(torn) {
        return Err(Miss::Torn);
    }
    let zone = zone.map(wire::wire);
    match zone {
        Some(zone) if answers.is_empty() => Ok(nothing(question, ResponseCode::NoError, &zone)),
        _ => Ok(records(question, answers)),
    }
}

/// What comes of the name of an address that points to `target`.
fn points_to(known: &Known, target: &[u8], question: &Question) -> Result<Expected, Miss> {
    let mut room = AREA - whole_words(known.name.len());
    let is_held = fits(&mut room, target.len(), target.len());
    if question.qtype != of_type::PTR || !is_held {
        return Err(Miss::TypeNotHeld);
    }
    if known.flaw.is_some() {
        return Err(Miss::Torn);
    }
    let data = RData::PTR(PTR(wire::name(target)));
    Ok(records(question, vec![data]))
}

/// Takes the octets of a set off the room, if they fit and the number can be told.
fn fits(room: &mut usize, number: usize, octets: usize) -> bool {
    let octets = whole_words(octets);
    let fits = number < TOO_MANY && octets <= *room;
    if fits {
        *room -= octets;
    }
    fits
}

const fn whole_words(octets: usize) -> usize {
    octets.div_ceil(8) * 8
}

fn records(question: &Question, answers: Vec<RData>) -> Expected {
    let data = |data: &RData| match data {
        RData::A(_) => 4,
        RData::AAAA(_) => 16,
        RData::PTR(PTR(target)) => wire::of_name(target).len(),
        other => unreachable!("the fixture has no {other:?}"),
    };
    let len = answers.iter().map(|answer| RECORD + data(answer)).sum();
    Expected {
        answers,
        ..expected(question, ResponseCode::NoError, len)
    }
}

fn nothing(question: &Question, rcode: ResponseCode, zone: &[u8]) -> Expected {
    Expected {
        soa: Some(wire::name(zone)),
        ..expected(question, rcode, RECORD + SOA)
    }
}

fn expected(question: &Question, rcode: ResponseCode, records: usize) -> Expected {
    let opt = question.edns.map_or(0, |_| OPT);
    Expected {
        rcode,
        answers: vec![],
        soa: None,
        edns: question.edns.map(|edns| edns.dnssec_ok),
        len: 12 + question.name.len() + 4 + records + opt,
    }
}

impl Expected {
    /// The kind of the answer.
    #[must_use]
    pub fn hit(&self) -> Hit {
        match (self.rcode, self.answers.first()) {
            (ResponseCode::NXDomain, _) => Hit::NxDomain,
            (_, None) => Hit::NoData,
            (_, Some(RData::A(_))) => Hit::A,
            (_, Some(RData::AAAA(_))) => Hit::Aaaa,
            (_, Some(_)) => Hit::Ptr,
        }
    }
}

impl Beside {
    /// Whether a name may have records of this type, which is not one of addresses.
    fn may_have(self, qtype: u16) -> bool {
        match self {
            Self::Nothing => false,
            Self::Srv => qtype == of_type::SRV,
            Self::Apex => matches!(qtype, of_type::SOA | of_type::NS),
            Self::Txt => qtype == of_type::TXT,
            Self::Unknown => true,
        }
    }
}
