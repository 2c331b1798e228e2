//! The packet on which userspace runs the program that tells the kernel's time.

use crate::headers::Ethernet;

/// Where the program writes the ticks: behind an Ethernet header, without which the kernel runs no packet.
pub const TICKS: usize = size_of::<Ethernet>();
/// Octets of the packet.
pub const FRAME: usize = TICKS + size_of::<u64>();
