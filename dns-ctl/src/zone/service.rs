//! The names of one Service: from the Service and its EndpointSlices to owner names with records.
//!
//! The schema is that of the Kubernetes DNS specification 1.1.0; where it leaves something open, this
//! follows CoreDNS.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    label,
    name::RelativeName,
    object::{EndpointSlice, Port, Reach, Service},
    policy::{EndpointNames, Policy},
    records::{Records, Srv},
};

/// The sum of all weights under one owner name, if each is to get an equal share.
const TOTAL_WEIGHT: usize = 100;

/// What a Service contributes to the zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Owner names with their records, each once.
    pub owners: BTreeMap<RelativeName, Records>,
    /// Which address points back to which name, each pair once.
    pub pointers: Vec<Pointer>,
}

/// The reverse of an address record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pointer {
    /// The address.
    pub address: IpAddr,
    /// Whether it is a ClusterIP; such an address belongs to its Service alone.
    pub of_cluster_ip: bool,
    /// The name.
    pub name: RelativeName,
}

/// The SRV records of one owner name while they are gathered.
#[derive(Debug, Default)]
struct Locations {
    targets: Vec<(RelativeName, u16)>,
    /// Pairs of address and port, duplicates included: CoreDNS shares the weight among these.
    pairs: usize,
}

/// The names of `service`, whose endpoints are in `slices`.
///
/// A label that does not fit leaves out its own name only.
#[must_use]
pub fn names(service: &Service, slices: &[&EndpointSlice], policy: &Policy) -> Names {
    let key = &service.key;
    let Ok(base) = RelativeName::service(&key.namespace, &key.name) else {
        return Names::default();
    };
    match &service.reach {
        Reach::ClusterIps(_) if policy.ignore_empty_services && !has_endpoints(slices) => {
            Names::default()
        }
        Reach::ClusterIps(addresses) => {
            let mut names = of_cluster_ips(&base, addresses, &service.ports);
            if policy.endpoints == EndpointNames::All {
                add_endpoints(&mut names, &base, slices, false);
            }
            names
        }
        Reach::Headless => {
            let mut names = Names::default();
            // Without a ready endpoint there is no name.
            if has_endpoints(slices) {
                let addresses = slices.iter().flat_map(|slice| addresses(slice));
                let records = Records::of_addresses(addresses);
                names.owners.insert(base.clone(), records);
                add_locations(&mut names, headless_locations(&base, slices));
                add_endpoints(&mut names, &base, slices, true);
            }
            names
        }
        Reach::ExternalName(target) => one(base, Records::of_alias(target.clone())),
        Reach::Pending => one(base, Records::default()),
    }
}

fn one(name: RelativeName, records: Records) -> Names {
    Names {
        owners: BTreeMap::from([(name, records)]),
        pointers: Vec::new(),
    }
}

fn of_cluster_ips(base: &RelativeName, addresses: &[IpAddr], ports: &[Port]) -> Names {
    let records = Records::of_addresses(addresses.iter().copied());
    let mut names = one(base.clone(), records);
    let mut locations = BTreeMap::new();
    for port in ports {
        for owner in srv_owners(base, port) {
            let gathered: &mut Locations = locations.entry(owner).or_default();
            gathered.add(base, port.number, addresses.len());
        }
    }
    add_locations(&mut names, locations);
    names.pointers = addresses
        .iter()
        .map(|&address| Pointer {
            address,
            of_cluster_ip: true,
            name: base.clone(),
        })
        .collect();
    names.pointers.sort_unstable();
    names.pointers.dedup();
    names
}

/// The SRV records of a headless Service, of its own name and of its ports' names.
fn headless_locations(
    base: &RelativeName,
    slices: &[&EndpointSlice],
) -> BTreeMap<RelativeName, Locations> {
    let mut locations: BTreeMap<RelativeName, Locations> = BTreeMap::new();
    for slice in slices {
        let owners: Vec<_> = slice
            .ports
            .iter()
            .flat_map(|port| srv_owners(base, port).map(move |owner| (owner, port.number)))
            .collect();
        for target in targets(base, slice) {
            for (owner, port) in &owners {
                let gathered = locations.entry(owner.clone()).or_default();
                gathered.add(&target.name, *port, target.addresses.len());
            }
            if slice.ports.is_empty() {
                let gathered = locations.entry(base.clone()).or_default();
                gathered.pairs += target.addresses.len();
            }
        }
    }
    locations
}

