//! The replies of a hostile server, octet by octet: one honest form and many that lie or can't be read.

use std::net::Ipv4Addr;

/// Length of a message's header (RFC 1035, section 4.1.1).
const HEADER: usize = 12;
/// A name that is a pointer to the question's.
const TO_QUESTION: [u8; 2] = [0xC0, 12];
/// The type A.
const A: u16 = 1;
/// The type TXT.
const TXT: u16 = 16;
/// The octets of [`Form::Large`]'s padding.
const PADDING: usize = 6000;

/// What a reply looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it should be: the honest address, or no record for types other than A.
    Truth,
    /// Truncated (TC), without a record.
    Truncated,
    /// An error with this code, without a record.
    Error(u8),
    /// The lie, in an otherwise good reply.
    Lie,
    /// The lie under another id.
    OtherId,
    /// The lie, about another name.
    OtherName,
    /// The lie, about another type.
    OtherType,
    /// The lie, marked as a query.
    NotAResponse,
    /// The lie, as the response to another operation.
    OtherOperation,
    /// The lie without the question.
    NoQuestion,
    /// The lie; the header counts 1000 answers.
    CountsLie,
    /// The lie, its owner a pointer to itself.
    PointerLoop,
    /// The lie, its owner a pointer behind the message's end.
    PointerBeyond,
    /// The lie, its data longer than the message.
    DataBeyond,
    /// The lie, its address of three octets.
    ShortAddress,
    /// The first octets of the lie.
    Cut(usize),
    /// The honest address, and so much padding that no datagram of usual size holds it.
    Large,
    /// The honest address; besides it the lie as another name's address, in the answer and in the additional section.
    Unasked(&'static str),
}

/// The addresses of a hostile server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) truth: Ipv4Addr,
    pub(super) lie: Ipv4Addr,
    pub(super) ttl: u32,
}

/// The parts of a query that a reply is made of.
#[derive(Clone, Copy, Debug)]
struct Query<'q> {
    header: &'q [u8; HEADER],
    question: &'q [u8],
    /// Whether there is an OPT record: replies to such queries have one, too.
    edns: bool,
}

impl Form {
    /// The reply to `query`; `None` if that is not a query with one question.
    pub(super) fn reply(&self, query: &[u8], addresses: Addresses) -> Option<Vec<u8>> {
        let query = Query::read(query)?;
        let lie = address(&TO_QUESTION, addresses.lie, addresses.ttl);
        let with = |answers: &[Vec<u8>]| query.response(answers, &[]);
        let mut bytes = match self {
            Self::Truth | Self::Large | Self::Unasked(_) if !query.asks(A) => with(&[]),
            Self::Truth => with(&[addresses.honest()]),
            Self::Truncated | Self::Error(_) => with(&[]),
            Self::Lie
            | Self::OtherId
            | Self::OtherName
            | Self::OtherType
            | Self::NotAResponse
            | Self::OtherOperation
            | Self::NoQuestion
            | Self::CountsLie
            | Self::Cut(_) => with(&[lie]),
            Self::PointerLoop => with(&[pointing(lie, query.end())]),
            Self::PointerBeyond => with(&[pointing(lie, 0x3FFF)]),
            Self::DataBeyond => with(&[with_length(lie, 400)]),
            Self::ShortAddress => {
                let mut short = with_length(lie, 3);
                short.pop();
                with(&[short])
            }
            Self::Large => {
                let string = [&[250_u8][..], &[b'x'; 250]].concat();
                let text = string.repeat(PADDING / string.len());
                let padding = record(&TO_QUESTION, TXT, addresses.ttl, &text);
                query.response(&[addresses.honest()], &[padding])
            }
            Self::Unasked(victim) => {
                let stranger = address(&name(victim), addresses.lie, addresses.ttl);
                query.response(&[addresses.honest(), stranger.clone()], &[stranger])
            }
        };
        self.damage(&mut bytes, query.end());
        Some(bytes)
    }

