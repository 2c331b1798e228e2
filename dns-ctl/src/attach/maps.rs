//! The maps that the programs share with userspace: their types, their shapes, the configuration.

use std::{
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aya::maps::{Array, HashMap, Map, MapData, MapError, MapInfo, MapType, PerCpuArray, RingBuf};
use dns_common::{
    Hook,
    entry::Entry,
    maps::{
        ABI_VERSION, Attachment, Config, Counters, MAX_ATTACHED, MAX_SERVICES, ServiceKey, map_name,
    },
    sample::{RING, Watch},
    scratch::Scratch,
    state::State,
    zones::Zones,
};

use super::kernel::KernelError;

/// The map `CONFIG`; values are words, for which aya needs no unsafe promise, here and below.
pub type ConfigMap<T> = Array<T, [u64; size_of::<Config>() / 8]>;
/// The map `STATE`.
pub type StateMap<T> = Array<T, [u64; size_of::<State>() / 8]>;
/// The map `ZONES`.
pub type ZonesMap<T> = Array<T, [u64; size_of::<Zones>() / 8]>;
/// The map `SERVICES`.
pub type ServiceMap<T> = HashMap<T, [u32; size_of::<ServiceKey>() / 4], u8>;
/// The map `NAMES`.
pub type NamesMap<T> = HashMap<T, u64, [u64; size_of::<Entry>() / 8]>;
/// The map `OUTCOMES`.
pub type OutcomeMap<T> = PerCpuArray<T, Counters>;
/// The map `WATCH`.
pub type WatchMap<T> = Array<T, [u64; size_of::<Watch>() / 8]>;
/// The map `ATTACHED`.
pub type AttachedMap<T> = HashMap<T, u32, [u32; size_of::<Attachment>() / 4]>;

/// The maps that the programs share with userspace.
pub struct KernelMaps {
    /// The configuration.
    pub config: ConfigMap<MapData>,
    /// What may be denied.
    pub state: StateMap<MapData>,
    /// The zones in which names are denied.
    pub zones: ZonesMap<MapData>,
    /// The addresses at which clients reach DNS.
    pub services: ServiceMap<MapData>,
    /// The names.
    pub names: NamesMap<MapData>,
    /// What became of packets.
    pub outcomes: OutcomeMap<MapData>,
    /// Whether samples are wanted.
    pub watch: WatchMap<MapData>,
    /// Samples of queries.
    pub samples: RingBuf<MapData>,
    /// Where programs are attached.
    pub attached: AttachedMap<MapData>,
}

impl KernelMaps {
    /// Writes the zones and the configuration of maps that nobody else writes; from then on packets are looked at.
    pub fn configure(&mut self, config: Config, zones: &Zones) -> Result<(), KernelError> {
        set_zones(&mut self.zones, zones)?;
        let words: [u64; size_of::<Config>() / 8] = bytemuck::cast(config);
        let written = self.config.set(0, words, 0);
        written.map_err(access(map_name::CONFIG))
    }
}

/// What a map has to be like to be used.
struct Shape {
    name: &'static str,
    kind: MapType,
    key: usize,
    value: usize,
    room: u32,
}

/// Whether the maps pinned in `folder` can be used as they are: all of them are there, by the contract, with
/// this room for names, and were filled by an instance that came to that.
#[must_use]
pub fn fit(folder: &Path, max_names: u32) -> bool {
    let has_shape = |shape: &Shape| {
        MapInfo::from_pin(folder.join(shape.name)).is_ok_and(|info| {
            info.map_type().is_ok_and(|kind| kind == shape.kind)
                && info.key_size() as usize == shape.key
                && info.value_size() as usize == shape.value
                && info.max_entries() == shape.room
        })
    };
    shapes(max_names).iter().all(has_shape) && is_configured(folder)
}

fn is_configured(folder: &Path) -> bool {
    MapData::from_pin(folder.join(map_name::CONFIG))
        .and_then(Map::from_map_data)
        .and_then(ConfigMap::<MapData>::try_from)
        .and_then(|map| map.get(&0, 0))
        .is_ok_and(|words| bytemuck::cast::<_, Config>(words).version == ABI_VERSION)
}

fn shapes(max_names: u32) -> [Shape; map_name::ALL.len()] {
    let hooks = u32::try_from(Hook::ALL.len()).unwrap_or(u32::MAX);
    let shape = |name, kind, key, value, room| Shape {
        name,
        kind,
        key,
        value,
        room,
    };
    let one = |name, value| shape(name, MapType::Array, size_of::<u32>(), value, 1);
    let by_hook = |name, value| shape(name, MapType::PerCpuArray, size_of::<u32>(), value, hooks);
    let hash = |name, key, value, room| shape(name, MapType::Hash, key, value, room);
    [
        one(map_name::CONFIG, size_of::<Config>()),
        one(map_name::STATE, size_of::<State>()),
        one(map_name::ZONES, size_of::<Zones>()),
        hash(map_name::SERVICES, size_of::<ServiceKey>(), 1, MAX_SERVICES),
        hash(
            map_name::NAMES,
            size_of::<u64>(),
            size_of::<Entry>(),
            max_names,
        ),
        by_hook(map_name::OUTCOMES, size_of::<Counters>()),
        by_hook(map_name::SCRATCH, size_of::<Scratch>()),
        one(map_name::WATCH, size_of::<Watch>()),
        shape(map_name::SAMPLES, MapType::RingBuf, 0, 0, RING),
        hash(
            map_name::ATTACHED,
            size_of::<u32>(),
            size_of::<Attachment>(),
            MAX_ATTACHED,
        ),
    ]
}

/// The configuration, which several tasks change parts of.
#[derive(Clone)]
pub struct SharedConfig(Arc<Mutex<ConfigWriter>>);

struct ConfigWriter {
    map: ConfigMap<MapData>,
    config: Config,
}

impl SharedConfig {
    /// The configuration that the map holds; all zero if nobody has written it.
    pub fn read(map: ConfigMap<MapData>) -> Result<Self, KernelError> {
        let words = map.get(&0, 0).map_err(access(map_name::CONFIG))?;
        let config = bytemuck::cast(words);
        Ok(Self(Arc::new(Mutex::new(ConfigWriter { map, config }))))
    }

    /// The configuration as it is now.
    #[must_use]
    pub fn get(&self) -> Config {
        self.lock().config
    }

    /// Changes the configuration; nothing is written if that changes nothing.
    pub fn change(&self, change: impl FnOnce(&mut Config)) -> Result<(), KernelError> {
        let mut writer = self.lock();
        let mut config = writer.config;
        change(&mut config);
        if config == writer.config {
            return Ok(());
        }
        let words: [u64; size_of::<Config>() / 8] = bytemuck::cast(config);
        let written = writer.map.set(0, words, 0);
        written.map_err(access(map_name::CONFIG))?;
        writer.config = config;
        Ok(())
    }

    /// The writer, also after a panic elsewhere: what it holds is what was written.
    fn lock(&self) -> MutexGuard<'_, ConfigWriter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the zones in which names are denied.
pub fn set_zones(map: &mut ZonesMap<MapData>, zones: &Zones) -> Result<(), KernelError> {
    let words: [u64; size_of::<Zones>() / 8] = bytemuck::cast(*zones);
    map.set(0, words, 0).map_err(access(map_name::ZONES))
}

/// The zones that the map holds.
pub fn zones(map: &ZonesMap<MapData>) -> Result<Zones, KernelError> {
    let words = map.get(&0, 0).map_err(access(map_name::ZONES))?;
    Ok(bytemuck::cast(words))
}

/// The key of an address and port in the map `SERVICES`.
#[must_use]
pub fn service_key(address: IpAddr, port: u16) -> ServiceKey {
    let port = port.to_be_bytes();
    match address {
        IpAddr::V4(address) => ServiceKey::ipv4(address.octets(), port),
        IpAddr::V6(address) => ServiceKey::ipv6(address.octets(), port),
    }
}

/// Wraps a map's error with the map's name.
pub(crate) fn access(name: &'static str) -> impl FnOnce(MapError) -> KernelError {
    move |source| KernelError::Access {
        name,
        source: Box::new(source),
    }
}
