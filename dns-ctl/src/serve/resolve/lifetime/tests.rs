//! Lifetimes by the rules of RFC 2308, RFC 8767 and RFC 9520.

use hickory_proto::{
    op::ResponseCode,
    rr::{Record, RecordType},
};

use super::*;
use crate::serve::resolve::tests::messages::{
    NAME, a, client_query, cname, read, reply, soa, typed,
};

const LIMITS: TtlLimits = TtlLimits {
    positive: 3600,
    negative: 600,
};

/// What becomes of a reply to a question of this type with these answers and authorities.
fn judged(
    record_type: RecordType,
    rcode: ResponseCode,
    answers: Vec<Record>,
    authorities: Vec<Record>,
) -> (Word, u32) {
    let mut query = client_query(NAME, true);
    query.queries[0].set_query_type(record_type);
    let mut message = reply(&query.to_vec().unwrap(), rcode);
    message.answers = answers;
    message.authorities = authorities;
    let reply = read(&message);
    let word = word(&reply.message, &reply.layout, &typed(NAME, record_type));
    let lifetime = lifetime(&reply.message, &reply.layout, word, LIMITS);
    (word, lifetime)
}

fn alias() -> Record {
    cname(NAME, 20, "real.example.com.")
}

#[test]
fn an_answer_lives_as_long_as_its_shortest_record() {
    let real = a("real.example.com.", 60, 1);
    for (case, record_type, answers, seconds) in [
        ("one", RecordType::A, vec![a(NAME, 60, 1)], 60),
        (
            "two",
            RecordType::A,
            vec![a(NAME, 60, 1), a(NAME, 30, 2)],
            30,
        ),
        ("alias", RecordType::A, vec![alias(), real], 20),
        ("limit", RecordType::A, vec![a(NAME, 86_400, 1)], 3600),
        // RFC 8767, section 4: such a TTL is large, not zero.
        (
            "highest bit",
            RecordType::A,
            vec![a(NAME, 1 << 31, 1)],
            3600,
        ),
        (
            "TTL 0",
            RecordType::A,
            vec![a(NAME, 0, 1), a(NAME, 9, 1)],
            0,
        ),
        ("ANY", RecordType::ANY, vec![a(NAME, 60, 1)], 60),
        ("the alias itself", RecordType::CNAME, vec![alias()], 20),
    ] {
        // What is in the authority section does not matter.
        let judged = judged(record_type, ResponseCode::NoError, answers, vec![soa(5, 5)]);
        assert_eq!(judged, (Word::Positive, seconds), "{case}");
    }
}

#[test]
fn a_denial_lives_as_long_as_its_soa_says() {
    use ResponseCode::{NXDomain, NoError};
    for (case, rcode, answers, authorities, seconds) in [
        ("NXDOMAIN", NXDomain, vec![], vec![soa(100, 50)], 50),
        ("SOA shorter", NXDomain, vec![], vec![soa(40, 50)], 40),
        ("limit", NXDomain, vec![], vec![soa(9000, 9000)], 600),
        ("no SOA", NXDomain, vec![], vec![], 0),
        ("alias", NXDomain, vec![alias()], vec![soa(100, 50)], 20),
        ("NODATA", NoError, vec![], vec![soa(100, 50)], 50),
        ("NODATA without SOA", NoError, vec![], vec![], 0),
        ("alias to nothing known", NoError, vec![alias()], vec![], 0),
    ] {
        let judged = judged(RecordType::AAAA, rcode, answers, authorities);
        assert_eq!(judged, (Word::Negative, seconds), "{case}");
    }
}

#[test]
fn a_failure_lives_for_a_second_and_the_rest_not_at_all() {
    for (rcode, expected) in [
        (ResponseCode::FormErr, (Word::Failure, 1)),
        (ResponseCode::ServFail, (Word::Failure, 1)),
        (ResponseCode::NotImp, (Word::Failure, 1)),
        (ResponseCode::Refused, (Word::Failure, 1)),
        (ResponseCode::NotAuth, (Word::Other, 0)),
    ] {
        let judged = judged(RecordType::A, rcode, vec![], vec![soa(100, 50)]);
        assert_eq!(judged, expected, "{rcode}");
    }
}
