//! Makes zones from events: the one owner of what the sources have said.

mod dns;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::IpAddr,
};

use super::{
    Touched, Zone,
    contents::{Contents, objects},
    label,
    listing::{Listing, Replacement},
    name::RelativeName,
    object::{EndpointSlice, Event, Namespace, ObjectKey, Pod, Service, SliceList},
    policy::{PodNames, Policy},
    records::Records,
    service::{Names, Pointer, names},
};

/// Takes events and holds the zone they lead to.
///
/// No two objects give records to one name, except Pods that share an address. So a name's records
/// are those of the one Service, Namespace or address it belongs to, whatever came first.
#[derive(Debug)]
pub struct Store {
    policy: Policy,
    zone: Zone,
    services: Listing<Service>,
    namespaces: Listing<Namespace>,
    slices: Vec<(SliceList, Listing<EndpointSlice>)>,
    pods: Listing<Pod>,
    /// The Services of each namespace, whether it exists or not.
    members: HashMap<Box<str>, HashSet<ObjectKey>>,
    /// The EndpointSlices of each Service, whether it exists or not.
    slices_of: HashMap<ObjectKey, BTreeSet<ObjectKey>>,
    /// How many Pods have an address, by namespace.
    pod_addresses: HashMap<Box<str>, BTreeMap<IpAddr, u32>>,
    /// What each Service has in the zone.
    given: HashMap<ObjectKey, Given>,
    touched: Touched,
}

/// What a Service has in the zone, to be taken away again.
#[derive(Debug)]
struct Given {
    owners: Box<[RelativeName]>,
    pointers: Box<[Pointer]>,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(Policy::default())
    }
}

