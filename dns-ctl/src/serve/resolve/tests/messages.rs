//! Queries and replies for the tests, composed by `hickory-proto`.

use std::net::Ipv4Addr;

use hickory_proto::{
    op::{Edns, Message, Query, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, CNAME, MX, NULL, SOA, SRV, TXT},
    },
};
use proptest::prelude::*;

use crate::serve::resolve::{Flags, Question, message::Layout, peer::Reply};

pub(in crate::serve::resolve) const NAME: &str = "www.example.com.";

pub(in crate::serve::resolve) fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// A question of type A, with RD.
pub(in crate::serve::resolve) fn question(text: &str) -> Question {
    typed(text, RecordType::A)
}

pub(in crate::serve::resolve) fn typed(text: &str, record_type: RecordType) -> Question {
    let flags = Flags {
        recursion_desired: true,
        ..Flags::default()
    };
    Question::new(&Query::query(name(text), record_type), flags)
}

/// A client's query of type A, with RD.
pub(in crate::serve::resolve) fn client_query(text: &str, edns: bool) -> Message {
    let mut message = Message::query();
    message.metadata.id = 0x1234;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name(text), RecordType::A));
    if edns {
        message.set_edns(Edns::new());
    }
    message
}

pub(in crate::serve::resolve) fn a(owner: &str, ttl: u32, last: u8) -> Record {
    let data = RData::A(A(Ipv4Addr::new(192, 0, 2, last)));
    Record::from_rdata(name(owner), ttl, data)
}

pub(in crate::serve::resolve) fn cname(owner: &str, ttl: u32, target: &str) -> Record {
    Record::from_rdata(name(owner), ttl, RData::CNAME(CNAME(name(target))))
}

pub(in crate::serve::resolve) fn soa(ttl: u32, minimum: u32) -> Record {
    let data = SOA::new(
        name("ns.example.com."),
        name("hostmaster.example.com."),
        1,
        7200,
        1800,
        86_400,
        minimum,
    );
    Record::from_rdata(name("example.com."), ttl, RData::SOA(data))
}

/// The beginning of a reply to the bytes of a query.
pub(in crate::serve::resolve) fn reply(query: &[u8], rcode: ResponseCode) -> Message {
    let query = Message::from_vec(query).unwrap();
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.metadata.response_code = rcode;
    reply.add_query(query.queries[0].clone());
    if query.edns.is_some() {
        reply.set_edns(Edns::new());
    }
    reply
}

/// A reply with one address, which tells upstreams apart.
pub(in crate::serve::resolve) fn address(query: &[u8], ttl: u32, last: u8) -> Vec<u8> {
    let mut reply = reply(query, ResponseCode::NoError);
    let owner = reply.queries[0].name.to_ascii();
    reply.add_answer(a(&owner, ttl, last));
    reply.to_vec().unwrap()
}

/// A reply without records.
pub(in crate::serve::resolve) fn code(query: &[u8], rcode: ResponseCode) -> Vec<u8> {
    reply(query, rcode).to_vec().unwrap()
}

/// Says that the name does not exist, for `ttl` seconds.
pub(in crate::serve::resolve) fn denial(query: &[u8], ttl: u32) -> Vec<u8> {
    let mut reply = reply(query, ResponseCode::NXDomain);
    reply.add_authority(soa(ttl, ttl));
    reply.to_vec().unwrap()
}

/// Reads a message as from an upstream.
pub(in crate::serve::resolve) fn read(message: &Message) -> Reply {
    let message = message.to_vec().unwrap();
    let layout = Layout::read(&message).unwrap();
    Reply { message, layout }
}

/// Records of types with and without compressed names.
fn records() -> impl Strategy<Value = Record> {
    let label = "[a-z]{1,8}";
    let owner = prop::collection::vec(label, 1..4).prop_map(|labels| labels.join(".") + ".");
    let data = prop_oneof![
        any::<u8>().prop_map(|last| a(NAME, 0, last).data),
        owner
            .clone()
            .prop_map(|target| cname(NAME, 0, &target).data),
        owner
            .clone()
            .prop_map(|target| RData::MX(MX::new(10, name(&target)))),
        owner
            .clone()
            .prop_map(|target| RData::SRV(SRV::new(0, 1, 53, name(&target)))),
        Just(soa(0, 5).data),
        ".{0,60}".prop_map(|text| RData::TXT(TXT::new(vec![text]))),
        prop::collection::vec(any::<u8>(), 1..40).prop_map(|data| RData::Unknown {
            code: 65_280.into(),
            rdata: NULL::with(data),
        }),
    ];
    (owner, any::<u32>(), data).prop_map(|(owner, ttl, data)| {
        Record::from_rdata(Name::from_ascii(owner).unwrap(), ttl, data)
    })
}

/// A reply about [`NAME`] with up to six records in each section.
pub(in crate::serve::resolve) fn any_message() -> impl Strategy<Value = Message> {
    let section = || prop::collection::vec(records(), 0..6);
    (section(), section(), section(), any::<bool>()).prop_map(
        |(answers, authorities, additionals, edns)| {
            let query = client_query(NAME, edns).to_vec().unwrap();
            let mut message = reply(&query, ResponseCode::NoError);
            message.answers = answers;
            message.authorities = authorities;
            message.additionals = additionals;
            message
        },
    )
}
