//! The content of the maps that the table of packets is made for.

use std::net::Ipv4Addr;

use dns_common::{
    entry::Entry,
    hash::{HashKeys, NameKey},
    headers::Dns,
    maps::{ABI_VERSION, Config, ServiceKey},
};
use hickory_proto::rr::Name;

/// The address at which clients reach DNS, on port 53.
pub const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
/// TTL of the records in seconds.
pub const TTL: u32 = 5;

/// Names that are held, with their addresses.
///
/// Their lengths in wire form leave every remainder of eight, and reach the longest that a name can have.
pub const HELD: &[(&str, Ipv4Addr)] = &[
    ("a", Ipv4Addr::new(10, 96, 1, 1)),
    ("ab", Ipv4Addr::new(10, 96, 1, 2)),
    ("abcde", Ipv4Addr::new(10, 96, 1, 3)),
    ("abcdef", Ipv4Addr::new(10, 96, 1, 4)),
    ("abcdefg", Ipv4Addr::new(10, 96, 1, 5)),
    (
        "nginx.default.svc.cluster.local",
        Ipv4Addr::new(10, 96, 0, 20),
    ),
    (
        "nginx1.default.svc.cluster.local",
        Ipv4Addr::new(10, 96, 0, 21),
    ),
    (
        "nginx12.default.svc.cluster.local",
        Ipv4Addr::new(10, 96, 0, 22),
    ),
    (
        "nginx123.default.svc.cluster.local",
        Ipv4Addr::new(10, 96, 0, 23),
    ),
    (
        "queue.shared.svc.cluster.local",
        Ipv4Addr::new(10, 96, 0, 30),
    ),
    (
        "1-starts-with-a-digit.default.svc.cluster.local",
        Ipv4Addr::BROADCAST,
    ),
    ("zero.default.svc.cluster.local", Ipv4Addr::new(0, 0, 0, 1)),
];

/// A name that is held without an IPv4 address.
pub const WITHOUT_ADDRESS: &str = "v6only.default.svc.cluster.local";
/// A name whose entry has a seal that does not fit, as if it was read while it was replaced.
pub const TORN: &str = "torn.default.svc.cluster.local";
/// A name under whose hash the entry of another name of the same length lies.
pub const SAME_HASH: &str = "same.default.svc.cluster.local";
/// A name under whose hash the entry of a shorter name lies.
pub const SAME_HASH_SHORTER: &str = "shorter.default.svc.cluster.local";

/// The longest name: 255 octets in wire form.
#[must_use]
pub fn longest_name() -> String {
    let label = "l".repeat(63);
    format!("{label}.{label}.{label}.{}", "m".repeat(61))
}

/// A name of 127 labels, the most there can be.
#[must_use]
pub fn most_labels() -> String {
    ["n"; 127].join(".")
}

/// The name in wire form, root label included, its letters as they are.
#[must_use]
pub fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    let name = Name::from_ascii(name).expect("the table's names are names");
    for label in &name {
        wire.push(u8::try_from(label.len()).expect("a label has at most 63 octets"));
        wire.extend_from_slice(label);
    }
    wire.push(0);
    wire
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

/// The configuration: ready, DNS on port 53, recursion available.
#[must_use]
pub fn config() -> Config {
    Config {
        version: ABI_VERSION,
        ports: Config::port_bit(53),
        offload: 0,
        recursion: u64::from(Dns::RA),
        keys: keys(),
    }
}

/// The one service address.
#[must_use]
pub fn service() -> ServiceKey {
    ServiceKey::ipv4(SERVICE.octets(), 53_u16.to_be_bytes())
}

/// Every entry of the map of names under its key.
#[must_use]
pub fn entries() -> Vec<(NameKey, Entry)> {
    let keys = keys();
    let entry = |name: &str, address: Option<Ipv4Addr>| {
        let wire = wire(name);
        let octets = address.map(|address| address.octets());
        let entry = Entry::new(&keys, &wire, octets, TTL).expect("the table's names are names");
        (keys.name_key(&wire), entry)
    };
    let mut entries: Vec<_> = HELD
        .iter()
        .map(|&(name, address)| entry(name, Some(address)))
        .collect();
    let far = Some(Ipv4Addr::new(10, 96, 255, 255));
    entries.push(entry(&longest_name(), far));
    entries.push(entry(&most_labels(), far));
    entries.push(entry(WITHOUT_ADDRESS, None));
    let (key, mut torn) = entry(TORN, far);
    torn.a[1] ^= 1;
    entries.push((key, torn));
    entries.push((
        keys.name_key(&wire(SAME_HASH)),
        entry("some.default.svc.cluster.local", far).1,
    ));
    entries.push((
        keys.name_key(&wire(SAME_HASH_SHORTER)),
        entry("short.default.svc.cluster.local", far).1,
    ));
    entries
}
