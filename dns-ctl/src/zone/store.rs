//! Makes zones from events: the one owner of what the sources have said.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

use super::{
    Node, Records, Scope, Zone,
    name::{NameError, RelativeName},
    object::{Change, Event, Namespace, ObjectKey, Reach, Service},
};

/// Takes events and holds the zone they lead to.
#[derive(Debug)]
pub struct Store {
    zone: Zone,
    services: Listing<Service>,
    namespaces: Listing<Namespace>,
    touched: HashSet<RelativeName>,
    refused: Vec<NameError>,
}

/// The objects of one kind: those that hold, and those of a list that is still being read.
#[derive(Debug)]
struct Listing<T> {
    live: HashMap<ObjectKey, T>,
    staged: Option<HashMap<ObjectKey, T>>,
    listed: bool,
}

/// An object and what becomes of it: (key, what it was, what it is).
type Replacement<T> = (Option<T>, Option<T>);

trait Keyed {
    fn key(&self) -> &ObjectKey;
}

impl Keyed for Service {
    fn key(&self) -> &ObjectKey {
        &self.key
    }
}

impl Keyed for Namespace {
    fn key(&self) -> &ObjectKey {
        &self.key
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Store {
    /// A store that knows of no object; its zone is not synced.
    #[must_use]
    pub fn new() -> Self {
        let mut store = Self {
            zone: Zone::default(),
            services: Listing::default(),
            namespaces: Listing::default(),
            touched: HashSet::new(),
            refused: Vec::new(),
        };
        // These exist in every cluster (DNS specification 1.1.0), with or without Services.
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

    /// The names whose records may have changed since the last call.
    pub fn take_touched(&mut self) -> HashSet<RelativeName> {
        std::mem::take(&mut self.touched)
    }

    /// The objects left out since the last call because they have no valid name.
    pub fn take_refused(&mut self) -> Vec<NameError> {
        std::mem::take(&mut self.refused)
    }

    /// Number of Services known.
    #[must_use]
    pub fn services(&self) -> usize {
        self.services.live.len()
    }

    /// Applies one event. A list takes effect as a whole, at its `InitDone`.
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Service(change) => {
                for (old, new) in self.services.apply(change) {
                    self.replace_service(old.as_ref(), new.as_ref());
                }
            }
            Event::Namespace(change) => {
                for (old, new) in self.namespaces.apply(change) {
                    self.replace_namespace(old.as_ref(), new.as_ref());
                }
            }
        }
        self.zone.synced = self.services.listed && self.namespaces.listed;
    }

    fn replace_service(&mut self, old: Option<&Service>, new: Option<&Service>) {
        // A Service's name never changes under its key, so one of the two gives it.
        let Some(key) = new.or(old).map(|service| &service.key) else {
            return;
        };
        match RelativeName::service(&key.namespace, &key.name) {
            Ok(name) => self.set(name, new.map(|service| records(&service.reach))),
            Err(error) => self.refused.push(error),
        }
        if [old, new]
            .into_iter()
            .flatten()
            .any(|service| service.is_dns)
        {
            self.gather_dns_addresses();
        }
    }

    fn replace_namespace(&mut self, old: Option<&Namespace>, new: Option<&Namespace>) {
        let Some(key) = new.or(old).map(|namespace| &namespace.key) else {
            return;
        };
        match RelativeName::namespace(&key.name) {
            Ok(name) => self.set(name, new.map(|_| Records::default())),
            Err(error) => self.refused.push(error),
        }
    }

    fn gather_dns_addresses(&mut self) {
        let mut addresses: Vec<IpAddr> = self
            .services
            .live
            .values()
            .filter(|service| service.is_dns)
            .filter_map(|service| match &service.reach {
                Reach::ClusterIps(addresses) => Some(addresses),
                _ => None,
            })
            .flatten()
            .copied()
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        // The name server that the apex names, as CoreDNS calls it.
        if let Ok(name) = RelativeName::from_labels(&["ns", "dns"]) {
            let records = address_records(&addresses, Scope::Whole);
            self.set(name, (!addresses.is_empty()).then_some(records));
        }
        self.zone.dns_addresses = addresses.into();
    }

    /// Gives `name` these records, or takes its own away; keeps every ancestor in existence.
    fn set(&mut self, name: RelativeName, records: Option<Records>) {
        if name.is_apex() {
            return;
        }
        let old = self.zone.nodes.get(&name);
        let children = old.map_or(0, |node| node.children);
        let existed = old.is_some();
        if old.and_then(|node| node.records.as_ref()) == records.as_ref()
            && existed == (records.is_some() || children > 0)
        {
            return;
        }
        self.touched.insert(name.clone());
        let exists = records.is_some() || children > 0;
        let parent = name.parent();
        if exists {
            let node = Arc::new(Node { records, children });
            self.zone.nodes.insert(name, node);
        } else {
            self.zone.nodes.remove(&name);
        }
        if let Some(parent) = parent
            && exists != existed
        {
            self.count_child(parent, exists);
        }
    }

    fn count_child(&mut self, name: RelativeName, added: bool) {
        if name.is_apex() {
            return;
        }
        let old = self.zone.nodes.get(&name);
        let existed = old.is_some();
        let mut node = old.map_or_else(Node::default, |node| node.as_ref().clone());
        node.children = if added {
            node.children + 1
        } else {
            node.children.saturating_sub(1)
        };
        let exists = node.records.is_some() || node.children > 0;
        let parent = name.parent();
        if exists {
            if !existed {
                self.touched.insert(name.clone());
            }
            self.zone.nodes.insert(name, Arc::new(node));
        } else {
            self.touched.insert(name.clone());
            self.zone.nodes.remove(&name);
        }
        if let Some(parent) = parent
            && exists != existed
        {
            self.count_child(parent, exists);
        }
    }
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self {
            live: HashMap::new(),
            staged: None,
            listed: false,
        }
    }
}

