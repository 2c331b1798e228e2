//! How often a client may ask: a token bucket for each address on each interface.
//!
//! A bucket is one word: the time up to which its client's queries are paid for (the "theoretical arrival time" of GCRA,
//! ITU-T I.371). Each query moves it on by what a query costs; while it is too far ahead of the clock, the client asks too
//! often. One word can be read and written without a lock.

use bytemuck::{Pod, Zeroable};

use crate::cell::Cell;

/// Binary digits of times below a tick of the kernel's clock.
pub const FRACTION: u32 = 20;
/// One tick of the kernel's clock.
const TICK: u64 = 1 << FRACTION;

/// What becomes of a query whose client asks too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Over {
    /// It is passed on.
    Pass,
    /// It is dropped.
    Drop,
    /// It is answered with TC set, so that the client asks again over TCP; what is no plain query is dropped.
    Truncate,
}

/// How often one client may ask; all zero: as often as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Limit {
    /// The time that a query costs, in ticks and their binary fraction of [`FRACTION`] digits; zero if there is no limit.
    pub cost: u64,
    /// How far ahead of the clock a bucket may be for one more query, likewise.
    pub ahead: u64,
    /// What becomes of the others: an [`Over`].
    pub over: u64,
}

/// A client's bucket, as the kernel sees it.
#[derive(Debug)]
#[repr(transparent)]
pub struct BucketCell(Cell);

impl Limit {
    /// A limit of `rate` queries a second, and of `burst` at once, by a clock of `ticks` a second.
    ///
    /// The clock stands still for the length of a tick, so a bucket may be a tick further ahead: who keeps to the rate is
    /// never over the limit. In any time a client gets at most `burst` queries, and `rate` for each second of it and of
    /// two ticks.
    #[must_use]
    pub fn new(rate: u32, burst: u32, over: Over, ticks: u64) -> Self {
        let cost = (ticks << FRACTION) / u64::from(rate.max(1));
        let cost = cost.max(1);
        Self {
            cost,
            ahead: cost * u64::from(burst.max(1) - 1) + TICK,
            over: over as u64,
        }
    }
}

/// The time of `ticks` of the kernel's clock, as buckets have it.
#[inline(always)]
#[must_use]
pub const fn time(ticks: u64) -> u64 {
    ticks << FRACTION
}

impl BucketCell {
    /// A bucket that is paid for up to this time.
    #[must_use]
    pub const fn new(paid: u64) -> Self {
        Self(Cell::new(paid))
    }

    /// Takes a query's cost out of the bucket; whether it was in there.
    ///
    /// CPUs that do that within the same few nanoseconds count one query together: LLVM has no atomic addition for BPF
    /// that a stable compiler gives. Of a flood from all CPUs that is a small share (docs/decisions/0019).
    #[inline(always)]
    #[must_use]
    pub fn take(&self, now: u64, cost: u64, ahead: u64) -> bool {
        // A bucket that is full is paid for up to now, however long it has been.
        let paid = self.0.get().max(now);
        if paid - now > ahead {
            return false;
        }
        self.0.set(paid + cost);
        true
    }
}
