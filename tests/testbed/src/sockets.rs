//! The sockets of the testbed's servers: UDP and TCP on one port, waking up now and then to see whether to end.

use std::{
    io::{self, Read},
    net::{SocketAddr, TcpListener, UdpSocket},
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::sys::{
    socket::{setsockopt, sockopt::ReceiveTimeout},
    time::{TimeVal, TimeValLike as _},
};

use crate::Namespace;

/// How soon the threads of a server notice that they shall end.
pub(crate) const WAKE: Duration = Duration::from_millis(50);
/// The largest datagram.
pub(crate) const LARGEST: usize = 65_535;

/// Binds `address` (port 0: any) in a namespace, UDP and TCP.
pub(crate) fn bind(namespace: &Namespace, address: SocketAddr) -> Result<(UdpSocket, TcpListener)> {
    let sockets = namespace.run(|| bind_here(address))?;
    sockets.with_context(|| format!("can't bind {address} in {}", namespace.name()))
}

/// Binds `address` (port 0: any) in the caller's namespace, UDP and TCP.
pub(crate) fn bind_here(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let udp = bind_udp(address)?;
    let tcp = TcpListener::bind(udp.local_addr()?)?;
    let wake = i64::try_from(WAKE.as_millis()).map_err(io::Error::other)?;
    setsockopt(&tcp, ReceiveTimeout, &TimeVal::milliseconds(wake))?;
    Ok((udp, tcp))
}

/// Binds `address` for UDP in the caller's namespace.
pub(crate) fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_read_timeout(Some(WAKE))?;
    Ok(socket)
}

/// One message as TCP has it, without its length (RFC 1035, section 4.2.2).
pub fn read_framed(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message)?;
    Ok(message)
}

/// A message with its length before it, as TCP has it.
pub fn framed(message: &[u8]) -> io::Result<Vec<u8>> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    Ok([&length.to_be_bytes(), message].concat())
}
