//! The kernel programs of kxdns: two thin entries, XDP and tc, over the packet path of `dns-common`, and a clock.
#![no_std]
#![no_main]
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
    clippy::cast_sign_loss,
    reason = "as in dns-common; the kernel's numbers come in other types than lengths have"
)]

mod maps;
mod packet;
mod sample;

use aya_ebpf::{
    bindings::{TC_ACT_OK, TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action},
    helpers::bpf_redirect,
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use dns_common::{Hook, Maps as _, Outcome, clock::TICKS, respond};

use crate::{
    maps::{Ingress as _, KernelMaps, count},
    packet::{TcPacket, XdpPacket},
};

/// Answers on XDP: the response leaves by the interface the query came in by.
#[xdp]
pub fn kxdns_xdp(ctx: XdpContext) -> u32 {
    let outcome = respond(&mut XdpPacket::new(&ctx), &KernelMaps(Hook::Xdp, &ctx));
    count(Hook::Xdp, outcome);
    sample::offer(&ctx, outcome);
    trace(&ctx, outcome);
    match outcome {
        Outcome::Hit(_) => xdp_action::XDP_TX,
        Outcome::Miss(_) => xdp_action::XDP_PASS,
        Outcome::Dropped(_) => xdp_action::XDP_DROP,
    }
}

/// Answers on tc ingress, attached by tcx or as a direct-action filter of clsact.
///
/// A miss leaves the verdict to the programs behind this one (`TCX_NEXT`, `TC_ACT_UNSPEC`).
#[classifier]
pub fn kxdns_tc(ctx: TcContext) -> i32 {
    let outcome = respond(&mut TcPacket::new(&ctx), &KernelMaps(Hook::Tc, &ctx));
    count(Hook::Tc, outcome);
    sample::offer(&ctx, outcome);
    trace(&ctx, outcome);
    match outcome {
        Outcome::Hit(_) => send_back(&ctx),
        Outcome::Miss(_) => TC_ACT_UNSPEC,
        Outcome::Dropped(_) => TC_ACT_SHOT,
    }
}

/// Writes the time that the others go by into the packet, for userspace, which knows no other way to it.
///
/// It is attached nowhere: userspace runs it on a packet of its own (`BPF_PROG_TEST_RUN`).
#[classifier]
pub fn kxdns_clock(ctx: TcContext) -> i32 {
    let ticks = KernelMaps(Hook::Tc, &ctx).now();
    match ctx.store(TICKS, &ticks, 0) {
        Ok(()) => TC_ACT_OK,
        Err(_) => TC_ACT_SHOT,
    }
}

/// Sends the packet out of the interface that it came in by.
#[inline(always)]
fn send_back(ctx: &TcContext) -> i32 {
    // SAFETY: a helper call without pointers.
    unsafe { bpf_redirect(ctx.interface(), 0) as i32 }
}

/// Tells what became of the packet; never the name that it asked for.
#[cfg(feature = "log")]
#[inline(always)]
fn trace(ctx: &impl aya_ebpf::EbpfContext, outcome: Outcome) {
    aya_log_ebpf::trace!(ctx, "outcome {}", outcome.index());
}

#[cfg(not(feature = "log"))]
#[inline(always)]
fn trace(_ctx: &impl aya_ebpf::EbpfContext, _outcome: Outcome) {}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The licence that the kernel checks before it gives a program the helpers reserved for GPL code.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
