//! A sample read: who asked what, and what became of it.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv6Addr},
};

use dns_common::{
    Outcome,
    name::{MAX_LABEL, MAX_NAME},
    sample::{SAMPLE_WORDS, Sample},
};

/// What a sample tells.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    /// Who asked.
    pub(super) client: IpAddr,
    /// The interface that the query came in by.
    pub(super) interface: u32,
    /// The question; `None` if it can't be read.
    pub(super) question: Option<Question>,
    /// What became of it.
    pub(super) outcome: Outcome,
    /// It stands for so many queries.
    pub(super) weight: f64,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// The name in lower case, with its last dot. What is no letter, digit or other sign of ASCII is written `\000`.
    pub(super) name: String,
    /// The type.
    pub(super) kind: u16,
}

impl Asked {
    /// Reads a sample as it stands in the ring buffer; `None` if it is none.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        let mut words = [0; SAMPLE_WORDS];
        let place: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        // The kernel rounds nothing up: a sample of another length is not of this version.
        (place.len() == octets.len()).then(|| place.copy_from_slice(octets))?;
        let sample = Sample::of(words);
        let taken = sample.taken();
        Some(Self {
            client: Ipv6Addr::from(sample.client()).to_canonical(),
            interface: taken.interface,
            question: Question::read(sample.question()),
            outcome: sample.outcome()?,
            weight: f64::from(1_u32.checked_shl(taken.shift)?),
        })
    }
}

impl Question {
    /// Reads the question at the beginning of these octets, which others may follow.
    fn read(octets: &[u8]) -> Option<Self> {
        let mut name = String::with_capacity(64);
        let mut rest = octets;
        loop {
            let (&length, after) = rest.split_first()?;
            if length == 0 {
                rest = after;
                break;
            }
            if length > MAX_LABEL {
                return None;
            }
            let (label, after) = after.split_at_checked(usize::from(length))?;
            push_label(&mut name, label);
            rest = after;
        }
        let kind = rest.first_chunk::<2>()?;
        let is_name = octets.len() - rest.len() <= MAX_NAME;
        is_name.then(|| Self {
            name: if name.is_empty() {
                ".".to_owned()
            } else {
                name
            },
            kind: u16::from_be_bytes(*kind),
        })
    }
}

/// Adds a label and its dot: nothing that a terminal would take for more than a sign.
fn push_label(name: &mut String, label: &[u8]) {
    for &octet in label {
        if octet.is_ascii_graphic() && !matches!(octet, b'.' | b'\\') {
            name.push(octet.to_ascii_lowercase().into());
        } else {
            // Writing to a `String` can't fail.
            let _infallible = write!(name, "\\{octet:03}");
        }
    }
    name.push('.');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(octets: &[u8]) -> Option<(String, u16)> {
        Question::read(octets).map(|it| (it.name, it.kind))
    }

    #[test]
    fn a_question_is_read_whatever_follows_it() {
        for (octets, expected) in [
            (&b"\x05NginX\x01x\0\0\x1c\0\x01"[..], Some(("nginx.x.", 28))),
            (
                b"\x05nginx\x01x\0\0\x01\0\x01\0\0\x29more",
                Some(("nginx.x.", 1)),
            ),
            (b"\0\0\x02\0\x01", Some((".", 2))),
            (b"\x03a.b\x02\x1b[\0\0\x01", Some(("a\\046b.\\027[.", 1))),
            (b"\x02\\\xff\0\0\x01", Some(("\\092\\255.", 1))),
            // Cut short, or no name.
            (b"", None),
            (b"\x05ngin", None),
            (b"\x05nginx", None),
            (b"\x05nginx\0\0", None),
            (b"\xc0\x0c\0\x01", None),
            (b"\x40aaaa", None),
        ] {
            let expected = expected.map(|(name, kind): (&str, u16)| (name.to_owned(), kind));
            assert_eq!(question(octets), expected, "{octets:?}");
        }
    }

    #[test]
    fn a_name_is_at_most_255_octets() {
        let labels = |last: usize| {
            let mut octets = [&[63][..], &[b'a'; 63]].concat().repeat(3);
            octets.push(u8::try_from(last).unwrap());
            octets.extend(vec![b'b'; last]);
            octets.extend(*b"\0\0\x01\0\x01");
            octets
        };
        assert!(question(&labels(61)).is_some());
        assert!(question(&labels(62)).is_none());
    }

    #[test]
    fn octets_of_another_length_are_no_sample() {
        assert_eq!(Asked::read(&[0; 8 * SAMPLE_WORDS - 1]), None);
        assert_eq!(Asked::read(&[0; 8 * SAMPLE_WORDS + 8]), None);
        assert_eq!(
            Asked::read(&[0xff; 8 * SAMPLE_WORDS]),
            None,
            "no such outcome"
        );
        assert!(Asked::read(&[0; 8 * SAMPLE_WORDS]).is_some());
    }
}
