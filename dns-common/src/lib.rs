//! What kernel and userspace of kxdns share: the packet path and the contract of the maps.
//!
//! The packet path is [`respond`]: a pure function of a [`Packet`] and of [`Maps`]. The kernel programs
//! and the host's tests run the same code.
#![no_std]
#![allow(
    clippy::inline_always,
    reason = "a call in the kernel program costs more than most of these functions, and the verifier refuses packet pointers that come back from one"
)]
#![allow(
    clippy::cast_possible_truncation,
    reason = "octets and lengths are cut out of words on purpose; lengths are bounded by the longest name"
)]

#[cfg(target_endian = "big")]
compile_error!("words of names and records are laid out for little-endian machines");

pub mod answer;
mod cell;
pub mod checksum;
pub mod clock;
pub mod edns;
pub mod entry;
pub mod frame;
pub mod hash;
pub mod head;
pub mod headers;
pub mod limit;
pub mod maps;
pub mod name;
pub mod outcome;
pub mod query;
pub mod record;
mod records;
mod respond;
pub mod sample;
pub mod scratch;
pub mod state;
pub mod transport;
mod verifier;
pub mod zones;

pub use frame::Frame;
pub use outcome::{Dropped, Hit, Hook, Miss, Outcome};
pub use respond::{Maps, Packet, respond};
