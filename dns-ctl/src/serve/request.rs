//! Reads requests: from the bytes of a message to one question, or to the reason why there is none.

use hickory_proto::{
    op::{Edns, Header, Message, MessageType, OpCode, Query, ResponseCode},
    serialize::binary::{BinDecodable, BinDecoder},
};

use super::resolve::question::question_end;

/// The smallest message size that every client takes (RFC 1035, section 4.2.1).
pub const MIN_UDP_SIZE: u16 = 512;
/// The largest datagram we send: no path of today fragments it (DNS Flag Day 2020; RFC 9715, section 3.1).
pub const MAX_UDP_SIZE: u16 = 1232;

/// A request with exactly one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The client's number for the request.
    pub id: u16,
    /// Whether the client wants recursion (RD), to be echoed.
    pub recursion_desired: bool,
    /// The question, its name in the case it came in.
    pub query: Query,
    /// The client's EDNS options, if it sent an OPT record.
    pub edns: Option<ClientEdns>,
}

/// What a client says in its OPT record (RFC 6891), as far as it changes the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientEdns {
    /// The largest datagram that the client takes.
    pub udp_size: u16,
    /// The DO bit, to be echoed (RFC 3225, section 3).
    pub dnssec_ok: bool,
}

/// Why a message is not a request we can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Too short for a header, or itself a reply: answering could start a loop or help a spoofer.
    Ignore,
    /// The header can be read: the client is told.
    Tell {
        /// The client's number for the request.
        id: u16,
        /// The operation, to be echoed.
        op_code: OpCode,
        /// Whether the client wants recursion, to be echoed.
        recursion_desired: bool,
        /// The error.
        rcode: ResponseCode,
    },
    /// A good request in an EDNS version we don't speak (RFC 6891, section 6.1.3).
    Version(Request),
}

impl Request {
    /// The largest datagram to send to this client.
    #[must_use]
    pub fn udp_limit(&self) -> u16 {
        self.edns.map_or(MIN_UDP_SIZE, |edns| {
            edns.udp_size.clamp(MIN_UDP_SIZE, MAX_UDP_SIZE)
        })
    }

    /// Reads a message.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let header = Header::read(&mut BinDecoder::new(bytes)).map_err(|_| Unreadable::Ignore)?;
        if header.metadata.message_type == MessageType::Response {
            return Err(Unreadable::Ignore);
        }
        let tell = |rcode| Unreadable::Tell {
            id: header.metadata.id,
            op_code: header.metadata.op_code,
            recursion_desired: header.metadata.recursion_desired,
            rcode,
        };
        if header.metadata.op_code != OpCode::Query {
            return Err(tell(ResponseCode::NotImp));
        }
        // Checked first: the decoder would make room for as many questions as the header claims.
        if header.counts.queries != 1 {
            return Err(tell(ResponseCode::FormErr));
        }
        // A question has nothing before it that its name could point to.
        if question_end(bytes).is_none() {
            return Err(tell(ResponseCode::FormErr));
        }
        let message = Message::from_vec(bytes).map_err(|_| tell(ResponseCode::FormErr))?;
        let version = message.edns.as_ref().map_or(0, Edns::version);
        let edns = message.edns.as_ref().map(|edns| ClientEdns {
            udp_size: edns.max_payload(),
            dnssec_ok: edns.flags().dnssec_ok,
        });
        let request = Self {
            id: header.metadata.id,
            recursion_desired: header.metadata.recursion_desired,
            query: message
                .queries
                .into_iter()
                .next()
                .ok_or_else(|| tell(ResponseCode::FormErr))?,
            edns,
        };
        if version == 0 {
            Ok(request)
        } else {
            Err(Unreadable::Version(request))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `Nginx.` A IN, id 0x1234, RD.
    const PLAIN: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05Nginx\x00\x00\x01\x00\x01";
    /// An OPT record: version 0, 4096 octets, DO.
    const OPT: &[u8] = b"\x00\x00\x29\x10\x00\x00\x00\x80\x00\x00\x00";

    fn with_opt(opt: &[u8]) -> Vec<u8> {
        let mut bytes = [PLAIN, opt].concat();
        bytes[11] = 1;
        bytes
    }

    fn changed(at: usize, to: u8) -> Vec<u8> {
        let mut bytes = PLAIN.to_vec();
        bytes[at] = to;
        bytes
    }

    fn told(bytes: &[u8]) -> Option<ResponseCode> {
        match Request::read(bytes) {
            Err(Unreadable::Tell {
                id: 0x1234, rcode, ..
            }) => Some(rcode),
            _ => None,
        }
    }

    #[test]
    fn a_plain_query_is_read_in_its_own_case() {
        let request = Request::read(PLAIN).unwrap();
        assert_eq!(request.id, 0x1234);
        assert!(request.recursion_desired);
        assert_eq!(request.query.name.to_ascii(), "Nginx.");
        assert_eq!(request.edns, None);
        assert_eq!(request.udp_limit(), 512);
    }

    #[test]
    fn edns_sets_the_limit_within_bounds() {
        for (size, limit) in [
            (0_u16, 512),
            (511, 512),
            (900, 900),
            (1232, 1232),
            (4096, 1232),
        ] {
            let mut opt = OPT.to_vec();
            opt[3..5].copy_from_slice(&size.to_be_bytes());
            let request = Request::read(&with_opt(&opt)).unwrap();
            assert_eq!(request.udp_limit(), limit, "{size}");
            assert!(request.edns.unwrap().dnssec_ok);
        }
    }

    #[test]
    fn what_is_wrong_decides_what_is_told() {
        let mut version = OPT.to_vec();
        version[6] = 1;
        assert!(matches!(
            Request::read(&with_opt(&version)),
            Err(Unreadable::Version(_))
        ));
        for (case, bytes, rcode) in [
            ("status operation", changed(2, 0x10), ResponseCode::NotImp),
            ("update operation", changed(2, 0x28), ResponseCode::NotImp),
            ("no question", changed(5, 0), ResponseCode::FormErr),
            ("two questions", changed(5, 2), ResponseCode::FormErr),
            ("65,281 questions", changed(4, 0xff), ResponseCode::FormErr),
            ("question cut", PLAIN[..16].to_vec(), ResponseCode::FormErr),
            (
                "compressed name",
                [&PLAIN[..12], b"\xC0\x02\x00\x01\x00\x01"].concat(),
                ResponseCode::FormErr,
            ),
            ("header only", PLAIN[..12].to_vec(), ResponseCode::FormErr),
            ("missing records", changed(7, 9), ResponseCode::FormErr),
            (
                "two OPT records",
                {
                    let mut bytes = with_opt(&[OPT, OPT].concat());
                    bytes[11] = 2;
                    bytes
                },
                ResponseCode::FormErr,
            ),
        ] {
            assert_eq!(told(&bytes), Some(rcode), "{case}");
        }
        for (case, bytes) in [
            ("nothing", Vec::new()),
            ("half a header", PLAIN[..11].to_vec()),
            ("a reply", changed(2, 0x81)),
        ] {
            assert_eq!(Request::read(&bytes), Err(Unreadable::Ignore), "{case}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = Request::read(&bytes);
        }

        #[test]
        fn any_damage_is_read_without_a_panic(at in 2..PLAIN.len(), to in any::<u8>()) {
            let mut bytes = with_opt(OPT);
            bytes[at] = to;
            let _ = Request::read(&bytes);
        }
    }
}
