//! The contract between kernel and userspace: every map with its key, its value and its meaning.
//!
//! | map | kind | key | value |
//! | --- | --- | --- | --- |
//! | `CONFIG` | array of one | 0 | [`Config`] |
//! | `STATE` | array of one | 0 | [`crate::state::State`] |
//! | `ZONES` | array of one | 0 | [`crate::zones::Zones`] |
//! | `SERVICES` | hash, not preallocated | [`ServiceKey`] | `u8`, always 1 |
//! | `NAMES` | hash, not preallocated | [`crate::hash::NameKey`] | [`crate::entry::Entry`] |
//! | `OUTCOMES` | per-CPU array, one element for each [`crate::Hook`] | hook | [`Counters`] |
//! | `SCRATCH` | per-CPU array, one element for each [`crate::Hook`] | hook | [`crate::scratch::Scratch`] |
//! | `WATCH` | array of one | 0 | [`crate::sample::Watch`] |
//! | `SAMPLES` | ring buffer | | [`crate::sample::Sample`] |
//! | `BUCKETS` | least-recently-used hash | IPv6 address, or mapped IPv4 address; interface index | time, see [`crate::limit`] |
//! | `ATTACHED` | hash, not read by the kernel programs | interface index | [`Attachment`] |

use bytemuck::{Pod, Zeroable};

use crate::{
    cell::Cell,
    hash::{HashKeys, Nh},
    limit::{Limit, Over},
    name::NAME_WORDS,
    outcome::OUTCOMES,
    record::{SOA_WORDS, Templates},
};

/// Version of this contract: changes whenever a key, a value or the meaning of either changes after a release.
///
/// The feature `next-abi` makes it the next one, for tests of upgrades.
pub const ABI_VERSION: u64 = if cfg!(feature = "next-abi") { 5 } else { 4 };

/// Names of the maps, as the kernel object has them.
pub mod map_name {
    /// The one [`super::Config`].
    pub const CONFIG: &str = "CONFIG";
    /// The one [`crate::state::State`].
    pub const STATE: &str = "STATE";
    /// The one [`crate::zones::Zones`].
    pub const ZONES: &str = "ZONES";
    /// The addresses at which clients reach DNS.
    pub const SERVICES: &str = "SERVICES";
    /// The names and their answers.
    pub const NAMES: &str = "NAMES";
    /// What became of the packets.
    pub const OUTCOMES: &str = "OUTCOMES";
    /// Where sets of answers are put together.
    pub const SCRATCH: &str = "SCRATCH";
    /// Whether samples are wanted.
    pub const WATCH: &str = "WATCH";
    /// Samples of queries.
    pub const SAMPLES: &str = "SAMPLES";
    /// The buckets of clients. It is pinned nowhere: programs that are loaded anew begin with full ones.
    pub const BUCKETS: &str = "BUCKETS";
    /// Where the programs are attached.
    pub const ATTACHED: &str = "ATTACHED";
    /// Every map that is pinned.
    pub const ALL: [&str; 10] = [
        CONFIG, STATE, ZONES, SERVICES, NAMES, OUTCOMES, SCRATCH, WATCH, SAMPLES, ATTACHED,
    ];
}

/// Capacity of `NAMES` unless configured.
pub const DEFAULT_MAX_NAMES: u32 = 131_072;
/// Capacity of `SERVICES`: the DNS Service's addresses, and those of its endpoints if they are answered for.
pub const MAX_SERVICES: u32 = 16_384;
/// Capacity of `BUCKETS`, if there is a limit. On as many processors as there are, each holds some free elements back.
pub const MAX_BUCKETS: u32 = 65_536;
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
    /// The address and port that most queries are for, as [`ServiceKey::usual`] has them: one of `SERVICES`, which then
    /// costs no lookup. Zero if there is none.
    pub usual: u64,
    /// 1 if the devices of all interfaces with a tc program take checksums over, so that the network
    /// stack leaves a complete one alone; else 0.
    pub offload: u64,
    /// The flags octet of responses that says whether recursion is available: `Dns::RA` or zero.
    pub recursion: u64,
    /// 1 if names and types may be denied in the kernel, else 0.
    pub negative: u64,
    /// How often one client may ask.
    pub limit: Limit,
    /// What all records have in common.
    pub templates: Templates,
    /// The secret of the hash and of the seal.
    pub keys: HashKeys,
    /// Digest of what the maps were filled with: the source of objects, and the choice of names. Only userspace
    /// looks at it.
    pub scope: u64,
    /// What a next version may add.
    #[cfg(feature = "next-abi")]
    pub added: u64,
}

/// A [`Config`] as the kernel sees it: words that may change at any time.
#[derive(Debug)]
#[repr(transparent)]
pub struct ConfigCells([Cell; CONFIG_WORDS]);

const CONFIG_WORDS: usize = size_of::<Config>() / 8;
const VERSION: usize = 0;
const PORTS: usize = 1;
const USUAL: usize = 2;
const OFFLOAD: usize = 3;
const RECURSION: usize = 4;
const NEGATIVE: usize = 5;
const COST: usize = 6;
const AHEAD: usize = 7;
const OVER: usize = 8;
const RECORD: usize = 9;
const SOA: usize = RECORD + 2;
const NAME_KEYS: usize = SOA + SOA_WORDS;
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
    /// Set of flags: [`Attachment::OWNS_CLSACT`].
    pub flags: u32,
}

