//! Random marks the server puts on objects: UIDs and ends of generated names.

use std::hash::{BuildHasher, RandomState};

/// Every hasher state has keys of its own, so an empty hash is a random number.
pub(super) fn random() -> u64 {
    RandomState::new().hash_one(0_u8)
}

/// A random UUID (version 4).
pub(super) fn uid() -> String {
    let (high, low) = (random(), random());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff
    )
}
