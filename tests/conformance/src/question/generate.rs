//! Throws the dice for questions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::{Name, RecordType};

use super::{
    Kind, Question, TYPES, Transport,
    spoil::{self, Labels},
};
use crate::{
    dice::Dice,
    plan::{ClusterPlan, Reach, Service, dashed},
    upstream,
};

impl Question {
    /// The questions about a cluster; the same number gives the same ones.
    #[must_use]
    pub fn generate(plan: &ClusterPlan, count: usize) -> Vec<Self> {
        let mut asker = Asker {
            dice: Dice::new(plan.seed, 4),
            plan,
        };
        let mut questions = Vec::with_capacity(count);
        while questions.len() < count {
            let kind = asker.dice.weigh(&Kind::ALL);
            questions.extend(asker.question(kind));
        }
        questions
    }
}

struct Asker<'p> {
    dice: Dice,
    plan: &'p ClusterPlan,
}

impl Asker<'_> {
    /// A question of this kind; `None` if the cluster, or the name's length, does not allow it.
    fn question(&mut self, kind: Kind) -> Option<Question> {
        let labels = self.name(kind)?;
        let usual: &[RecordType] = match kind {
            Kind::ServiceSrv | Kind::Port | Kind::PortBare => &[RecordType::SRV],
            Kind::ReverseService
            | Kind::ReverseEndpoint
            | Kind::ReverseOther
            | Kind::ReverseMalformed => &[RecordType::PTR],
            Kind::Fixed => &TYPES,
            Kind::Endpoint => &[RecordType::A, RecordType::AAAA, RecordType::SRV],
            _ => &[RecordType::A, RecordType::AAAA],
        };
        let record_type = *if self.dice.one_in(4) {
            self.dice.pick(&TYPES)
        } else {
            self.dice.pick(usual)
        };
        let labels = if self.dice.one_in(6) {
            spoil::case(&mut self.dice, labels)
        } else {
            labels
        };
        let transport = if self.dice.one_in(8) {
            Transport::Udp
        } else {
            Transport::Tcp
        };
        Some(Question {
            kind,
            name: to_name(&labels)?,
            record_type,
            transport,
        })
    }

    fn name(&mut self, kind: Kind) -> Option<Labels> {
        let is_alias = |it: &Service| matches!(it.reach, Reach::ExternalName(_));
        Some(match kind {
            Kind::Service | Kind::ServiceSrv => {
                let service = self.service(|it| !is_alias(it))?;
                self.below(&[&service.name, &service.namespace, "svc"])
            }
            Kind::Alias => {
                let service = self.service(is_alias)?;
                self.below(&[&service.name, &service.namespace, "svc"])
            }
            Kind::Port => self.port(["_", "_"])?,
            Kind::PortBare => {
                let marks = *self
                    .dice
                    .pick(&[["", "_"], ["_", ""], ["", ""], ["__", "_"]]);
                self.port(marks)?
            }
            Kind::Endpoint => self.endpoint(true)?,
            Kind::Stray => self.endpoint(false)?,
            Kind::Pod => {
                let pod = self.dice.pick_any(&self.plan.pods)?;
                let address = *self.dice.pick_any(&pod.addresses)?;
                self.below(&[&dashed(address), &pod.namespace, "pod"])
            }
            Kind::PodByRule => {
                let address = self.an_address();
                let namespace = self.a_namespace();
                self.below(&[&dashed(address), &namespace, "pod"])
            }
            Kind::PodLike => {
                let label = spoil::pod_label(&mut self.dice);
                let namespace = self.a_namespace();
                self.below(&[&label, &namespace, "pod"])
            }
            Kind::Namespace => {
                let namespace = self.a_namespace();
                let kind = *self.dice.pick(&["svc", "pod"]);
                self.below(&[&namespace, kind])
            }
            Kind::Fixed => {
                let fixed: [&[&str]; 7] = [
                    &[],
                    &["svc"],
                    &["pod"],
                    &["dns-version"],
                    &["dns"],
                    &["ns", "dns"],
                    &["hostmaster"],
                ];
                let labels = *self.dice.pick(&fixed);
                self.below(labels)
            }
            Kind::ReverseService
            | Kind::ReverseEndpoint
            | Kind::ReverseOther
            | Kind::ReverseMalformed => self.reverse(kind)?,
            Kind::Misspelt | Kind::Below | Kind::Above | Kind::Swapped => {
                let right = [
                    Kind::Service,
                    Kind::Alias,
                    Kind::Port,
                    Kind::Endpoint,
                    Kind::Pod,
                    Kind::Fixed,
                ];
                let right = *self.dice.pick(&right);
                let name = self.name(right)?;
                match kind {
                    Kind::Misspelt => spoil::letter(&mut self.dice, name)?,
                    Kind::Below => spoil::more(&mut self.dice, name),
                    Kind::Above => spoil::less(&mut self.dice, name)?,
                    _ => spoil::swap(&mut self.dice, name)?,
                }
            }
            Kind::Garbage => {
                let domain = self.domain();
                spoil::garbage(&mut self.dice, domain)
            }
            Kind::Outside => {
                let name = spoil::labels(self.dice.pick::<&str>(&upstream::NAMES));
                if self.dice.one_in(3) {
                    spoil::more(&mut self.dice, name)
                } else {
                    name
                }
            }
        })
    }

    fn reverse(&mut self, kind: Kind) -> Option<Labels> {
        Some(match kind {
            Kind::ReverseService => {
                let service = self.service(|it| !it.cluster_ips().is_empty())?;
                reverse(*self.dice.pick(service.cluster_ips()))
            }
            Kind::ReverseEndpoint => {
                let slice = self.dice.pick_any(&self.plan.slices)?;
                let endpoint = self.dice.pick_any(&slice.endpoints)?;
                reverse(*self.dice.pick(&endpoint.addresses))
            }
            Kind::ReverseOther => {
                let external = self.plan.services.iter().flat_map(|it| &it.external_ips);
                let pods = self.plan.pods.iter().flat_map(|it| &it.addresses);
                let mut addresses: Vec<_> = external.chain(pods).copied().collect();
                addresses.extend([upstream::HOST.into(), self.an_address()]);
                reverse(*self.dice.pick(&addresses))
            }
            _ => {
                let address = self.an_address();
                spoil::reverse(&mut self.dice, reverse(address))
            }
        })
    }

    fn service(&mut self, wanted: impl Fn(&Service) -> bool) -> Option<Service> {
        let services: Vec<_> = self.plan.services.iter().filter(|it| wanted(it)).collect();
        self.dice.pick_any(&services).map(|&it| it.clone())
    }

    fn port(&mut self, [before_port, before_protocol]: [&str; 2]) -> Option<Labels> {
        let service = self.service(|_| true)?;
        let slices = self.plan.slices_of(&service.namespace, &service.name);
        let ports = slices.flat_map(|it| &it.ports).chain(&service.ports);
        let ports: Vec<_> = ports.collect();
        let port = *self.dice.pick_any(&ports)?;
        let protocol = if self.dice.one_in(8) {
            *self.dice.pick(&["tcp", "udp", "sctp", "dccp", ""])
        } else {
            port.protocol
        };
        let port = format!("{before_port}{}", port.name);
        let protocol = format!("{before_protocol}{}", protocol.to_lowercase());
        Some(self.below(&[&port, &protocol, &service.name, &service.namespace, "svc"]))
    }

    /// The name of an endpoint, of a Service that is served or of one that is not.
    fn endpoint(&mut self, served: bool) -> Option<Labels> {
        let slices: Vec<_> = self
            .plan
            .slices
            .iter()
            .filter(|it| self.plan.service(&it.namespace, &it.service).is_some() == served)
            .collect();
        let slice = *self.dice.pick_any(&slices)?;
        let endpoint = self.dice.pick_any(&slice.endpoints)?;
        let address = *self.dice.pick(&endpoint.addresses);
        let label = if self.dice.one_in(5) {
            dashed(address)
        } else {
            endpoint.label(address)
        };
        Some(self.below(&[&label, &slice.service, &slice.namespace, "svc"]))
    }

    fn a_namespace(&mut self) -> String {
        let existing = self.plan.namespaces.iter().map(|it| &it.name);
        let others = self.plan.services.iter().map(|it| &it.namespace);
        let names: Vec<_> = existing.chain(others).collect();
        (*self.dice.pick(&names)).clone()
    }

    fn an_address(&mut self) -> IpAddr {
        let low = self.dice.octet(0..=20);
        let port = self.dice.port();
        let addresses: [IpAddr; 6] = [
            Ipv4Addr::new(10, 244, low % 3, low).into(),
            Ipv4Addr::new(10, 96, low % 6, low).into(),
            Ipv4Addr::from(u32::from(port) << 16 | u32::from(low)).into(),
            Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, low.into()).into(),
            Ipv6Addr::new(0x2001, 0xdb8, port, 0, 0, port, 0, low.into()).into(),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, low.into()).into(),
        ];
        *self.dice.pick(&addresses)
    }

    fn domain(&mut self) -> Labels {
        spoil::labels(self.dice.pick::<String>(&self.plan.settings.domains))
    }

    fn below(&mut self, labels: &[&str]) -> Labels {
        let labels = labels.iter().map(|it| it.as_bytes().to_vec());
        labels.chain(self.domain()).collect()
    }
}

