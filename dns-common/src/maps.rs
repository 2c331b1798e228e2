//! The contract between kernel and userspace: every map with its key, its value and its meaning.
//!
//! | map | kind | key | value |
//! | --- | --- | --- | --- |
//! | `CONFIG` | array of one | 0 | [`Config`] |
//! | `SERVICES` | hash | [`ServiceKey`] | `u8`, always 1 |
//! | `NAMES` | hash, not preallocated | [`crate::hash::NameKey`] | [`crate::entry::Entry`] |
//! | `OUTCOMES` | per-CPU array, one element for each [`crate::Hook`] | hook | [`Counters`] |
//! | `ATTACHED` | hash, not read by the kernel programs | interface index | [`Attachment`] |

use bytemuck::{Pod, Zeroable};

use crate::{
    cell::Cell,
    hash::{HashKeys, NameKey, Nh, SEAL_WORDS},
    name::NAME_WORDS,
    outcome::OUTCOMES,
};

/// Version of this contract: changes whenever a key, a value or the meaning of either changes after a release.
pub const ABI_VERSION: u64 = 1;

/// Names of the maps, as the kernel object has them.
pub mod map_name {
    /// The one [`super::Config`].
    pub const CONFIG: &str = "CONFIG";
    /// The addresses at which clients reach DNS.
    pub const SERVICES: &str = "SERVICES";
    /// The names and their answers.
    pub const NAMES: &str = "NAMES";
    /// What became of the packets.
    pub const OUTCOMES: &str = "OUTCOMES";
    /// Where the programs are attached.
    pub const ATTACHED: &str = "ATTACHED";
    /// Every map.
    pub const ALL: [&str; 5] = [CONFIG, SERVICES, NAMES, OUTCOMES, ATTACHED];
}

/// Capacity of `NAMES` unless configured.
pub const DEFAULT_MAX_NAMES: u32 = 131_072;
/// Capacity of `SERVICES`.
pub const MAX_SERVICES: u32 = 64;
/// Capacity of `ATTACHED`.
pub const MAX_ATTACHED: u32 = 4096;

/// What the kernel programs need to know beside names; all zero until userspace has written it.
#[derive(Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Config {
    /// [`ABI_VERSION`]; anything else means that the maps are not ready, and every packet passes.
    pub version: u64,
    /// Set of the ports in `SERVICES`: bit `port % 64`. A packet to another port costs no lookup.
    pub ports: u64,
    /// 1 if the devices of all interfaces with a tc program take checksums over, so that the network
    /// stack leaves a complete one alone; else 0.
    pub offload: u64,
    /// The flags octet of responses that says whether recursion is available: `Dns::RA` or zero.
    pub recursion: u64,
    /// The secret of the hash and of the seal.
    pub keys: HashKeys,
}

/// A [`Config`] as the kernel sees it: words that may change at any time.
#[derive(Debug)]
#[repr(transparent)]
pub struct ConfigCells([Cell; CONFIG_WORDS]);

const CONFIG_WORDS: usize = size_of::<Config>() / 8;
const VERSION: usize = 0;
const PORTS: usize = 1;
const OFFLOAD: usize = 2;
const RECURSION: usize = 3;
const NAME_KEYS: usize = 4;
const SEAL_KEYS: usize = NAME_KEYS + NAME_WORDS;

/// An address and port at which clients reach the cluster's DNS.
///
/// It is made of words, so that the kernel program builds it in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct ServiceKey {
    /// IPv6 address, or an IPv4 address mapped into IPv6 (`::ffff:a.b.c.d`), as four words of octets.
    address: [u32; 4],
    /// UDP port: two octets in network order, then two of zero.
    port: u32,
}

/// Number of packets by [`crate::Outcome`] since the maps were made.
pub type Counters = [u64; OUTCOMES];

/// An interface that a program is attached to; written and read by userspace only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Attachment {
    /// The interface's name, padded with zeros (`IFNAMSIZ`).
    pub name: [u8; 16],
    /// The hook in use, as userspace numbers its rungs.
    pub rung: u32,
}

const _: () = {
    assert!(size_of::<Config>() == size_of::<ConfigCells>());
    assert!(core::mem::offset_of!(Config, version) == VERSION * 8);
    assert!(core::mem::offset_of!(Config, ports) == PORTS * 8);
    assert!(core::mem::offset_of!(Config, offload) == OFFLOAD * 8);
    assert!(core::mem::offset_of!(Config, recursion) == RECURSION * 8);
    assert!(core::mem::offset_of!(Config, keys) == NAME_KEYS * 8);
    assert!(core::mem::offset_of!(HashKeys, seal) == NAME_WORDS * 8);
};

impl Config {
    /// The bit of `port` in [`Config::ports`].
    #[must_use]
    pub const fn port_bit(port: u16) -> u64 {
        1 << (port % 64)
    }
}

impl ServiceKey {
    /// The key of an IPv4 address and a port, both in network order.
    #[inline(always)]
    #[must_use]
    pub const fn ipv4(address: [u8; 4], port: [u8; 2]) -> Self {
        Self {
            address: [0, 0, 0xffff_0000, u32::from_le_bytes(address)],
            port: u16::from_le_bytes(port) as u32,
        }
    }

    /// The key of an IPv6 address and a port, both in network order.
    #[must_use]
    pub fn ipv6(address: [u8; 16], port: [u8; 2]) -> Self {
        Self {
            address: bytemuck::cast(address),
            port: u16::from_le_bytes(port).into(),
        }
    }
}

impl From<Config> for ConfigCells {
    fn from(config: Config) -> Self {
        let words: [u64; CONFIG_WORDS] = bytemuck::cast(config);
        Self(words.map(Cell::new))
    }
}

impl ConfigCells {
    /// Whether userspace has written the maps, and by this contract.
    #[inline(always)]
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.word(VERSION) == ABI_VERSION
    }

    /// Whether a service address may have this port, given in network order.
    #[inline(always)]
    #[must_use]
    pub fn may_have_port(&self, port: [u8; 2]) -> bool {
        self.word(PORTS) >> (port[1] & 63) & 1 == 1
    }

    /// Whether a complete checksum stays as it is when a tc program sends it.
    #[inline(always)]
    #[must_use]
    pub fn devices_offload(&self) -> bool {
        self.word(OFFLOAD) != 0
    }

    /// `Dns::RA` if recursion is available, zero if not.
    #[inline(always)]
    #[must_use]
    pub fn recursion(&self) -> u8 {
        self.word(RECURSION) as u8
    }

    /// The hash key of a name's word; `index` is below [`NAME_WORDS`].
    #[inline(always)]
    #[must_use]
    pub fn name_key(&self, index: usize) -> u64 {
        self.word(NAME_KEYS + index)
    }

    /// The seal of `words` in the entry under `key`.
    #[inline(always)]
    #[must_use]
    pub fn seal(&self, key: NameKey, words: [u64; SEAL_WORDS]) -> u64 {
        let [first, second, third] = words;
        let sum = Nh::new()
            .add(first, self.word(SEAL_KEYS))
            .add(second, self.word(SEAL_KEYS + 1))
            .add(third, self.word(SEAL_KEYS + 2));
        sum.finish() ^ key.0
    }

    #[inline(always)]
    fn word(&self, index: usize) -> u64 {
        self.0.get(index).map_or(0, Cell::get)
    }
}
