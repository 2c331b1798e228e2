//! How long an upstream's message may be kept: the rules of TTLs and of negative caching.

use super::{
    message::{Layout, Section, TYPE_ANY, TYPE_SOA, number},
    question::Question,
};

/// For how long a failure is kept: the least that RFC 9520, section 3.2, asks for, since a client that
/// asks again does so because it hopes for better.
const FAILURE: u32 = 1;

/// The most that an answer is kept, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TtlLimits {
    pub(super) positive: u32,
    pub(super) negative: u32,
}

/// What kind of word a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Records of the type asked for.
    Positive,
    /// The name, or records of this type, do not exist.
    Negative,
    /// The upstream can't or won't say; another one may.
    Failure,
    /// Anything else: it is passed on, and not kept.
    Other,
}

/// FORMERR, SERVFAIL, NOTIMP and REFUSED say nothing of the name.
pub(super) const fn is_failure(rcode: u8) -> bool {
    matches!(rcode, 1 | 2 | 4 | 5)
}

/// What kind of word `message` is.
pub(super) fn word(message: &[u8], layout: &Layout, question: &Question) -> Word {
    match message[3] & 0x0F {
        rcode if is_failure(rcode) => Word::Failure,
        3 => Word::Negative,
        0 => {
            let asked = question.record_type();
            let answered = layout
                .section(Section::Answer)
                .any(|record| asked == TYPE_ANY || record.record_type == asked);
            if answered {
                Word::Positive
            } else {
                Word::Negative
            }
        }
        _ => Word::Other,
    }
}

/// For how many seconds `message` may be kept; 0: not at all.
pub(super) fn lifetime(message: &[u8], layout: &Layout, word: Word, limits: TtlLimits) -> u32 {
    // Aliases lead to a denial as well as to records: the chain is good as long as each of its links.
    let answers = layout
        .section(Section::Answer)
        .filter_map(|record| number(message, record.ttl_at))
        .min();
    match word {
        Word::Positive => answers.unwrap_or(0).min(limits.positive),
        Word::Negative => negative_ttl(message, layout)
            .unwrap_or(0)
            .min(answers.unwrap_or(u32::MAX))
            .min(limits.positive)
            .min(limits.negative),
        Word::Failure => FAILURE,
        Word::Other => 0,
    }
}

/// The lesser of the SOA record's TTL and its last field (RFC 2308, section 5); `None` without SOA.
fn negative_ttl(message: &[u8], layout: &Layout) -> Option<u32> {
    let soa = layout
        .section(Section::Authority)
        .find(|record| record.record_type == TYPE_SOA)?;
    let minimum = number(message, soa.data.end.checked_sub(4)?)?;
    Some(number(message, soa.ttl_at)?.min(minimum))
}

#[cfg(test)]
mod tests;
