//! UDP sockets that answer from the very address a query came to.
//!
//! A host with several addresses answers from the one its routes prefer, and clients drop an answer
//! from a stranger. So each datagram's destination is read from its control message (`IP_PKTINFO`,
//! `IPV6_RECVPKTINFO`) and given back as the source of the reply; this holds for wildcard listeners too.

use std::{
    io::{self, IoSlice},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr},
    os::fd::{AsRawFd, RawFd},
    time::Duration,
};

use nix::{
    libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo},
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, RecvMsg, SockaddrStorage, sendmsg,
        setsockopt, sockopt,
    },
};
use socket2::{Domain, Protocol, Type};
use tokio::time::sleep;

/// Room for the queries that wait while the server is busy, in octets.
const RECEIVE_BUFFER: usize = 1 << 20;
/// How long a reply may wait for room in the socket's queue.
const SEND_PATIENCE: Duration = Duration::from_secs(1);
/// How often one that is not sent by the socket's own thread looks for room.
const SEND_PAUSE: Duration = Duration::from_millis(5);

/// A bound UDP socket, whose calls wait.
#[derive(Debug)]
pub struct Socket(socket2::Socket);

/// Where a datagram came from and where it was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The client.
    pub peer: SocketAddr,
    /// The address of ours that the client used.
    pub(super) local: Option<Local>,
}