impl<T: Keyed + Clone + PartialEq> Listing<T> {
    fn apply(&mut self, change: Change<T>) -> Vec<Replacement<T>> {
        match change {
            Change::Init => {
                self.staged = Some(HashMap::new());
                Vec::new()
            }
            Change::InitApply(object) => {
                if let Some(staged) = &mut self.staged {
                    staged.insert(object.key().clone(), object);
                    Vec::new()
                } else {
                    self.put(object)
                }
            }
            Change::InitDone => {
                self.listed = true;
                self.staged
                    .take()
                    .map_or_else(Vec::new, |new| self.become_list(new))
            }
            Change::Apply(object) => {
                if let Some(staged) = &mut self.staged {
                    staged.insert(object.key().clone(), object.clone());
                }
                self.put(object)
            }
            Change::Delete(key) => {
                if let Some(staged) = &mut self.staged {
                    staged.remove(&key);
                }
                self.live
                    .remove(&key)
                    .map_or_else(Vec::new, |old| vec![(Some(old), None)])
            }
        }
    }

    fn put(&mut self, object: T) -> Vec<Replacement<T>> {
        let old = self.live.insert(object.key().clone(), object.clone());
        if old.as_ref() == Some(&object) {
            return Vec::new();
        }
        vec![(old, Some(object))]
    }

    /// What has changed between the old list and `new`, additions first.
    fn become_list(&mut self, new: HashMap<ObjectKey, T>) -> Vec<Replacement<T>> {
        let mut old = std::mem::replace(&mut self.live, new);
        let mut changes: Vec<Replacement<T>> = self
            .live
            .iter()
            .filter_map(|(key, object)| {
                let before = old.remove(key);
                (before.as_ref() != Some(object)).then(|| (before, Some(object.clone())))
            })
            .collect();
        changes.extend(old.into_values().map(|gone| (Some(gone), None)));
        changes
    }
}

fn records(reach: &Reach) -> Records {
    match reach {
        Reach::ClusterIps(addresses) => address_records(addresses, Scope::Addresses),
        Reach::Headless | Reach::ExternalName | Reach::Pending => Records {
            scope: Scope::Existence,
            ..Records::default()
        },
    }
}

fn address_records(addresses: &[IpAddr], scope: Scope) -> Records {
    let mut records = Records {
        scope,
        ..Records::default()
    };
    for address in addresses {
        match address {
            IpAddr::V4(address) => records.a.push(*address),
            IpAddr::V6(address) => records.aaaa.push(*address),
        }
    }
    records
}

#[cfg(test)]
mod tests;
