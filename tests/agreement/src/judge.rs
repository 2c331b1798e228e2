//! Compares what the packet path made of a query with what the server says to it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use dns_common::{Hit, Miss, Outcome};
use dns_ctl::{
    serve::{
        answer::{Answer, Decision, answer},
        authority::Authority,
        compose::compose,
        request::Request,
    },
    zone::Zone,
};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{Record, RecordType},
};

use crate::cluster::Cluster;

/// The server's side, and what came out so far.
#[derive(Debug)]
pub struct Judge {
    zone: Zone,
    authority: Authority,
    negative: bool,
    /// How often each outcome was met.
    pub met: BTreeMap<&'static str, usize>,
}

impl Judge {
    /// A judge for `cluster`.
    pub fn new(cluster: &Cluster) -> Result<Self> {
        Ok(Self {
            zone: cluster.zone.clone(),
            authority: Authority::new(&cluster.domains, cluster.ttl)?,
            negative: cluster.negative,
            met: BTreeMap::new(),
        })
    }

    /// Holds an outcome, and for a hit the DNS message that came back, against the server's.
    pub fn judge(&mut self, query: &[u8], outcome: Outcome, response: &[u8]) -> Result<()> {
        let (_, label) = outcome.labels();
        *self.met.entry(label).or_default() += 1;
        let request = Request::read(query);
        let request = request.map_err(|error| anyhow::anyhow!("not readable: {error:?}"))?;
        let decision = answer(&request, &self.zone, &self.authority);
        let result = match outcome {
            Outcome::Hit(hit) => equal(&request, decision, hit, response),
            Outcome::Miss(miss) => self.is_borne_out(&request, &decision, miss),
            Outcome::Dropped(dropped) => bail!("{dropped:?}, though there is no limit"),
        };
        result.with_context(|| format!("{:?} came to {label}", request.query))
    }

    /// Whether the server's answer is one that may be left to it for this reason.
    fn is_borne_out(&self, request: &Request, decision: &Decision, miss: Miss) -> Result<()> {
        let in_cluster = match decision {
            Decision::Reply(answer) => answer.in_cluster,
            Decision::Follow(..) => true,
            Decision::Forward => false,
        };
        let reply = match decision {
            Decision::Reply(answer) => Some(answer),
            _ => None,
        };
        let fails = reply.is_some_and(|it| it.rcode == ResponseCode::ServFail);
        let denies = reply.is_some_and(|it| it.answers.is_empty()) && !fails;
        let good = match miss {
            Miss::OutsideZones => {
                // Reverse names with several targets are the server's alone.
                !in_cluster || reply.is_some_and(has_pointers) || fails
            }
            Miss::NegativeOff => !self.negative && (denies || !simple(decision) || fails),
            Miss::Incomplete => !self.zone.synced(),
            Miss::ByRule => in_cluster && self.zone.has_pods_by_rule(),
            Miss::TypeNotServed => {
                let number = u16::from(request.query.query_type);
                matches!(number, 0 | 41 | 128..255)
            }
            Miss::TypeNotHeld => {
                // An alias is left to the server whatever the type; only `ANY` finds no record there.
                let any = request.query.query_type == RecordType::ANY;
                any || !simple(decision) || reply.is_some_and(is_large)
            }
            Miss::TooLong => reply.is_some_and(|it| !fits(request, it)),
            _ => false,
        };
        ensure!(good, "not borne out by {decision:?}");
        Ok(())
    }
}

/// Whether it is an answer of addresses, or none.
fn simple(decision: &Decision) -> bool {
    let Decision::Reply(answer) = decision else {
        return false;
    };
    let kinds = [RecordType::A, RecordType::AAAA];
    let mut answers = answer.answers.iter();
    answers.all(|record| kinds.contains(&record.record_type())) && !is_failure(answer)
}

fn is_failure(answer: &Answer) -> bool {
    answer.rcode == ResponseCode::ServFail
}

fn has_pointers(answer: &Answer) -> bool {
    let mut answers = answer.answers.iter();
    answers.any(|record| record.record_type() == RecordType::PTR)
}

/// Whether there are more addresses than an entry has words for, whatever the length of its name.
fn is_large(answer: &Answer) -> bool {
    answer.answers.len() > 20
}

fn fits(request: &Request, answer: &Answer) -> bool {
    let limit = request.udp_limit();
    let whole = compose(request, answer.clone(), u16::MAX);
    whole.is_ok_and(|whole| whole.len() <= limit.into())
}

/// Whether the response is what the server would send.
fn equal(request: &Request, decision: Decision, hit: Hit, response: &[u8]) -> Result<()> {
    let Decision::Reply(answer) = decision else {
        anyhow::bail!("the server would not answer by itself: {decision:?}");
    };
    let server = compose(request, answer, request.udp_limit())?;
    let [kernel, server] = [response, &server].map(Message::from_vec);
    let (kernel, server) = (kernel.context("unreadable response")?, server?);
    let pairs = [
        (
            "header",
            format!("{:?}", kernel.metadata),
            format!("{:?}", server.metadata),
        ),
        ("question", texts(&kernel), texts(&server)),
        (
            "edns",
            format!("{:?}", kernel.edns),
            format!("{:?}", server.edns),
        ),
        ("answers", sorted(&kernel.answers), sorted(&server.answers)),
        (
            "authorities",
            sorted(&kernel.authorities),
            sorted(&server.authorities),
        ),
        (
            "additionals",
            sorted(&kernel.additionals),
            sorted(&server.additionals),
        ),
    ];
    for (what, kernel, server) in pairs {
        ensure!(
            kernel == server,
            "{what}: the packet path says\n{kernel}\nand the server\n{server}"
        );
    }
    let kind = match (server.metadata.response_code, server.answers.first()) {
        (ResponseCode::NXDomain, _) => Hit::NxDomain,
        (_, None) => Hit::NoData,
        (_, Some(record)) => match record.record_type() {
            RecordType::A => Hit::A,
            RecordType::AAAA => Hit::Aaaa,
            _ => Hit::Ptr,
        },
    };
    ensure!(kind == hit, "counted as {}", hit.label());
    Ok(())
}

/// The questions with their letters' case, which equality does not see.
fn texts(message: &Message) -> String {
    let texts = message.queries.iter().map(|query| {
        format!(
            "{} {} {}",
            query.name().to_ascii(),
            query.query_class(),
            query.query_type()
        )
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// The records in order; the case of names in them depends on what points to what.
fn sorted(records: &[Record]) -> String {
    let mut texts: Vec<_> = records
        .iter()
        .map(|record| record.to_string().to_ascii_lowercase())
        .collect();
    texts.sort_unstable();
    texts.join("\n")
}
