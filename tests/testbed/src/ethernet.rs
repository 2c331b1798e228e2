//! Whole Ethernet frames, as no socket of an ordinary program sends them: with VLAN tags, for example.

use std::os::fd::AsRawFd as _;

use anyhow::{Context as _, Result, ensure};
use nix::{
    ifaddrs::getifaddrs,
    sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket},
};

use crate::Namespace;

/// The Ethernet address of an interface.
pub fn ethernet_address(namespace: &Namespace, interface: &str) -> Result<[u8; 6]> {
    namespace
        .run(|| link_here(interface))?
        .and_then(|link| link.addr().context("it has no address"))
        .with_context(|| format!("can't tell the Ethernet address of {interface}"))
}

/// Sends a frame out of an interface as it is, beginning with its Ethernet header.
pub fn send_frame(namespace: &Namespace, interface: &str, frame: &[u8]) -> Result<()> {
    namespace
        .run(|| send_here(interface, frame))?
        .with_context(|| format!("can't send a frame out of {interface}"))
}

fn send_here(interface: &str, frame: &[u8]) -> Result<()> {
    let link = link_here(interface)?;
    // Without a protocol it receives nothing, and the kernel reads the type off each frame that it sends.
    let raw = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let sent = sendto(raw.as_raw_fd(), frame, &link, MsgFlags::empty())?;
    ensure!(sent == frame.len(), "only {sent} octets were sent");
    Ok(())
}

/// The interface of that name in the caller's namespace.
fn link_here(interface: &str) -> Result<LinkAddr> {
    getifaddrs()?
        .filter(|one| one.interface_name == interface)
        .find_map(|one| one.address?.as_link_addr().copied())
        .context("there is no such interface")
}
