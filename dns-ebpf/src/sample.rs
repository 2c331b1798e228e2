//! Samples of queries for `dns-ctl top`, while somebody looks.

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::{bpf_get_prandom_u32, bpf_jiffies64},
    programs::{TcContext, XdpContext},
};
use dns_common::{
    Outcome, Packet,
    sample::{SampleCells, Taken, WatchCells, is_chosen, take},
};

use crate::{
    maps::{Ingress as _, SAMPLES, WATCH},
    packet::{TcPacket, XdpPacket},
};

/// A program's context, from which a sample can be taken.
pub(crate) trait Sampled {
    /// Takes a sample of a query that has been dealt with, if it is chosen.
    ///
    /// It is no part of the program's function, whose registers would be spilled for it on every way, wanted or not.
    fn sample(&self, outcome: u32);
}

/// Has a sample taken of a query that has been dealt with, if any are wanted.
#[inline(always)]
pub(crate) fn offer(ctx: &impl Sampled, outcome: Outcome) {
    if !outcome.is_query() {
        return;
    }
    let Some(watch) = watch() else {
        return;
    };
    // SAFETY: a helper call without arguments.
    if watch.is_on(unsafe { bpf_jiffies64() }) {
        ctx.sample(outcome.index() as u32);
    }
}

#[inline(always)]
fn watch() -> Option<&'static WatchCells> {
    let watch = WATCH.get_ptr(0)?.cast::<WatchCells>();
    // SAFETY: the element of an array map lives as long as the map, has the size of a `Watch`, which is that of its
    // cells, and cells may be read while userspace writes.
    Some(unsafe { &*watch })
}

impl Sampled for XdpContext {
    #[inline(never)]
    fn sample(&self, outcome: u32) {
        give(&mut XdpPacket::new(self), outcome, self.interface());
    }
}

impl Sampled for TcContext {
    #[inline(never)]
    fn sample(&self, outcome: u32) {
        give(&mut TcPacket::as_is(self), outcome, self.interface());
    }
}

#[inline(always)]
fn give(packet: &mut impl Packet, outcome: u32, interface: u32) {
    let Some(watch) = watch() else {
        return;
    };
    let shift = watch.shift();
    // SAFETY: a helper call without arguments.
    if !is_chosen(unsafe { bpf_get_prandom_u32() }, shift) {
        return;
    }
    let Some(mut place) = SAMPLES.reserve::<SampleCells>(0) else {
        watch.count_lost();
        return;
    };
    // SAFETY: the kernel has reserved the place for this program alone, aligned to eight octets, and whatever its
    // octets are, they are cells.
    let cells = unsafe { &*place.as_mut_ptr() };
    let taken = Taken {
        outcome: outcome as usize,
        shift,
        interface,
    };
    // Readers look at their own times: to wake them would cost more than the sample.
    match take(&packet.frame(), taken, cells) {
        Some(()) => place.submit(BPF_RB_NO_WAKEUP.into()),
        None => place.discard(BPF_RB_NO_WAKEUP.into()),
    }
}
