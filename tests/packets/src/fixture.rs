//! The content of the maps that the table of packets is made for.

mod names;

use std::net::{Ipv4Addr, Ipv6Addr};

use bytemuck::Zeroable as _;
use dns_common::{
    entry::{Content, Entry},
    hash::{HashKeys, NameKey},
    head::Others,
    headers::Dns,
    limit::Limit,
    maps::{ABI_VERSION, Config, ServiceKey},
    record::Templates,
    state::State,
    zones::Zones,
};

pub use self::names::{
    HELD, LONGEST_IN_ZONE, SAME_HASH, SAME_HASH_SHORTER, TORN, TORN_HEAD, TORN_SECOND,
    WITHOUT_ADDRESS, longest_name, most_labels, names,
};
pub use crate::wire::wire;

/// The address at which clients reach DNS, on port 53.
pub const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
/// The same over IPv6.
pub const SERVICE6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 0xa);
/// TTL of the records in seconds.
pub const TTL: u32 = 5;
/// The time at which packets come on the host, in ticks of the kernel's clock.
pub const NOW: u64 = 1 << 40;
/// Serial number of the zones; each of its octets is another.
pub const SERIAL: u32 = 0x65f1_2b80;
/// The zones in which names are denied, and `true` for those whose names only the server can work out.
///
/// The last one is so short that names in it have fewer than eight octets.
pub const ZONES: &[(&str, bool)] = &[
    ("pod.cluster.local", true),
    ("cluster.local", false),
    ("corp.example", false),
    ("k", false),
];

/// A name that is held, in plain terms.
#[derive(Clone, Debug)]
pub struct Known {
    /// The lower-case name in wire form.
    pub name: Vec<u8>,
    /// What is held for it.
    pub records: Records,
    /// What is wrong with its entry, if anything is.
    pub flaw: Option<Flaw>,
}

/// What is held for a name.
#[derive(Clone, Debug)]
pub enum Records {
    /// Addresses, and what there is beside them.
    Owner {
        /// The zone, as in [`ZONES`]; none outside.
        zone: Option<&'static str>,
        /// IPv4 addresses in their order.
        a: Vec<Ipv4Addr>,
        /// IPv6 addresses in their order.
        aaaa: Vec<Ipv6Addr>,
        /// The other types.
        beside: Beside,
    },
    /// The name that an address points back to, in wire form.
    Reverse(Vec<u8>),
}

/// The types that a name has beside addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// None.
    Nothing,
    /// SRV.
    Srv,
    /// SOA and NS.
    Apex,
    /// TXT.
    Txt,
    /// Whatever the server says.
    Unknown,
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The seal of its head does not fit.
    Head,
    /// The first set is not what was sealed.
    First,
    /// The second set is not what was sealed.
    Second,
    /// It is that of another name, whose hash is taken to be the same.
    OtherName(Vec<u8>),
}

/// Keys that are the same in every run; real ones are random.
#[must_use]
pub fn keys() -> HashKeys {
    let mut state = 0x6b78_646e_7321_u64;
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

/// The configuration: ready, DNS on port 53, recursion available, denials allowed.
#[must_use]
pub fn config() -> Config {
    Config {
        version: ABI_VERSION,
        ports: Config::port_bit(53),
        usual: service().usual().unwrap_or(0),
        recursion: u64::from(Dns::RA),
        negative: 1,
        limit: Limit::default(),
        templates: Templates::new(TTL),
        keys: keys(),
        ..Config::zeroed()
    }
}

/// The state: all names are held, all their types known, and neither lease nor denials end.
#[must_use]
pub fn state() -> State {
    State {
        epoch: 1,
        listed: 1,
        serial: SERIAL.into(),
        lease: u64::MAX,
        until: u64::MAX,
        denials: u64::MAX,
    }
}

/// The zones, as the maps have them.
#[must_use]
pub fn zones() -> Zones {
    let mut zones = Zones::zeroed();
    for &(zone, by_rule) in ZONES {
        zones
            .push(&wire(zone), by_rule)
            .expect("there is room for these zones");
    }
    zones
}

/// The service address of IPv4.
#[must_use]
pub fn service() -> ServiceKey {
    ServiceKey::ipv4(SERVICE.octets(), 53_u16.to_be_bytes())
}

/// Both service addresses.
#[must_use]
pub fn services() -> [ServiceKey; 2] {
    let ipv6 = ServiceKey::ipv6(SERVICE6.octets(), 53_u16.to_be_bytes());
    [service(), ipv6]
}

/// Every entry of the map of names under its key.
#[must_use]
pub fn entries() -> Vec<(NameKey, Entry)> {
    let keys = keys();
    names()
        .iter()
        .map(|known| (keys.name_key(&known.name), known.entry(&keys)))
        .collect()
}

impl Known {
    /// The entry, with its flaw.
    #[must_use]
    pub fn entry(&self, keys: &HashKeys) -> Entry {
        let name = match &self.flaw {
            Some(Flaw::OtherName(other)) => other,
            _ => &self.name,
        };
        let mut entry = match &self.records {
            Records::Owner {
                zone,
                a,
                aaaa,
                beside,
            } => {
                let content = Content::Owner {
                    zone_len: zone.map_or(0, |zone| wire(zone).len()),
                    a: &a.iter().map(Ipv4Addr::octets).collect::<Vec<_>>(),
                    aaaa: &aaaa.iter().map(Ipv6Addr::octets).collect::<Vec<_>>(),
                    others: beside.others(),
                };
                Entry::new(keys, name, &content)
            }
            Records::Reverse(target) => Entry::new(keys, name, &Content::Reverse(target)),
        }
        .expect("the table's names are names");
        let first = name.len().div_ceil(8);
        match &self.flaw {
            Some(Flaw::Head) => entry.head_seal ^= 1,
            Some(Flaw::First) => entry.area[first] ^= 1 << 40,
            Some(Flaw::Second) => entry.area[first + entry.head().first_words()] ^= 1 << 63,
            Some(Flaw::OtherName(_)) | None => {}
        }
        entry
    }
}

impl Beside {
    fn others(self) -> Others {
        match self {
            Self::Nothing => Others::NONE,
            Self::Srv => Others::SRV,
            Self::Apex => Others::APEX,
            Self::Txt => Others::TXT,
            Self::Unknown => Others::ANY,
        }
    }
}
