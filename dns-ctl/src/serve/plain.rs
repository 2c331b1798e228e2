//! Reads the plain sort of query, which nearly all are, without making anything of it.
//!
//! A query that is not plain is not wrong: [`super::request`] reads all there are, and is right where the two could differ.

use hickory_proto::rr::RecordType;

use super::{
    request::{ClientEdns, MAX_UDP_SIZE, MIN_UDP_SIZE},
    resolve::question::{HEADER, question_end},
};

/// The names of plain queries are shorter than the longest that there can be.
const LONGEST: usize = 250;
/// Flags that a plain query may have, in the third and the fourth octet: RD; AD and CD.
const FLAGS: [u8; 2] = [0x01, 0x30];
/// The bit of an OPT record that asks for DNSSEC records.
const DO: u8 = 0x80;
/// The class of the Internet.
const IN: [u8; 2] = [0, 1];

/// A query of class IN for a type that the zone or the upstreams may have, with no more than an OPT record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain<'m> {
    /// Header and question.
    pub(super) question: &'m [u8],
    /// The type asked for.
    pub(super) query_type: RecordType,
    /// What the OPT record says.
    pub(super) edns: Option<ClientEdns>,
}

impl<'m> Plain<'m> {
    /// Reads a message; `None` if it is not plain.
    pub(super) fn read(message: &'m [u8]) -> Option<Self> {
        let end = question_end(message)?;
        let (question, after) = message.split_at(end);
        let has_plain_flags = question[2] & !FLAGS[0] == 0 && question[3] & !FLAGS[1] == 0;
        let has_no_records = question[6..11] == [0; 5];
        if !has_plain_flags
            || !has_no_records
            || end > HEADER + LONGEST
            || question[end - 2..] != IN
        {
            return None;
        }
        let edns = match question[11] {
            0 if after.is_empty() => None,
            1 => Some(read_opt(after)?),
            _ => return None,
        };
        let query_type = u16::from_be_bytes([question[end - 4], question[end - 3]]).into();
        is_common(query_type).then_some(Self {
            question,
            query_type,
            edns,
        })
    }

    /// The name in wire form, in its own case, root label included.
    pub(super) fn name(&self) -> &'m [u8] {
        &self.question[HEADER..self.question.len() - 4]
    }

    /// The client's number for the request.
    pub(super) fn id(&self) -> u16 {
        u16::from_be_bytes([self.question[0], self.question[1]])
    }

    /// The largest datagram to send to this client.
    pub(super) fn udp_limit(&self) -> u16 {
        self.edns.map_or(MIN_UDP_SIZE, |edns| {
            edns.udp_size.clamp(MIN_UDP_SIZE, MAX_UDP_SIZE)
        })
    }
}

/// Reads an OPT record of version 0 without options.
fn read_opt(record: &[u8]) -> Option<ClientEdns> {
    let (size, flags) = match *record {
        [0, 0, 41, high, low, 0, 0, flags @ (0 | DO), 0, 0, 0] => ([high, low], flags),
        _ => return None,
    };
    Some(ClientEdns {
        udp_size: u16::from_be_bytes(size),
        dnssec_ok: flags == DO,
    })
}

/// Types that need no special care: no questions about several types, no transfers, no pointers.
const fn is_common(query_type: RecordType) -> bool {
    matches!(
        query_type,
        RecordType::A
            | RecordType::AAAA
            | RecordType::HTTPS
            | RecordType::MX
            | RecordType::NS
            | RecordType::SOA
            | RecordType::SRV
            | RecordType::TXT
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::serve::request::Request;

    /// `Nginx.` A IN, id 0x1234, RD, with OPT: version 0, 4096 octets, DO.
    const QUERY: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x05Nginx\x00\x00\x01\x00\x01\x00\x00\x29\x10\x00\x00\x00\x80\x00\x00\x00";

    /// What was read is what [`Request`] reads.
    fn agrees(message: &[u8]) -> bool {
        let Some(plain) = Plain::read(message) else {
            return true;
        };
        let request = Request::read(message).expect("a plain query is readable");
        (plain.id(), plain.edns, plain.query_type, plain.udp_limit())
            == (
                request.id,
                request.edns,
                request.query.query_type,
                request.udp_limit(),
            )
    }

    #[test]
    fn plain_queries_are_read() {
        let plain = Plain::read(QUERY).unwrap();
        assert_eq!(plain.name(), b"\x05Nginx\x00");
        assert_eq!(plain.udp_limit(), 1232);
        assert!(plain.edns.unwrap().dnssec_ok && agrees(QUERY));
        let mut without = QUERY[..23].to_vec();
        without[11] = 0;
        assert_eq!(Plain::read(&without).unwrap().edns, None);
    }

    #[test]
    fn what_is_more_is_left() {
        for (case, at, to) in [
            ("a reply", 2, 0x81),
            ("another operation", 2, 0x11),
            ("a record", 7, 1),
            ("class CH", 22, 3),
            ("a pointer", 20, 12),
            ("version 1", 29, 1),
            ("an option", 33, 4),
        ] {
            let mut message = QUERY.to_vec();
            message[at] = to;
            assert!(Plain::read(&message).is_none(), "{case}");
        }
        assert!(Plain::read(&[QUERY, b"\x00"].concat()).is_none());
    }

    proptest! {
        #[test]
        fn the_full_reader_says_the_same(
            damage in prop::collection::vec((2..QUERY.len(), any::<u8>()), 0..3),
            length in 0..=QUERY.len(),
        ) {
            let mut message = QUERY.to_vec();
            for (at, to) in damage {
                message[at] = to;
            }
            prop_assert!(agrees(&message));
            prop_assert!(agrees(&message[..length]));
        }
    }
}
