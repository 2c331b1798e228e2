//! The kernel programs of the benches: a feeder of packets, and two subjects to compare kxdns with.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
#![expect(
    unsafe_code,
    reason = "packets and map values are handed over by the kernel as addresses"
)]
#![expect(
    missing_docs,
    unreachable_pub,
    clippy::needless_pass_by_value,
    reason = "aya's macros wrap the documented entries in functions of their own"
)]
#![allow(
    clippy::inline_always,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a call costs more than these functions; packets are far shorter than 2^31 octets"
)]

use aya_ebpf::{
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action},
    helpers::{
        bpf_ktime_get_ns, bpf_redirect, bpf_skb_change_tail, bpf_skb_store_bytes,
        bpf_xdp_adjust_tail, bpf_xdp_get_buff_len, bpf_xdp_store_bytes,
    },
    macros::{classifier, map, xdp},
    maps::{Array, PerCpuArray, ProgramArray},
    programs::{TcContext, XdpContext},
};
use bench_ebpf::{MAX_PACKET, SLOT_WORDS, SLOTS, Slot};

#[map]
static PACKETS: Array<Slot> = Array::with_max_entries(SLOTS, 0);

/// How many packets this CPU has fed.
#[map]
static FED: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

#[map]
static XDP_SUBJECT: ProgramArray = ProgramArray::with_max_entries(1, 0);

#[map]
static TC_SUBJECT: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// Feeds the next packet to an XDP program; `XDP_ABORTED` if that can't be done.
#[xdp]
pub fn feed_xdp(ctx: XdpContext) -> u32 {
    let Some((octets, len)) = next_packet() else {
        return xdp_action::XDP_ABORTED;
    };
    // SAFETY: the context is valid; `octets` points at `len` octets of a map's element.
    let done = unsafe {
        let now = bpf_xdp_get_buff_len(ctx.ctx) as i32;
        bpf_xdp_adjust_tail(ctx.ctx, len as i32 - now) == 0
            && bpf_xdp_store_bytes(ctx.ctx, 0, octets.cast(), len) == 0
    };
    if done {
        settle();
        // SAFETY: no value of this program needs to be dropped.
        unsafe { XDP_SUBJECT.tail_call(&ctx, 0) };
    }
    xdp_action::XDP_ABORTED
}

/// Feeds the next packet to a tc program; `TC_ACT_SHOT` if that can't be done.
#[classifier]
pub fn feed_tc(ctx: TcContext) -> i32 {
    let Some((octets, len)) = next_packet() else {
        return TC_ACT_SHOT;
    };
    // SAFETY: the context is valid; `octets` points at `len` octets of a map's element.
    let done = unsafe {
        bpf_skb_change_tail(ctx.skb.skb, len, 0) == 0
            && bpf_skb_store_bytes(ctx.skb.skb, 0, octets.cast(), len, 0) == 0
    };
    if done {
        settle();
        // SAFETY: no value of this program needs to be dropped.
        unsafe { TC_SUBJECT.tail_call(&ctx, 0) };
    }
    TC_ACT_SHOT
}

#[xdp]
pub fn reflect_xdp(ctx: XdpContext) -> u32 {
    match swap(ctx.data(), ctx.data_end()) {
        Some(()) => xdp_action::XDP_TX,
        None => xdp_action::XDP_ABORTED,
    }
}

#[classifier]
pub fn reflect_tc(ctx: TcContext) -> i32 {
    if swap(ctx.data(), ctx.data_end()).is_none() {
        return TC_ACT_SHOT;
    }
    // SAFETY: the program's context is valid for as long as the program runs.
    let interface = unsafe { (*ctx.skb.skb).ifindex };
    // SAFETY: a helper call without pointers.
    unsafe { bpf_redirect(interface, 0) as i32 }
}

#[xdp]
pub fn empty_xdp(_ctx: XdpContext) -> u32 {
    xdp_action::XDP_PASS
}

#[classifier]
pub fn empty_tc(_ctx: TcContext) -> i32 {
    TC_ACT_UNSPEC
}

/// Words of a cache line.
const LINE_WORDS: usize = 16;

/// The octets of the next packet, and how many they are.
///
/// All of its slot is read: of slots that follow each other without a gap the processor fetches the next ones in
/// time. Of short packets in long slots it does so at some times and not at others.
#[inline(always)]
fn next_packet() -> Option<(*mut u8, u32)> {
    let fed = FED.get_ptr_mut(0)?;
    // SAFETY: the element belongs to this CPU; on it one bench runs one packet at a time.
    let number = unsafe { &mut *fed };
    let slot = PACKETS.get_ptr_mut(*number % SLOTS)?;
    *number = number.wrapping_add(1);
    // SAFETY: the element of an array map lives as long as the map, and no packet is fed while
    // userspace writes.
    let len = unsafe { (*slot)[0] };
    for word in (0..SLOT_WORDS).step_by(LINE_WORDS) {
        // SAFETY: as above.
        let _read = unsafe { slot.cast::<u32>().wrapping_add(word).read_volatile() };
    }
    if len == 0 || len > MAX_PACKET as u32 {
        return None;
    }
    // The octets follow the word that is their number.
    Some((slot.cast::<u8>().wrapping_add(4), len))
}

/// Waits until the packet is written: a real one was written long before a program reads it.
///
/// Reading the clock does that: no instruction overtakes it. Without, a subject that reads what was just
/// copied waits for the copy, and the empty program does not.
#[inline(always)]
fn settle() {
    // SAFETY: a helper call without pointers.
    let _time = unsafe { bpf_ktime_get_ns() };
}

/// The addresses and ports of the Ethernet, IPv4 and UDP headers: what a reflector swaps.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Headers {
    ethernet: [[u8; 6]; 2],
    between: [u8; 14],
    addresses: [[u8; 4]; 2],
    ports: [[u8; 2]; 2],
}

/// Makes the packet one on its way back; `None` if it is too short.
#[inline(always)]
fn swap(data: usize, data_end: usize) -> Option<()> {
    if data + size_of::<Headers>() > data_end {
        return None;
    }
    // SAFETY: the kernel says where the packet is, its headers are inside, and `Headers` is packed.
    let headers = unsafe { &mut *(data as *mut Headers) };
    headers.ethernet.swap(0, 1);
    headers.addresses.swap(0, 1);
    headers.ports.swap(0, 1);
    Some(())
}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// On the host this is compiled to be checked, and does nothing.
#[cfg(not(target_arch = "bpf"))]
fn main() {}

/// The licence that the kernel checks before it gives a program the helpers reserved for GPL code.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