impl Attachment {
    /// The clsact qdisc was made for the program.
    pub const OWNS_CLSACT: u32 = 1;
}

const _: () = {
    assert!(size_of::<Config>() == size_of::<ConfigCells>());
    assert!(core::mem::offset_of!(Config, version) == VERSION * 8);
    assert!(core::mem::offset_of!(Config, ports) == PORTS * 8);
    assert!(core::mem::offset_of!(Config, usual) == USUAL * 8);
    assert!(core::mem::offset_of!(Config, offload) == OFFLOAD * 8);
    assert!(core::mem::offset_of!(Config, recursion) == RECURSION * 8);
    assert!(core::mem::offset_of!(Config, negative) == NEGATIVE * 8);
    assert!(core::mem::offset_of!(Config, limit) == COST * 8);
    assert!(core::mem::offset_of!(Limit, ahead) == (AHEAD - COST) * 8);
    assert!(core::mem::offset_of!(Limit, over) == (OVER - COST) * 8);
    assert!(core::mem::offset_of!(Config, templates) == RECORD * 8);
    assert!(core::mem::offset_of!(Templates, soa) == (SOA - RECORD) * 8);
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
    /// The key of an address (as [`ServiceKey::mapped`] or an IPv6 address has it) and a port in network order.
    #[inline(always)]
    #[must_use]
    pub const fn new(address: [u32; 4], port: [u8; 2]) -> Self {
        Self {
            address,
            port: u16::from_le_bytes(port) as u32,
        }
    }

    /// An IPv4 address mapped into IPv6.
    #[inline(always)]
    #[must_use]
    pub const fn mapped(address: [u8; 4]) -> [u32; 4] {
        [0, 0, 0xffff_0000, u32::from_le_bytes(address)]
    }

    /// Whether an address is one that [`Self::mapped`] gives.
    #[inline(always)]
    #[must_use]
    pub const fn is_mapped(address: &[u32; 4]) -> bool {
        address[0] == 0 && address[1] == 0 && address[2] == 0xffff_0000
    }

    /// The key of an IPv4 address and a port, both in network order.
    #[must_use]
    pub const fn ipv4(address: [u8; 4], port: [u8; 2]) -> Self {
        Self::new(Self::mapped(address), port)
    }

    /// The key of an IPv6 address and a port, both in network order.
    #[must_use]
    pub fn ipv6(address: [u8; 16], port: [u8; 2]) -> Self {
        Self::new(bytemuck::cast(address), port)
    }

    /// What [`Config::usual`] says of this key, `address | port << 32 | 1 << 63`; `None` if its address is not of IPv4.
    #[inline(always)]
    #[must_use]
    pub const fn usual(&self) -> Option<u64> {
        if Self::is_mapped(&self.address) {
            Some(1 << 63 | self.address[3] as u64 | (self.port as u64) << 32)
        } else {
            None
        }
    }

    /// The IPv6 address, or the mapped IPv4 address, and the port.
    #[must_use]
    pub fn socket(&self) -> ([u8; 16], u16) {
        let [high, low, ..] = self.port.to_le_bytes();
        (
            bytemuck::cast(self.address),
            u16::from_be_bytes([high, low]),
        )
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

    /// Whether this is where most queries go.
    #[inline(always)]
    #[must_use]
    pub fn is_usual(&self, key: &ServiceKey) -> bool {
        key.usual() == Some(self.word(USUAL))
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

    /// Whether names and types may be denied in the kernel at all.
    #[inline(always)]
    #[must_use]
    pub fn may_deny(&self) -> bool {
        self.word(NEGATIVE) != 0
    }

    /// What a query costs its client; zero if there is no limit.
    #[inline(always)]
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.word(COST)
    }

    /// How far ahead of the clock a bucket may be.
    #[inline(always)]
    #[must_use]
    pub fn ahead(&self) -> u64 {
        self.word(AHEAD)
    }

    /// What becomes of the queries of a client that asks too often.
    #[inline(always)]
    #[must_use]
    pub fn over(&self) -> Over {
        const DROP: u64 = Over::Drop as u64;
        const TRUNCATE: u64 = Over::Truncate as u64;
        match self.word(OVER) {
            DROP => Over::Drop,
            TRUNCATE => Over::Truncate,
            _ => Over::Pass,
        }
    }

    /// A word of [`Templates::record`].
    #[inline(always)]
    #[must_use]
    pub fn record(&self, index: usize) -> u64 {
        self.word(RECORD + index)
    }

    /// A word of [`Templates::soa`].
    #[inline(always)]
    #[must_use]
    pub fn soa(&self, index: usize) -> u64 {
        self.word(SOA + index)
    }

    /// A seal to which the words of a set are still to be added.
    #[inline(always)]
    #[must_use]
    pub fn begin_seal(&self, head: u64) -> Nh {
        Nh::new().add(head, self.word(SEAL_KEYS))
    }

    /// The seal with the word of a set that stands at `index`.
    #[inline(always)]
    #[must_use]
    pub fn add_to_seal(&self, seal: Nh, index: usize, word: u64) -> Nh {
        seal.add(word, self.word(SEAL_KEYS + 1 + index))
    }

    #[inline(always)]
    fn word(&self, index: usize) -> u64 {
        self.0.get(index).map_or(0, Cell::get)
    }
}
