//! Composes replies: from the parts of an answer to the bytes of a message that fits the client.
//!
//! Every reply has the form that the kernel program gives its answers: the question as it came, owner
//! names as pointers to it (0xC00C), `QR`, `AA` for the zone's own word, `RD` echoed, `RA` set,
//! `AD` and `CD` clear, and an OPT record only for clients that sent one.

mod many;

use hickory_proto::{
    ProtoError,
    op::{Edns, Header, Message, OpCode, ResponseCode},
    rr::rdata::opt::EdnsOption,
    serialize::binary::{BinDecodable as _, BinDecoder, BinEncodable as _, BinEncoder},
};

use super::{
    answer::{Answer, Cause},
    request::{MAX_UDP_SIZE, Request},
};

/// The flag of a message that is not whole, in its third octet.
const TC: u8 = 0x02;
/// Up to so many records the library compresses all names.
pub(super) const FEW_RECORDS: usize = 40;
/// Longest name in wire form (RFC 1035, section 2.3.4).
const MAX_NAME: u16 = 255;
/// Code of the Extended DNS Error option (RFC 8914, section 2).
const EXTENDED_ERROR: u16 = 15;

/// The bytes of the reply to `request`, at most `limit` octets.
///
/// A reply that is larger loses its additional records first; if that is not enough it keeps the answers
/// for which there is room, and is marked as truncated (TC), so that the client asks again over TCP.
/// Clients that can't, such as old versions of musl, at least get these.
pub fn compose(request: &Request, answer: Answer, limit: u16) -> Result<Vec<u8>, ProtoError> {
    let mut message = head(request);
    message.metadata.authoritative = answer.authoritative;
    message.metadata.response_code = answer.rcode;
    message.edns = edns(request, answer.cause);
    message.answers = answer.answers;
    message.authorities = answer.authorities;
    message.additionals = answer.additionals;

    if let Some(bytes) = within(&message, limit)? {
        return Ok(bytes);
    }
    message.additionals.clear();
    if let Some(bytes) = within(&message, limit)? {
        return Ok(bytes);
    }
    message.authorities.clear();
    let bytes = encode(&message, limit)?;
    let counts = Header::read(&mut BinDecoder::new(&bytes))?.counts;
    message.answers.truncate(usize::from(counts.answers));
    // What was left out is left out by an estimate; the last few records decide.
    loop {
        if let Some(mut bytes) = within(&message, limit)? {
            bytes[2] |= TC;
            return Ok(bytes);
        }
        if message.answers.pop().is_none() {
            return encode(&message, limit);
        }
    }
}

/// The whole message, if it is no longer than `limit`.
fn within(message: &Message, limit: u16) -> Result<Option<Vec<u8>>, ProtoError> {
    let bytes = encode(message, limit)?;
    // The encoder leaves out what does not fit, and says so in the header.
    let cut = bytes.get(2).is_some_and(|flags| flags & TC != 0);
    Ok((!cut && bytes.len() <= usize::from(limit)).then_some(bytes))
}

/// The message, or as much of it as fits into `limit` octets or few more: the encoder writes a name out
/// before it compresses it, and would leave out a last record that fits.
fn encode(message: &Message, limit: u16) -> Result<Vec<u8>, ProtoError> {
    if message.answers.len() + message.additionals.len() > FEW_RECORDS {
        return many::encode(message, limit.into());
    }
    let mut bytes = Vec::with_capacity(512);
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_max_size(limit.saturating_add(MAX_NAME));
    message.emit(&mut encoder)?;
    Ok(bytes)
}

/// A reply without a question, for a request whose question can't be read.
pub fn bare(
    id: u16,
    op_code: OpCode,
    recursion_desired: bool,
    rcode: ResponseCode,
) -> Result<Vec<u8>, ProtoError> {
    let mut message = Message::error_msg(id, op_code, rcode);
    message.metadata.recursion_desired = recursion_desired;
    message.to_vec()
}

fn head(request: &Request) -> Message {
    let mut message = Message::response(request.id, OpCode::Query);
    message.metadata.recursion_desired = request.recursion_desired;
    // Whether there are upstreams may change at any time; without them outside names are SERVFAIL.
    message.metadata.recursion_available = true;
    message.add_query(request.query.clone());
    message
}

/// Our OPT record, if the client sent one; options of the client that we don't know are left out.
fn edns(request: &Request, cause: Option<Cause>) -> Option<Edns> {
    let client = request.edns?;
    let mut edns = Edns::new();
    edns.set_max_payload(MAX_UDP_SIZE);
    edns.set_dnssec_ok(client.dnssec_ok);
    if let Some(cause) = cause {
        let (code, text) = cause.extended_error();
        let data = [&code.to_be_bytes(), text.as_bytes()].concat();
        edns.options_mut()
            .insert(EdnsOption::Unknown(EXTENDED_ERROR, data));
    }
    Some(edns)
}

