//! UDP sockets that answer from the very address a query came to.
//!
//! A host with several addresses answers from the one its routes prefer, and clients drop an answer
//! from a stranger. So each datagram's destination is read from its control message (`IP_PKTINFO`,
//! `IPV6_RECVPKTINFO`) and given back as the source of the reply; this holds for wildcard listeners too.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsRawFd,
};

use nix::{
    cmsg_space,
    libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo},
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg,
        setsockopt, sockopt,
    },
};
use socket2::{Domain, Protocol, Type};
use tokio::{io::Interest, net::UdpSocket};

/// Room for the queries that wait while the server is busy, in octets.
const RECEIVE_BUFFER: usize = 1 << 20;

/// A bound UDP socket.
#[derive(Debug)]
pub struct Socket(UdpSocket);

/// Where a datagram came from and where it was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The client.
    pub peer: SocketAddr,
    /// The address of ours that the client used.
    local: Option<Local>,
}

/// An address of ours, with the interface where it matters (link-local).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Local {
    address: IpAddr,
    interface: u32,
}

impl Socket {
    /// Binds `address`; a wildcard IPv6 address takes IPv6 only, so that both families can be bound.
    ///
    /// Sockets of this process at one address share it: the kernel gives all datagrams of one client's
    /// port to the same of them (`SO_REUSEPORT`).
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        if address.is_ipv4() {
            setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
        } else {
            socket.set_only_v6(true)?;
            setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
        socket.set_reuse_port(true)?;
        // Only a wish: the kernel keeps to net.core.rmem_max.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        UdpSocket::from_std(socket.into()).map(Self)
    }

    /// The address that is really bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Waits for a datagram: its length in `buffer` and its route.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Route)> {
        self.0
            .async_io(Interest::READABLE, || receive(self.0.as_raw_fd(), buffer))
            .await
    }

    /// Sends a datagram back along `route`.
    pub async fn send(&self, bytes: &[u8], route: Route) -> io::Result<()> {
        self.0
            .async_io(Interest::WRITABLE, || {
                send(self.0.as_raw_fd(), bytes, route)
            })
            .await
    }
}

fn receive(socket: i32, buffer: &mut [u8]) -> io::Result<(usize, Route)> {
    let mut control = cmsg_space!(in6_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<SockaddrStorage>(socket, &mut parts, Some(&mut control), MsgFlags::empty())?;
    let peer = message
        .address
        .as_ref()
        .and_then(to_std)
        .ok_or_else(|| io::Error::other("a datagram came without a sender's address"))?;
    let local = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(Local {
            address: Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr)).into(),
            interface: 0,
        }),
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(Local {
            address: Ipv6Addr::from(info.ipi6_addr.s6_addr).into(),
            interface: info.ipi6_ifindex,
        }),
        _ => None,
    });
    Ok((message.bytes, Route { peer, local }))
}

fn send(socket: i32, bytes: &[u8], route: Route) -> io::Result<()> {
    let parts = [IoSlice::new(bytes)];
    let peer = SockaddrStorage::from(route.peer);
    let to_peer = |control: &[ControlMessage<'_>]| {
        sendmsg(socket, &parts, control, MsgFlags::empty(), Some(&peer))
    };
    match route.local {
        Some(Local {
            address: IpAddr::V4(address),
            ..
        }) => to_peer(&[ControlMessage::Ipv4PacketInfo(&in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: in_addr {
                s_addr: u32::from(address).to_be(),
            },
            ipi_addr: in_addr { s_addr: 0 },
        })]),
        Some(Local {
            address: IpAddr::V6(address),
            interface,
        }) => to_peer(&[ControlMessage::Ipv6PacketInfo(&in6_pktinfo {
            ipi6_addr: in6_addr {
                s6_addr: address.octets(),
            },
            // Elsewhere the routes decide: a reply may have to leave by another interface.
            ipi6_ifindex: if address.is_unicast_link_local() {
                interface
            } else {
                0
            },
        })]),
        None => to_peer(&[]),
    }?;
    Ok(())
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    address
        .as_sockaddr_in()
        .map(|v4| (*v4).into())
        .or_else(|| address.as_sockaddr_in6().map(|v6| (*v6).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wildcard_listener_answers_from_the_address_asked() {
        let server = Socket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let port = server.local_addr().unwrap().port();
        for address in ["127.0.0.1", "127.0.0.77", "127.8.9.10"] {
            let asked = SocketAddr::new(address.parse().unwrap(), port);
            let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            client.send_to(b"question", asked).await.unwrap();

            let mut buffer = [0; 64];
            let (length, route) = server.receive(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], b"question");
            assert_eq!(route.peer, client.local_addr().unwrap());
            server.send(b"answer", route).await.unwrap();

            let (length, from) = client.recv_from(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..length], from), (&b"answer"[..], asked));
        }
    }

    #[tokio::test]
    async fn both_families_share_a_port() {
        let v4 = Socket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let port = v4.local_addr().unwrap().port();
        let v6 = match Socket::bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)) {
            Ok(v6) => v6,
            // A host without IPv6 has nothing to share.
            Err(error) if error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT) => return,
            Err(error) => panic!("{error}"),
        };
        let asked = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port);
        let Ok(client) = UdpSocket::bind("[::1]:0").await else {
            return;
        };
        client.send_to(b"question", asked).await.unwrap();
        let mut buffer = [0; 64];
        let (_, route) = v6.receive(&mut buffer).await.unwrap();
        v6.send(b"answer", route).await.unwrap();
        let (_, from) = client.recv_from(&mut buffer).await.unwrap();
        assert_eq!(from, asked);
    }
}
