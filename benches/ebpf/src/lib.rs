//! What the feeder and the bench agree on: the packets to be fed, and the names of programs and maps.
#![no_std]

/// Packets that the feeder goes through, over and over; a power of two.
pub const SLOTS: u32 = 8192;
/// Words of a [`Slot`].
pub const SLOT_WORDS: usize = 64;
/// Longest packet that a slot holds, in octets.
pub const MAX_PACKET: usize = 4 * (SLOT_WORDS - 1);

/// A packet to be fed: its length in octets, then its octets in the order of memory.
pub type Slot = [u32; SLOT_WORDS];

/// Map of the packets: an array of [`SLOTS`] times [`Slot`].
pub const PACKETS: &str = "PACKETS";
/// Program array whose element 0 the XDP feeder hands its packets to.
pub const XDP_SUBJECT: &str = "XDP_SUBJECT";
/// Program array whose element 0 the tc feeder hands its packets to.
pub const TC_SUBJECT: &str = "TC_SUBJECT";

/// Programs of the object: one for each hook.
#[derive(Clone, Copy, Debug)]
pub struct Programs {
    /// The XDP program's name.
    pub xdp: &'static str,
    /// The tc program's name.
    pub tc: &'static str,
}

/// Makes the packet the next one of the map, and hands it to the subject by a tail call.
pub const FEED: Programs = Programs {
    xdp: "feed_xdp",
    tc: "feed_tc",
};
/// Sends every packet back: Ethernet and IPv4 addresses and UDP ports swapped, nothing looked at.
pub const REFLECT: Programs = Programs {
    xdp: "reflect_xdp",
    tc: "reflect_tc",
};
/// Passes every packet at once.
pub const EMPTY: Programs = Programs {
    xdp: "empty_xdp",
    tc: "empty_tc",
};
