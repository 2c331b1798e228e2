//! A word of a map's value: it may change at any time, and is only ever read or written whole.
//!
//! These are relaxed atomic loads and stores. LLVM's BPF target can't select them (as of LLVM 22), so in
//! the kernel the same instructions, of eight octets, are asked for as volatile accesses.
#![cfg_attr(
    target_arch = "bpf",
    expect(unsafe_code, reason = "a volatile access takes a pointer")
)]

use core::sync::atomic::AtomicU64;

/// A word that others may change while it is read.
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

    /// Makes it this word.
    #[inline(always)]
    pub(crate) fn set(&self, word: u64) {
        #[cfg(not(target_arch = "bpf"))]
        self.0.store(word, core::sync::atomic::Ordering::Relaxed);
        // SAFETY: as in `get`; an atomic may be written through a shared reference.
        #[cfg(target_arch = "bpf")]
        unsafe {
            self.0.as_ptr().write_volatile(word);
        }
    }
}