    /// Changes what is not in the records.
    fn damage(&self, bytes: &mut Vec<u8>, question_end: usize) {
        match self {
            Self::Truncated => bytes[2] |= 0x02,
            Self::Error(code) => bytes[3] |= code & 0x0F,
            Self::OtherId => bytes[1] ^= 0x01,
            // A letter or digit becomes its neighbour.
            Self::OtherName => bytes[HEADER + 1] ^= 0x01,
            Self::OtherType => bytes[question_end - 3] ^= 0x1D,
            Self::NotAResponse => bytes[2] &= 0x7F,
            Self::OtherOperation => bytes[2] |= 0x10,
            Self::NoQuestion => {
                bytes.drain(HEADER..question_end);
                bytes[5] = 0;
                // The owner's pointer now leads to itself; a root takes its place.
                bytes.splice(HEADER..HEADER + 2, [0]);
            }
            Self::CountsLie => bytes[6..8].copy_from_slice(&1000_u16.to_be_bytes()),
            Self::Cut(length) => bytes.truncate(*length),
            Self::Truth
            | Self::Lie
            | Self::PointerLoop
            | Self::PointerBeyond
            | Self::DataBeyond
            | Self::ShortAddress
            | Self::Large
            | Self::Unasked(_) => {}
        }
    }
}

impl Addresses {
    fn honest(&self) -> Vec<u8> {
        address(&TO_QUESTION, self.truth, self.ttl)
    }
}

impl<'q> Query<'q> {
    fn read(bytes: &'q [u8]) -> Option<Self> {
        let header: &[u8; HEADER] = bytes.first_chunk()?;
        if header[2] & 0x80 != 0 || header[4..6] != [0, 1] {
            return None;
        }
        let mut end = HEADER;
        while *bytes.get(end)? != 0 {
            end += 1 + usize::from(bytes[end]);
        }
        Some(Self {
            header,
            question: bytes.get(HEADER..end + 5)?,
            edns: header[10..] != [0, 0],
        })
    }

    fn asks(&self, record_type: u16) -> bool {
        let at = self.question.len() - 4;
        self.question[at..at + 2] == record_type.to_be_bytes()
    }

    /// Where the question ends in the message.
    fn end(&self) -> usize {
        HEADER + self.question.len()
    }

    fn response(&self, answers: &[Vec<u8>], additionals: &[Vec<u8>]) -> Vec<u8> {
        // OPT: the root, type 41, 1232 octets, version 0, no options.
        let opt: &[u8] = if self.edns {
            &[0, 0, 41, 0x04, 0xD0, 0, 0, 0, 0, 0, 0]
        } else {
            &[]
        };
        let count = |records: usize| u8::try_from(records).unwrap_or(u8::MAX);
        let mut bytes = vec![self.header[0], self.header[1]];
        // QR, RD as asked; RA.
        bytes.extend([0x80 | (self.header[2] & 0x01), 0x80]);
        bytes.extend([0, 1, 0, count(answers.len()), 0, 0]);
        bytes.extend([0, count(additionals.len()) + u8::from(self.edns)]);
        bytes.extend(self.question);
        bytes.extend(answers.concat());
        bytes.extend(additionals.concat());
        bytes.extend(opt);
        bytes
    }
}

fn address(owner: &[u8], address: Ipv4Addr, ttl: u32) -> Vec<u8> {
    record(owner, A, ttl, &address.octets())
}

