//! Makes rows from the zone: one name, under each cluster domain.

use dns_common::hash::{HashKeys, NameKey};

use super::Row;
use crate::zone::{
    Zone,
    name::{Domain, RelativeName},
};

/// What the kernel should hold for a name: a row, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Key of the name.
    pub key: NameKey,
    /// The whole name in wire form, lower-case.
    pub name: Box<[u8]>,
    /// The row, if the kernel can answer for the name.
    pub row: Option<Row>,
}

/// How rows are made.
pub struct Rendering<'a> {
    /// The domains that the zone is served under.
    pub domains: &'a [Domain],
    /// TTL of the answers in seconds.
    pub ttl: u32,
    /// Secret of the kernel's maps.
    pub keys: &'a HashKeys,
}

impl Rendering<'_> {
    /// What the kernel should hold for `name` under each domain; a domain in which the name would be
    /// longer than 255 octets has no such name.
    pub fn wanted(&self, zone: &Zone, name: &RelativeName) -> impl Iterator<Item = Wanted> {
        let address = zone
            .node(name)
            .and_then(|node| node.records.as_ref())
            // The kernel holds one address; names with more are answered by the server.
            .and_then(|records| match &*records.a {
                [address] => Some(address.octets()),
                _ => None,
            });
        self.domains.iter().filter_map(move |domain| {
            let wire: Box<[u8]> = name.in_domain(domain)?.into();
            Some(Wanted {
                key: self.keys.name_key(&wire),
                row: address.map(|a| Row {
                    name: wire.clone(),
                    a,
                    ttl: self.ttl,
                }),
                name: wire,
            })
        })
    }
}
