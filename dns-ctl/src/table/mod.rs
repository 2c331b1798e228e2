//! What the kernel's map of names is meant to hold: rows, and the steps that change them.
//!
//! [`render`] makes rows from the zone, [`plan`] compares them with what is held, [`writer`] carries a
//! plan out. Only the last of them touches a map.

pub mod plan;
pub mod render;
pub mod writer;

use std::collections::{HashMap, HashSet};

use dns_common::hash::NameKey;

/// One name as the kernel holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The whole name in wire form, lower-case, root label included.
    pub name: Box<[u8]>,
    /// The IPv4 address that answers A.
    pub a: [u8; 4],
    /// TTL of the answers in seconds.
    pub ttl: u32,
}

/// The rows that the kernel's map holds, and those that it should hold but has no place for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    held: HashMap<NameKey, Row>,
    left_out: HashMap<Box<[u8]>, (NameKey, Row)>,
    /// Rows that are held against what is wanted: the kernel refused to remove them.
    unwanted: HashSet<NameKey>,
}

/// A change to the kernel's map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Hold this row under this key, in place of what is held there.
    Put(NameKey, Row),
    /// Hold nothing under this key.
    Remove(NameKey),
}

impl Table {
    /// The rows held, by key.
    #[must_use]
    pub const fn held(&self) -> &HashMap<NameKey, Row> {
        &self.held
    }

    /// Number of rows that there is no place for: the map is full, or another name has the same hash.
    ///
    /// The userspace server answers for them.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out.len()
    }
}
