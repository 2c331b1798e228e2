//! A word of a map's value: it may change at any time, and is only ever read whole.
//!
//! This is a relaxed atomic load. LLVM's BPF target can't select one (as of LLVM 22), so in the kernel
//! the same instruction, a load of eight octets, is asked for as a volatile read.
#![cfg_attr(
    target_arch = "bpf",
    expect(unsafe_code, reason = "a volatile read takes a pointer")
)]

use core::sync::atomic::AtomicU64;

/// A word that userspace may change while the kernel reads it.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Cell(AtomicU64);

impl Cell {
    pub(crate) const fn new(word: u64) -> Self {
        Self(AtomicU64::new(word))
    }

    /// The word as it is now.
    #[inline(always)]
    pub(crate) fn get(&self) -> u64 {
        #[cfg(not(target_arch = "bpf"))]
        return self.0.load(core::sync::atomic::Ordering::Relaxed);
        // SAFETY: the pointer is that of a live, aligned atomic, whose octets may be read at any time;
        // an aligned load of eight octets is one instruction.
        #[cfg(target_arch = "bpf")]
        return unsafe { self.0.as_ptr().read_volatile() };
    }
}
