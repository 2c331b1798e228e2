//! Questions about a cluster: names that exist, that nearly exist, that can't exist; all types; EDNS or not.

use std::net::IpAddr;

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query},
    rr::{Name, RecordType, rdata::opt::EdnsOption},
};
use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};

use crate::cluster::Cluster;

const TYPES: [RecordType; 14] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::A,
    RecordType::AAAA,
    RecordType::PTR,
    RecordType::SRV,
    RecordType::TXT,
    RecordType::ANY,
    RecordType::HTTPS,
    RecordType::MX,
    RecordType::CNAME,
    RecordType::SOA,
    RecordType::NS,
    RecordType::AXFR,
];
const SIZES: [u16; 7] = [0, 512, 513, 900, 1232, 1233, 4096];
const COOKIE: u16 = 10;
const PADDING: u16 = 12;

/// The names worth asking for in a cluster.
#[derive(Debug)]
pub struct Names(Vec<Name>);

impl Names {
    /// Those of `cluster`, under each domain.
    #[must_use]
    pub fn of(cluster: &Cluster) -> Self {
        let fixed = [
            "",
            "dns-version",
            "svc",
            "pod",
            "ns.dns",
            "dns",
            "10-0-0-1.default.pod",
            "10-0-0-1.nobody.pod",
            "10-0-0-1.x.y.pod",
            "a-b.default.pod",
            "fd00--1.x.pod",
            "nobody",
            "www.example.org",
            "kubernetes.default",
            "a.default",
        ];
        let mut relative: Vec<String> = fixed.iter().map(|&it| it.to_owned()).collect();
        // The set has no order of its own; questions have to follow from the seed.
        let mut nodes: Vec<String> = cluster
            .zone
            .nodes()
            .map(|(name, _)| name.to_string())
            .collect();
        nodes.sort_unstable();
        relative.extend(nodes);
        let mut names = Vec::new();
        for domain in &cluster.domains {
            for name in &relative {
                let whole = format!("{name}.{domain}.");
                names.extend(Name::from_ascii(whole.trim_start_matches('.')));
            }
        }
        let mut addresses: Vec<IpAddr> = cluster.touched.addresses.iter().copied().collect();
        addresses.sort_unstable();
        names.extend(addresses.into_iter().map(Name::from));
        for other in [
            "www.example.org.",
            "svc.",
            ".",
            "1.2.3.4.in-addr.arpa.",
            "in-addr.arpa.",
            "xcluster.local.",
        ] {
            names.extend(Name::from_ascii(other));
        }
        Self(names)
    }

    /// A name, as it is or slightly changed.
    fn pick(&self, rng: &mut StdRng) -> Name {
        let name = self.0.choose(rng).expect("there are always some").clone();
        let mut labels: Vec<Vec<u8>> = name.iter().map(<[u8]>::to_vec).collect();
        match rng.random_range(0..12) {
            0 => labels.insert(0, b"x".to_vec()),
            1 if !labels.is_empty() => drop(labels.remove(0)),
            2 if !labels.is_empty() => drop(labels.pop()),
            3 => {
                if let Some(octet) = pick_octet(&mut labels, rng) {
                    *octet = rng.random();
                }
            }
            4 => labels.insert(rng.random_range(0..=labels.len()), b"y".to_vec()),
            _ => {}
        }
        if rng.random_ratio(1, 4) {
            for octet in labels.iter_mut().flatten() {
                if rng.random() {
                    octet.make_ascii_uppercase();
                }
            }
        }
        let mut changed = Name::from_labels(labels.iter().map(Vec::as_slice)).unwrap_or(name);
        changed.set_fqdn(true);
        changed
    }

    /// A query, as octets of a message.
    pub fn query(&self, rng: &mut StdRng) -> Vec<u8> {
        let mut message = Message::new(rng.random(), MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = rng.random_ratio(3, 4);
        message.metadata.checking_disabled = rng.random_ratio(1, 8);
        let kind = if rng.random_ratio(1, 8) {
            RecordType::from(rng.random::<u16>())
        } else {
            *TYPES.choose(rng).expect("many")
        };
        message.add_query(Query::query(self.pick(rng), kind));
        if rng.random() {
            let mut edns = Edns::new();
            edns.set_max_payload(*SIZES.choose(rng).expect("many"));
            edns.set_dnssec_ok(rng.random());
            for code in [COOKIE, PADDING] {
                if rng.random_ratio(1, 4) {
                    let data = vec![7; rng.random_range(0..60)];
                    edns.options_mut().insert(EdnsOption::Unknown(code, data));
                }
            }
            message.set_edns(edns);
        }
        message.to_vec().expect("a query can be encoded")
    }
}

fn pick_octet<'l>(labels: &'l mut [Vec<u8>], rng: &mut StdRng) -> Option<&'l mut u8> {
    let at = rng.random_range(0..labels.len().max(1));
    let label = labels.get_mut(at)?;
    let at = rng.random_range(0..label.len().max(1));
    label.get_mut(at)
}
