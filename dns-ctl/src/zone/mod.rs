//! The cluster's DNS zone as data: owner names with their records, and what a query finds there.
//!
//! Nothing in this module opens a socket, a map or a watch. A [`Zone`] is an immutable snapshot that
//! is cheap to clone; [`store::Store`] makes the next one from events.

pub mod name;
pub mod object;
pub mod store;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use name::RelativeName;

/// Version of the Kubernetes DNS specification that `dns-version.<domain>` states.
pub const SCHEMA_VERSION: &str = "1.1.0";

/// A snapshot of every owner name below the cluster domain.
///
/// Names are relative to the domain, so one snapshot serves every cluster domain.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    nodes: imbl::HashMap<RelativeName, Arc<Node>>,
    dns_addresses: Arc<[IpAddr]>,
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

/// The records that an owner name has of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// IPv4 addresses.
    pub a: Vec<Ipv4Addr>,
    /// IPv6 addresses.
    pub aaaa: Vec<Ipv6Addr>,
    /// How much of the name's data is in `a` and `aaaa`.
    pub scope: Scope,
}

/// How much of a name's data the zone holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Every record of the name is known, and no name exists below it but those in the zone.
    #[default]
    Whole,
    /// The addresses are known; other types, and the names below, are not.
    Addresses,
    /// The name exists, but none of its data is known.
    Existence,
}

/// The record types that the zone tells apart; every other type is [`RecordKind::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// IPv4 address.
    A,
    /// IPv6 address.
    Aaaa,
    /// Start of authority.
    Soa,
    /// Name server.
    Ns,
    /// Text.
    Txt,
    /// Service location.
    Srv,
    /// Any other type.
    Other,
}

/// What a query finds in the zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'z> {
    /// IPv4 addresses of the name, never empty.
    A(&'z [Ipv4Addr]),
    /// IPv6 addresses of the name, never empty.
    Aaaa(&'z [Ipv6Addr]),
    /// The zone's start of authority.
    Soa,
    /// The zone's name server.
    Ns,
    /// The version of the DNS schema.
    SchemaVersion,
    /// The name exists and has no record of this type.
    NoData,
    /// The name does not exist.
    NoSuchName,
    /// The zone can't tell: not all objects are listed yet, or the data is of a kind it does not hold.
    Unknown,
}

impl Zone {
    /// Whether every watched kind of object has been listed completely at least once.
    #[must_use]
    pub const fn synced(&self) -> bool {
        self.synced
    }

    /// Addresses of the cluster's DNS Service (label `k8s-app=kube-dns` in `kube-system`).
    #[must_use]
    pub fn dns_addresses(&self) -> &[IpAddr] {
        &self.dns_addresses
    }

    /// The node at `name`, if the name exists.
    #[must_use]
    pub fn node(&self, name: &RelativeName) -> Option<&Node> {
        self.nodes.get(name).map(AsRef::as_ref)
    }

    /// Every name of the zone with its node, in no order.
    pub fn nodes(&self) -> impl Iterator<Item = (&RelativeName, &Node)> {
        self.nodes.iter().map(|(name, node)| (name, node.as_ref()))
    }

    /// What a query for `kind` at `name` finds.
    #[must_use]
    pub fn find(&self, name: &RelativeName, kind: RecordKind) -> Found<'_> {
        if name.is_apex() {
            return match kind {
                RecordKind::Soa => Found::Soa,
                RecordKind::Ns => Found::Ns,
                _ => Found::NoData,
            };
        }
        if name.is_schema_version() {
            return match kind {
                RecordKind::Txt => Found::SchemaVersion,
                _ => Found::NoData,
            };
        }
        match self.node(name) {
            Some(node) => self.find_at(node, kind),
            None if !self.synced || self.below_partly_known(name) => Found::Unknown,
            None => Found::NoSuchName,
        }
    }

    fn find_at<'z>(&self, node: &'z Node, kind: RecordKind) -> Found<'z> {
        let Some(records) = &node.records else {
            return Found::NoData;
        };
        match (kind, records.scope) {
            (_, Scope::Existence) | (RecordKind::Srv, Scope::Addresses) => Found::Unknown,
            (RecordKind::A, _) if !records.a.is_empty() => Found::A(&records.a),
            (RecordKind::Aaaa, _) if !records.aaaa.is_empty() => Found::Aaaa(&records.aaaa),
            // Before the first sync a Service may still gain what an early event did not show.
            _ if !self.synced => Found::Unknown,
            _ => Found::NoData,
        }
    }

    /// Whether the nearest existing ancestor may have names below it that the zone does not hold.
    fn below_partly_known(&self, name: &RelativeName) -> bool {
        let mut ancestor = name.parent();
        while let Some(name) = ancestor {
            if let Some(node) = self.node(&name) {
                return node
                    .records
                    .as_ref()
                    .is_some_and(|records| records.scope != Scope::Whole);
            }
            ancestor = name.parent();
        }
        false
    }
}
