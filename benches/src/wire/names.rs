//! The names that all subjects hold, the questions about them, and the files from which subjects and kxdpgun read both.

use std::{fmt::Write as _, net::Ipv4Addr};

use clap::ValueEnum;
use hickory_proto::op::ResponseCode;
use rand::{SeedableRng as _, rngs::SmallRng, seq::SliceRandom as _};
use serde::Serialize;

/// The cluster domain.
const DOMAIN: &str = "cluster.local";
/// Where all Services are.
const SERVICES: &str = "default.svc";
/// The first domain of the search path of a pod that asks.
const SEARCH: &str = "ingress-nginx.svc.cluster.local";
/// The network of the ClusterIPs.
const CLUSTER_IPS: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 0);
/// How long the records may be kept, in seconds: kxdns's default.
const TTL: u32 = 5;

/// A sort of question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The address of a Service by its whole name
    A,
    /// The same name with a search domain behind it, as a pod with `ndots:5` asks first: it does not exist
    Nxdomain,
}

impl Kind {
    /// What it is called in reports.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Nxdomain => "NXDOMAIN",
        }
    }

    /// The response code that every answer has to have.
    pub(super) const fn code(self) -> ResponseCode {
        match self {
            Self::A => ResponseCode::NoError,
            Self::Nxdomain => ResponseCode::NXDomain,
        }
    }

    /// The name of the question about a Service.
    ///
    /// On a veth, the octets of a frame are copied into a buffer whose length is a multiple of 64, and an answer that does
    /// not fit in there is left to the server. These names have such lengths that answers fit; on a NIC all do.
    pub(super) fn name(self, number: u32) -> String {
        let whole = format!("{}.{SERVICES}.{DOMAIN}.", service(number));
        match self {
            Self::A => whole,
            Self::Nxdomain => format!("{whole}{SEARCH}."),
        }
    }

    /// kxdpgun's file of questions, all Services in an order that is random and the same each time.
    pub(super) fn questions(self, services: u32) -> String {
        let mut numbers: Vec<u32> = (0..services).collect();
        numbers.shuffle(&mut SmallRng::seed_from_u64(1));
        numbers.iter().fold(String::new(), |mut file, number| {
            // Writing to a string does not fail.
            let _ = writeln!(file, "{} A", self.name(*number));
            file
        })
    }
}

fn service(number: u32) -> String {
    format!("service-{number:04}")
}

/// A Service's address.
pub(super) fn address(number: u32) -> Ipv4Addr {
    // None that ends in 0 or 255.
    let (high, low) = (number / 250, number % 250);
    Ipv4Addr::from_bits(CLUSTER_IPS.to_bits() + (high << 8) + low + 1)
}

/// The Services as dns-ctl reads them.
pub(super) fn manifest(services: u32) -> String {
    let document = |number| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {}, namespace: default}}\n\
             spec: {{clusterIP: {}, ports: [{{port: 80}}]}}\n",
            service(number),
            address(number)
        )
    };
    (0..services)
        .map(document)
        .collect::<Vec<_>>()
        .join("---\n")
}

/// The same names as a zone; the SOA record is that of kxdns but for the serial.
pub(super) fn zone(services: u32, server: Ipv4Addr) -> String {
    let head = format!(
        "$ORIGIN {DOMAIN}.\n$TTL {TTL}\n@ SOA ns.dns hostmaster 1 7200 1800 86400 {TTL}\n@ NS ns.dns\n\
         ns.dns A {server}\n"
    );
    (0..services).fold(head, |mut zone, number| {
        // Writing to a string does not fail.
        let _ = writeln!(zone, "{}.{SERVICES} A {}", service(number), address(number));
        zone
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_have_lengths_whose_answers_fit_on_a_veth() {
        // Ethernet, IPv4, UDP, the DNS header, and the question without its name.
        let around = 14 + 20 + 8 + 12 + 4;
        for (kind, length, grows) in [(Kind::A, 40, 16), (Kind::Nxdomain, 72, 61)] {
            let name = kind.name(7);
            // A length for each label instead of its dot, and the root.
            assert_eq!(name.len() + 1, length, "{name}");
            let frame = around + length;
            assert!(
                frame.next_multiple_of(64) - frame >= grows,
                "{name}: no room for {grows} octets"
            );
        }
    }

    #[test]
    fn every_service_is_asked_for_once_and_in_both_files() {
        let questions = Kind::A.questions(1000);
        let lines: BTreeSet<_> = questions.lines().collect();
        assert_eq!(lines.len(), 1000);
        assert!(lines.contains("service-0999.default.svc.cluster.local. A"));
        assert_ne!(
            questions.lines().next(),
            Some("service-0000.default.svc.cluster.local. A")
        );
        assert_eq!(manifest(3).matches("clusterIP: 10.97.0.").count(), 3);
        assert!(zone(1000, CLUSTER_IPS).contains("service-0999.default.svc A 10.97.3.250\n"));
    }

    #[test]
    fn addresses_differ() {
        let addresses: BTreeSet<_> = (0..10_000).map(address).collect();
        assert_eq!(addresses.len(), 10_000);
    }
}
