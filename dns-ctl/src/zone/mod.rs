//! The cluster's DNS zone as data: owner names with their records, and what a query finds there.
//!
//! Nothing in this module opens a socket, a map or a watch. A [`Zone`] is an immutable snapshot that
//! is cheap to clone; [`store::Store`] makes the next one from events.

pub mod contents;
#[cfg(test)]
pub(crate) mod fixture;
pub mod label;
mod listing;
pub mod name;
pub mod object;
mod policy;
pub mod records;
pub mod service;
pub mod store;
mod tree;

use std::{
    borrow::Cow,
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use name::RelativeName;
pub use policy::{EndpointNames, PodNames, Policy};
use records::Records;

/// The port of DNS (RFC 1035, section 4.2).
pub const DNS_PORT: u16 = 53;
/// Version of the Kubernetes DNS specification that `dns-version.<domain>` states.
pub const SCHEMA_VERSION: &str = "1.1.0";

/// A snapshot of every owner name below the cluster domain.
///
/// Names are relative to the domain, so one snapshot serves every cluster domain.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    nodes: imbl::HashMap<RelativeName, Arc<Node>>,
    pointers: imbl::HashMap<IpAddr, Arc<Pointers>>,
    pods: PodNames,
    dns_addresses: Arc<[IpAddr]>,
    dns_endpoints: Arc<[SocketAddr]>,
    serial: u32,
    synced: bool,
}

/// What is known of one owner name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// The records of the name itself; `None` for an empty non-terminal (RFC 8020).
    pub records: Option<Records>,
    /// How many names stand directly below this one.
    pub children: u32,
}

/// The names that an address points back to; sorted, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointers {
    /// Of Services with this ClusterIP: a cluster has no more than one.
    pub services: Vec<RelativeName>,
    /// Of endpoints.
    pub endpoints: Vec<RelativeName>,
}

/// What may have changed in a zone between two looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Owner names.
    pub names: HashSet<RelativeName>,
    /// Addresses that point back to names.
    pub addresses: HashSet<IpAddr>,
}

/// What a name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'z> {
    /// The zone's apex.
    Apex,
    /// The name that tells the version of the DNS schema.
    SchemaVersion,
    /// A name with these records, or with none.
    Records(Cow<'z, Records>),
    /// The name does not exist.
    NoSuchName,
    /// The zone can't tell: not all objects are listed yet.
    Unknown,
}

impl Touched {
    /// Whether nothing has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.addresses.is_empty()
    }
}

impl Zone {
    /// Whether every watched kind of object has been listed completely at least once.
    #[must_use]
    pub const fn synced(&self) -> bool {
        self.synced
    }

    /// Serial number: the second of the last change since 1970. No secondary follows this zone.
    #[must_use]
    pub const fn serial(&self) -> u32 {
        self.serial
    }

    /// Whether names of pods exist by rule, without a node.
    #[must_use]
    pub fn has_pods_by_rule(&self) -> bool {
        self.pods == PodNames::Insecure
    }

    /// Addresses of the cluster's DNS Service (label `k8s-app=kube-dns` in `kube-system`).
    #[must_use]
    pub fn dns_addresses(&self) -> &[IpAddr] {
        &self.dns_addresses
    }

    /// Where ready endpoints of the cluster's DNS Services take queries over UDP; sorted, each once. Empty
    /// unless the policy asks for them.
    #[must_use]
    pub fn dns_endpoints(&self) -> &[SocketAddr] {
        &self.dns_endpoints
    }

    /// The node at `name`, if the zone holds one; names that follow from a rule have none.
    #[must_use]
    pub fn node(&self, name: &RelativeName) -> Option<&Node> {
        self.nodes.get(name).map(AsRef::as_ref)
    }

    /// Every node of the zone with its name, in no order.
    pub fn nodes(&self) -> impl Iterator<Item = (&RelativeName, &Node)> {
        self.nodes.iter().map(|(name, node)| (name, node.as_ref()))
    }

    /// The names that `address` points back to: a ClusterIP's Service, else endpoints.
    #[must_use]
    pub fn pointers(&self, address: IpAddr) -> &[RelativeName] {
        let Some(pointers) = self.pointers.get(&address) else {
            return &[];
        };
        if pointers.services.is_empty() {
            &pointers.endpoints
        } else {
            &pointers.services
        }
    }

    /// What `name` is.
    #[must_use]
    pub fn find(&self, name: &RelativeName) -> Found<'_> {
        if name.is_apex() {
            return Found::Apex;
        }
        if name.is_schema_version() {
            return Found::SchemaVersion;
        }
        if let Some(node) = self.node(name) {
            let records = node.records.as_ref();
            return Found::Records(records.map_or_else(Cow::default, Cow::Borrowed));
        }
        match self.pod_by_rule(name) {
            Some(records) => Found::Records(Cow::Owned(records)),
            None if self.synced => Found::NoSuchName,
            None => Found::Unknown,
        }
    }

    /// What the name is whose labels are `wire`, lower-case: as [`Self::find`], for who has no name yet.
    ///
    /// `None` leaves it to [`Self::find`]: the apex, the schema's version, and what only a rule can tell.
    #[must_use]
    pub fn find_wire(&self, wire: &[u8]) -> Option<Found<'_>> {
        if wire.is_empty() || wire == name::SCHEMA_VERSION_LABEL {
            return None;
        }
        if let Some(node) = self.nodes.get(wire) {
            let records = node.records.as_ref();
            return Some(Found::Records(
                records.map_or_else(Cow::default, Cow::Borrowed),
            ));
        }
        let may_be_by_rule = self.has_pods_by_rule() && wire.ends_with(name::POD_LABEL);
        (self.synced && !may_be_by_rule).then_some(Found::NoSuchName)
    }

    /// The address that the name of a pod states, where any such name exists.
    fn pod_by_rule(&self, name: &RelativeName) -> Option<Records> {
        if !self.has_pods_by_rule() {
            return None;
        }
        let namespace = name.parent()?;
        if !namespace.is_pod_namespace() || self.node(&namespace).is_none() {
            return None;
        }
        let address = label::to_address(name.first_label()?)?;
        Some(Records::of_addresses([address]))
    }
}
