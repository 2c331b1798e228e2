//! A question as the resolver asks and keeps it: one run of octets that is hashed and compared whole.

use hickory_proto::{
    op::Query,
    rr::{DNSClass, Name, RecordType},
};
use smallvec::SmallVec;

/// Length of a message's header (RFC 1035, section 4.1.1).
pub(in crate::serve) const HEADER: usize = 12;
/// Octets of a key before the name: type, class, flags.
const BEFORE_NAME: usize = 5;
/// Keys up to this length need no allocation; most names of clusters and of the Internet are shorter.
const INLINE: usize = 80;

const DNSSEC_OK: u8 = 1;
const CHECKING_DISABLED: u8 = 2;
const RECURSION_DESIRED: u8 = 4;

/// What is asked for: name, type, class, and the flags that change the answer.
///
/// Names are equal whatever the case of their letters (RFC 4343), so the name is held in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question(SmallVec<[u8; INLINE]>);

/// The flags of a query that change its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// DNSSEC records are wanted (DO; RFC 3225).
    pub dnssec_ok: bool,
    /// Answers that fail validation are wanted, too (CD; RFC 4035, section 3.2.2).
    pub checking_disabled: bool,
    /// The upstream may ask others (RD; RFC 1035, section 4.1.1).
    pub recursion_desired: bool,
}

impl Question {
    /// Asks for the records of `query` with `flags`.
    #[must_use]
    pub fn new(query: &Query, flags: Flags) -> Self {
        Self::of_type(&query.name, query.query_type, query.query_class, flags)
    }

    /// Reads the question of a client's message; `dnssec_ok` is the DO bit of its OPT record.
    ///
    /// `None` if the message does not have one plain question.
    #[must_use]
    pub fn read(message: &[u8], dnssec_ok: bool) -> Option<Self> {
        let end = question_end(message)?;
        let flags = Flags {
            dnssec_ok,
            checking_disabled: message[3] & 0x10 != 0,
            recursion_desired: message[2] & 0x01 != 0,
        };
        let (name, type_and_class) = message[HEADER..end].split_at(end - HEADER - 4);
        Some(Self::of_wire(name, type_and_class, flags))
    }

    /// The same question for another name and type, as when an alias is followed.
    #[must_use]
    pub fn about(&self, name: &Name, record_type: RecordType) -> Self {
        let class = DNSClass::from(self.class());
        Self::of_type(name, record_type, class, self.flags())
    }

    /// A question of our own, class IN, about `name` in wire form.
    pub(super) fn internal(name: &[u8], record_type: RecordType) -> Self {
        let [high, low] = u16::from(record_type).to_be_bytes();
        let flags = Flags {
            recursion_desired: true,
            ..Flags::default()
        };
        Self::of_wire(name, &[high, low, 0, 1], flags)
    }

    /// The name in wire form, lower-case, root label included.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.0[BEFORE_NAME..]
    }

    /// The record type asked for.
    #[must_use]
    pub fn record_type(&self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }

    /// The class asked for.
    #[must_use]
    pub fn class(&self) -> u16 {
        u16::from_be_bytes([self.0[2], self.0[3]])
    }

    /// The flags that change the answer.
    #[must_use]
    pub fn flags(&self) -> Flags {
        let flags = self.0[4];
        Flags {
            dnssec_ok: flags & DNSSEC_OK != 0,
            checking_disabled: flags & CHECKING_DISABLED != 0,
            recursion_desired: flags & RECURSION_DESIRED != 0,
        }
    }

    /// All of the question, to find and compare it by.
    pub(super) fn key(&self) -> &[u8] {
        &self.0
    }

    /// The name that a key of a question holds.
    pub(super) fn name_of_key(key: &[u8]) -> &[u8] {
        key.get(BEFORE_NAME..).unwrap_or_default()
    }

    /// The question section as it is sent: name, type, class.
    pub(super) fn write(&self, message: &mut Vec<u8>) {
        message.extend_from_slice(self.name());
        message.extend_from_slice(&self.0[..4]);
    }

    fn of_type(name: &Name, record_type: RecordType, class: DNSClass, flags: Flags) -> Self {
        let [a, b] = u16::from(record_type).to_be_bytes();
        let [c, d] = u16::from(class).to_be_bytes();
        let mut key = Self::key_before_name(&[a, b, c, d], flags);
        for label in name {
            // A label of a `Name` has at most 63 octets.
            key.push(u8::try_from(label.len()).unwrap_or(0));
            key.extend_from_slice(label);
        }
        key.push(0);
        key[BEFORE_NAME..].make_ascii_lowercase();
        Self(key)
    }

    fn of_wire(name: &[u8], type_and_class: &[u8], flags: Flags) -> Self {
        let mut key = Self::key_before_name(type_and_class, flags);
        key.extend_from_slice(name);
        key[BEFORE_NAME..].make_ascii_lowercase();
        Self(key)
    }

    fn key_before_name(type_and_class: &[u8], flags: Flags) -> SmallVec<[u8; INLINE]> {
        let mut key = SmallVec::from_slice(type_and_class);
        let mut bits = 0;
        for (flag, bit) in [
            (flags.dnssec_ok, DNSSEC_OK),
            (flags.checking_disabled, CHECKING_DISABLED),
            (flags.recursion_desired, RECURSION_DESIRED),
        ] {
            if flag {
                bits |= bit;
            }
        }
        key.push(bits);
        key
    }
}