/// An address of ours, with the interface where it matters (link-local).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Local {
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
        socket.set_write_timeout(Some(SEND_PATIENCE))?;
        socket.bind(&address.into())?;
        Ok(Self(socket))
    }

    /// Ends the wait of who receives, now and from now on. What has arrived can still be received.
    pub(super) fn wake(&self) {
        // It is told that there is no connection to end; the effect is there all the same.
        let _ = self.0.shutdown(Shutdown::Read);
    }

    /// Sends a datagram back along `route`.
    pub(super) async fn send(&self, bytes: &[u8], route: Route) -> io::Result<()> {
        let mut waited = Duration::ZERO;
        loop {
            match self.try_send(bytes, route) {
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock && waited < SEND_PATIENCE =>
                {
                    sleep(SEND_PAUSE).await;
                    waited += SEND_PAUSE;
                }
                result => return result,
            }
        }
    }

    /// As [`Self::send`], and fails with `WouldBlock` if there is no room.
    pub(super) fn try_send(&self, bytes: &[u8], route: Route) -> io::Result<()> {
        let parts = [IoSlice::new(bytes)];
        let peer = SockaddrStorage::from(route.peer);
        with_source(route.local, |control| {
            sendmsg(
                self.as_raw_fd(),
                &parts,
                control,
                MsgFlags::MSG_DONTWAIT,
                Some(&peer),
            )
        })?;
        Ok(())
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// The way back along which a datagram came; `None` if it states no sender.
pub(super) fn route(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Option<Route> {
    let peer = message.address.as_ref().and_then(to_std)?;
    let local = message.cmsgs().ok()?.find_map(|control| match control {
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
    Some(Route { peer, local })
}

/// Calls `send` with the control messages that make `local` the source.
pub(super) fn with_source<R>(
    local: Option<Local>,
    send: impl FnOnce(&[ControlMessage<'_>]) -> R,
) -> R {
    match local {
        Some(Local {
            address: IpAddr::V4(address),
            ..
        }) => send(&[ControlMessage::Ipv4PacketInfo(&in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: in_addr {
                s_addr: u32::from(address).to_be(),
            },
            ipi_addr: in_addr { s_addr: 0 },
        })]),
        Some(Local {
            address: IpAddr::V6(address),
            interface,
        }) => send(&[ControlMessage::Ipv6PacketInfo(&in6_pktinfo {
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
        None => send(&[]),
    }
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    address
        .as_sockaddr_in()
        .map(|v4| (*v4).into())
        .or_else(|| address.as_sockaddr_in6().map(|v6| (*v6).into()))
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, thread};

    use super::*;
    use crate::serve::batch::{BATCH, Inbox, Outbox};

    /// The address of the socket's port at `ip`.
    fn at(socket: &Socket, ip: IpAddr) -> SocketAddr {
        let bound = socket.0.local_addr().unwrap().as_socket().unwrap();
        SocketAddr::new(ip, bound.port())
    }

    /// Sends each datagram of the next batch back.
    fn echo(socket: &Socket) -> usize {
        let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
        inbox.receive(socket, true).unwrap();
        for (datagram, route) in inbox.datagrams() {
            let start = outbox.bytes.len();
            outbox.bytes.extend_from_slice(datagram);
            outbox.add(start, route);
        }
        outbox.send(socket);
        inbox.datagrams().count()
    }

    #[test]
    fn a_wildcard_listener_answers_from_the_address_asked() {
        let server = Socket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let asked = ["127.0.0.1", "127.0.0.77", "127.0.0.77", "127.8.9.10"];
        let asked = asked.map(|ip| at(&server, ip.parse().unwrap()));
        let clients = asked.map(|asked| {
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            client.send_to(asked.to_string().as_bytes(), asked).unwrap();
            client
        });
        assert_eq!(echo(&server), 4);
        for (client, asked) in clients.iter().zip(asked) {
            let mut buffer = [0; 64];
            let (length, from) = client.recv_from(&mut buffer).unwrap();
            assert_eq!(buffer[..length], *asked.to_string().as_bytes());
            assert_eq!(from, asked);
        }
    }

    #[test]
    fn more_than_a_batch_keeps_its_order() {
        let server = Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let asked = at(&server, Ipv4Addr::LOCALHOST.into());
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        for number in 0..40 {
            client.send_to(&[number; 3], asked).unwrap();
        }
        assert_eq!(echo(&server) + echo(&server), 40);
        assert_eq!(BATCH, 32);
        for number in 0..40 {
            let mut buffer = [0; 64];
            let length = client.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..length], [number; 3]);
        }
    }

    #[test]
    fn a_wait_ends_and_what_has_come_is_received() {
        let server = Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let mut inbox = Inbox::new();
                inbox.receive(&server, true).unwrap();
                inbox.datagrams().all(|(datagram, _)| datagram.is_empty())
            });
            server.wake();
            assert!(waiting.join().unwrap());
        });
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let asked = at(&server, Ipv4Addr::LOCALHOST.into());
        client.send_to(b"late", asked).unwrap();
        let mut inbox = Inbox::new();
        inbox.receive(&server, false).unwrap();
        let datagrams: Vec<_> = inbox.datagrams().map(|(datagram, _)| datagram).collect();
        assert_eq!(datagrams, [b"late"]);
        let empty = inbox.receive(&server, false).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn both_families_share_a_port() {
        let v4 = Socket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let asked = at(&v4, Ipv6Addr::LOCALHOST.into());
        let v6 = match Socket::bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), asked.port())) {
            Ok(v6) => v6,
            // A host without IPv6 has nothing to share.
            Err(error) if error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT) => return,
            Err(error) => panic!("{error}"),
        };
        let Ok(client) = UdpSocket::bind("[::1]:0") else {
            return;
        };
        client.send_to(b"question", asked).unwrap();
        assert_eq!(echo(&v6), 1);
        let (_, from) = client.recv_from(&mut [0; 64]).unwrap();
        assert_eq!(from, asked);
    }

    #[tokio::test]
    async fn a_reply_of_another_thread_has_the_address_asked() {
        let server = Socket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let asked = at(&server, "127.0.0.77".parse().unwrap());
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"question", asked).unwrap();
        let mut inbox = Inbox::new();
        inbox.receive(&server, true).unwrap();
        let (_, route) = inbox.datagrams().next().unwrap();
        server.send(b"answer", route).await.unwrap();
        assert_eq!(client.recv_from(&mut [0; 64]).unwrap(), (6, asked));
    }
}
