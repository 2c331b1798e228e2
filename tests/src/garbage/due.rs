//! What a DNS server owes a message, and whether a reply is that. The judge of what can be read is hickory-proto.

use anyhow::{Context as _, Result, ensure};
use hickory_proto::op::{Edns, Message, MessageType};

use super::draft::HEADER;

const NO_ERROR: u16 = 0;
const FORM_ERR: u16 = 1;
const SERV_FAIL: u16 = 2;
const NX_DOMAIN: u16 = 3;
const NOT_IMP: u16 = 4;
const REFUSED: u16 = 5;
const BAD_VERS: u16 = 16;
/// The class IN.
const IN: u16 = 1;
/// IXFR and AXFR.
const TRANSFERS: [u16; 2] = [251, 252];
/// The smallest and the largest datagram to a client, whatever it asks for (RFC 1035, RFC 9715).
const DATAGRAM: std::ops::RangeInclusive<u16> = 512..=1232;
/// The cluster domain in wire form.
const CLUSTER_DOMAIN: &[u8] = b"\x07cluster\x05local\x00";

/// What a message deserves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// No reply: there is no id to reply to, or it is a reply itself.
    Nothing,
    /// A reply with one of these response codes, the one to be expected first.
    Reply(Vec<u16>),
}

/// The parts of a message's only question.
#[derive(Clone, Copy, Debug)]
struct Question<'m> {
    octets: &'m [u8],
    name: &'m [u8],
    record_type: u16,
    class: u16,
}

/// What `message` deserves from a server of the cluster domain that asks others for all other names.
#[must_use]
pub fn due(message: &[u8]) -> Due {
    if message.len() < HEADER || message[2] & 0x80 != 0 {
        return Due::Nothing;
    }
    if message[2] & 0x78 != 0 {
        return Due::Reply(vec![NOT_IMP]);
    }
    let (Some(question), Ok(read)) = (Question::read(message), Message::from_vec(message)) else {
        return Due::Reply(vec![FORM_ERR]);
    };
    if read.edns.as_ref().is_some_and(|edns| edns.version() != 0) {
        return Due::Reply(vec![BAD_VERS]);
    }
    if question.class != IN || TRANSFERS.contains(&question.record_type) {
        return Due::Reply(vec![REFUSED]);
    }
    let mut rcodes = vec![NO_ERROR, NX_DOMAIN];
    if !question.is_in_cluster() {
        // Others may fail, and have a word of their own on types that are no types of records (RFC 6895).
        rcodes.push(SERV_FAIL);
        if matches!(question.record_type, 0 | 41 | 128..=255) {
            rcodes.extend([FORM_ERR, NOT_IMP, REFUSED]);
        }
    }
    Due::Reply(rcodes)
}

/// The largest datagram that may answer `message`.
#[must_use]
pub fn datagram_limit(message: &[u8]) -> usize {
    let edns = Message::from_vec(message).ok().and_then(|read| read.edns);
    let size = edns.map_or(0, |edns: Edns| edns.max_payload());
    size.clamp(*DATAGRAM.start(), *DATAGRAM.end()).into()
}

/// Whether `reply` is a good reply to `message`, of at most `limit` octets.
pub fn judge(message: &[u8], reply: &[u8], limit: usize) -> Result<()> {
    let Due::Reply(rcodes) = due(message) else {
        anyhow::bail!("this deserves no reply");
    };
    let read = Message::from_vec(reply).context("the reply can't be read")?;
    let rcode = u16::from(read.metadata.response_code);
    ensure!(
        rcodes.contains(&rcode),
        "RCODE {rcode}, not one of {rcodes:?}"
    );
    ensure!(reply.len() <= limit, "{} octets, not {limit}", reply.len());
    ensure!(reply[..2] == message[..2], "another id");
    ensure!(
        read.metadata.message_type == MessageType::Response,
        "no response"
    );
    let same = |mask: u8| (reply[2] ^ message[2]) & mask == 0;
    ensure!(same(0x78), "another operation");
    ensure!(same(0x01), "RD is not echoed");
    ensure!(reply[3] & 0x40 == 0, "the Z bit is set");
    match Question::read(message) {
        Some(question) if reply[4..6] == [0, 1] => {
            let echoed = reply.get(HEADER..HEADER + question.octets.len());
            ensure!(echoed == Some(question.octets), "another question");
        }
        _ => {
            let unread = [FORM_ERR, NOT_IMP].contains(&rcode);
            ensure!(unread && reply[4..6] == [0, 0], "the question is missing");
        }
    }
    if ![FORM_ERR, NOT_IMP].contains(&rcode) {
        // RFC 6891, section 6.1.1 and 7.
        let asked = Message::from_vec(message)?.edns.is_some();
        ensure!(read.edns.is_some() == asked, "OPT: {asked} was asked");
    }
    Ok(())
}

