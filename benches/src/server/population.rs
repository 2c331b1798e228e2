//! What the names of this bench are: Services of a cluster, and hosts that only the upstream knows.

use std::net::Ipv4Addr;

use api_stub::sample;
use serde_json::Value;
use testbed::Table;

/// The namespace of all Services, and of the pod whose search path is taken.
const NAMESPACE: &str = "default";
/// The cluster's domain.
pub(super) const DOMAIN: &str = "cluster.local";
/// The domain of the hosts outside (RFC 2606).
const OUTSIDE: &str = "example.com";
/// The network of the ClusterIPs, within the range that the API server takes.
const CLUSTER_IPS: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 0);
/// The network of the hosts' addresses (RFC 2544).
const HOST_IPS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);

/// The domains that a pod of the namespace appends to names with fewer than five dots, in this order.
pub(crate) const SEARCH: [&str; 3] = ["default.svc.cluster.local", "svc.cluster.local", DOMAIN];

/// How many names there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Population {
    /// Services, each with an IPv4 ClusterIP and one named port.
    pub(crate) services: u32,
    /// Hosts outside the cluster, each with one IPv4 address.
    pub(crate) hosts: u32,
}

impl Population {
    /// The objects of the cluster.
    pub(crate) fn objects(self) -> impl Iterator<Item = Value> {
        (0..self.services).map(|number| {
            let address = service_address(number).to_string();
            sample::service(NAMESPACE, &service(number), &address)
        })
    }

    /// The Services' whole names with their addresses.
    pub(super) fn names(self) -> impl Iterator<Item = (String, Ipv4Addr)> {
        (0..self.services).map(|number| (service_whole(number), service_address(number)))
    }

    /// What the upstream knows.
    pub(crate) fn upstream(self) -> Table {
        (0..self.hosts).fold(Table::new(), |table, number| {
            table.address(&host(number), host_address(number))
        })
    }
}

/// A Service's name as a pod in the same namespace writes it.
pub(crate) fn service(number: u32) -> String {
    format!("service-{number}")
}

/// A Service's name as a pod in another namespace writes it.
pub(crate) fn service_in_namespace(number: u32) -> String {
    format!("{}.{NAMESPACE}", service(number))
}

/// A Service's whole name.
pub(crate) fn service_whole(number: u32) -> String {
    format!("{}.{}", service(number), SEARCH[0])
}

/// A Service's ClusterIP.
pub(crate) fn service_address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(CLUSTER_IPS.to_bits() + number)
}

/// A host's whole name.
pub(crate) fn host(number: u32) -> String {
    format!("www-{number}.{OUTSIDE}")
}

/// A host's address.
pub(crate) fn host_address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(HOST_IPS.to_bits() + number)
}
