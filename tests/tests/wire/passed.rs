//! What the kernel passes on on purpose, each counted under its reason, and that the server answers it.

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{DNSClass, RecordType},
};
use kxdns_tests::node::{ANSWER, plan};
use packets::build::{self, Opt};
use testbed::{Table, Upstream, udp_query};

use crate::{
    bed::{ALIAS, Bed, HOOKS, OUTSIDE, SERVERS, WIDE},
    question::{DOMAIN, expect_same},
};

/// The client-subnet option of 10.244.0.0/24 (RFC 7871), and an empty NSID option (RFC 5001).
const SUBNET: (u16, &[u8]) = (8, &[0, 1, 24, 0, 10, 244, 0]);
const NSID: (u16, &[u8]) = (3, &[]);

/// A query that passes.
struct Passed {
    what: &'static str,
    query: Vec<u8>,
    reason: &'static str,
    rcode: ResponseCode,
    /// Records in the server's answer section.
    answers: usize,
}

fn plain(name: &str, kind: RecordType) -> Vec<u8> {
    build::octets(&build::message(name, kind))
}

fn with_option(name: &str, (code, data): (u16, &[u8])) -> Vec<u8> {
    let message = build::message(name, RecordType::A);
    build::octets(&build::edns(message, 1232, false, &[(code, data.to_vec())]))
}

fn cases() -> Vec<Passed> {
    use RecordType as T;
    use ResponseCode as R;
    let name = &format!("nginx.{DOMAIN}");
    let alias = &format!("{ALIAS}.{DOMAIN}");
    let pod = "10-1-2-3.default.pod.cluster.local.";
    let version = Opt {
        version: 1,
        ..Opt::default()
    };
    let version = build::with_opt(plain(name, T::A), &version);
    let mut chaos = build::message(name, T::A);
    chaos.queries[0].set_query_class(DNSClass::CH);
    let chaos = build::octets(&chaos);
    let table = [
        ("SRV", plain(name, T::SRV), "type_not_held", R::NoError, 1),
        (
            "the version of the schema",
            plain("dns-version.cluster.local.", T::TXT),
            "type_not_held",
            R::NoError,
            1,
        ),
        (
            "a zone's SOA",
            plain("cluster.local.", T::SOA),
            "type_not_held",
            R::NoError,
            1,
        ),
        (
            "an alias",
            plain(alias, T::A),
            "type_not_held",
            R::NoError,
            2,
        ),
        (
            "an alias, no such type",
            plain(alias, T::HTTPS),
            "type_not_held",
            R::NoError,
            1,
        ),
        ("EDNS of version 1", version, "edns_version", R::BADVERS, 0),
        (
            "a client's subnet",
            with_option(name, SUBNET),
            "edns_options",
            R::NoError,
            1,
        ),
        (
            "NSID",
            with_option(name, NSID),
            "edns_options",
            R::NoError,
            1,
        ),
        ("a pod's name", plain(pod, T::A), "by_rule", R::NoError, 1),
        (
            "a name of the outside",
            plain(OUTSIDE, T::A),
            "outside_zones",
            R::NoError,
            1,
        ),
        (
            "an address without a name",
            plain("9.9.96.10.in-addr.arpa.", T::PTR),
            "outside_zones",
            R::NXDomain,
            0,
        ),
        ("another class", chaos, "class", R::Refused, 0),
        (
            "a transfer",
            plain("cluster.local.", T::AXFR),
            "type_not_served",
            R::Refused,
            0,
        ),
    ];
    let passed = table.map(|(what, query, reason, rcode, answers)| Passed {
        what,
        query,
        reason,
        rcode,
        answers,
    });
    passed.into()
}

