//! A query as it is sent to an upstream, and which replies fit it.

use super::question::{HEADER, Question, question_end};
use crate::serve::request::MAX_UDP_SIZE;

/// A query of our own: under a number that the sender draws, without anything of the client but its question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    bytes: Vec<u8>,
    question_end: usize,
}

impl Query {
    /// Asks `question`, with an OPT record if `edns`.
    ///
    /// `AD` is set: it says that we want to know whether the upstream has validated (RFC 6840, section 5.7).
    pub(super) fn new(question: &Question, edns: bool) -> Self {
        let flags = question.flags();
        let mut bytes = Vec::with_capacity(HEADER + question.name().len() + 15);
        bytes.extend_from_slice(&[0, 0]);
        bytes.push(u8::from(flags.recursion_desired));
        bytes.push(0x20 | if flags.checking_disabled { 0x10 } else { 0 });
        bytes.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, edns.into()]);
        question.write(&mut bytes);
        let question_end = bytes.len();
        if edns {
            let [high, low] = MAX_UDP_SIZE.to_be_bytes();
            let dnssec_ok = if flags.dnssec_ok { 0x80 } else { 0 };
            // Root, type OPT, our size, extended code 0, version 0, DO, no options.
            bytes.extend_from_slice(&[0, 0, 41, high, low, 0, 0, dnssec_ok, 0, 0, 0]);
        }
        Self {
            bytes,
            question_end,
        }
    }

    /// The same query under `id`.
    pub(super) fn under(&self, id: u16) -> Self {
        let mut query = self.clone();
        query.bytes[..2].copy_from_slice(&id.to_be_bytes());
        query
    }

    /// The message.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether `reply` is a reply to this very query: number, direction, operation and question.
    ///
    /// An error without a question fits, too: servers that can't read a query answer so.
    pub(super) fn fits(&self, reply: &[u8]) -> bool {
        let Some(header) = reply.get(..HEADER) else {
            return false;
        };
        let is_reply = header[2] & 0x80 != 0;
        let is_query = header[2] & 0x78 == 0;
        if header[..2] != self.bytes[..2] || !is_reply || !is_query {
            return false;
        }
        if header[4..6] == [0, 0] {
            return rcode(reply) != 0;
        }
        let question = HEADER..self.question_end;
        if question_end(reply) != Some(question.end) {
            return false;
        }
        let (ours, theirs) = (&self.bytes[question.clone()], &reply[question]);
        let name = ours.len() - 4;
        ours[..name].eq_ignore_ascii_case(&theirs[..name]) && ours[name..] == theirs[name..]
    }
}

/// The header's part of the response code of a message that has a header.
pub(super) fn rcode(message: &[u8]) -> u8 {
    message[3] & 0x0F
}

/// Whether a message that has a header is marked as truncated.
pub(super) fn is_truncated(message: &[u8]) -> bool {
    message[2] & 0x02 != 0
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Message;
    use proptest::prelude::*;

    use super::*;

    /// `eXample.com.` AAAA IN, RD and CD.
    const ASKED: &[u8] =
        b"\x12\x34\x01\x10\x00\x01\x00\x00\x00\x00\x00\x00\x07eXample\x03com\x00\x00\x1c\x00\x01";

    fn query() -> Query {
        Query::new(&Question::read(ASKED, true).unwrap(), true).under(0x5678)
    }

    fn reply(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let query = query();
        let mut bytes = query.bytes[..query.question_end].to_vec();
        bytes[2] |= 0x80;
        bytes[11] = 0;
        change(&mut bytes);
        bytes
    }

    #[test]
    fn a_query_says_what_the_client_wants_and_no_more() {
        let message = Message::from_vec(query().as_bytes()).unwrap();
        assert_eq!(message.metadata.id, 0x5678);
        assert!(message.metadata.recursion_desired && message.metadata.checking_disabled);
        assert!(message.metadata.authentic_data);
        assert_eq!(message.queries[0].to_string(), "example.com. IN AAAA");
        let edns = message.edns.unwrap();
        assert_eq!((edns.max_payload(), edns.flags().dnssec_ok), (1232, true));

        let question = Question::read(&[&[0; 2], b"\0\0", &ASKED[4..]].concat(), false).unwrap();
        let message = Message::from_vec(Query::new(&question, false).as_bytes()).unwrap();
        assert!(!message.metadata.recursion_desired && !message.metadata.checking_disabled);
        assert_eq!(message.edns, None);
    }

    #[test]
    fn replies_are_taken_only_if_they_fit() {
        for (case, bytes, taken) in [
            ("as it should be", reply(|_| {}), true),
            (
                "records behind",
                reply(|b| b.extend_from_slice(b"\xC0\x0C")),
                true,
            ),
            ("other case", reply(|b| b[13] = b'E'), true),
            ("other id", reply(|b| b[0] = 0), false),
            ("not a reply", reply(|b| b[2] = 1), false),
            ("other operation", reply(|b| b[2] |= 0x10), false),
            ("other name", reply(|b| b[13] = b'f'), false),
            ("longer name", reply(|b| b[12] = 11), false),
            ("other type", reply(|b| b[26] = 1), false),
            ("type differs as case does", reply(|b| b[26] ^= 0x20), false),
            ("two questions", reply(|b| b[5] = 2), false),
            (
                "no question, no error",
                reply(|b| {
                    b[5] = 0;
                    b.truncate(12);
                }),
                false,
            ),
            (
                "no question, FORMERR",
                reply(|b| {
                    b[3] = 1;
                    b[5] = 0;
                    b.truncate(12);
                }),
                true,
            ),
            ("cut", reply(|b| b.truncate(20)), false),
            ("empty", Vec::new(), false),
        ] {
            assert_eq!(query().fits(&bytes), taken, "{case}");
        }
    }

    proptest! {
        #[test]
        fn any_reply_is_judged_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = query().fits(&bytes);
        }
    }
}
