//! Queries that are longer than their answers, and queries in pieces.

use anyhow::{Context as _, Result};
use hickory_proto::rr::RecordType;
use kxdns_tests::node::{ANSWER, plan};
use packets::build;

use crate::{
    bed::{Bed, HOOKS, SERVERS},
    capture::Capture,
    question::{DOMAIN, expect_same},
};

/// Code of the padding option (RFC 7830).
const PADDING: u16 = 12;
/// Octets of it that make a query longer than any of its answers here.
const MUCH: usize = 400;

/// A query with so many octets of padding, none at all for `None`.
fn query(id: u16, name: &str, kind: RecordType, padding: Option<usize>) -> Vec<u8> {
    let mut message = build::message(name, kind);
    message.metadata.id = id;
    let padding = padding.map(|length| (PADDING, vec![0; length]));
    let options: Vec<_> = padding.into_iter().collect();
    build::octets(&build::edns(message, 1232, true, &options))
}

/// A name with an answer of each kind, and the kind.
fn questions() -> [(String, RecordType, &'static str); 6] {
    let name = format!("nginx.{DOMAIN}");
    [
        (name.clone(), RecordType::A, "a"),
        (name.clone(), RecordType::AAAA, "aaaa"),
        (name, RecordType::HTTPS, "nodata"),
        (format!("nobody.{DOMAIN}"), RecordType::A, "nxdomain"),
        (format!("nobodys.{DOMAIN}"), RecordType::A, "nxdomain"),
        ("5.1.96.10.in-addr.arpa.".to_owned(), RecordType::PTR, "ptr"),
    ]
}

#[test]
fn an_answer_may_be_shorter_than_its_query() -> Result<()> {
    for hook in HOOKS {
        let bed = Bed::start(plan(), hook, &[])?;
        let capture = Capture::start(bed.node.pod())?;
        let mut asked = 0;
        for server in SERVERS {
            for (name, kind, hit) in questions() {
                asked += 1;
                let what = || format!("{name} {kind} of {server} on {hook}");
                let query = query(asked, &name, kind, Some(MUCH));
                let before = bed.counts()?;
                let kernel = bed.ask(server, &query).with_context(what)?;
                let counts = bed.counts()?;
                assert_eq!(counts.hits_since(&before), [(hit, 1)], "{}", what());
                assert!(kernel.len() < query.len(), "{}", what());
                expect_same(&kernel, &bed.ask_server(server, &query)?).with_context(what)?;
            }
        }
        let seen = capture.answers(asked.into())?;
        assert_eq!(seen.len(), usize::from(asked), "on {hook}");
        for answer in seen {
            answer.expect_right_checksums().context(hook)?;
            // Nothing of the query is left behind the datagram.
            assert_eq!(answer.open()?.behind, 0, "{}", answer.text);
        }
    }
    Ok(())
}

/// A packet whose payload lies in other memory than its headers is pulled together on tc; a longer one is not,
/// which shows that such packets were made here. XDP is given them in one piece.
#[test]
fn a_query_in_pieces_is_answered() -> Result<()> {
    for hook in HOOKS {
        let bed = Bed::start(plan(), hook, &[])?;
        let capture = Capture::start(bed.node.pod())?;
        let mut answered = 0;
        for server in SERVERS {
            let client = bed.client(server)?;
            let cases = questions().map(|(name, kind, hit)| (name, kind, hit, 300));
            let long = (format!("nginx.{DOMAIN}"), RecordType::A, "a", 480);
            for (id, (name, kind, hit, padding)) in (1_u16..).zip(cases.into_iter().chain([long])) {
                let what = || format!("{name} {kind} of {server} on {hook}");
                let query = query(id, &name, kind, Some(padding));
                let before = bed.counts()?;
                client.send_scattered(server, &query).with_context(what)?;
                let reply = client.receive(ANSWER)?.with_context(what)?;
                let counts = bed.counts()?;
                let hits = counts.hits_since(&before);
                if padding > MUCH && hook.starts_with("tc") {
                    assert_eq!(hits, [], "{}", what());
                    let misses = counts.misses_since(&before);
                    assert!(misses.contains(&("truncated", 1)), "{misses:?}");
                } else {
                    assert_eq!(hits, [(hit, 1)], "{}", what());
                    answered += 1;
                }
                expect_same(&reply.bytes, &bed.ask_server(server, &query)?).with_context(what)?;
            }
        }
        let seen = capture.answers(answered)?;
        let right = seen.iter().filter(|it| it.expect_right_checksums().is_ok());
        assert_eq!(right.count(), answered, "on {hook}");
    }
    Ok(())
}
