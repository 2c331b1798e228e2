//! Every name that is held and some that are not, asked for every type, in turn by every way.
//!
//! The outcomes are those of [`crate::model`]; the rest of the table, whose outcomes are written down, judges it.

use hickory_proto::rr::RecordType;

use super::{Case, links::TAGS};
use crate::{
    build::{edns, message_for, octets},
    fixture::names,
    model::{Asked, Question, outcome},
    wire::{of_length, wire},
};

const TYPES: [RecordType; 9] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::PTR,
    RecordType::SRV,
    RecordType::TXT,
    RecordType::SOA,
    RecordType::NS,
    RecordType::ANY,
    RecordType::AXFR,
];

/// Names that are not held.
const OTHERS: &[&str] = &[
    "missing.cluster.local",
    "missing1.corp.example",
    "x.k",
    "10-9-9-9.default.pod.cluster.local",
    "example.com",
    "11.0.96.10.in-addr.arpa",
];

pub(super) fn matrix() -> Vec<Case> {
    let mut names: Vec<_> = names().into_iter().map(|known| known.name).collect();
    names.extend(OTHERS.iter().map(|name| wire(name)));
    names.push(of_length("missing", 255, "corp.example"));
    let questions = names.iter().flat_map(|name| {
        let kinds = TYPES.into_iter().map(move |kind| (name, kind));
        kinds.flat_map(|(name, kind)| {
            [None, Some((512, false)), Some((1400, true))].map(|edns| (name, kind, edns))
        })
    });
    questions
        .enumerate()
        .map(|(number, (name, kind, asked))| {
            let mut query = message_for(name, kind);
            query.metadata.id = u16::try_from(number * 2713 % 65_521).expect("below 65,521");
            let asked = asked.map(|(size, dnssec_ok)| Asked { size, dnssec_ok });
            if let Some(asked) = asked {
                query = edns(query, asked.size, asked.dnssec_ok, &[]);
            }
            let question = Question {
                name: name.clone(),
                qtype: kind.into(),
                edns: asked,
            };
            let payload = octets(&query);
            // Ten ways, and 27 questions for each name.
            let (tags, is_ip6) = (TAGS[number % 5], number / 5 % 2 == 1);
            let frame = if is_ip6 {
                tags.over_ip6(&payload)
            } else {
                tags.over_ip4(&payload)
            };
            Case {
                name: format!("{kind} of {}, EDNS {asked:?}", crate::wire::name(name)),
                frame,
                outcome: outcome(&question),
            }
        })
        .collect()
}
