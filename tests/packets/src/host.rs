//! The packet path on the host: maps in memory, and packets in buffers that can't grow without end.

use std::collections::{HashMap, HashSet};

use bytemuck::Zeroable;
use dns_common::{
    Frame, Hit, Maps, Miss, Packet,
    entry::EntryCells,
    hash::NameKey,
    maps::{Config, ConfigCells, ServiceKey},
    respond,
};

use crate::fixture;

/// Maps that a test can fill as it likes.
#[derive(Debug)]
pub struct HostMaps {
    /// The configuration, if there is one.
    pub config: Option<ConfigCells>,
    /// The addresses at which clients reach DNS.
    pub services: HashSet<ServiceKey>,
    /// The names.
    pub names: HashMap<NameKey, EntryCells>,
}

/// A packet with a limit to its length, as a driver's buffer has.
#[derive(Clone, Debug)]
pub struct BufferPacket {
    /// The octets.
    pub octets: Vec<u8>,
    /// Most octets that the packet can have.
    pub limit: usize,
}

impl HostMaps {
    /// The maps as [`fixture`] describes them.
    #[must_use]
    pub fn fixture() -> Self {
        Self {
            config: Some(fixture::config().into()),
            services: HashSet::from([fixture::service()]),
            names: fixture::entries()
                .into_iter()
                .map(|(key, entry)| (key, entry.into()))
                .collect(),
        }
    }

    /// The same maps before userspace has written the configuration.
    #[must_use]
    pub fn not_configured() -> Self {
        Self {
            config: Some(Config::zeroed().into()),
            ..Self::fixture()
        }
    }

    /// Runs the packet path over a copy of `frame`; gives the outcome and what became of the octets.
    pub fn run(&self, frame: &[u8]) -> (Result<Hit, Miss>, Vec<u8>) {
        let mut packet = BufferPacket {
            octets: frame.to_vec(),
            limit: usize::MAX,
        };
        let outcome = respond(&mut packet, self);
        (outcome, packet.octets)
    }
}

impl Maps for HostMaps {
    fn config(&self) -> Option<&ConfigCells> {
        self.config.as_ref()
    }

    fn is_service(&self, key: &ServiceKey) -> bool {
        self.services.contains(key)
    }

    fn entry(&self, key: NameKey) -> Option<&EntryCells> {
        self.names.get(&key)
    }
}

impl Packet for BufferPacket {
    fn frame(&mut self) -> Frame<'_> {
        Frame::from_slice(&mut self.octets)
    }

    fn resize(&mut self, from: usize, to: usize) -> Result<(), Miss> {
        assert_eq!(
            from,
            self.octets.len(),
            "the packet path knows the packet's length"
        );
        if to > self.limit {
            return Err(Miss::NoRoom);
        }
        self.octets.resize(to, 0);
        Ok(())
    }
}
