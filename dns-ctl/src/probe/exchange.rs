//! Resolves a name as a stub resolver does: a query for A over UDP, and one for AAAA if there is none.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use hickory_proto::{
    op::{Message, MessageType, ResponseCode},
    rr::RecordType,
};
use tokio::{net::UdpSocket, time::timeout};

use crate::zone::name::Domain;

/// How long a name may take to be resolved, both queries together.
pub const TIME_OUT: Duration = Duration::from_secs(2);

/// Length of a message's header (RFC 1035, section 4.1.1).
const HEADER: usize = 12;
/// The largest answer to a query without EDNS (RFC 1035, section 2.3.4).
const MAX_ANSWER: usize = 512;

/// Why a name is not resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing came back in time.
    #[error("no answer within {} s", TIME_OUT.as_secs())]
    NoAnswer,
    /// The answer is an error.
    #[error("the answer is {0}")]
    Error(ResponseCode),
    /// The name exists, but not for a client that wants an address.
    #[error("the name has neither A nor AAAA records")]
    NoData,
    /// What came back is not DNS.
    #[error("the answer can't be read")]
    Unreadable,
    /// The query can't be sent, or was refused by the host.
    #[error("the query can't be sent: {0}")]
    Unreachable(io::ErrorKind),
}

/// Resolves `name` at `server`; good is an answer with an address.
pub async fn resolve(server: SocketAddr, name: &Domain) -> Result<(), Failure> {
    let both = async {
        match ask(server, name, RecordType::A).await {
            Err(Failure::NoData) => ask(server, name, RecordType::AAAA).await,
            result => result,
        }
    };
    timeout(TIME_OUT, both)
        .await
        .unwrap_or(Err(Failure::NoAnswer))
}

async fn ask(server: SocketAddr, name: &Domain, wanted: RecordType) -> Result<(), Failure> {
    let query = query(rand::random(), name, wanted);
    let exchange = async {
        let local: SocketAddr = if server.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let socket = UdpSocket::bind(local).await?;
        socket.connect(server).await?;
        socket.send(&query).await?;
        let mut buffer = [0; MAX_ANSWER];
        loop {
            let length = socket.recv(&mut buffer).await?;
            // A late answer to an earlier query that had the same port is not ours.
            if answers(&query, &buffer[..length]) {
                return Ok(judge(&buffer[..length], wanted));
            }
        }
    };
    exchange
        .await
        .unwrap_or_else(|error: io::Error| Err(Failure::Unreachable(error.kind())))
}

/// A query with recursion desired and without EDNS (RFC 1035, section 4.1).
fn query(id: u16, name: &Domain, wanted: RecordType) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + 64);
    bytes.extend(id.to_be_bytes());
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    bytes.extend(name.to_wire());
    bytes.extend(u16::from(wanted).to_be_bytes());
    bytes.extend([0, 1]);
    bytes
}

/// Whether a message has the id of the query and its question, if it has one at all.
fn answers(query: &[u8], reply: &[u8]) -> bool {
    let question = &query[HEADER..];
    let same_question = reply
        .get(HEADER..HEADER + question.len())
        .is_some_and(|asked| asked.eq_ignore_ascii_case(question));
    reply.get(..2) == query.get(..2) && (same_question || reply.len() == HEADER)
}

/// What an answer says about the name.
fn judge(reply: &[u8], wanted: RecordType) -> Result<(), Failure> {
    let message = Message::from_vec(reply).map_err(|_| Failure::Unreadable)?;
    let header = &message.metadata;
    if header.message_type != MessageType::Response {
        return Err(Failure::Unreadable);
    }
    if header.response_code != ResponseCode::NoError {
        return Err(Failure::Error(header.response_code));
    }
    let has_address = message
        .answers
        .iter()
        .any(|record| record.record_type() == wanted);
    // Truncated: there is more than a datagram holds, so there is something.
    if has_address || header.truncation {
        Ok(())
    } else {
        Err(Failure::NoData)
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::{
        op::{OpCode, Query},
        rr::{
            Name, RData, Record,
            rdata::{A, AAAA, CNAME},
        },
    };

    use super::*;

    fn name() -> Domain {
        "svc.a.test".parse().unwrap()
    }

    fn reply(change: impl FnOnce(&mut Message)) -> Vec<u8> {
        let mut message = Message::response(7, OpCode::Query);
        let name = Name::from_ascii("svc.a.test.").unwrap();
        message.add_query(Query::query(name, RecordType::A));
        change(&mut message);
        message.to_vec().unwrap()
    }

    fn record(data: RData) -> Record {
        Record::from_rdata(Name::from_ascii("svc.a.test.").unwrap(), 5, data)
    }

    #[test]
    fn the_query_is_what_a_stub_resolver_sends() {
        let bytes = query(0x1234, &name(), RecordType::AAAA);
        let message = Message::from_vec(&bytes).unwrap();
        assert_eq!(message.metadata.id, 0x1234);
        assert_eq!(message.metadata.message_type, MessageType::Query);
        assert_eq!(message.metadata.op_code, OpCode::Query);
        assert!(message.metadata.recursion_desired);
        assert_eq!(message.queries.len(), 1);
        assert_eq!(message.queries[0].name().to_ascii(), "svc.a.test.");
        assert_eq!(message.queries[0].query_type(), RecordType::AAAA);
        assert!(message.edns.is_none() && message.additionals.is_empty());
        assert_eq!(message.to_vec().unwrap(), bytes);
    }

    #[test]
    fn answers_are_judged() {
        let address = RData::A(A::new(10, 0, 0, 1));
        let alias = RData::CNAME(CNAME(Name::from_ascii("b.test.").unwrap()));
        for (case, bytes, expected) in [
            (
                "an address",
                reply(|m| _ = m.add_answer(record(address.clone()))),
                Ok(()),
            ),
            (
                "an alias with an address",
                reply(|m| _ = m.add_answers([record(alias.clone()), record(address.clone())])),
                Ok(()),
            ),
            (
                "an alias alone",
                reply(|m| _ = m.add_answer(record(alias))),
                Err(Failure::NoData),
            ),
            (
                "another type",
                reply(|m| _ = m.add_answer(record(RData::AAAA(AAAA::new(1, 0, 0, 0, 0, 0, 0, 1))))),
                Err(Failure::NoData),
            ),
            ("nothing", reply(|_| {}), Err(Failure::NoData)),
            ("truncated", reply(|m| m.metadata.truncation = true), Ok(())),
            (
                "a denial",
                reply(|m| m.metadata.response_code = ResponseCode::NXDomain),
                Err(Failure::Error(ResponseCode::NXDomain)),
            ),
            (
                "a query",
                reply(|m| m.metadata.message_type = MessageType::Query),
                Err(Failure::Unreadable),
            ),
            ("cut", vec![0, 7, 0x80], Err(Failure::Unreadable)),
        ] {
            assert_eq!(judge(&bytes, RecordType::A), expected, "{case}");
        }
    }

    #[test]
    fn only_the_answer_to_the_query_counts() {
        let query = query(7, &name(), RecordType::A);
        let good = reply(|_| {});
        assert!(answers(&query, &good));
        assert!(
            answers(&query, &good[..HEADER]),
            "an error may leave out the question"
        );
        let mut other = good.clone();
        other[0] ^= 1;
        assert!(!answers(&query, &other));
        let mut other = good.clone();
        other[HEADER + 1] = b'x';
        assert!(!answers(&query, &other));
        assert!(!answers(&query, &good[..HEADER + 3]));
        assert!(!answers(&query, &[]));
    }
}
