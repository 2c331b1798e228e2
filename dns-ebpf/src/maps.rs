//! The maps of the contract, and the packet path's way to them.

use aya_ebpf::{
    bindings::{BPF_F_NO_PREALLOC, BPF_NOEXIST},
    helpers::bpf_jiffies64,
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
    programs::{TcContext, XdpContext},
};
use dns_common::{
    Hook, Maps, Outcome,
    entry::{Entry, EntryCells},
    hash::NameKey,
    limit::BucketCell,
    maps::{
        Attachment, Config, ConfigCells, Counters, DEFAULT_MAX_NAMES, MAX_ATTACHED, MAX_BUCKETS,
        MAX_SERVICES, ServiceKey,
    },
    sample::{RING, Watch},
    scratch::{Scratch, ScratchCells},
    state::{State, StateCells},
    zones::{Zones, ZonesCells},
};

#[map]
static CONFIG: Array<Config> = Array::with_max_entries(1, 0);

#[map]
static STATE: Array<State> = Array::with_max_entries(1, 0);

#[map]
static ZONES: Array<Zones> = Array::with_max_entries(1, 0);

/// Not preallocated, here and below: the map's memory follows what it holds, not its capacity.
#[map]
static SERVICES: HashMap<ServiceKey, u8> =
    HashMap::with_max_entries(MAX_SERVICES, BPF_F_NO_PREALLOC);

#[map]
static NAMES: HashMap<NameKey, Entry> =
    HashMap::with_max_entries(DEFAULT_MAX_NAMES, BPF_F_NO_PREALLOC);

#[map]
static OUTCOMES: PerCpuArray<Counters> = PerCpuArray::with_max_entries(Hook::ALL.len() as u32, 0);

#[map]
static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(Hook::ALL.len() as u32, 0);

#[map]
pub(crate) static WATCH: Array<Watch> = Array::with_max_entries(1, 0);

#[map]
pub(crate) static SAMPLES: RingBuf = RingBuf::with_byte_size(RING, 0);

#[map]
static BUCKETS: LruHashMap<[u64; 3], u64> = LruHashMap::with_max_entries(MAX_BUCKETS, 0);

#[map]
static ATTACHED: HashMap<u32, Attachment> =
    HashMap::with_max_entries(MAX_ATTACHED, BPF_F_NO_PREALLOC);

/// A program's context, which knows where the packet came in.
pub(crate) trait Ingress {
    /// The index of the interface.
    fn interface(&self) -> u32;
}

impl Ingress for XdpContext {
    #[inline(always)]
    fn interface(&self) -> u32 {
        // SAFETY: the program's context is valid for as long as the program runs.
        unsafe { (*self.ctx).ingress_ifindex }
    }
}

impl Ingress for TcContext {
    #[inline(always)]
    fn interface(&self) -> u32 {
        // SAFETY: as for XDP.
        unsafe { (*self.skb.skb).ifindex }
    }
}

/// The maps of the loaded object, as the program of this hook uses them for the packet of this context.
pub(crate) struct KernelMaps<'c, C>(pub(crate) Hook, pub(crate) &'c C);

impl<C: Ingress> Maps for KernelMaps<'_, C> {
    #[inline(always)]
    fn config(&self) -> Option<&ConfigCells> {
        let config = CONFIG.get_ptr(0)?.cast::<ConfigCells>();
        // SAFETY: the element of an array map lives as long as the map, has the size of a `Config`,
        // which is that of its cells, and cells may be read while userspace writes.
        Some(unsafe { &*config })
    }

    #[inline(always)]
    fn state(&self) -> Option<&StateCells> {
        let state = STATE.get_ptr(0)?.cast::<StateCells>();
        // SAFETY: as for the configuration.
        Some(unsafe { &*state })
    }

    #[inline(always)]
    fn zones(&self) -> Option<&ZonesCells> {
        let zones = ZONES.get_ptr(0)?.cast::<ZonesCells>();
        // SAFETY: as for the configuration.
        Some(unsafe { &*zones })
    }

    #[inline(always)]
    fn is_service(&self, key: &ServiceKey) -> bool {
        SERVICES.get_ptr(key).is_some()
    }

    #[inline(always)]
    fn entry(&self, key: NameKey) -> Option<&EntryCells> {
        let entry = NAMES.get_ptr(key)?.cast::<EntryCells>();
        // SAFETY: the kernel keeps the memory of an element readable until the program ends, even when
        // the element is removed and its memory taken for another; cells may be read meanwhile.
        Some(unsafe { &*entry })
    }

    #[inline(always)]
    fn bucket(&self, client: &[u32; 4], paid: u64, take: impl FnOnce(&BucketCell) -> bool) -> bool {
        let [first, second, third, fourth] = client.map(u64::from);
        let (low, high) = (first | second << 32, third | fourth << 32);
        bucket_of(low, high, self.1.interface(), paid).is_none_or(take)
    }

    #[inline(always)]
    fn scratch(&self) -> Option<&ScratchCells> {
        let scratch = SCRATCH.get_ptr(self.0 as u32)?.cast::<ScratchCells>();
        // SAFETY: as for the configuration. The element belongs to this CPU, and a program of this kind
        // is not interrupted by another of its kind on its CPU.
        Some(unsafe { &*scratch })
    }

    #[inline(always)]
    fn now(&self) -> u64 {
        // SAFETY: a helper call without arguments.
        unsafe { bpf_jiffies64() }
    }
}

/// The bucket of a client on an interface; if it has none yet, it gets one that is paid for up to `paid`.
///
/// It is no part of the program's function, where the key would stay on the stack, and the verifier follow the rest of the
/// program for each kind of key.
#[inline(never)]
fn bucket_of(low: u64, high: u64, interface: u32, paid: u64) -> Option<&'static BucketCell> {
    let key = [low, high, interface.into()];
    if let Some(bucket) = BUCKETS.get_ptr(key) {
        // SAFETY: as for an entry; the value has the size of a cell.
        return Some(unsafe { &*bucket.cast::<BucketCell>() });
    }
    // Another CPU may be first, or there may be no room: that is no reason to keep the packet back.
    let _unused = BUCKETS.insert(key, paid, BPF_NOEXIST.into());
    None
}

/// Counts what became of a packet.
#[inline(always)]
pub(crate) fn count(hook: Hook, outcome: Outcome) {
    let Some(counters) = OUTCOMES.get_ptr_mut(hook as u32) else {
        return;
    };
    // SAFETY: the element belongs to this CPU, and a program of this kind is not interrupted by another
    // of its kind on its CPU; the two kinds have an element each.
    if let Some(counter) = unsafe { &mut *counters }.get_mut(outcome.index()) {
        *counter += 1;
    }
}
