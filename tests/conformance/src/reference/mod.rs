//! What both servers should say: one account of the answers, in which each [`Row`] is a switch.
//!
//! With all rows off it is what `CoreDNS` does, with all of them on what dns-ctl does. So a difference between two
//! servers is explained only if each of them says, record by record, what the account says for it; and it is explained
//! by as few rows as make the one answer out of the other.

mod alias;
mod node;
mod pod;
mod reverse;

use std::collections::BTreeSet;

use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RecordType},
};

use crate::{
    plan::{ClusterPlan, Service},
    question::Question,
    row::{Row, Rows},
    said::{Line, Said},
    trial::Case,
    upstream,
};
use node::Node;

/// The TTL of the schema's version, in seconds.
const SCHEMA_VERSION_TTL: u32 = 28_800;
/// The longest TTL that `CoreDNS` gives to SOA records, in seconds.
const SOA_TTL: u32 = 300;

/// How two answers compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are equal.
    Equal,
    /// They differ by these rows.
    Explained(Rows),
    /// They differ in another way; these would have been expected, theirs first.
    Unexplained(Box<[Said; 2]>),
}

/// Judges the answers to one question.
#[must_use]
pub fn judge(plan: &ClusterPlan, case: &Case) -> Verdict {
    if case.theirs == case.ours {
        return Verdict::Equal;
    }
    let all: Rows = Row::ALL.into();
    let says = |rows: Rows| {
        let depth = 0;
        Reference { plan, rows, depth }.answer(&case.question)
    };
    let (theirs, ours) = (says(Rows::new()), says(all.clone()));
    if (&theirs, &ours) != (&case.theirs, &case.ours) {
        return Verdict::Unexplained(Box::new([theirs, ours]));
    }
    // None of the rest can be left out.
    let mut rows = all;
    for row in Row::ALL {
        let mut fewer = rows.clone();
        fewer.remove(&row);
        if says(fewer.clone()) == ours {
            rows = fewer;
        }
    }
    Verdict::Explained(rows)
}

/// The account of one cluster, with some rows on.
struct Reference<'p> {
    plan: &'p ClusterPlan,
    rows: Rows,
    /// How often a server has asked itself.
    depth: usize,
}

/// A name inside a cluster domain.
#[derive(Clone, Debug)]
struct Place<'p> {
    /// The domain.
    domain: &'p str,
    /// The labels before it, in lower case; octets that are no ASCII stand for themselves.
    labels: Vec<String>,
    /// Whether the domain is written in lower case.
    lower: bool,
}

impl<'p> Reference<'p> {
    fn on(&self, row: Row) -> bool {
        self.rows.contains(&row)
    }

    fn answer(&self, question: &Question) -> Said {
        let Question {
            name, record_type, ..
        } = question;
        if let Some(place) = self.place(name) {
            return self.in_cluster(name, &place, *record_type);
        }
        self.in_reverse(name, *record_type)
            .unwrap_or_else(|| upstream::answer(name, *record_type))
    }

    /// Where in which domain a name is.
    fn place(&self, name: &Name) -> Option<Place<'p>> {
        let labels = labels(name);
        self.plan.settings.domains.iter().find_map(|domain| {
            let own: Vec<_> = domain.split('.').collect();
            let split = labels.len().checked_sub(own.len())?;
            let (before, zone) = labels.split_at(split);
            let lower = |label: &String| label.to_ascii_lowercase();
            zone.iter()
                .map(lower)
                .eq(own.iter().copied())
                .then(|| Place {
                    domain,
                    labels: before.iter().map(lower).collect(),
                    lower: zone.iter().eq(own.iter()),
                })
        })
    }

    fn in_cluster(&self, name: &Name, place: &Place<'_>, record_type: RecordType) -> Said {
        let owner = name.to_lowercase().to_string();
        let nothing = || self.no_data(place.domain);
        let node = self.node(place, record_type);
        match (&node, record_type) {
            (Node::Missing, RecordType::SOA) if !self.on(Row::SoaOfNothing) => nothing(),
            (Node::Missing, _) => self.no_such_name(place.domain),
            (Node::Apex, RecordType::SOA) => positive(vec![self.soa(place.domain)]),
            (Node::Apex, RecordType::NS) if self.on(Row::NameServer) => self.name_server(place),
            (Node::Apex | Node::Bare, RecordType::TXT) if !self.on(Row::TxtOfSomething) => {
                self.no_such_name(place.domain)
            }
            (Node::SchemaVersion, RecordType::TXT) => positive(vec![Line {
                owner,
                ttl: SCHEMA_VERSION_TTL,
                record_type,
                data: "1.1.0".to_owned(),
            }]),
            (Node::Alias(target), _) => self.alias(&owner, place, target, record_type),
            (Node::Places(pairs), _) => self.places(&owner, place, pairs, record_type),
            (Node::Apex | Node::Bare | Node::Port | Node::SchemaVersion, _) => nothing(),
        }
    }

    /// The apex' name server and its addresses.
    fn name_server(&self, place: &Place<'_>) -> Said {
        let Place { domain, .. } = place;
        let owner = format!("{domain}.");
        let server = format!("ns.dns.{domain}.");
        let mut said = positive(vec![self.line(&owner, RecordType::NS, server.clone())]);
        let addresses = self
            .plan
            .dns_service()
            .into_iter()
            .flat_map(Service::cluster_ips);
        said.additionals = addresses.map(|&ip| self.address(&server, ip)).collect();
        said
    }

    fn line(&self, owner: &str, record_type: RecordType, data: String) -> Line {
        Line {
            owner: owner.to_owned(),
            ttl: self.plan.settings.ttl,
            record_type,
            data,
        }
    }

    fn address(&self, owner: &str, address: std::net::IpAddr) -> Line {
        let record_type = if address.is_ipv4() {
            RecordType::A
        } else {
            RecordType::AAAA
        };
        self.line(owner, record_type, address.to_string())
    }

    fn soa(&self, domain: &str) -> Line {
        let ttl = self.plan.settings.ttl;
        Line {
            owner: format!("{domain}."),
            ttl: if self.on(Row::SoaTtl) {
                ttl
            } else {
                ttl.min(SOA_TTL)
            },
            record_type: RecordType::SOA,
            data: format!("ns.dns.{domain}. hostmaster.{domain}. 0 7200 1800 86400 {ttl}"),
        }
    }

    fn no_data(&self, domain: &str) -> Said {
        Said {
            authorities: vec![self.soa(domain)],
            ..positive(Vec::new())
        }
    }

    fn no_such_name(&self, domain: &str) -> Said {
        Said {
            rcode: ResponseCode::NXDomain,
            ..self.no_data(domain)
        }
    }
}

fn positive(mut answers: Vec<Line>) -> Said {
    answers.sort();
    Said {
        rcode: ResponseCode::NoError,
        authoritative: true,
        answers,
        authorities: Vec::new(),
        additionals: BTreeSet::new(),
    }
}

fn failure() -> Said {
    Said {
        rcode: ResponseCode::ServFail,
        authoritative: false,
        ..positive(Vec::new())
    }
}

fn labels(name: &Name) -> Vec<String> {
    let text = |label: &[u8]| label.iter().copied().map(char::from).collect();
    name.iter().map(text).collect()
}

#[cfg(test)]
mod tests;
