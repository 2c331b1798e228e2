//! The packet path and the server of dns-ctl on random clusters: what the one answers, the other says, too.
//!
//! A [`Cluster`] follows from a seed. Its zone is given to the server, and its rows to the maps of the packet
//! path. [`question::questions`] are asked at both; [`judge::Judge`] compares. The packet path may leave a
//! question to the server, but only for a reason that the server's answer bears out.

pub mod cluster;
pub mod judge;
pub mod question;

use std::collections::HashMap;

use bytemuck::Zeroable as _;
use dns_common::{
    entry::Entry,
    hash::{HashKeys, NameKey},
    headers::Dns,
    maps::{ABI_VERSION, Config},
    record::Templates,
    state::State,
    zones::Zones,
};
use dns_ctl::{
    table::{self, Table, render::Rendering, writer},
    zone::{Touched, Zone, name::Domain},
};

pub use cluster::Cluster;

/// What the maps hold, as userspace writes it.
pub struct Maps {
    /// The configuration.
    pub config: Config,
    /// What may be denied.
    pub state: State,
    /// Where names are denied.
    pub zones: Zones,
    /// The names.
    pub names: HashMap<NameKey, Entry>,
}

/// A map in memory.
#[derive(Default)]
struct Memory {
    names: HashMap<NameKey, Entry>,
    keys: Option<HashKeys>,
}

impl writer::Sink for Memory {
    fn put(&mut self, key: NameKey, row: &table::Row) -> Result<(), writer::SinkError> {
        let keys = self.keys.as_ref().expect("keys are given");
        let entry = row.entry(keys).expect("names of a zone are names");
        self.names.insert(key, entry);
        Ok(())
    }

    fn remove(&mut self, key: NameKey) -> Result<(), writer::SinkError> {
        self.names.remove(&key);
        Ok(())
    }

    fn stop_denying(&mut self) -> Result<(), writer::SinkError> {
        Ok(())
    }
}

impl Cluster {
    /// What `dns-ctl run` would write for it.
    #[must_use]
    pub fn maps(&self) -> Maps {
        Maps::of(
            &self.zone,
            &self.touched,
            &self.domains,
            self.ttl,
            self.negative,
        )
    }
}

impl Maps {
    fn of(zone: &Zone, touched: &Touched, domains: &[Domain], ttl: u32, negative: bool) -> Self {
        let keys = packets::fixture::keys();
        let rendering = Rendering {
            domains,
            negative,
            keys: &keys,
        };
        let mut memory = Memory {
            keys: Some(keys),
            ..Memory::default()
        };
        let mut table = Table::default();
        writer::change(&mut table, &mut memory, rendering.wanted(zone, touched));
        let denies = negative && zone.synced();
        Self {
            config: Config {
                version: ABI_VERSION,
                ports: Config::port_bit(53),
                recursion: Dns::RA.into(),
                negative: negative.into(),
                templates: Templates::new(ttl),
                keys,
                ..Config::zeroed()
            },
            state: State {
                epoch: (denies && table.is_complete()).into(),
                listed: denies.into(),
                serial: zone.serial().into(),
                lease: u64::MAX,
                until: u64::MAX,
                denials: u64::MAX,
            },
            zones: table::zones(domains, zone.has_pods_by_rule())
                .expect("there are few cluster domains"),
            names: memory.names,
        }
    }
}
