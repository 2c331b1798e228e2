//! The maps of the contract, and the packet path's way to them.

use aya_ebpf::{
    bindings::BPF_F_NO_PREALLOC,
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
};

#[map]
static CONFIG: Array<Config> = Array::with_max_entries(1, 0);

#[map]
static SERVICES: HashMap<ServiceKey, u8> = HashMap::with_max_entries(MAX_SERVICES, 0);

/// Not preallocated: its memory follows the number of names, not its capacity.
#[map]
static NAMES: HashMap<NameKey, Entry> =
    HashMap::with_max_entries(DEFAULT_MAX_NAMES, BPF_F_NO_PREALLOC);

#[map]
static OUTCOMES: PerCpuArray<Counters> = PerCpuArray::with_max_entries(Hook::ALL.len() as u32, 0);

#[map]
static ATTACHED: HashMap<u32, Attachment> =
    HashMap::with_max_entries(MAX_ATTACHED, BPF_F_NO_PREALLOC);

/// The maps of the loaded object.
pub(crate) struct KernelMaps;

impl Maps for KernelMaps {
    #[inline(always)]
    fn config(&self) -> Option<&ConfigCells> {
        let config = CONFIG.get_ptr(0)?.cast::<ConfigCells>();
        // SAFETY: the element of an array map lives as long as the map, has the size of a `Config`,
        // which is that of its cells, and cells may be read while userspace writes.
        Some(unsafe { &*config })
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