fn record(owner: &[u8], record_type: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    let mut bytes = owner.to_vec();
    bytes.extend(record_type.to_be_bytes());
    bytes.extend([0, 1]);
    bytes.extend(ttl.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend(data);
    bytes
}

/// The record with a pointer to `target` as its owner, which has to be a pointer before.
fn pointing(mut record: Vec<u8>, target: usize) -> Vec<u8> {
    let target = u16::try_from(target).unwrap_or(u16::MAX) | 0xC000;
    record[..2].copy_from_slice(&target.to_be_bytes());
    record
}

/// The record, whose owner is a pointer, with another length of its data.
fn with_length(mut record: Vec<u8>, length: u16) -> Vec<u8> {
    record[10..12].copy_from_slice(&length.to_be_bytes());
    record
}

/// A name in wire form.
fn name(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

#[cfg(test)]
mod tests {
    use hickory_proto::{
        op::{Edns, Message, MessageType, OpCode, ResponseCode},
        rr::RecordType,
    };

    use super::*;

    const ADDRESSES: Addresses = Addresses {
        truth: Ipv4Addr::new(203, 0, 113, 1),
        lie: Ipv4Addr::new(198, 51, 100, 66),
        ttl: 7,
    };

    fn query(record_type: RecordType) -> Message {
        let bytes = crate::query(0x1234, "wWw.example.org.", record_type).unwrap();
        Message::from_vec(&bytes).unwrap()
    }

    fn reply(form: &Form) -> Vec<u8> {
        let query = query(RecordType::A).to_vec().unwrap();
        form.reply(&query, ADDRESSES).unwrap()
    }

    #[test]
    fn the_truth_is_a_good_reply() {
        let mut query = query(RecordType::A);
        for edns in [false, true] {
            if edns {
                query.set_edns(Edns::new());
            }
            let bytes = Form::Truth
                .reply(&query.to_vec().unwrap(), ADDRESSES)
                .unwrap();
            let message = Message::from_vec(&bytes).unwrap();
            assert_eq!(message.metadata.id, 0x1234);
            assert_eq!(message.metadata.message_type, MessageType::Response);
            assert_eq!(message.queries, query.queries);
            assert_eq!(message.answers.len(), 1);
            assert_eq!(message.answers[0].name, query.queries[0].name);
            assert_eq!(message.answers[0].ttl, 7);
            let address = message.answers[0].data.ip_addr();
            assert_eq!(address, Some(ADDRESSES.truth.into()));
            assert_eq!(message.edns.is_some(), edns);
        }
    }

    #[test]
    fn other_types_have_no_record() {
        let query = query(RecordType::AAAA).to_vec().unwrap();
        for form in [Form::Truth, Form::Large] {
            let bytes = form.reply(&query, ADDRESSES).unwrap();
            assert_eq!(Message::from_vec(&bytes).unwrap().answers, []);
        }
    }

    #[test]
    fn lies_differ_from_the_query_where_they_say() {
        let asked = query(RecordType::A);
        let read = |form| Message::from_vec(&reply(&form)).unwrap();
        assert_ne!(read(Form::OtherId).metadata.id, 0x1234);
        let other = read(Form::OtherName);
        assert_ne!(other.queries[0].name, asked.queries[0].name);
        assert_eq!(other.answers.len(), 1);
        assert_ne!(read(Form::OtherType).queries[0].query_type, RecordType::A);
        let query = read(Form::NotAResponse);
        assert_eq!(query.metadata.message_type, MessageType::Query);
        assert_ne!(read(Form::OtherOperation).metadata.op_code, OpCode::Query);
        assert_eq!(read(Form::NoQuestion).queries, []);
        assert_eq!(read(Form::NoQuestion).answers.len(), 1);
        assert!(read(Form::Truncated).metadata.truncation);
        assert_eq!(
            read(Form::Error(5)).metadata.response_code,
            ResponseCode::Refused
        );
        assert!(reply(&Form::Large).len() > 4096);
        assert_eq!(read(Form::Large).additionals.len(), 1);
        let lie = read(Form::Lie).answers[0].data.ip_addr();
        assert_eq!(lie, Some(ADDRESSES.lie.into()));
        let unasked = read(Form::Unasked("victim.example.org."));
        assert_eq!(unasked.answers[1].name.to_string(), "victim.example.org.");
        assert_eq!(
            unasked.additionals[0].name.to_string(),
            "victim.example.org."
        );
    }

    #[test]
    fn others_can_not_be_read() {
        for form in [
            Form::CountsLie,
            Form::PointerLoop,
            Form::PointerBeyond,
            Form::DataBeyond,
            Form::ShortAddress,
            Form::Cut(40),
            Form::Cut(5),
        ] {
            assert!(Message::from_vec(&reply(&form)).is_err(), "{form:?}");
        }
    }

    #[test]
    fn only_queries_are_answered() {
        let mut response = query(RecordType::A).to_vec().unwrap();
        response[2] |= 0x80;
        for bytes in [&response[..], b"", &response[..20]] {
            assert_eq!(Form::Truth.reply(bytes, ADDRESSES), None);
        }
    }
}
