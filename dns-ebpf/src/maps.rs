//! The maps of the contract, and the packet path's way to them.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
    helpers::bpf_jiffies64,
    macros::map,
    maps::{Array, HashMap, PerCpuArray},
};
use dns_common::{
    Hook, Maps, Outcome,
    entry::{Entry, EntryCells},
    hash::NameKey,
    maps::{
        Attachment, Config, ConfigCells, Counters, DEFAULT_MAX_NAMES, MAX_ATTACHED, MAX_SERVICES,
        ServiceKey,
    },
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
static ATTACHED: HashMap<u32, Attachment> =
    HashMap::with_max_entries(MAX_ATTACHED, BPF_F_NO_PREALLOC);

/// The maps of the loaded object, as the program of this hook uses them.
pub(crate) struct KernelMaps(pub(crate) Hook);

impl Maps for KernelMaps {
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
