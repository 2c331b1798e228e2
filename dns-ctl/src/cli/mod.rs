//! The commands that look at a running instance.

pub mod lookup;
pub mod status;
