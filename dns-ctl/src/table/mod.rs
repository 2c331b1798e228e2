//! What the kernel's map of names is meant to hold: rows, and the steps that change them.
//!
//! [`render`] makes rows from the zone, [`plan`] compares them with what is held, [`writer`] carries a
//! plan out. Only the last of them touches a map. [`addresses`] tells where the kernel answers at all.

pub mod addresses;
pub mod plan;
pub mod render;
mod reverse;
pub mod writer;

use std::{
    collections::{HashMap, HashSet},
    net::{Ipv4Addr, Ipv6Addr},
};

use dns_common::{
    entry::{self, Entry, EntryError},
    hash::{HashKeys, NameKey},
    head::Others,
    zones::{ZoneError, Zones},
};

use crate::zone::name::Domain;

/// One name as the kernel holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The whole name in wire form, lower-case, root label included.
    pub name: Box<[u8]>,
    /// What is held for it.
    pub content: Content,
}

/// What the kernel holds for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A name in a served zone.
    Owner {
        /// Octets of the zone's name in wire form.
        zone_len: u8,
        /// IPv4 addresses.
        a: Box<[Ipv4Addr]>,
        /// IPv6 addresses.
        aaaa: Box<[Ipv6Addr]>,
        /// What else the name has; the server answers for that.
        others: Others,
    },
    /// The name of an address that points back to this one, in wire form, root label included.
    Pointer(Box<[u8]>),
}

/// The rows that the kernel's map holds, and those that it should hold but has no place for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    held: HashMap<NameKey, Row>,
    left_out: HashMap<Box<[u8]>, (NameKey, Row)>,
    /// Rows that are held against what is wanted: the kernel refused to remove them.
    unwanted: HashSet<NameKey>,
    /// Whether one that is left out may find a place at the next try: a row was removed, or it was refused
    /// for another reason than want of room.
    may_have_place: bool,
}

/// A change to the kernel's map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Hold this row under this key, in place of what is held there.
    Put(NameKey, Row),
    /// Hold nothing under this key.
    Remove(NameKey),
}

impl Row {
    /// The row as the map's value.
    pub fn entry(&self, keys: &HashKeys) -> Result<Entry, EntryError> {
        match &self.content {
            Content::Owner {
                zone_len,
                a,
                aaaa,
                others,
            } => {
                let a: Vec<_> = a.iter().map(Ipv4Addr::octets).collect();
                let aaaa: Vec<_> = aaaa.iter().map(Ipv6Addr::octets).collect();
                let content = entry::Content::Owner {
                    zone_len: (*zone_len).into(),
                    a: &a,
                    aaaa: &aaaa,
                    others: *others,
                };
                Entry::new(keys, &self.name, &content)
            }
            Content::Pointer(target) => {
                Entry::new(keys, &self.name, &entry::Content::Reverse(target))
            }
        }
    }
}

impl Table {
    /// The rows held, by key.
    #[must_use]
    pub const fn held(&self) -> &HashMap<NameKey, Row> {
        &self.held
    }

    /// The names of the rows that there is no place for: the map is full, or another name has the same hash.
    ///
    /// The userspace server answers for them.
    pub fn left_out(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.left_out.keys().map(AsRef::as_ref)
    }

    /// Whether something is left to do that may succeed at the next try.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        !self.unwanted.is_empty() || self.may_have_place && !self.left_out.is_empty()
    }

    /// Whether a name under whose key the kernel's map holds nothing is none that it should hold.
    ///
    /// A row left out because another name has the same hash is no matter: the kernel finds the other one,
    /// and passes.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let mut keys = self.left_out.values().map(|(key, _)| key);
        keys.all(|key| self.held.contains_key(key))
    }
}

/// The zones in which the kernel denies names. What lies in `pod.<domain>` may exist `by_rule`.
pub fn zones(domains: &[Domain], by_rule: bool) -> Result<Zones, ZoneError> {
    let mut zones: Zones = bytemuck::Zeroable::zeroed();
    for domain in domains {
        if by_rule && let Some(pods) = domain.child("pod") {
            zones.push(&pods.to_wire(), true)?;
        }
        zones.push(&domain.to_wire(), false)?;
    }
    Ok(zones)
}
