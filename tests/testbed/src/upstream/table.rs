//! What an upstream stub answers: a table of names and types, and the reply it makes of a query.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use hickory_proto::{
    op::{Edns, Message, OpCode, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::SOA},
};

/// The TTL of all records, in seconds.
const TTL: u32 = 30;
/// The size of datagrams every client takes (RFC 1035, section 4.2.1).
const PLAIN_LIMIT: u16 = 512;
/// The size of datagrams this server says it takes (as the DNS flag day 2020 recommends).
const OUR_LIMIT: u16 = 1232;

/// How a query is answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// With these records, all owned by the name asked for.
    Records(Vec<RData>),
    /// With these records over TCP; over UDP with none of them and the TC flag.
    Truncated(Vec<RData>),
    /// The name exists, the type does not.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// The server has failed.
    ServFail,
    /// The server does not want to.
    Refused,
    /// Not at all.
    Drop,
}

/// The names a stub knows; all others do not exist.
#[derive(Clone, Debug, Default)]
pub struct Table {
    replies: HashMap<Name, HashMap<RecordType, Reply>>,
    delays: HashMap<Name, Duration>,
}

impl Table {
    /// A table that knows no name.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an address (an A or AAAA record) to a name.
    #[must_use]
    pub fn address(mut self, name: &str, address: impl Into<IpAddr>) -> Self {
        let data = match address.into() {
            IpAddr::V4(address) => RData::A(address.into()),
            IpAddr::V6(address) => RData::AAAA(address.into()),
        };
        let reply = self
            .replies
            .entry(key(name))
            .or_default()
            .entry(data.record_type())
            .or_insert_with(|| Reply::Records(Vec::new()));
        match reply {
            Reply::Records(records) | Reply::Truncated(records) => records.push(data),
            other => *other = Reply::Records(vec![data]),
        }
        self
    }

    /// Says how queries for a name and type are answered.
    #[must_use]
    pub fn reply(mut self, name: &str, record_type: RecordType, reply: Reply) -> Self {
        self.replies
            .entry(key(name))
            .or_default()
            .insert(record_type, reply);
        self
    }

    /// Lets queries for a name wait before they are answered.
    #[must_use]
    pub fn delay(mut self, name: &str, delay: Duration) -> Self {
        self.delays.insert(key(name), delay);
        self
    }

    /// The answer and how long it has to wait; `None` if there shall be no answer, or the query has no question.
    pub(super) fn answer(&self, query: &Message) -> Option<(Message, Duration)> {
        let question = query.queries.first()?;
        let name = question.name().to_lowercase();
        let reply = match self.replies.get(&name) {
            None => &Reply::NxDomain,
            Some(types) => types.get(&question.query_type()).unwrap_or(&Reply::NoData),
        };
        let mut message = Message::response(query.metadata.id, OpCode::Query);
        message.metadata.recursion_desired = query.metadata.recursion_desired;
        message.metadata.recursion_available = true;
        message.add_query(question.clone());
        if query.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(OUR_LIMIT);
            message.set_edns(edns);
        }
        match reply {
            Reply::Drop => return None,
            Reply::Records(records) | Reply::Truncated(records) => {
                let owner = question.name();
                message.add_answers(
                    records
                        .iter()
                        .map(|data| Record::from_rdata(owner.clone(), TTL, data.clone())),
                );
                // Sent over TCP, the flag is taken off again.
                message.metadata.truncation = matches!(reply, Reply::Truncated(_));
            }
            Reply::NoData => {
                message.add_authority(start_of_authority());
            }
            Reply::NxDomain => {
                message.metadata.response_code = ResponseCode::NXDomain;
                message.add_authority(start_of_authority());
            }
            Reply::ServFail => message.metadata.response_code = ResponseCode::ServFail,
            Reply::Refused => message.metadata.response_code = ResponseCode::Refused,
        }
        let delay = self.delays.get(&name).copied().unwrap_or_default();
        Some((message, delay))
    }
}

