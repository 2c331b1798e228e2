//! Throws the dice for EndpointSlices.

use super::{Generator, SERVICES, port};
use crate::plan::{Endpoint, Port, Reach, Slice};

const HOSTNAMES: [&str; 7] = [
    "web-0",
    "web-1",
    "db-0",
    // As an endpoint without host name may be called.
    "10-244-0-2",
    "0",
    "http",
    "hostname-of-sixty-three-octets-which-no-pods-name-is-as-long-as",
];

impl Generator {
    pub(super) fn slices(&mut self) {
        let services: Vec<_> = self
            .plan
            .services
            .iter()
            .map(|it| {
                let is_headless = it.reach == Reach::Headless;
                (it.namespace.clone(), it.name.clone(), it.team, is_headless)
            })
            .collect();
        for (namespace, name, team, headless) in services {
            let count = match self.dice.number(0..=7) {
                0 => 0,
                1..=4 => 1,
                5 | 6 => 2,
                _ => 4,
            };
            // As Kubernetes' controller does it: one set of ports for the most part.
            let ports = self.slice_ports();
            for _ in 0..count {
                let by_hand = self.dice.one_in(5);
                // Who writes by hand may forget the labels.
                let labelled = !by_hand || self.dice.one_in(2);
                // A Service may have been headless before.
                let headless = if headless {
                    labelled
                } else {
                    self.dice.one_in(12)
                };
                let ports = if self.dice.one_in(3) {
                    self.slice_ports()
                } else {
                    ports.clone()
                };
                self.add_slice(&Slice {
                    namespace: namespace.clone(),
                    name: String::new(),
                    service: name.clone(),
                    team: team.filter(|_| labelled),
                    managed: !by_hand,
                    headless,
                    v6: false,
                    endpoints: Vec::new(),
                    ports,
                });
            }
        }
        for _ in 0..self.dice.number(0..=3) {
            let namespace = self.a_namespace();
            let service = *self.dice.pick(&SERVICES);
            let managed = self.dice.one_in(2);
            // Where there happens to be such a Service, its controller labels what it manages.
            let headless = self.plan.services.iter().any(|it| {
                (it.namespace.as_str(), it.name.as_str()) == (&namespace, service)
                    && it.reach == Reach::Headless
            });
            let stray = Slice {
                namespace,
                name: String::new(),
                service: service.to_owned(),
                team: self.a_team(),
                managed,
                headless: managed && headless || self.dice.one_in(2),
                v6: false,
                endpoints: Vec::new(),
                ports: self.slice_ports(),
            };
            self.add_slice(&stray);
        }
    }

    /// Adds a slice like this one, with a name, a family and endpoints.
    fn add_slice(&mut self, like: &Slice) {
        let v6 = self.dice.one_in(3);
        let count = match self.dice.number(0..=9) {
            0 => 0,
            1..=7 => self.dice.number(1..=4),
            _ => self.dice.number(5..=12),
        };
        let all_unready = self.dice.one_in(8);
        let endpoints = (0..count).map(|_| self.endpoint(v6, all_unready)).collect();
        let name = format!("slice-{}", self.plan.slices.len());
        self.plan.slices.push(Slice {
            name,
            v6,
            endpoints,
            ..like.clone()
        });
    }

    fn endpoint(&mut self, v6: bool, unready: bool) -> Endpoint {
        let more = usize::from(self.dice.one_in(12));
        let ready = self
            .dice
            .weigh(&[(6, Some(true)), (2, None), (1, Some(false))]);
        Endpoint {
            addresses: (0..=more).map(|_| self.endpoint_ip(v6)).collect(),
            hostname: self
                .dice
                .one_in(3)
                .then(|| (*self.dice.pick(&HOSTNAMES)).to_owned()),
            ready: if unready { Some(false) } else { ready },
        }
    }

    /// Ports as the API server wants them in a slice: names differ, and one of them may be empty.
    fn slice_ports(&mut self) -> Vec<Port> {
        let mut ports: Vec<Port> = Vec::new();
        for _ in 0..self.dice.number(0..=4) {
            let (name, protocol, number) = self.a_port();
            let name = if self.dice.one_in(5) { "" } else { name };
            if !ports.iter().any(|it| it.name == name) {
                ports.push(port(name, protocol, number));
            }
        }
        ports
    }
}
