//! Replies as clients see them: flags, TTLs, OPT, truncation; read by `hickory-proto`.

use hickory_proto::{
    op::Edns,
    rr::{DNSClass, Record, rdata::opt::EdnsCode},
};
use proptest::prelude::*;

use super::*;
use crate::serve::resolve::{
    lifetime::TtlLimits,
    message::Layout,
    peer::Reply,
    tests::messages::{NAME, a, any_message, client_query, question, read, reply, soa},
};

const LIMITS: TtlLimits = TtlLimits {
    positive: 3600,
    negative: 600,
};
const EDNS: ClientEdns = ClientEdns {
    udp_size: 1232,
    dnssec_ok: false,
};

fn response(reply: &Reply, age: Age) -> Response {
    let stored = Stored::new(&reply.message, &reply.layout, &question(NAME), LIMITS);
    Response::new(Arc::new(stored), age)
}

/// A reply with `answers` and OPT, to be changed before it is read.
fn with(answers: Vec<Record>, change: impl FnOnce(&mut Message)) -> Reply {
    let query = client_query(NAME, true).to_vec().unwrap();
    let mut message = reply(&query, ResponseCode::NoError);
    message.answers = answers;
    change(&mut message);
    read(&message)
}

fn written(response: &Response, query: &[u8], edns: Option<ClientEdns>, limit: usize) -> Message {
    let client = Client::new(query, edns, limit).unwrap();
    let mut bytes = Vec::new();
    response.write(&client, &mut bytes);
    assert!(bytes.len() <= limit, "{} octets", bytes.len());
    Message::from_vec(&bytes).unwrap()
}

#[test]
fn flags_follow_upstream_and_client() {
    // AA, AD of the upstream; RD, AD, CD, DO of the client; age: AA, AD of the reply.
    for (upstream, client, dnssec_ok, age, aa, ad) in [
        (0x0000, 0x0100, false, Age::FirstHand, false, false),
        (0x0400, 0x0100, false, Age::FirstHand, true, false),
        (0x0400, 0x0100, false, Age::Kept(0), false, false),
        (0x0020, 0x0100, false, Age::FirstHand, false, false),
        (0x0020, 0x0120, false, Age::FirstHand, false, true),
        (0x0020, 0x0000, true, Age::Kept(1), false, true),
        (0x0000, 0x0130, true, Age::Kept(1), false, false),
    ] {
        let mut upstream_reply = with(vec![a(NAME, 60, 1)], |_| {});
        let [high, low] = u16::to_be_bytes(upstream);
        upstream_reply.message[2] |= high;
        upstream_reply.message[3] |= low;
        let mut query = client_query("wWw.eXample.com.", true).to_vec().unwrap();
        query[2..4].copy_from_slice(&u16::to_be_bytes(client));
        let edns = ClientEdns { dnssec_ok, ..EDNS };
        let message = written(&response(&upstream_reply, age), &query, Some(edns), 1232);
        let flags = message.metadata;
        assert_eq!(flags.id, 0x1234);
        assert_eq!(flags.authoritative, aa, "{upstream:04x} {age:?}");
        assert_eq!(flags.authentic_data, ad, "{upstream:04x} {client:04x}");
        assert_eq!(flags.recursion_desired, client & 0x0100 != 0);
        assert_eq!(flags.checking_disabled, client & 0x0010 != 0);
        assert!(flags.recursion_available && !flags.truncation);
        assert_eq!(message.queries[0].name.to_ascii(), "wWw.eXample.com.");
        assert_eq!(message.edns.unwrap().flags().dnssec_ok, dnssec_ok);
    }
}

#[test]
fn opt_is_for_clients_that_sent_one() {
    let kept = response(&with(vec![a(NAME, 60, 1)], |_| {}), Age::Kept(0));
    let query = client_query(NAME, false).to_vec().unwrap();
    assert_eq!(written(&kept, &query, None, 512).edns, None);
    let edns = written(&kept, &query, Some(EDNS), 512).edns.unwrap();
    assert_eq!((edns.max_payload(), edns.version()), (1232, 0));
    assert!(edns.options().as_ref().is_empty());
}

#[test]
fn a_stale_answer_says_so() {
    let query = client_query(NAME, true).to_vec().unwrap();
    let denial = with(vec![], |message| {
        message.metadata.response_code = ResponseCode::NXDomain;
        message.add_authority(soa(100, 50));
    });
    let answer = with(vec![a(NAME, 60, 1), a(NAME, 20, 2)], |_| {});
    for (reply, code, ttls) in [(answer, 3, vec![30, 20]), (denial, 19, vec![30])] {
        let stale = response(&reply, Age::Stale);
        assert!(stale.is_stale());
        let message = written(&stale, &query, Some(EDNS), 1232);
        let records = message.answers.iter().chain(&message.authorities);
        assert_eq!(records.map(|record| record.ttl).collect::<Vec<_>>(), ttls);
        let edns = message.edns.unwrap();
        let option = edns.option(EdnsCode::Unknown(15)).cloned().unwrap();
        assert_eq!(Vec::<u8>::try_from(&option).unwrap(), [0, code]);
        let plain = written(&stale, &query, None, 512);
        assert_eq!(plain.edns, None);
    }
}