/// Appends our OPT record without options.
pub(super) fn push_opt(reply: &mut Vec<u8>, dnssec_ok: bool) {
    let [high, low] = MAX_UDP_SIZE.to_be_bytes();
    let dnssec_ok = if dnssec_ok { 0x80 } else { 0 };
    // Root, type OPT, our size, extended code 0, version 0, DO, no data.
    reply.extend_from_slice(&[0, 0, 41, high, low, 0, 0, dnssec_ok, 0, 0, 0]);
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_proto::{
        op::Query,
        rr::{Name, RData, Record, RecordType, rdata::A},
    };

    use super::*;
    use crate::serve::request::ClientEdns;

    const NAME: &str = "nGinx.default.svc.cluster.local.";

    fn request(edns: Option<ClientEdns>) -> Request {
        Request {
            id: 0xBEEF,
            recursion_desired: true,
            query: Query::query(Name::from_ascii(NAME).unwrap(), RecordType::A),
            edns,
        }
    }

    fn addresses(count: u8) -> Vec<Record> {
        (0..count)
            .map(|last| {
                let data = RData::A(A(Ipv4Addr::new(10, 96, 0, last)));
                Record::from_rdata(Name::from_ascii(NAME).unwrap(), 5, data)
            })
            .collect()
    }

    fn positive(count: u8) -> Answer {
        Answer {
            authoritative: true,
            in_cluster: true,
            answers: addresses(count),
            ..Answer::default()
        }
    }

    const EDNS: ClientEdns = ClientEdns {
        udp_size: 4096,
        dnssec_ok: true,
    };

    #[test]
    fn an_address_reply_has_exactly_the_kernels_form() {
        let bytes = compose(&request(None), positive(1), 512).unwrap();
        let mut expected = b"\xBE\xEF\x85\x80\x00\x01\x00\x01\x00\x00\x00\x00".to_vec();
        expected.extend_from_slice(
            b"\x05nGinx\x07default\x03svc\x07cluster\x05local\x00\x00\x01\x00\x01",
        );
        expected
            .extend_from_slice(b"\xC0\x0C\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\x0A\x60\x00\x00");
        assert_eq!(bytes, expected);

        let with_opt = compose(&request(Some(EDNS)), positive(1), 1232).unwrap();
        expected[11] = 1;
        expected.extend_from_slice(b"\x00\x00\x29\x04\xD0\x00\x00\x80\x00\x00\x00");
        assert_eq!(with_opt, expected);
    }

    #[test]
    fn what_does_not_fit_is_truncated() {
        let small = compose(&request(None), positive(20), 512).unwrap();
        assert!(!Message::from_vec(&small).unwrap().metadata.truncation);

        let large = compose(&request(Some(EDNS)), positive(200), 1232).unwrap();
        let message = Message::from_vec(&large).unwrap();
        assert!(message.metadata.truncation);
        // Header, question and OPT leave room for 73 records of 16 octets.
        assert_eq!(message.answers.len(), 73);
        assert_eq!(message.answers, addresses(73));
        assert!(large.len() <= 1232);
        assert_eq!(message.queries.len(), 1);
        assert!(message.edns.is_some());

        let whole = compose(&request(None), positive(200), u16::MAX).unwrap();
        assert_eq!(Message::from_vec(&whole).unwrap().answers.len(), 200);
    }

    #[test]
    fn additional_records_go_first() {
        let answer = Answer {
            additionals: addresses(30),
            ..positive(10)
        };
        let bytes = compose(&request(None), answer, 512).unwrap();
        let message = Message::from_vec(&bytes).unwrap();
        assert!(!message.metadata.truncation);
        assert_eq!(message.answers.len(), 10);
        assert_eq!(message.additionals, []);
    }

    #[test]
    fn a_cause_is_told_to_clients_with_edns() {
        let failed = || Answer {
            rcode: ResponseCode::ServFail,
            cause: Some(Cause::NotReady),
            ..Answer::default()
        };
        let bytes = compose(&request(Some(EDNS)), failed(), 1232).unwrap();
        let edns = Message::from_vec(&bytes).unwrap().edns.unwrap();
        let Some(EdnsOption::Unknown(15, data)) = edns.option(EXTENDED_ERROR.into()) else {
            panic!("no extended error in {edns:?}");
        };
        assert_eq!(data[..2], [0, 14]);
        let bytes = compose(&request(None), failed(), 512).unwrap();
        assert_eq!(Message::from_vec(&bytes).unwrap().edns, None);
    }

    #[test]
    fn high_response_codes_are_split_over_header_and_opt() {
        let answer = Answer {
            rcode: ResponseCode::BADVERS,
            ..Answer::default()
        };
        let bytes = compose(&request(Some(EDNS)), answer, 1232).unwrap();
        assert_eq!(bytes[3] & 0x0F, 0);
        // 16 has two names: BADVERS, and BADSIG within TSIG.
        let message = Message::from_vec(&bytes).unwrap();
        assert_eq!(u16::from(message.metadata.response_code), 16);
    }

    #[test]
    fn a_bare_reply_is_a_header() {
        let bytes = bare(7, OpCode::Status, true, ResponseCode::NotImp).unwrap();
        assert_eq!(bytes, b"\x00\x07\x91\x04\x00\x00\x00\x00\x00\x00\x00\x00");
    }
}
