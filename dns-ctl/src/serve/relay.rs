//! The bytes of a relayed message: what changes on the way to an upstream and back, and what is accepted.

/// Length of a message's header (RFC 1035, section 4.1.1).
const HEADER: usize = 12;

/// A client's query as it is sent to an upstream: under an id of our own.
#[derive(Debug)]
pub(super) struct Outgoing<'q> {
    original: &'q [u8],
    bytes: Vec<u8>,
    question_end: usize,
}

/// An upstream's reply under the client's id.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Incoming(Vec<u8>);

impl<'q> Outgoing<'q> {
    /// The message under `id`; `None` if it does not have one plain question.
    pub(super) fn new(original: &'q [u8], id: u16) -> Option<Self> {
        let question_end = question_end(original)?;
        let mut bytes = original.to_vec();
        bytes[..2].copy_from_slice(&id.to_be_bytes());
        Some(Self {
            original,
            bytes,
            question_end,
        })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes `reply` if it is a reply to this very query: id, direction, operation and question.
    ///
    /// An error without a question is taken too: servers that can't read a query answer so.
    pub(super) fn accept(&self, reply: &[u8]) -> Option<Incoming> {
        let header = reply.get(..HEADER)?;
        let is_reply = header[2] & 0x80 != 0;
        let same_operation = (header[2] ^ self.bytes[2]) & 0x78 == 0;
        if header[..2] != self.bytes[..2] || !is_reply || !same_operation {
            return None;
        }
        let mut reply = reply.to_vec();
        let question = HEADER..self.question_end;
        if question_count(&reply) == 0 {
            if rcode(&reply) == 0 {
                return None;
            }
        } else {
            let (ours, theirs) = (&self.bytes[question.clone()], reply.get(question.clone())?);
            let name = ours.len() - 4;
            if question_count(&reply) != 1
                || !ours[..name].eq_ignore_ascii_case(&theirs[..name])
                || ours[name..] != theirs[name..]
            {
                return None;
            }
            reply[question.clone()].copy_from_slice(&self.original[question]);
        }
        reply[..2].copy_from_slice(&self.original[..2]);
        Some(Incoming(reply))
    }
}

impl Incoming {
    pub(super) fn is_truncated(&self) -> bool {
        self.0[2] & 0x02 != 0
    }

    /// Whether another upstream may know better: FORMERR, SERVFAIL, NOTIMP and REFUSED say nothing of the name.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(rcode(&self.0), 1 | 2 | 4 | 5)
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The header's part of the response code.
fn rcode(message: &[u8]) -> u8 {
    message[3] & 0x0F
}

fn question_count(message: &[u8]) -> u16 {
    u16::from_be_bytes([message[4], message[5]])
}

/// The offset behind the only question; `None` if it is compressed, cut, or not the only one.
pub(super) fn question_end(message: &[u8]) -> Option<usize> {
    if message.len() < HEADER || question_count(message) != 1 {
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
    (end <= message.len()).then_some(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUERY: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07eXample\x03com\x00\x00\x01\x00\x01";

    fn outgoing() -> Outgoing<'static> {
        Outgoing::new(QUERY, 0x5678).unwrap()
    }

    fn reply(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = outgoing().as_bytes().to_vec();
        bytes[2] |= 0x80;
        change(&mut bytes);
        bytes
    }

    #[test]
    fn only_the_id_changes_on_the_way_out() {
        let outgoing = outgoing();
        assert_eq!(outgoing.as_bytes()[..2], [0x56, 0x78]);
        assert_eq!(outgoing.as_bytes()[2..], QUERY[2..]);
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
            ("other type", reply(|b| b[26] = 28), false),
            ("type differs as case does", reply(|b| b[26] = 0x21), false),
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
                    b[5] = 0;
                    b[3] = 1;
                    b.truncate(12);
                }),
                true,
            ),
            ("cut", reply(|b| b.truncate(20)), false),
            ("empty", Vec::new(), false),
        ] {
            assert_eq!(outgoing().accept(&bytes).is_some(), taken, "{case}");
        }
    }

    #[test]
    fn the_client_gets_its_own_id_and_case_back() {
        let bytes = reply(|b| b[12..24].make_ascii_lowercase());
        let incoming = outgoing().accept(&bytes).unwrap();
        assert_eq!(incoming.0[..2], QUERY[..2]);
        assert_eq!(incoming.0[12..], QUERY[12..]);
    }

    #[test]
    fn flags_are_read() {
        let read = |change: fn(&mut Vec<u8>)| outgoing().accept(&reply(change)).unwrap();
        assert!(read(|b| b[2] |= 2).is_truncated());
        assert!(!read(|_| {}).is_truncated());
        for (rcode, refusal) in [(0, false), (2, true), (3, false), (5, true)] {
            let mut bytes = reply(|_| {});
            bytes[3] = rcode;
            assert_eq!(
                outgoing().accept(&bytes).unwrap().is_refusal(),
                refusal,
                "{rcode}"
            );
        }
    }

    #[test]
    fn strange_questions_are_not_sent_on() {
        let mut pointer = QUERY.to_vec();
        pointer[12] = 0xC0;
        for bytes in [&pointer[..], &QUERY[..20], &QUERY[..12], b""] {
            assert!(Outgoing::new(bytes, 1).is_none());
        }
    }

    proptest! {
        #[test]
        fn any_reply_is_handled_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = outgoing().accept(&bytes);
            let _ = Outgoing::new(&bytes, 7);
        }
    }
}