/// The whole messages in what a TCP client sends, as their lengths part them (RFC 1035, section 4.2.2).
#[must_use]
pub fn frames(mut octets: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let Some((length, rest)) = octets.split_first_chunk() {
        let Some((frame, after)) = rest.split_at_checked(u16::from_be_bytes(*length).into()) else {
            break;
        };
        frames.push(frame);
        octets = after;
    }
    frames
}

impl<'m> Question<'m> {
    /// `None` if there is not exactly one, or it is cut, compressed or too long.
    fn read(message: &'m [u8]) -> Option<Self> {
        if message.get(4..6)? != [0, 1] {
            return None;
        }
        let mut end = HEADER;
        loop {
            let length = *message.get(end)?;
            end += 1 + usize::from(length);
            match length {
                0 => break,
                1..=63 => {}
                _ => return None,
            }
        }
        let name = message.get(HEADER..end).filter(|name| name.len() <= 255)?;
        let &[type_0, type_1, class_0, class_1] = message.get(end..)?.first_chunk()?;
        Some(Self {
            octets: &message[HEADER..end + 4],
            name,
            record_type: u16::from_be_bytes([type_0, type_1]),
            class: u16::from_be_bytes([class_0, class_1]),
        })
    }

    /// Whether the name is the cluster domain, or lies in it.
    fn is_in_cluster(&self) -> bool {
        let mut rest = self.name;
        while rest.len() > CLUSTER_DOMAIN.len() {
            rest = &rest[1 + usize::from(rest[0])..];
        }
        rest.eq_ignore_ascii_case(CLUSTER_DOMAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Web.cluster.local.` A IN, id 0x1234, RD.
    const QUERY: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03Web\x07cluster\x05local\x00\x00\x01\x00\x01";

    fn changed(at: usize, to: u8) -> Vec<u8> {
        let mut bytes = QUERY.to_vec();
        bytes[at] = to;
        bytes
    }

    #[test]
    fn each_message_has_its_due() {
        let class = QUERY.len() - 1;
        for (case, message, rcode) in [
            ("a good query", QUERY.to_vec(), Some(0)),
            ("a name outside", changed(17, b'k'), Some(0)),
            ("half a header", QUERY[..11].to_vec(), None),
            ("a response", changed(2, 0x80), None),
            ("another operation", changed(2, 0x28), Some(4)),
            ("a header only", QUERY[..12].to_vec(), Some(1)),
            ("no question", changed(5, 0), Some(1)),
            ("two questions", changed(5, 2), Some(1)),
            ("a record that is not there", changed(11, 1), Some(1)),
            ("a label that does not exist", changed(12, 0x43), Some(1)),
            ("a pointer", changed(12, 0xC0), Some(1)),
            ("another class", changed(class, 3), Some(5)),
            ("a transfer", changed(class - 2, 252), Some(5)),
        ] {
            let expected = rcode.map_or(Due::Nothing, |rcode| Due::Reply(vec![rcode]));
            let first = match due(&message) {
                Due::Reply(rcodes) => Due::Reply(rcodes[..1].to_vec()),
                Due::Nothing => Due::Nothing,
            };
            assert_eq!(first, expected, "{case}");
        }
        assert_eq!(due(QUERY), Due::Reply(vec![0, 3]));
    }

    #[test]
    fn replies_are_judged() {
        let reply = |change: fn(&mut Vec<u8>)| {
            let mut bytes = QUERY.to_vec();
            bytes[2] |= 0x80;
            change(&mut bytes);
            bytes
        };
        for (case, reply, good) in [
            ("as it should be", reply(|_| {}), true),
            ("NXDOMAIN", reply(|b| b[3] = 3), true),
            ("SERVFAIL", reply(|b| b[3] = 2), false),
            ("another id", reply(|b| b[1] = 0), false),
            ("no response", QUERY.to_vec(), false),
            ("another case", reply(|b| b[13] = b'w'), false),
            ("no question", reply(|b| b.truncate(12)), false),
            ("RD lost", reply(|b| b[2] &= 0xFE), false),
            ("cut", reply(|b| b.truncate(20)), false),
        ] {
            assert_eq!(judge(QUERY, &reply, 512).is_ok(), good, "{case}");
        }
        assert!(judge(QUERY, &reply(|_| {}), 20).is_err());
    }

    #[test]
    fn lengths_part_a_stream() {
        let none: [&[u8]; 0] = [];
        assert_eq!(frames(b""), none);
        assert_eq!(frames(b"\x00"), none);
        assert_eq!(frames(b"\x00\x02ab\x00\x00\x00\x03xy"), [&b"ab"[..], b""]);
    }
}