fn reverse(address: IpAddr) -> Labels {
    Name::from(address).iter().map(<[u8]>::to_vec).collect()
}

/// The name of these labels; `None` if they do not make one.
fn to_name(labels: &[Vec<u8>]) -> Option<Name> {
    if labels.iter().any(|it| it.is_empty() || it.len() > 63) {
        return None;
    }
    Name::from_labels(labels.iter().map(Vec::as_slice)).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_decides() {
        let plan = ClusterPlan::generate(5);
        let questions = Question::generate(&plan, 200);
        assert_eq!(questions.len(), 200);
        assert_eq!(questions, Question::generate(&plan, 200));
    }

    #[test]
    fn every_kind_type_and_transport_is_asked() {
        let plans = (0..20).map(ClusterPlan::generate);
        let questions: Vec<_> = plans.flat_map(|it| Question::generate(&it, 500)).collect();
        let kinds: BTreeSet<_> = questions.iter().map(|it| it.kind).collect();
        assert_eq!(kinds.len(), Kind::ALL.len(), "{kinds:?}");
        for record_type in TYPES {
            assert!(
                questions.iter().any(|it| it.record_type == record_type),
                "{record_type}"
            );
        }
        let over_udp = questions
            .iter()
            .filter(|it| it.transport == Transport::Udp)
            .count();
        assert!((500..2000).contains(&over_udp), "{over_udp}");
        let longest = questions.iter().map(|it| it.name.len()).max();
        assert!(longest > Some(240), "{longest:?}");
    }
}
