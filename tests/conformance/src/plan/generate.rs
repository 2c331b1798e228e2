//! Throws the dice for a cluster: settings, Namespaces, Services and Pods.

mod settings;
mod slices;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    ClusterPlan, Exposure, MARKERS, Namespace, Pod, Port, Reach, Service, ServiceType, Settings,
    history::MARKER_NAMESPACE, object::STANDING,
};
use crate::{dice::Dice, upstream};

/// Names of 63 octets, the longest a label can be.
const LONG_NAMESPACE: &str = "namespace-of-sixty-three-octets-which-is-all-that-a-label-holds";
const LONG_SERVICE: &str = "service-of-sixty-three-octets-and-so-as-long-as-a-label-can-be0";

const NAMESPACES: [&str; 9] = [
    "shop",
    "shop-test",
    "team-a",
    "svc",
    "pod",
    "1st",
    "x",
    "web",
    LONG_NAMESPACE,
];
const SERVICES: [&str; 15] = [
    "web",
    "db",
    "cache",
    "api",
    "svc",
    "pod",
    "dns-version",
    "1web",
    "ns",
    "dns",
    "x",
    "web-0",
    "default",
    "kubernetes",
    LONG_SERVICE,
];
/// Of 62 octets, so that there is room for an underscore, and of 63, so that there is none.
const PORTS: [&str; 9] = [
    "http",
    "https",
    "dns",
    "dns-tcp",
    "metrics",
    "tcp",
    "1",
    "port-with-a-name-of-sixty-two-octets-which-leaves-room-for-one",
    "port-with-a-name-of-sixty-three-octets-which-leaves-room-for-no",
];
const TEAMS: [Option<&str>; 4] = [None, Some("a"), Some("b"), Some("c")];
/// Aliases one after the other, more than any server follows.
const CHAIN: usize = 11;

/// What chance a generated object of one purpose takes: the cluster itself, or what was there before.
const NOW: u64 = 1;
const BEFORE: u64 = 2;

impl ClusterPlan {
    /// The cluster of a seed.
    #[must_use]
    pub fn generate(seed: u64) -> Self {
        let settings = settings::settings(&mut Dice::new(seed, 0));
        Self::with_objects(seed, settings, NOW)
    }

    /// Another cluster with the same settings, as if time had passed between the two.
    pub(super) fn before(&self) -> Self {
        Self::with_objects(self.seed, self.settings.clone(), BEFORE)
    }

    fn with_objects(seed: u64, settings: Settings, purpose: u64) -> Self {
        let mut generator = Generator {
            dice: Dice::new(seed, purpose),
            plan: Self {
                seed,
                settings,
                namespaces: Vec::new(),
                services: Vec::new(),
                slices: Vec::new(),
                pods: Vec::new(),
            },
            cluster_ips: 0,
        };
        generator.namespaces();
        generator.services();
        generator.slices();
        generator.pods();
        generator.plan.add_markers();
        generator.plan
    }
}

struct Generator {
    dice: Dice,
    plan: ClusterPlan,
    /// How many ClusterIPs are taken.
    cluster_ips: u8,
}

impl Generator {
    fn namespaces(&mut self) {
        for name in STANDING {
            self.plan.namespaces.push(Namespace {
                name: name.to_owned(),
                team: None,
            });
        }
        for name in NAMESPACES {
            if self.dice.one_in(2) {
                let team = *self.dice.pick(&TEAMS);
                self.plan.namespaces.push(Namespace {
                    name: name.to_owned(),
                    team,
                });
            }
        }
    }

    /// A namespace for an object: mostly one that exists.
    fn a_namespace(&mut self) -> String {
        if self.dice.one_in(8) {
            return (*self.dice.pick(&NAMESPACES)).to_owned();
        }
        let chosen = self.dice.pick(&self.plan.namespaces);
        chosen.name.clone()
    }

