//! What has to hold whatever comes in: one function for each fuzz target, which panics where it does not.
//!
//! What is right is worked out by modules that know nothing of `dns-common`: `world` is the content of the
//! maps, `reader` reads a query with etherparse and hickory-proto, `model` says what it deserves, `judge`
//! compares an answer with that. `guarded`, `maps` and the four targets put the packet path to them.

mod cursor;
mod differential;
mod entry;
mod guarded;
mod judge;
mod maps;
mod model;
mod packet;
mod reader;
pub mod seeds;
pub mod wire;
mod world;
pub mod wrap;

pub use differential::differential;
pub use entry::entry;
pub use judge::judge;
pub use model::{Reply, deserved};
pub use packet::{message, outcome, packet};
pub use world::{STAGES, Stage};

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is that of its folders, too.
    pub name: &'static str,
    /// What it does with an input.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 4] = [
    Target {
        name: "packet",
        run: packet,
    },
    Target {
        name: "message",
        run: message,
    },
    Target {
        name: "differential",
        run: differential,
    },
    Target {
        name: "entry",
        run: entry,
    },
];
