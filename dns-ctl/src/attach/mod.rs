//! The kernel programs: loaded, pinned, and attached to interfaces.
//!
//! [`rung`] and [`select`] decide, the rest does.

pub mod attacher;
pub mod counters;
pub mod kernel;
pub mod links;
pub mod offload;
pub mod pins;
pub mod rung;
pub mod select;
