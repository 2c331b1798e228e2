//! Where the cluster's DNS Services take queries: their own addresses, and the endpoints behind their port 53.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use super::Store;
use crate::zone::{
    DNS_PORT,
    name::RelativeName,
    object::{EndpointSlice, Protocol, Reach, Service, SliceList},
    records::Records,
};

impl Store {
    pub(super) fn gather_dns_addresses(&mut self) {
        let addresses: BTreeSet<IpAddr> = self
            .services
            .live()
            .values()
            .filter(|service| service.is_dns)
            .filter_map(|service| match &service.reach {
                Reach::ClusterIps(addresses) => Some(addresses),
                _ => None,
            })
            .flatten()
            .copied()
            .collect();
        // The name server that the apex names, as CoreDNS calls it.
        if let Ok(name) = RelativeName::from_labels(&["ns", "dns"]) {
            let records = Records::of_addresses(addresses.iter().copied());
            self.set(name, (!addresses.is_empty()).then_some(records));
        }
        self.zone.dns_addresses = addresses.into_iter().collect::<Arc<[_]>>();
    }

    pub(super) fn gather_dns_endpoints(&mut self) {
        if !self.policy.dns_endpoints {
            return;
        }
        let services = self.services.live().values().filter(|it| it.is_dns);
        let endpoints: BTreeSet<SocketAddr> = services
            .flat_map(|service| {
                let named = self.slices_of.get(&service.key).into_iter().flatten();
                // Whatever list a slice comes in, it tells where its Service is.
                let slices = named.flat_map(|slice| self.find_slice(slice));
                let lists = self
                    .slices
                    .iter()
                    .filter(|(list, _)| *list == SliceList::Dns);
                slices
                    .chain(lists.flat_map(|(_, listing)| listing.live().values()))
                    .filter(|slice| slice.service_key() == service.key)
                    .flat_map(|slice| endpoints(service, slice))
            })
            .collect();
        self.zone.dns_endpoints = endpoints.into_iter().collect();
    }
}

/// Address and port of the ready endpoints to which a DNS Service's UDP port 53 leads, in no order.
///
/// A slice's port belongs to the Service's port of the same name; its number is the pods' own, which the
/// Service states as a number or by name.
fn endpoints<'s>(
    service: &'s Service,
    slice: &'s EndpointSlice,
) -> impl Iterator<Item = SocketAddr> + use<'s> {
    let leads_there = |name: &str| {
        service.ports.iter().any(|port| {
            port.protocol == Protocol::Udp && port.number == DNS_PORT && *port.name == *name
        })
    };
    let ports = slice
        .ports
        .iter()
        .filter(move |port| port.protocol == Protocol::Udp && leads_there(&port.name));
    let addresses = || slice.endpoints.iter().flat_map(|it| &it.addresses);
    ports.flat_map(move |port| addresses().map(|&address| SocketAddr::new(address, port.number)))
}
