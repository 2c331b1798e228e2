//! What is at a name of the cluster.

use std::{collections::BTreeSet, net::IpAddr};

use hickory_proto::rr::{Name, RecordType};

use super::{Place, Reference, positive};
use crate::{
    plan::{Endpoints, Reach, Service, Slice, dashed},
    row::Row,
    said::Said,
};

/// The longest name of a port before which there is room for an underscore.
const PORT_NAME: usize = 62;

/// What is at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// The name does not exist.
    Missing,
    /// The top of the zone.
    Apex,
    /// A name without records of its own.
    Bare,
    /// The owner of SRV records, asked for another type.
    Port,
    /// The version of the schema.
    SchemaVersion,
    /// An alias of this name.
    Alias(String),
    /// Addresses, and maybe ports.
    Places(Vec<Pair>),
}

/// An address and a port on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// The name, below the domain, that has the address.
    pub(super) target: String,
    /// The address.
    pub(super) address: IpAddr,
    /// Name, protocol and number; `None` if there are no ports.
    pub(super) port: Option<(String, &'static str, u16)>,
}

impl Reference<'_> {
    pub(super) fn node(&self, place: &Place<'_>, record_type: RecordType) -> Node {
        let labels: Vec<_> = place.labels.iter().map(String::as_str).collect();
        match labels.as_slice() {
            [] => Node::Apex,
            ["dns-version"] => {
                let exists = record_type == RecordType::TXT || self.on(Row::SchemaVersionTypes);
                if exists {
                    Node::SchemaVersion
                } else {
                    Node::Missing
                }
            }
            ["ns", "dns"] => self.name_server_node(place, record_type),
            ["dns"] if self.on(Row::EmptyNonTerminal) && self.on(Row::NameServer) => self
                .plan
                .dns_service()
                .map_or(Node::Missing, |_| Node::Bare),
            [.., namespace, "svc" | "pod"] if !self.plan.serves(namespace) => Node::Missing,
            [before @ .., namespace, "pod"] => self.pod(before, namespace),
            ["svc" | "pod"] | [_, "svc"] => Node::Bare,
            [before @ .., name, namespace, "svc"] => match self.service(namespace, name) {
                Some(service) => self.in_service(service, before, record_type),
                None => Node::Missing,
            },
            _ => Node::Missing,
        }
    }

    fn name_server_node(&self, place: &Place<'_>, record_type: RecordType) -> Node {
        if self.on(Row::NameServer) {
            let Some(service) = self.plan.dns_service() else {
                return Node::Missing;
            };
            let addresses = service.cluster_ips().iter();
            let pair = |&address| Pair {
                target: "ns.dns".to_owned(),
                address,
                port: None,
            };
            return Node::Places(addresses.map(pair).collect());
        }
        // CoreDNS names itself here, by addresses other than loopback, of which it has none in these tests.
        if place.lower && !matches!(record_type, RecordType::TXT | RecordType::PTR) {
            Node::Bare
        } else {
            Node::Missing
        }
    }

    /// A Service that is served.
    fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        let service = self.plan.service(namespace, name)?;
        let ignored = self.plan.settings.ignore_empty
            && matches!(service.reach, Reach::ClusterIps(..))
            && self.slices(service).all(|it| it.ready().next().is_none());
        (!ignored).then_some(service)
    }

    /// The slices of a Service that a server sees.
    fn slices<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a Slice> {
        let slices = self.plan.slices_of(&service.namespace, &service.name);
        slices.filter(|it| self.sees(it))
    }

    pub(super) fn sees(&self, slice: &Slice) -> bool {
        self.on(Row::SliceLabels) || self.plan.lists(slice.team)
    }

    /// The label that an endpoint without host name goes by.
    pub(super) fn label(&self, address: IpAddr) -> String {
        let mut label = dashed(address);
        if label.ends_with('-') && self.on(Row::Ipv6Label) {
            label.push('0');
        }
        label
    }

    fn in_service(&self, service: &Service, before: &[&str], record_type: RecordType) -> Node {
        if let Reach::ExternalName(target) = &service.reach {
            // An address is no name.
            let is_name = target.parse::<IpAddr>().is_err();
            let is_here = match before {
                [] => true,
                // Without a port and a protocol it is for CoreDNS the name itself.
                ["_", "_"] => !self.on(Row::SrvUnderscores),
                _ => false,
            };
            return if is_name && is_here {
                Node::Alias(target.clone())
            } else {
                Node::Missing
            };
        }
        match before {
            [] => places(self.own(service)),
            [host] => {
                let endpoints = self.endpoints(service);
                let base = base(service);
                let target = format!("{host}.{base}");
                let found = places(
                    endpoints
                        .into_iter()
                        .filter(|it| it.target == target)
                        .collect(),
                );
                if found == Node::Missing && self.has_ports_below(service, host) {
                    return Node::Bare;
                }
                found
            }
            [port, protocol] => self.port(service, port, protocol, record_type),
            _ => Node::Missing,
        }
    }

    /// The pairs at the Service's own name.
    fn own(&self, service: &Service) -> Vec<Pair> {
        match &service.reach {
            Reach::ClusterIps(_, addresses) => {
                let pair = |address: &IpAddr, port: &crate::plan::Port| Pair {
                    target: base(service),
                    address: *address,
                    port: Some((port.name.clone(), port.protocol, port.number)),
                };
                let ports = service.ports.iter();
                ports
                    .flat_map(|port| addresses.iter().map(move |address| pair(address, port)))
                    .collect()
            }
            _ => self.all_endpoints(service),
        }
    }

    /// The pairs at the names of endpoints.
    fn endpoints(&self, service: &Service) -> Vec<Pair> {
        let named = service.reach == Reach::Headless
            || self.plan.settings.endpoints == Endpoints::All
            || !self.on(Row::EndpointNames);
        if named {
            self.all_endpoints(service)
        } else {
            Vec::new()
        }
    }

    fn all_endpoints(&self, service: &Service) -> Vec<Pair> {
        let mut pairs = Vec::new();
        for slice in self.slices(service) {
            for endpoint in slice.ready() {
                for &address in &endpoint.addresses {
                    let host = endpoint
                        .hostname
                        .clone()
                        .unwrap_or_else(|| self.label(address));
                    let pair = |port| Pair {
                        target: format!("{host}.{}", base(service)),
                        address,
                        port,
                    };
                    if slice.ports.is_empty() {
                        pairs.push(pair(None));
                    }
                    let ports = slice.ports.iter();
                    pairs.extend(
                        ports.map(|it| pair(Some((it.name.clone(), it.protocol, it.number)))),
                    );
                }
            }
        }
        pairs
    }

    /// Whether `_protocol` has a port's name below it.
    fn has_ports_below(&self, service: &Service, label: &str) -> bool {
        self.on(Row::EmptyNonTerminal)
            && label.strip_prefix('_').is_some_and(|wanted| {
                self.own(service)
                    .iter()
                    .filter_map(|it| it.port.as_ref())
                    .any(|(name, protocol, _)| {
                        protocol.eq_ignore_ascii_case(wanted)
                            && (1..=PORT_NAME).contains(&name.len())
                    })
            })
    }

    fn port(&self, service: &Service, port: &str, protocol: &str, record_type: RecordType) -> Node {
        fn strip(label: &str) -> &str {
            label.strip_prefix('_').unwrap_or(label)
        }
        let marked = |label: &str| label.len() > 1 && label.starts_with('_');
        if self.on(Row::SrvUnderscores) && !(marked(port) && marked(protocol)) {
            return Node::Missing;
        }
        let (port, protocol) = (strip(port), strip(protocol));
        let matches = |pair: &Pair| {
            // Where there is no port, CoreDNS has one without name and protocol.
            let (name, over) = pair
                .port
                .as_ref()
                .map_or(("", ""), |(name, over, _)| (name, over));
            (port.is_empty() || port == name)
                && (protocol.is_empty() || over.eq_ignore_ascii_case(protocol))
        };
        let found = places(self.own(service).into_iter().filter(matches).collect());
        if found != Node::Missing && record_type != RecordType::SRV && self.on(Row::PortAddresses) {
            return Node::Port;
        }
        found
    }

    /// What comes with an SRV record for this pair.
    fn glue(&self, place: &Place<'_>, pair: &Pair) -> Vec<Pair> {
        if !self.on(Row::SrvGlue) {
            return vec![pair.clone()];
        }
        let target = Place {
            labels: pair.target.split('.').map(str::to_owned).collect(),
            ..place.clone()
        };
        match self.node(&target, RecordType::A) {
            Node::Places(pairs) => pairs,
            _ => Vec::new(),
        }
    }

    /// What addresses and ports come to for a type.
    pub(super) fn places(
        &self,
        owner: &str,
        place: &Place<'_>,
        pairs: &[Pair],
        record_type: RecordType,
    ) -> Said {
        let full = |name: &str| shown(&format!("{name}.{}.", place.domain));
        let addresses = |v4: bool| {
            let addresses: BTreeSet<_> = pairs.iter().map(|it| it.address).collect();
            let of_family = addresses.into_iter().filter(|it| it.is_ipv4() == v4);
            positive(of_family.map(|ip| self.address(owner, ip)).collect())
        };
        let said = match record_type {
            RecordType::A => addresses(true),
            RecordType::AAAA => addresses(false),
            RecordType::SRV => {
                let weight = (100 / pairs.len().max(1)).max(1);
                let ports = pairs.iter().filter_map(|it| {
                    let (_, _, number) = it.port.as_ref()?;
                    Some((it, number))
                });
                let lines: BTreeSet<_> = ports
                    .clone()
                    .map(|(pair, number)| {
                        let data = format!("0 {weight} {number} {}", full(&pair.target));
                        self.line(owner, record_type, data)
                    })
                    .collect();
                let mut said = positive(lines.into_iter().collect());
                said.additionals = ports
                    .flat_map(|(pair, _)| self.glue(place, pair))
                    .map(|pair| self.address(&full(&pair.target), pair.address))
                    .collect();
                said
            }
            _ => positive(Vec::new()),
        };
        if said.answers.is_empty() {
            self.no_data(place.domain)
        } else {
            said
        }
    }
}

/// A name as it is shown in answers.
fn shown(name: &str) -> String {
    let labels = name.trim_end_matches('.').split('.').map(str::as_bytes);
    Name::from_labels(labels).map_or_else(|_| name.to_owned(), |it| it.to_string())
}

fn places(pairs: Vec<Pair>) -> Node {
    if pairs.is_empty() {
        Node::Missing
    } else {
        Node::Places(pairs)
    }
}

fn base(service: &Service) -> String {
    format!("{}.{}.svc", service.name, service.namespace)
}