#[test]
fn what_the_kernel_passes_on_the_server_answers() -> Result<()> {
    for hook in ["tcx", "xdp-generic"] {
        let bed = Bed::start(plan(), hook, &["--pods", "insecure"])?;
        let table = Table::new().address(OUTSIDE, [192, 0, 2, 25]);
        let _upstream = Upstream::start(&bed.node.bed.node, "127.0.0.1:5300".parse()?, table)?;
        for server in SERVERS {
            for case in cases() {
                let what = || format!("{} of {server} on {hook}", case.what);
                let before = bed.counts()?;
                let said = bed.ask(server, &case.query).with_context(what)?;
                let counts = bed.counts()?;
                let misses = counts.misses_since(&before);
                assert_eq!(counts.hits_since(&before), [], "{}", what());
                assert!(
                    misses.contains(&(case.reason, 1)),
                    "{misses:?} for {}",
                    what()
                );
                let message = Message::from_vec(&said).with_context(what)?;
                // Two codes have the number 16, that of BADVERS.
                let rcode = u16::from(message.metadata.response_code);
                let got = (rcode, message.answers.len());
                assert_eq!(
                    got,
                    (case.rcode.into(), case.answers),
                    "{}: {message}",
                    what()
                );
                // What an upstream said is kept, and its TTL counts down.
                if case.reason != "outside_zones" && case.what != "an alias" {
                    expect_same(&said, &bed.ask_server(server, &case.query)?).with_context(what)?;
                }
            }
        }
    }
    Ok(())
}

/// An answer is given whole or not at all: the server cuts it, and the client asks again over TCP.
#[test]
fn answers_that_are_too_long_for_the_client_are_left_to_the_server() -> Result<()> {
    let name = format!("{WIDE}.{DOMAIN}");
    for hook in HOOKS {
        let bed = Bed::start(plan(), hook, &[])?;
        for server in SERVERS {
            for (size, fits) in [
                (None, false),
                (Some(512), false),
                (Some(600), false),
                (Some(1232), true),
            ] {
                let what = || format!("{size:?} octets for {server} on {hook}");
                let message = build::message(&name, RecordType::A);
                let query = build::octets(&match size {
                    Some(size) => build::edns(message, size, true, &[]),
                    None => message,
                });
                let before = bed.counts()?;
                let said = bed.ask(server, &query).with_context(what)?;
                let counts = bed.counts()?;
                let whole = bed.ask_server(server, &query)?;
                let misses = counts.misses_since(&before);
                if fits {
                    let hits = counts.hits_since(&before);
                    // On XDP the buffer of so short a query has no room for so long an answer.
                    let no_room = hook.starts_with("xdp") && misses.contains(&("no_room", 1));
                    assert!(hits == [("a", 1)] || no_room, "{misses:?} for {}", what());
                    expect_same(&said, &whole).with_context(what)?;
                    continue;
                }
                assert_eq!(counts.hits_since(&before), [], "{}", what());
                assert!(
                    misses.contains(&("too_long", 1)),
                    "{misses:?} for {}",
                    what()
                );
                ensure!(said.len() <= usize::from(size.unwrap_or(512)), "{}", what());
                assert!(Message::from_vec(&said)?.metadata.truncation, "{}", what());
                let whole = Message::from_vec(&whole)?;
                assert!(!whole.metadata.truncation, "{}", what());
                assert_eq!(whole.answers.len(), 40, "{}", what());
            }
        }
    }
    Ok(())
}

/// Queries to any other DNS server leave the node as they came.
#[test]
fn other_dns_servers_are_not_touched() -> Result<()> {
    let bed = Bed::start(plan().outside("resolver"), "tcx", &[])?;
    let outside = bed.node.bed.outside();
    let address: IpAddr = "192.0.2.99".parse()?;
    let name = format!("nginx.{DOMAIN}");
    let ip6 = outside.ipv6.context("there is IPv6")?;
    for server in [IpAddr::V4(outside.ipv4), IpAddr::V6(ip6)] {
        let table = Table::new().address(&name, address);
        let upstream = Upstream::start(&outside.namespace, (server, 53).into(), table)?;
        let before = bed.counts()?;
        let query = plain(&name, RecordType::A);
        let reply = udp_query(bed.node.pod(), upstream.address(), &query, ANSWER)?;
        let message = Message::from_vec(&reply.context("no answer")?.bytes)?;
        assert_eq!(message.answers[0].data.ip_addr(), Some(address));
        assert_eq!(upstream.queries(), 1);
        let counts = bed.counts()?;
        assert!(counts.misses_since(&before).contains(&("other_address", 1)));
    }
    Ok(())
}
