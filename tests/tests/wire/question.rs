//! Questions that the kernel answers, of every kind.

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use hickory_proto::{
    op::Message,
    rr::{Record, RecordType},
};
use packets::{build, wire};

use crate::bed::{HEADLESS, SERVICES, WIDE, addresses};

/// The domain of the Services.
pub(crate) const DOMAIN: &str = "default.svc.cluster.local.";
/// Octets that the client takes, as its OPT record says.
const SIZE: u16 = 1232;

/// A question.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) name: String,
    pub(crate) kind: RecordType,
    /// What its answer is counted as.
    pub(crate) hit: &'static str,
}

impl Question {
    pub(crate) fn new(name: &str, kind: RecordType, hit: &'static str) -> Self {
        let name = name.to_owned();
        Self { name, kind, hit }
    }

    /// The query, with the DO bit if it has an OPT record.
    pub(crate) fn query(&self, id: u16, edns: bool) -> Vec<u8> {
        let mut message = build::message(&self.name, self.kind);
        message.metadata.id = id;
        if edns {
            message = build::edns(message, SIZE, true, &[]);
        }
        build::octets(&message)
    }
}

/// Questions with names of every remainder of eight octets.
pub(crate) fn questions() -> Vec<Question> {
    let mut questions = Vec::new();
    let mut add = |name: &str, kind, hit| questions.push(Question::new(name, kind, hit));
    for (place, service) in (1..).zip(SERVICES) {
        let name = format!("{service}.{DOMAIN}");
        add(&name, RecordType::A, "a");
        add(&name, RecordType::AAAA, "aaaa");
        add(&name, RecordType::HTTPS, "nodata");
        let (v4, v6) = addresses(place);
        add(&reverse(&v4), RecordType::PTR, "ptr");
        add(&reverse(&v6), RecordType::PTR, "ptr");
        let absent = format!("not-{service}.{DOMAIN}");
        add(&absent, RecordType::A, "nxdomain");
    }
    // Letters are given back as they came.
    add("nGiNx.Default.SVC.cluster.LOCAL.", RecordType::A, "a");
    add(
        "NoBody.Default.SVC.cluster.LOCAL.",
        RecordType::A,
        "nxdomain",
    );
    // A name with others below it, and a zone's own.
    add(DOMAIN, RecordType::A, "nodata");
    add("cluster.local.", RecordType::AAAA, "nodata");
    // A Service without IPv6.
    add(&format!("{WIDE}.{DOMAIN}"), RecordType::AAAA, "nodata");
    for service in HEADLESS {
        let name = format!("{service}.{DOMAIN}");
        // By their ids they begin with other addresses.
        for _ in 0..4 {
            add(&name, RecordType::A, "a");
            add(&name, RecordType::AAAA, "aaaa");
        }
    }
    let endpoint = "10-244-10-3.ring.default.svc.cluster.local.";
    add(endpoint, RecordType::A, "a");
    add(endpoint, RecordType::AAAA, "nodata");
    questions
}

/// The name of an address (RFC 1035, section 3.5; RFC 3596, section 2.5).
fn reverse(address: &str) -> String {
    let address: IpAddr = address.parse().expect("the tests' addresses are addresses");
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev();
            let nibbles = nibbles.map(|it| format!("{:x}.{:x}.", it & 0xf, it >> 4));
            format!("{}ip6.arpa.", nibbles.collect::<String>())
        }
    }
}

/// Checks that both say the same: header, question, records with their order and TTLs, EDNS.
pub(crate) fn expect_same(kernel: &[u8], server: &[u8]) -> Result<()> {
    let [kernel, server] = [kernel, server].map(parts);
    let (kernel, server) = (kernel.context("of the kernel")?, server?);
    ensure!(kernel == server, "{kernel:#?}\nis not\n{server:#?}");
    Ok(())
}

fn parts(octets: &[u8]) -> Result<[String; 6]> {
    let message = Message::from_vec(octets).context("an unreadable answer")?;
    let questions = message.queries.iter();
    let questions =
        questions.map(|it| (wire::of_name(it.name()), it.query_class(), it.query_type()));
    Ok([
        format!("{:?}", message.metadata),
        format!("{:?}", questions.collect::<Vec<_>>()),
        texts(&message.answers),
        // Which letters a name has there depends on what it points to.
        texts(&message.authorities).to_ascii_lowercase(),
        texts(&message.additionals),
        format!("{:?}", message.edns),
    ])
}

fn texts(records: &[Record]) -> String {
    let texts = records.iter().map(Record::to_string);
    texts.collect::<Vec<_>>().join("\n")
}
