//! Addresses for servers on the loopback interface.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// Below the ports that the kernel gives to clients.
const PORT: u16 = 5300;

/// A loopback address that no other server has: every port of it is free, and nobody else's packets come in.
pub(crate) fn own_address() -> SocketAddr {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // No octet is 0 or 255.
    let octet = |number: u32| 1 + u8::try_from(number % 250).unwrap_or(0);
    let address = Ipv4Addr::new(127, octet(process::id()), octet(count / 250), octet(count));
    (address, PORT).into()
}
