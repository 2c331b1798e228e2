//! Gives memory that nobody uses back to the system.

/// Gives back what is free in the middle of the heap.
///
/// The lists of a large cluster, and what is made of them on the way to the maps, are freed in pieces between what
/// stays. The C library keeps such pages for itself, for good: it only gives back what is free at the heap's end.
#[expect(
    unsafe_code,
    reason = "the C library offers it in no other way, and no crate of ours wraps it"
)]
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer and gives none, may be called at any time by any thread, and only touches pages
    // that no allocation lies on.
    let _released = unsafe { nix::libc::malloc_trim(0) };
}
