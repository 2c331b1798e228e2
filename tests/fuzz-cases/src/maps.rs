//! The maps of `dns-common`, filled with the content that `world` tells.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::OnceLock,
};

use bytemuck::Zeroable;
use dns_common::{
    Hit, Maps, Miss, Outcome,
    entry::{Content as EntryContent, Entry, EntryCells},
    hash::{HashKeys, NameKey},
    head::Others,
    headers::Dns,
    limit::{BucketCell, Limit},
    maps::{ABI_VERSION, Config, ConfigCells, ServiceKey},
    record::Templates,
    scratch::ScratchCells,
    state::{State, StateCells},
    zones::{Zones, ZonesCells},
};

use crate::{
    wire::wire,
    world::{Content, Damage, Held, Left, NOW, SERVICES, STAGES, Stage, TTL, ZONES, held},
};

/// All that stays the same from packet to packet.
pub(crate) struct Tables {
    services: HashSet<ServiceKey>,
    names: HashMap<NameKey, EntryCells>,
    zones: ZonesCells,
    stages: Vec<(ConfigCells, StateCells)>,
}

/// The maps as a packet meets them.
pub(crate) struct View<'t> {
    pub(crate) tables: &'t Tables,
    /// Index into [`STAGES`].
    pub(crate) stage: usize,
    pub(crate) scratch: &'t ScratchCells,
}

/// Keys that are the same in every run; real ones are random.
pub(crate) fn keys() -> HashKeys {
    let mut state = 0x6b78_646e_7366_757a_u64;
    let mut next = || {
        // SplitMix64 (Steele, Lea, Flood, 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    HashKeys {
        name: std::array::from_fn(|_| next()),
        seal: std::array::from_fn(|_| next()),
    }
}

/// The configuration of a stage.
pub(crate) fn config(stage: &Stage) -> Config {
    if !stage.ready {
        return Config::zeroed();
    }
    Config {
        version: ABI_VERSION,
        ports: SERVICES
            .iter()
            .fold(0, |ports, &(_, port)| ports | Config::port_bit(port)),
        recursion: if stage.recursion { Dns::RA.into() } else { 0 },
        negative: stage.negative.into(),
        limit: Limit::default(),
        templates: Templates::new(TTL),
        keys: keys(),
        ..Config::zeroed()
    }
}

/// The state of a stage.
pub(crate) fn state(stage: &Stage) -> State {
    State {
        epoch: stage.epoch,
        listed: stage.listed,
        serial: stage.serial.into(),
        lease: stage.lease,
        // For userspace alone.
        until: 0,
        denials: stage.denials,
    }
}

/// The entry of an owner of addresses.
pub(crate) fn owner(
    keys: &HashKeys,
    name: &[u8],
    zone_len: usize,
    (a, aaaa): (&[Ipv4Addr], &[Ipv6Addr]),
    others: Others,
) -> Entry {
    let a: Vec<_> = a.iter().map(Ipv4Addr::octets).collect();
    let aaaa: Vec<_> = aaaa.iter().map(Ipv6Addr::octets).collect();
    let content = EntryContent::Owner {
        zone_len,
        a: &a,
        aaaa: &aaaa,
        others,
    };
    Entry::new(keys, name, &content).expect("the name is a name")
}

/// What `Others` makes of it.
pub(crate) const fn others(left: Left) -> Others {
    match left {
        Left::Nothing => Others::NONE,
        Left::Srv => Others::SRV,
        Left::Apex => Others::APEX,
        Left::Txt => Others::TXT,
        Left::Anything => Others::ANY,
    }
}

fn entry(keys: &HashKeys, held: &Held) -> (NameKey, Entry) {
    let name = &held.name;
    let plain = |name: &[u8]| {
        let addresses = (&[Ipv4Addr::LOCALHOST][..], &[Ipv6Addr::LOCALHOST][..]);
        let zone_len = wire("cluster.local").len();
        owner(keys, name, zone_len, addresses, Others::NONE)
    };
    let entry = match &held.content {
        Content::Owner {
            zone,
            a,
            aaaa,
            left,
        } => owner(keys, name, zone.len(), (a, aaaa), others(*left)),
        Content::Pointer(target) => Entry::new(keys, name, &EntryContent::Reverse(target))
            .expect("the table's names are names"),
        Content::Damaged(Damage::OtherName(other)) => plain(other),
        Content::Damaged(Damage::Torn) => {
            let mut entry = plain(name);
            // The words of both sets and of both seals: no type can be answered.
            entry.head_seal ^= 1;
            for word in entry.area.iter_mut().skip(name.len().div_ceil(8)) {
                *word ^= 1 << 40;
            }
            entry
        }
    };
    (keys.name_key(name), entry)
}

/// The one set of tables.
pub(crate) fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let keys = keys();
        let mut zones = Zones::zeroed();
        for (zone, by_rule) in ZONES {
            zones.push(&wire(zone), by_rule).expect("the zones are few");
        }
        let held = held();
        let names: HashMap<_, _> = held
            .iter()
            .map(|held| entry(&keys, held))
            .map(|(key, entry)| (key, entry.into()))
            .collect();
        assert_eq!(names.len(), held.len(), "no two names have one key");
        Tables {
            services: SERVICES.map(service_key).into(),
            names,
            zones: zones.into(),
            stages: STAGES
                .iter()
                .map(|stage| (config(stage).into(), state(stage).into()))
                .collect(),
        }
    })
}

fn service_key((address, port): (IpAddr, u16)) -> ServiceKey {
    let port = port.to_be_bytes();
    match address {
        IpAddr::V4(address) => ServiceKey::ipv4(address.octets(), port),
        IpAddr::V6(address) => ServiceKey::ipv6(address.octets(), port),
    }
}

/// What became of a packet; there is no limit for which one would be dropped.
pub(crate) fn result(outcome: Outcome) -> Result<Hit, Miss> {
    match outcome {
        Outcome::Hit(hit) => Ok(hit),
        Outcome::Miss(miss) => Err(miss),
        Outcome::Dropped(_) => panic!("dropped without a limit"),
    }
}

impl Maps for View<'_> {
    fn config(&self) -> Option<&ConfigCells> {
        Some(&self.tables.stages[self.stage].0)
    }

    fn state(&self) -> Option<&StateCells> {
        Some(&self.tables.stages[self.stage].1)
    }

    fn zones(&self) -> Option<&ZonesCells> {
        Some(&self.tables.zones)
    }

    fn is_service(&self, key: &ServiceKey) -> bool {
        self.tables.services.contains(key)
    }

    fn entry(&self, key: NameKey) -> Option<&EntryCells> {
        self.tables.names.get(&key)
    }

    fn scratch(&self) -> Option<&ScratchCells> {
        Some(self.scratch)
    }

    fn bucket(&self, _: &[u32; 4], _: u64, _: impl FnOnce(&BucketCell) -> bool) -> bool {
        true
    }

    fn now(&self) -> u64 {
        NOW
    }
}
