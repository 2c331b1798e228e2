//! Packets for tests of the packet path, on the host and in the kernel alike.

pub mod build;
pub mod cases;
pub mod fixture;
pub mod guarded;
pub mod host;
pub mod model;
pub mod oracle;
pub mod wire;
