//! The kernel programs: loaded, pinned, and attached to interfaces.
//!
//! [`rung`], [`select`] and [`layout`] decide, the rest does.

pub mod attacher;
pub mod clock;
pub mod counters;
pub mod folder;
pub(crate) mod hooks;
pub mod interfaces;
pub mod kernel;
pub mod layout;
pub mod links;
pub mod maps;
pub mod offload;
pub mod pins;
pub mod removal;
pub mod rung;
pub mod select;
pub mod watch;