impl Store {
    /// A store that knows of no object; its zone is not synced.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        let slices = policy.slice_lists().iter();
        let mut store = Self {
            slices: slices.map(|&list| (list, Listing::default())).collect(),
            zone: Zone {
                pods: policy.pods,
                ..Zone::default()
            },
            policy,
            services: Listing::default(),
            namespaces: Listing::default(),
            pods: Listing::default(),
            members: HashMap::new(),
            slices_of: HashMap::new(),
            pod_addresses: HashMap::new(),
            given: HashMap::new(),
            touched: Touched::default(),
        };
        // These exist in every cluster (DNS specification 1.1.0), with or without Services.
        let always = [RelativeName::apex(), RelativeName::schema_version()];
        store.touched.names.extend(always);
        for label in ["svc", "pod"] {
            if let Ok(name) = RelativeName::from_labels(&[label]) {
                store.set(name, Some(Records::default()));
            }
        }
        store
    }

    /// The zone as it is after the events applied so far.
    #[must_use]
    pub const fn zone(&self) -> &Zone {
        &self.zone
    }

    /// All that the sources have said and that holds, of the kinds and lists that were complete once.
    #[must_use]
    pub fn contents(&self) -> Contents<'_> {
        let slices = self.slices.iter();
        Contents {
            namespaces: objects(&self.namespaces),
            services: objects(&self.services),
            slices: slices
                .filter_map(|(list, listing)| Some((*list, objects(listing)?)))
                .collect(),
            pods: objects(&self.pods),
        }
    }

    /// What may have changed since the last call; if anything has, `now` (seconds since 1970) becomes the
    /// zone's serial number, which never goes back.
    pub fn take_touched(&mut self, now: u32) -> Touched {
        if !self.touched.is_empty() {
            self.zone.serial = self.zone.serial.max(now);
        }
        std::mem::take(&mut self.touched)
    }

    /// Number of Services known.
    #[must_use]
    pub fn services(&self) -> usize {
        self.services.live().len()
    }

    /// Applies one event. A list takes effect as a whole, at its `InitDone`.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Service(change) => {
                let replaced = self.services.apply(change);
                self.replace_services(replaced);
            }
            Event::Namespace(change) => {
                let replaced = self.namespaces.apply(change);
                self.replace_namespaces(replaced);
            }
            Event::EndpointSlice(list, change) => {
                let listing = self.slices.iter_mut().find(|(own, _)| *own == list);
                // A list that the policy does not ask for has no say.
                let replaced = listing.map(|(_, listing)| listing.apply(change));
                self.replace_slices(list, replaced.unwrap_or_default());
            }
            Event::Pod(change) => {
                let replaced = self.pods.apply(change);
                self.replace_pods(replaced);
            }
        }
        self.zone.synced = self.services.listed()
            && self.namespaces.listed()
            && self.slices.iter().all(|(_, listing)| listing.listed())
            && (self.policy.pods != PodNames::Verified || self.pods.listed());
    }

    fn replace_services(&mut self, replaced: Vec<Replacement<Service>>) {
        let mut dns_changes = false;
        for (old, new) in replaced {
            dns_changes |= [&old, &new].into_iter().flatten().any(|it| it.is_dns);
            let exists = new.is_some();
            let Some(Service { key, .. }) = new.or(old) else {
                continue;
            };
            let members = self.members.entry(key.namespace.clone()).or_default();
            if exists {
                members.insert(key.clone());
            } else {
                members.remove(&key);
                if members.is_empty() {
                    self.members.remove(&key.namespace);
                }
            }
            self.render(&key);
        }
        if dns_changes {
            self.gather_dns_addresses();
            self.gather_dns_endpoints();
        }
    }

    fn replace_namespaces(&mut self, replaced: Vec<Replacement<Namespace>>) {
        for (old, new) in replaced {
            let Some(Namespace { key }) = new.or(old) else {
                continue;
            };
            let namespace = &key.name;
            let served = self.serves(namespace);
            let records = || served.then(Records::default);
            if let Ok(name) = RelativeName::namespace(namespace) {
                self.set(name, records());
            }
            if self.policy.pods != PodNames::Disabled
                && let Ok(name) = RelativeName::pods(namespace)
            {
                self.set(name, records());
            }
            let members = self.members.get(namespace).cloned().unwrap_or_default();
            for service in members {
                self.render(&service);
            }
            let pods = self.pod_addresses.get(namespace);
            let addresses: Vec<_> = pods.into_iter().flat_map(BTreeMap::keys).copied().collect();
            for address in addresses {
                self.set_pod(namespace, address);
            }
        }
    }

    fn replace_slices(&mut self, list: SliceList, replaced: Vec<Replacement<EndpointSlice>>) {
        let is_of_dns = |slice: &EndpointSlice| {
            let service = self.services.live().get(&slice.service_key());
            service.is_some_and(|service| service.is_dns)
        };
        let dns_changes = replaced
            .iter()
            .flat_map(|(old, new)| [old, new])
            .flatten()
            .any(is_of_dns);
        if list != SliceList::Dns {
            self.replace_slices_of_names(replaced);
        }
        if dns_changes {
            self.gather_dns_endpoints();
        }
    }

    fn replace_slices_of_names(&mut self, replaced: Vec<Replacement<EndpointSlice>>) {
        let mut changed = BTreeSet::new();
        for (old, new) in replaced {
            if let Some(old) = old {
                let service = old.service_key();
                // The slice may still be in the other list, or come back as another Service's.
                if !self
                    .find_slice(&old.key)
                    .any(|slice| slice.service_key() == service)
                    && let Some(slices) = self.slices_of.get_mut(&service)
                {
                    slices.remove(&old.key);
                    if slices.is_empty() {
                        self.slices_of.remove(&service);
                    }
                }
                changed.insert(service);
            }
            if let Some(new) = new {
                let service = new.service_key();
                let slices = self.slices_of.entry(service.clone()).or_default();
                slices.insert(new.key);
                changed.insert(service);
            }
        }
        for service in changed {
            self.render(&service);
        }
    }

    fn replace_pods(&mut self, replaced: Vec<Replacement<Pod>>) {
        for (old, new) in replaced {
            let Some(key) = old.as_ref().or(new.as_ref()).map(|pod| &pod.key) else {
                continue;
            };
            let namespace = key.namespace.clone();
            let mut addresses = BTreeSet::new();
            let counts = self.pod_addresses.entry(namespace.clone()).or_default();
            for &address in new.iter().flat_map(|pod| &pod.addresses) {
                *counts.entry(address).or_default() += 1;
                addresses.insert(address);
            }
            for &address in old.iter().flat_map(|pod| &pod.addresses) {
                if let Some(count) = counts.get_mut(&address) {
                    *count -= 1;
                    if *count == 0 {
                        counts.remove(&address);
                    }
                }
                addresses.insert(address);
            }
            if counts.is_empty() {
                self.pod_addresses.remove(&namespace);
            }
            for address in addresses {
                self.set_pod(&namespace, address);
            }
        }
    }

    /// Whether the names of a namespace are served: it exists, and the policy does not leave it out.
    fn serves(&self, namespace: &str) -> bool {
        let only = self.policy.namespaces.as_ref();
        only.is_none_or(|only| only.contains(namespace))
            && self
                .namespaces
                .live()
                .contains_key(&ObjectKey::new("", namespace))
    }

    /// A slice as the lists that give names have it.
    fn find_slice(&self, key: &ObjectKey) -> impl Iterator<Item = &EndpointSlice> {
        self.slices
            .iter()
            .filter(|(list, _)| *list != SliceList::Dns)
            .filter_map(move |(_, listing)| listing.live().get(key))
    }

    /// Brings the names of one Service up to date.
    fn render(&mut self, key: &ObjectKey) {
        let service = self.services.live().get(key);
        let new = match service.filter(|_| self.serves(&key.namespace)) {
            Some(service) => {
                let slices = self.slices_of.get(key).into_iter().flatten();
                // A slice that moves from one list to the other is for a moment in both.
                let slices: Vec<_> = slices
                    .filter_map(|slice| {
                        self.find_slice(slice)
                            .find(|slice| slice.service == key.name)
                    })
                    .collect();
                names(service, &slices, &self.policy)
            }
            None => Names::default(),
        };
        let old = self.given.remove(key);
        let given = Given {
            owners: new.owners.keys().cloned().collect(),
            pointers: new.pointers.clone().into(),
        };
        let Given { owners, pointers } = old.unwrap_or(Given {
            owners: Box::default(),
            pointers: Box::default(),
        });
        for gone in &owners {
            if !new.owners.contains_key(gone) {
                self.set(gone.clone(), None);
            }
        }
        for gone in &pointers {
            if new.pointers.binary_search(gone).is_err() {
                self.zone.point(gone, false, &mut self.touched);
            }
        }
        for (name, records) in new.owners {
            self.set(name, Some(records));
        }
        for pointer in &new.pointers {
            self.zone.point(pointer, true, &mut self.touched);
        }
        if !given.owners.is_empty() {
            self.given.insert(key.clone(), given);
        }
    }

    /// Brings the name of one Pod's address up to date.
    fn set_pod(&mut self, namespace: &str, address: IpAddr) {
        let taken = self
            .pod_addresses
            .get(namespace)
            .is_some_and(|addresses| addresses.contains_key(&address));
        let exists = taken && self.serves(namespace) && self.policy.pods == PodNames::Verified;
        let pods = RelativeName::pods(namespace);
        if let Ok(name) = pods.and_then(|pods| pods.child(&label::of_address(address))) {
            self.set(name, exists.then(|| Records::of_addresses([address])));
        }
    }

    fn set(&mut self, name: RelativeName, records: Option<Records>) {
        self.zone.set(name, records, &mut self.touched);
    }
}

#[cfg(test)]
mod tests;
