//! Composes replies: from the parts of an answer to the bytes of a message that fits the client.
//!
//! Every reply has the form that the kernel program gives its answers: the question as it came, owner
//! names as pointers to it (0xC00C), `QR`, `AA` for the zone's own word, `RD` echoed, `RA` where there
//! are upstreams, `AD` and `CD` clear, and an OPT record only for clients that sent one.

use hickory_proto::{
    ProtoError,
    op::{Edns, Message, OpCode, ResponseCode},
    rr::rdata::opt::EdnsOption,
};

use super::{
    answer::{Answer, Cause},
    request::{MAX_UDP_SIZE, Request},
};

/// Code of the Extended DNS Error option (RFC 8914, section 2).
const EXTENDED_ERROR: u16 = 15;

/// The bytes of the reply to `request`, at most `limit` octets.
///
/// A reply that is larger loses its additional records first; if that is not enough it is emptied and
/// marked as truncated (TC), so that the client asks again over TCP.
pub fn compose(
    request: &Request,
    answer: Answer,
    recursion: bool,
    limit: u16,
) -> Result<Vec<u8>, ProtoError> {
    let mut message = head(request, recursion);
    message.metadata.authoritative = answer.authoritative;
    message.metadata.response_code = answer.rcode;
    message.edns = edns(request, answer.cause);
    message.answers = answer.answers;
    message.authorities = answer.authorities;
    message.additionals = answer.additionals;

    let bytes = message.to_vec()?;
    if bytes.len() <= usize::from(limit) {
        return Ok(bytes);
    }
    message.additionals.clear();
    let bytes = message.to_vec()?;
    if bytes.len() <= usize::from(limit) {
        return Ok(bytes);
    }
    message.answers.clear();
    message.authorities.clear();
    message.metadata.truncation = true;
    message.to_vec()
}

/// A reply that only says that the whole answer has to be fetched over TCP.
pub fn truncated(request: &Request, recursion: bool) -> Result<Vec<u8>, ProtoError> {
    let mut message = head(request, recursion);
    message.metadata.truncation = true;
    message.edns = edns(request, None);
    message.to_vec()
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

fn head(request: &Request, recursion: bool) -> Message {
    let mut message = Message::response(request.id, OpCode::Query);
    message.metadata.recursion_desired = request.recursion_desired;
    message.metadata.recursion_available = recursion;
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
        let bytes = compose(&request(None), positive(1), true, 512).unwrap();
        let mut expected = b"\xBE\xEF\x85\x80\x00\x01\x00\x01\x00\x00\x00\x00".to_vec();
        expected.extend_from_slice(
            b"\x05nGinx\x07default\x03svc\x07cluster\x05local\x00\x00\x01\x00\x01",
        );
        expected
            .extend_from_slice(b"\xC0\x0C\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\x0A\x60\x00\x00");
        assert_eq!(bytes, expected);

        let with_opt = compose(&request(Some(EDNS)), positive(1), true, 1232).unwrap();
        expected[11] = 1;
        expected.extend_from_slice(b"\x00\x00\x29\x04\xD0\x00\x00\x80\x00\x00\x00");
        assert_eq!(with_opt, expected);
    }

    #[test]
    fn recursion_is_offered_only_where_there_are_upstreams() {
        let bytes = compose(&request(None), positive(1), false, 512).unwrap();
        assert_eq!(bytes[2..4], [0x85, 0x00]);
    }

    #[test]
    fn what_does_not_fit_is_truncated() {
        let small = compose(&request(None), positive(20), true, 512).unwrap();
        assert!(!Message::from_vec(&small).unwrap().metadata.truncation);

        let large = compose(&request(Some(EDNS)), positive(200), true, 1232).unwrap();
        let message = Message::from_vec(&large).unwrap();
        assert!(message.metadata.truncation);
        assert_eq!(message.answers, []);
        assert_eq!(message.queries.len(), 1);
        assert!(message.edns.is_some());

        let whole = compose(&request(None), positive(200), true, u16::MAX).unwrap();
        assert_eq!(Message::from_vec(&whole).unwrap().answers.len(), 200);
    }

    #[test]
    fn additional_records_go_first() {
        let answer = Answer {
            additionals: addresses(30),
            ..positive(10)
        };
        let bytes = compose(&request(None), answer, true, 512).unwrap();
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
        let bytes = compose(&request(Some(EDNS)), failed(), true, 1232).unwrap();
        let edns = Message::from_vec(&bytes).unwrap().edns.unwrap();
        let Some(EdnsOption::Unknown(15, data)) = edns.option(EXTENDED_ERROR.into()) else {
            panic!("no extended error in {edns:?}");
        };
        assert_eq!(data[..2], [0, 14]);
        let bytes = compose(&request(None), failed(), true, 512).unwrap();
        assert_eq!(Message::from_vec(&bytes).unwrap().edns, None);
    }

    #[test]
    fn high_response_codes_are_split_over_header_and_opt() {
        let answer = Answer {
            rcode: ResponseCode::BADVERS,
            ..Answer::default()
        };
        let bytes = compose(&request(Some(EDNS)), answer, true, 1232).unwrap();
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