#[test]
fn ttls_are_limited_and_shrink() {
    let reply = with(vec![a(NAME, 90_000, 1), a(NAME, 5000, 2)], |message| {
        message.add_additional(a("ns.example.com.", 7, 3));
    });
    let query = client_query(NAME, false).to_vec().unwrap();
    for (age, ttls) in [
        (Age::FirstHand, [3600, 3600, 7]),
        (Age::Kept(10), [3590, 3590, 0]),
        (Age::Kept(3599), [1, 1, 0]),
    ] {
        let message = written(&response(&reply, age), &query, None, 512);
        let records = message.answers.iter().chain(&message.additionals);
        assert_eq!(records.map(|record| record.ttl).collect::<Vec<_>>(), ttls);
    }
    let denial = with(vec![], |message| {
        message.metadata.response_code = ResponseCode::NXDomain;
        message.add_authority(soa(9000, 9000));
    });
    let message = written(&response(&denial, Age::FirstHand), &query, None, 512);
    assert_eq!(message.authorities[0].ttl, 600);
}

#[test]
fn what_does_not_fit_loses_extras_then_everything() {
    let answers = |count: u8| (0..count).map(|last| a(NAME, 60, last)).collect();
    let query = client_query(NAME, false).to_vec().unwrap();
    let extras = |message: &mut Message| {
        message.additionals = (0..20).map(|last| a("ns.example.com.", 60, last)).collect();
    };
    for (case, count, limit, kept, additionals, truncated) in [
        ("all", 10, 1232, 10, 20, false),
        ("without extras", 10, 512, 10, 0, false),
        ("nothing", 40, 512, 0, 0, true),
        ("over TCP", 200, 65_535, 200, 20, false),
    ] {
        let response = response(&with(answers(count), extras), Age::Kept(3));
        for edns in [None, Some(EDNS)] {
            let message = written(&response, &query, edns, limit);
            assert_eq!(message.answers.len(), kept, "{case}");
            assert_eq!(message.additionals.len(), additionals, "{case}");
            assert_eq!(message.metadata.truncation, truncated, "{case}");
            assert_eq!(message.edns.is_some(), edns.is_some(), "{case}");
        }
    }
}

#[test]
fn an_error_without_question_gets_the_clients() {
    let message = b"\x56\x78\x81\x81\0\0\0\0\0\0\0\0".to_vec();
    let layout = Layout::read(&message).unwrap();
    let response = response(&Reply { message, layout }, Age::FirstHand);
    assert!(response.is_failure());
    let query = client_query("WWW.example.com.", false).to_vec().unwrap();
    let message = written(&response, &query, Some(EDNS), 512);
    assert_eq!(message.metadata.response_code, ResponseCode::FormErr);
    assert_eq!(message.queries[0].name.to_ascii(), "WWW.example.com.");
    assert_eq!(message.queries[0].query_class, DNSClass::IN);
}

/// The records without what a cache may change: TTLs, and the letters of names that point to the question.
fn essence(records: &[Record]) -> Vec<(String, hickory_proto::rr::RecordType, String)> {
    records
        .iter()
        .map(|record| {
            (
                record.name.to_lowercase().to_ascii(),
                record.record_type(),
                record.data.to_string().to_ascii_lowercase(),
            )
        })
        .collect()
}

proptest! {
    #[test]
    fn a_reply_has_the_upstreams_records_with_ttls_that_only_shrink(
        message in any_message(),
        age in 0_u32..5000,
        later in 0_u32..5000,
        dnssec_ok in any::<bool>(),
    ) {
        let reply = read(&message);
        let mut query = client_query("wWW.eXample.cOm.", true);
        query.set_edns(Edns::new());
        let query = query.to_vec().unwrap();
        let edns = Some(ClientEdns { dnssec_ok, ..EDNS });
        let at = |age| written(&response(&reply, age), &query, edns, 65_535);
        let (first, now, then, stale) = (
            at(Age::FirstHand),
            at(Age::Kept(age)),
            at(Age::Kept(age + later)),
            at(Age::Stale),
        );
        for section in [
            |message: &Message| message.answers.clone(),
            |message: &Message| message.authorities.clone(),
            |message: &Message| message.additionals.clone(),
        ] {
            let original = section(&message);
            for reply in [&first, &now, &then, &stale] {
                prop_assert_eq!(essence(&section(reply)), essence(&original));
            }
            for (((original, first), (now, then)), stale) in original
                .iter()
                .zip(section(&first))
                .zip(section(&now).iter().zip(section(&then)))
                .zip(section(&stale))
            {
                prop_assert!(first.ttl <= original.ttl && first.ttl <= LIMITS.positive);
                prop_assert_eq!(now.ttl, first.ttl.saturating_sub(age));
                prop_assert_eq!(then.ttl, now.ttl.saturating_sub(later));
                prop_assert!(stale.ttl <= original.ttl && stale.ttl <= STALE_TTL);
            }
        }
        prop_assert_eq!(response(&reply, Age::Kept(age)).to_message().unwrap().answers.len(), message.answers.len());
    }

    #[test]
    fn any_readable_message_becomes_a_reply_without_a_panic(
        message in any_message(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        limit in 0_usize..1300,
    ) {
        let mut bytes = message.to_vec().unwrap();
        for (at, octet) in damage {
            let at = at.index(bytes.len());
            bytes[at] = octet;
        }
        if let Ok(layout) = Layout::read(&bytes) {
            let response = response(&Reply { message: bytes, layout }, Age::Kept(1));
            let query = client_query(NAME, true).to_vec().unwrap();
            response.write(&Client::new(&query, Some(EDNS), limit).unwrap(), &mut Vec::new());
            let _ = response.to_message();
        }
    }
}
