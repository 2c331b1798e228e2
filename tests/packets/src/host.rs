//! The packet path on the host: maps in memory, and packets in buffers that can't grow without end.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
};

use bytemuck::Zeroable;
use dns_common::{
    Frame, Maps, Miss, Outcome, Packet,
    entry::EntryCells,
    hash::NameKey,
    limit::BucketCell,
    maps::{Config, ConfigCells, ServiceKey},
    respond,
    scratch::ScratchCells,
    state::{State, StateCells},
    zones::{Zones, ZonesCells},
};

use crate::fixture;

/// Maps that a test can fill as it likes.
#[derive(Debug)]
pub struct HostMaps {
    /// The configuration, if there is one.
    pub config: Option<ConfigCells>,
    /// The state, if there is one.
    pub state: Option<StateCells>,
    /// The zones, if there are any.
    pub zones: Option<Box<ZonesCells>>,
    /// The addresses at which clients reach DNS.
    pub services: HashSet<ServiceKey>,
    /// The names.
    pub names: HashMap<NameKey, EntryCells>,
    /// The place for sets of answers, if there is one.
    pub scratch: Option<ScratchCells>,
    /// Ticks of the clock.
    pub now: u64,
    /// The buckets of clients.
    pub buckets: RefCell<HashMap<[u32; 4], BucketCell>>,
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
            state: Some(fixture::state().into()),
            zones: Some(Box::new(fixture::zones().into())),
            services: HashSet::from(fixture::services()),
            names: fixture::entries()
                .into_iter()
                .map(|(key, entry)| (key, entry.into()))
                .collect(),
            scratch: Some(ScratchCells::default()),
            now: fixture::NOW,
            buckets: RefCell::default(),
        }
    }

    /// The same maps in another state.
    #[must_use]
    pub fn in_state(state: State) -> Self {
        Self {
            state: Some(state.into()),
            ..Self::fixture()
        }
    }

    /// The same maps with another configuration.
    #[must_use]
    pub fn configured(config: Config) -> Self {
        Self {
            config: Some(config.into()),
            ..Self::fixture()
        }
    }

    /// The same maps with other zones.
    #[must_use]
    pub fn with_zones(zones: Zones) -> Self {
        Self {
            zones: Some(Box::new(zones.into())),
            ..Self::fixture()
        }
    }

    /// The same maps before userspace has written the configuration.
    #[must_use]
    pub fn not_configured() -> Self {
        Self::configured(Config::zeroed())
    }

    /// Runs the packet path over a copy of `frame`; gives the outcome and what became of the octets.
    pub fn run(&self, frame: &[u8]) -> (Outcome, Vec<u8>) {
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

    fn state(&self) -> Option<&StateCells> {
        self.state.as_ref()
    }

    fn zones(&self) -> Option<&ZonesCells> {
        self.zones.as_deref()
    }

    fn is_service(&self, key: &ServiceKey) -> bool {
        self.services.contains(key)
    }

    fn entry(&self, key: NameKey) -> Option<&EntryCells> {
        self.names.get(&key)
    }

    fn scratch(&self) -> Option<&ScratchCells> {
        self.scratch.as_ref()
    }

    fn bucket(&self, client: &[u32; 4], paid: u64, take: impl FnOnce(&BucketCell) -> bool) -> bool {
        let mut buckets = self.buckets.borrow_mut();
        if let Some(bucket) = buckets.get(client) {
            return take(bucket);
        }
        buckets.insert(*client, BucketCell::new(paid));
        true
    }

    fn now(&self) -> u64 {
        self.now
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