/// Gives each endpoint its own name; in a Service that is not headless only those with a host name
/// are pointed back to, since the address of any other is known by the Service's pods alone.
fn add_endpoints(
    names: &mut Names,
    base: &RelativeName,
    slices: &[&EndpointSlice],
    headless: bool,
) {
    let mut hosts: BTreeMap<RelativeName, (Vec<IpAddr>, Locations)> = BTreeMap::new();
    for slice in slices {
        for target in targets(base, slice) {
            let (addresses, locations) = hosts.entry(target.name.clone()).or_default();
            addresses.extend(target.addresses);
            for port in &slice.ports {
                locations.add(&target.name, port.number, target.addresses.len());
            }
            if slice.ports.is_empty() {
                locations.pairs += target.addresses.len();
            }
            if headless || target.is_host_name {
                let pointers = target.addresses.iter().map(|&address| Pointer {
                    address,
                    of_cluster_ip: false,
                    name: target.name.clone(),
                });
                names.pointers.extend(pointers);
            }
        }
    }
    for (host, (addresses, locations)) in hosts {
        let records = Records::of_addresses(addresses).with_srv(locations.into_srv());
        names.owners.insert(host, records);
    }
    names.pointers.sort_unstable();
    names.pointers.dedup();
}

/// An endpoint's own name with the addresses that it stands for.
struct Target<'s> {
    name: RelativeName,
    addresses: &'s [IpAddr],
    /// Whether the name is the endpoint's host name, and not made from the address.
    is_host_name: bool,
}

/// The targets of a slice: one for each endpoint with a host name, else one for each address.
fn targets<'s>(base: &RelativeName, slice: &'s EndpointSlice) -> Vec<Target<'s>> {
    let mut targets = Vec::with_capacity(slice.endpoints.len());
    for endpoint in &slice.endpoints {
        let host = endpoint.hostname.as_deref();
        if let Some(name) = host.and_then(|host| base.child(host).ok()) {
            targets.push(Target {
                name,
                addresses: &endpoint.addresses,
                is_host_name: true,
            });
            continue;
        }
        for address in &endpoint.addresses {
            if let Ok(name) = base.child(&label::of_address(*address)) {
                targets.push(Target {
                    name,
                    addresses: std::slice::from_ref(address),
                    is_host_name: false,
                });
            }
        }
    }
    targets
}

/// The owner names of a port's SRV record: the Service's own, and that of the port if it has a name.
fn srv_owners<'b>(
    base: &'b RelativeName,
    port: &Port,
) -> impl Iterator<Item = RelativeName> + use<'b> {
    let own = (!port.name.is_empty())
        .then(|| {
            let protocol = base.child(&format!("_{}", port.protocol.label())).ok()?;
            protocol.child(&format!("_{}", port.name)).ok()
        })
        .flatten();
    std::iter::once(base.clone()).chain(own)
}

fn add_locations(names: &mut Names, locations: BTreeMap<RelativeName, Locations>) {
    for (owner, gathered) in locations {
        let records = names.owners.entry(owner).or_default();
        *records = std::mem::take(records).with_srv(gathered.into_srv());
    }
}

fn addresses(slice: &EndpointSlice) -> impl Iterator<Item = IpAddr> {
    let endpoints = slice.endpoints.iter();
    endpoints.flat_map(|endpoint| endpoint.addresses.iter().copied())
}

fn has_endpoints(slices: &[&EndpointSlice]) -> bool {
    slices.iter().any(|slice| addresses(slice).next().is_some())
}

impl Locations {
    fn add(&mut self, target: &RelativeName, port: u16, addresses: usize) {
        self.targets.push((target.clone(), port));
        self.pairs += addresses;
    }

    fn into_srv(self) -> impl Iterator<Item = Srv> {
        let share = TOTAL_WEIGHT / self.pairs.max(1);
        let weight = u16::try_from(share.max(1)).unwrap_or(1);
        self.targets.into_iter().map(move |(target, port)| Srv {
            target,
            port,
            weight,
        })
    }
}

#[cfg(test)]
mod tests;