    fn a_team(&mut self) -> Option<&'static str> {
        // Where Services are selected, most of them shall be.
        let selected = self
            .plan
            .settings
            .service_selector
            .filter(|_| !self.dice.one_in(3));
        selected.map_or_else(|| *self.dice.pick(&TEAMS), super::Selector::example)
    }

    fn services(&mut self) {
        self.plan.services.push(Service {
            namespace: "default".to_owned(),
            name: "kubernetes".to_owned(),
            team: None,
            reach: Reach::ClusterIps(
                ServiceType::ClusterIp,
                vec![Ipv4Addr::new(10, 96, 0, 1).into()],
            ),
            ports: vec![port("https", "TCP", 443)],
            external_ips: Vec::new(),
        });
        if self.dice.one_in(2) {
            let reach = self.cluster_ips();
            let ports = vec![port("dns", "UDP", 53), port("dns-tcp", "TCP", 53)];
            self.add_service("kube-system", "kube-dns", reach, ports);
        }
        for _ in 0..self.dice.number(8..=20) {
            let namespace = self.a_namespace();
            let name = *self.dice.pick(&SERVICES);
            match self.dice.weigh(&[(4, 0), (4, 1), (3, 2)]) {
                0 => {
                    let reach = self.cluster_ips();
                    let count = self.dice.number(1..=5);
                    let ports = self.service_ports(count);
                    self.add_service(&namespace, name, reach, ports);
                }
                1 => {
                    let count = self.dice.number(0..=4);
                    let ports = self.service_ports(count);
                    self.add_service(&namespace, name, Reach::Headless, ports);
                }
                _ => {
                    let target = self.target(&namespace, name);
                    let count = usize::from(self.dice.one_in(4));
                    let ports = self.service_ports(count);
                    self.add_service(&namespace, name, Reach::ExternalName(target), ports);
                }
            }
        }
        if self.dice.one_in(4) {
            self.chain();
        }
    }

    fn add_service(&mut self, namespace: &str, name: &str, reach: Reach, ports: Vec<Port>) {
        let exists = |it: &Service| it.namespace == namespace && it.name == name;
        if self.plan.services.iter().any(exists) {
            return;
        }
        let team = self.a_team();
        let external_ips = if self.dice.one_in(6) {
            // Each its own: to whom a shared one points back is anybody's guess.
            let last = u8::try_from(self.plan.services.len()).unwrap_or(u8::MAX);
            vec![Ipv4Addr::new(203, 0, 113, last).into()]
        } else {
            Vec::new()
        };
        self.plan.services.push(Service {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            team,
            reach,
            ports,
            external_ips,
        });
    }

    fn cluster_ips(&mut self) -> Reach {
        self.cluster_ips += 1;
        let v4 = IpAddr::from(Ipv4Addr::new(10, 96, 4, self.cluster_ips));
        let last = u16::from(self.cluster_ips) << 8;
        let v6 = IpAddr::from(Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, last));
        let addresses = match self.dice.number(0..=5) {
            0..=2 => vec![v4],
            3 => vec![v6],
            4 => vec![v4, v6],
            _ => vec![v6, v4],
        };
        let kind = self.dice.weigh(&[
            (4, ServiceType::ClusterIp),
            (1, ServiceType::NodePort),
            (1, ServiceType::LoadBalancer),
        ]);
        Reach::ClusterIps(kind, addresses)
    }

    /// Ports as the API server wants them: a single one may have no name, numbers differ within a protocol.
    fn service_ports(&mut self, count: usize) -> Vec<Port> {
        let mut ports: Vec<Port> = Vec::new();
        for _ in 0..count {
            let (name, protocol, number) = self.a_port();
            let name = if count == 1 && self.dice.one_in(3) {
                ""
            } else {
                name
            };
            let taken =
                |it: &Port| it.name == name || (it.protocol, it.number) == (protocol, number);
            if !ports.iter().any(taken) {
                ports.push(port(name, protocol, number));
            }
        }
        ports
    }

    fn a_port(&mut self) -> (&'static str, &'static str, u16) {
        let name = *self.dice.pick(&PORTS);
        let protocol = self.dice.weigh(&[(3, "TCP"), (2, "UDP"), (1, "SCTP")]);
        let number = if self.dice.one_in(4) {
            self.dice.port()
        } else {
            *self.dice.pick(&[53, 80, 443, 65_535])
        };
        (name, protocol, number)
    }

    /// What an alias leads to.
    fn target(&mut self, namespace: &str, name: &str) -> String {
        let domains = self.plan.settings.domains.clone();
        let domain = self.dice.pick(&domains);
        let other = *self.dice.pick(&SERVICES);
        let elsewhere = self.a_namespace();
        let mut target = match self.dice.number(0..=11) {
            0..=2 => (*self.dice.pick(&upstream::NAMES)).to_owned(),
            3..=6 => format!("{other}.{elsewhere}.svc.{domain}"),
            7 => format!("{name}.{namespace}.svc.{domain}"),
            8 => "192.0.2.7".to_owned(),
            9 => format!("nothing.{elsewhere}.svc.{domain}"),
            10 => format!("10-244-0-9.{elsewhere}.pod.{domain}"),
            _ => {
                let inside = [
                    format!("{elsewhere}.svc.{domain}"),
                    format!("dns-version.{domain}"),
                    format!("web-0.{other}.{elsewhere}.svc.{domain}"),
                    format!("nowhere.{domain}"),
                    domain.clone(),
                ];
                self.dice.pick(&inside).clone()
            }
        };
        if self.dice.one_in(5) && target != "192.0.2.7" {
            target.push('.');
        }
        target
    }

    /// Aliases that lead to one another, to the end or in a circle.
    fn chain(&mut self) {
        let domain = self.plan.settings.domains[0].clone();
        let namespace = "default";
        let link = |at: usize| format!("chain-{at}.{namespace}.svc.{domain}");
        let end = match self.dice.number(0..=3) {
            0 => link(0),
            1 => upstream::NAMES[0].to_owned(),
            2 => format!("kubernetes.default.svc.{domain}"),
            _ => format!("nothing.default.svc.{domain}"),
        };
        for at in 0..CHAIN {
            let target = if at + 1 == CHAIN {
                end.clone()
            } else {
                link(at + 1)
            };
            let name = format!("chain-{at}");
            self.add_service(namespace, &name, Reach::ExternalName(target), Vec::new());
        }
    }

    fn pods(&mut self) {
        for at in 0..self.dice.number(2..=10) {
            let namespace = self.a_namespace();
            let phase = self.dice.weigh(&[
                (6, "Running"),
                (1, "Pending"),
                (1, "Succeeded"),
                (1, "Failed"),
            ]);
            let team = self.a_team();
            let mut addresses = Vec::new();
            if phase != "Pending" || self.dice.one_in(2) {
                let v6 = self.dice.one_in(4);
                addresses.push(self.endpoint_ip(v6));
                if self.dice.one_in(2) {
                    addresses.push(self.endpoint_ip(!v6));
                }
            }
            self.plan.pods.push(Pod {
                namespace,
                name: format!("pod-{at}"),
                team,
                addresses,
                phase,
            });
        }
    }

    /// An address of a pod, of so few that some are taken twice.
    fn endpoint_ip(&mut self, v6: bool) -> IpAddr {
        let last = self.dice.octet(0..=15);
        if v6 {
            // The first one ends in a colon.
            Ipv6Addr::new(0xfd00, 0x244, 0, 0, 0, 0, 0, last.into()).into()
        } else {
            Ipv4Addr::new(10, 244, last % 2, last).into()
        }
    }
}

fn port(name: &str, protocol: &'static str, number: u16) -> Port {
    Port {
        name: name.to_owned(),
        protocol,
        number,
    }
}

/// Namespaces that are always served, so that markers are seen.
pub(super) fn marker_namespaces(settings: &Settings) -> [Namespace; 2] {
    let team = match &settings.exposure {
        Exposure::Selector(selector) => selector.example(),
        Exposure::All | Exposure::Namespaces(_) => None,
    };
    [MARKERS, MARKER_NAMESPACE].map(|name| Namespace {
        name: name.to_owned(),
        team,
    })
}

#[cfg(test)]
mod tests;
