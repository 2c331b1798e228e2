//! The kernel's packets as the packet path wants them: a view, and a way to change the length.

use core::mem::offset_of;

use aya_ebpf::{
    bindings::BPF_F_MARK_MANGLED_0,
    helpers::{bpf_l4_csum_replace, bpf_skb_change_tail, bpf_xdp_adjust_tail},
    programs::{TcContext, XdpContext},
};
use dns_common::{
    Frame, Miss, Packet,
    answer::Sums,
    headers::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN, Ethernet, Ipv4, Ipv6, PROTOCOL_UDP},
    maps::ConfigCells,
};

/// Longest frame whose octets are pulled together if they are scattered over pages: more than a query
/// has without large EDNS options (Ethernet, two tags, IPv6, UDP, DNS header, name of 255 octets, type,
/// class and OPT record).
const MAX_PULL: u32 = 512;

/// A packet on XDP.
pub(crate) struct XdpPacket<'c> {
    ctx: &'c XdpContext,
}

/// A packet on tc.
pub(crate) struct TcPacket<'c> {
    ctx: &'c TcContext,
}

impl<'c> XdpPacket<'c> {
    #[inline(always)]
    pub(crate) const fn new(ctx: &'c XdpContext) -> Self {
        Self { ctx }
    }
}

impl Packet for XdpPacket<'_> {
    #[inline(always)]
    fn frame(&mut self) -> Frame<'_> {
        // SAFETY: the kernel says where the packet is, and the mutable borrow keeps the view alone.
        unsafe { Frame::from_raw(self.ctx.data() as *mut u8, self.ctx.data_end() as *mut u8) }
    }

    #[inline(always)]
    fn resize(&mut self, from: usize, to: usize) -> Result<(), Miss> {
        let delta = to as i32 - from as i32;
        // SAFETY: the context is valid; no view of the packet is alive, as each borrows `self`.
        match unsafe { bpf_xdp_adjust_tail(self.ctx.ctx, delta) } {
            0 => Ok(()),
            _ => Err(Miss::NoRoom),
        }
    }
}

impl<'c> TcPacket<'c> {
    /// The packet as it is, in one piece or not.
    #[inline(always)]
    pub(crate) const fn as_is(ctx: &'c TcContext) -> Self {
        Self { ctx }
    }

    #[inline(always)]
    pub(crate) fn new(ctx: &'c TcContext) -> Self {
        let mut packet = Self { ctx };
        let len = ctx.len();
        let frame = packet.frame();
        let scattered = len <= MAX_PULL && frame.len() < len as usize;
        // Other protocols' packets, small TCP segments above all, stay as they are.
        if scattered && may_be_udp(&frame) {
            // If it fails the packet stays scattered, looks cut short and passes.
            let _scattered = ctx.pull_data(len);
        }
        packet
    }
}

/// Whether the frame carries UDP, or a tag before what it carries.
#[inline(always)]
fn may_be_udp(frame: &Frame<'_>) -> bool {
    let protocol = match frame.get(offset_of!(Ethernet, ethertype)) {
        Some(&ETHERTYPE_IPV4) => offset_of!(Ipv4, protocol),
        Some(&ETHERTYPE_IPV6) => offset_of!(Ipv6, next_header),
        Some(&ETHERTYPE_VLAN) => return true,
        _ => return false,
    };
    frame.get(size_of::<Ethernet>() + protocol) == Some(&PROTOCOL_UDP)
}

impl Packet for TcPacket<'_> {
    #[inline(always)]
    fn frame(&mut self) -> Frame<'_> {
        // SAFETY: as for XDP.
        unsafe { Frame::from_raw(self.ctx.data() as *mut u8, self.ctx.data_end() as *mut u8) }
    }

    #[inline(always)]
    fn resize(&mut self, _from: usize, to: usize) -> Result<(), Miss> {
        // SAFETY: the context is valid; no view of the packet is alive, as each borrows `self`.
        match unsafe { bpf_skb_change_tail(self.ctx.skb.skb, to as u32, 0) } {
            0 => Ok(()),
            _ => Err(Miss::NoRoom),
        }
    }

    /// Of a packet from a local pod the network stack may still mean to complete the checksum
    /// (`CHECKSUM_PARTIAL`), unless the device does: then the field has to hold the pseudo header's sum.
    /// Only the helper knows: on such a packet it leaves the field alone, on others it applies the
    /// difference.
    #[inline(always)]
    fn write_udp_checksum(&mut self, at: usize, sums: &Sums, config: &ConfigCells) {
        let offload = config.devices_offload();
        if let Some(checksum) = self.frame().get_mut(at) {
            *checksum = if offload {
                sums.pseudo.add_sum(sums.datagram).udp_checksum()
            } else {
                sums.pseudo.fold().to_le_bytes()
            };
        }
        if offload {
            return;
        }
        // The helper makes ~(difference - field) of the field; the checksum is ~(datagram + pseudo).
        let twice = sums.pseudo.add_sum(sums.pseudo);
        let difference = sums.datagram.add_sum(twice).fold();
        // SAFETY: the context is valid; no view of the packet is alive, as each borrows `self`.
        // It can only fail if the field lay outside of the packet, and it was just written.
        let _inside = unsafe {
            bpf_l4_csum_replace(
                self.ctx.skb.skb,
                at as u32,
                0,
                u64::from(difference),
                u64::from(BPF_F_MARK_MANGLED_0),
            )
        };
    }
}