/// The bytes of a reply as a datagram, shortened to what the client takes; `None` if it can't be written.
pub(super) fn fit_datagram(reply: &Message, query: &Message) -> Option<Vec<u8>> {
    let limit = query
        .edns
        .as_ref()
        .map_or(PLAIN_LIMIT, |edns| edns.max_payload().max(PLAIN_LIMIT));
    if !reply.metadata.truncation {
        let bytes = reply.to_vec().ok()?;
        if bytes.len() <= limit.into() {
            return Some(bytes);
        }
    }
    reply.truncate().to_vec().ok()
}

/// The root's SOA: it lets resolvers remember that there is nothing (RFC 2308).
fn start_of_authority() -> Record {
    let soa = SOA::new(
        key("a.root-servers.net"),
        key("nstld.example.net"),
        1,
        1800,
        900,
        604_800,
        TTL,
    );
    Record::from_rdata(Name::root(), TTL, RData::SOA(soa))
}

/// A name as the table holds it: absolute and in lower case.
///
/// # Panics
///
/// If it is no domain name: tables are written by programmers.
fn key(name: &str) -> Name {
    let mut name = Name::from_ascii(name).expect("the table of an upstream holds domain names");
    name.set_fqdn(true);
    name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{MessageType, Query};

    use super::*;

    fn ask(name: &str, record_type: RecordType) -> Message {
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), record_type));
        message
    }

    fn table() -> Table {
        Table::new()
            .address("example.org", [203, 0, 113, 10])
            .address("example.org", [203, 0, 113, 11])
            .reply("broken.example", RecordType::A, Reply::ServFail)
            .reply("silent.example", RecordType::A, Reply::Drop)
            .delay("example.org", Duration::from_millis(3))
    }

    #[test]
    fn each_question_has_its_reply() {
        use ResponseCode::{NXDomain, NoError, ServFail};
        for (name, record_type, expected) in [
            ("example.org.", RecordType::A, Some((NoError, 2, 0))),
            ("EXAMPLE.org.", RecordType::A, Some((NoError, 2, 0))),
            ("example.org.", RecordType::AAAA, Some((NoError, 0, 1))),
            ("www.example.org.", RecordType::A, Some((NXDomain, 0, 1))),
            ("broken.example.", RecordType::A, Some((ServFail, 0, 0))),
            ("silent.example.", RecordType::A, None),
        ] {
            let reply = table().answer(&ask(name, record_type)).map(|(reply, _)| {
                (
                    reply.metadata.response_code,
                    reply.answers.len(),
                    reply.authorities.len(),
                )
            });
            assert_eq!(reply, expected, "{name} {record_type}");
        }
    }

    #[test]
    fn reply_echoes_the_question_as_it_came_and_waits() {
        let (reply, delay) = table().answer(&ask("eXample.org.", RecordType::A)).unwrap();
        assert_eq!(reply.metadata.id, 7);
        assert_eq!(reply.queries[0].name().to_string(), "eXample.org.");
        assert_eq!(delay, Duration::from_millis(3));
    }

    #[test]
    fn what_does_not_fit_is_truncated() {
        let many = (0..50).fold(Table::new(), |table, n| {
            table.address("many.example", [192, 0, 2, n])
        });
        let mut query = ask("many.example.", RecordType::A);

        let (reply, _) = many.answer(&query).unwrap();
        let short = Message::from_vec(&fit_datagram(&reply, &query).unwrap()).unwrap();
        assert!(short.metadata.truncation);
        assert!(short.answers.is_empty());

        let mut edns = Edns::new();
        edns.set_max_payload(4096);
        query.set_edns(edns);
        let (reply, _) = many.answer(&query).unwrap();
        let whole = Message::from_vec(&fit_datagram(&reply, &query).unwrap()).unwrap();
        assert!(!whole.metadata.truncation);
        assert_eq!(whole.answers.len(), 50);
    }
}