/// The offset behind a message's only question; `None` if it is compressed, cut, or not the only one.
pub(in crate::serve) fn question_end(message: &[u8]) -> Option<usize> {
    if message.len() < HEADER || message[4..6] != [0, 1] {
        return None;
    }
    let mut at = HEADER;
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1 + length;
        match length {
            0 => break,
            1..=63 => {}
            _ => return None,
        }
    }
    let end = at + 4;
    (end <= message.len() && at - HEADER <= crate::zone::name::MAX_NAME).then_some(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUERY: &[u8] =
        b"\x12\x34\x01\x10\x00\x01\x00\x00\x00\x00\x00\x00\x07eXample\x03com\x00\x00\x1c\x00\x01";

    #[test]
    fn a_message_and_a_query_make_the_same_question() {
        let read = Question::read(QUERY, true).unwrap();
        let flags = Flags {
            dnssec_ok: true,
            checking_disabled: true,
            recursion_desired: true,
        };
        let name = Name::from_ascii("Example.COM.").unwrap();
        let made = Question::new(&Query::query(name.clone(), RecordType::AAAA), flags);
        assert_eq!(read, made);
        assert_eq!(read.name(), b"\x07example\x03com\x00");
        assert_eq!((read.record_type(), read.class()), (28, 1));
        assert_eq!(read.flags(), flags);

        let other = Name::from_ascii("www.example.com.").unwrap();
        let about = read.about(&other, RecordType::A);
        assert_eq!(about.name(), b"\x03www\x07example\x03com\x00");
        assert_eq!((about.record_type(), about.flags()), (1, flags));
    }

    #[test]
    fn every_part_tells_questions_apart() {
        let question = Question::read(QUERY, false).unwrap();
        assert_ne!(Question::read(QUERY, true).unwrap(), question, "DO");
        for (part, at) in [
            ("RD", 2),
            ("CD", 3),
            ("name", 14),
            ("type", 26),
            ("class", 28),
        ] {
            let mut other = QUERY.to_vec();
            other[at] ^= 0x11;
            assert_ne!(Question::read(&other, false).unwrap(), question, "{part}");
        }
    }

    #[test]
    fn strange_questions_are_not_read() {
        let mut pointer = QUERY.to_vec();
        pointer[12] = 0xC0;
        let mut two = QUERY.to_vec();
        two[5] = 2;
        let label = [&[63][..], &[b'a'; 63]].concat();
        let long = [
            &QUERY[..12],
            &label.repeat(4),
            b"\x00\x00\x01\x00\x01".as_slice(),
        ]
        .concat();
        for bytes in [&pointer[..], &two, &long, &QUERY[..20], &QUERY[..12], b""] {
            assert_eq!(question_end(bytes), None);
            assert_eq!(Question::read(bytes, false), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Question::read(&bytes, false);
        }
    }
}
