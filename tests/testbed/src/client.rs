//! A DNS client over real sockets in a namespace: raw bytes out, raw bytes and where they came from back.

use std::{
    fs::File,
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{Name, RecordType},
};
use nix::sys::socket::{
    setsockopt,
    sockopt::{Ipv4Tos, Ipv6TClass},
};

use crate::{
    Namespace,
    sockets::{framed, read_framed},
};

/// One message from a server.
#[derive(Clone, Debug)]
pub struct Received {
    /// The DNS message, without TCP's length.
    pub bytes: Vec<u8>,
    /// Who sent it.
    pub from: SocketAddr,
    /// How long after the query (or after the start of waiting, for [`UdpClient::receive`]) it came.
    pub elapsed: Duration,
}

/// A UDP socket in a namespace; it is not connected, so answers of anyone are seen.
#[derive(Debug)]
pub struct UdpClient {
    socket: UdpSocket,
}

impl UdpClient {
    /// Opens a socket on `local` (port 0: any port).
    pub fn bind(namespace: &Namespace, local: SocketAddr) -> Result<Self> {
        let socket = namespace
            .run(|| UdpSocket::bind(local))?
            .with_context(|| format!("can't bind {local} in {}", namespace.name()))?;
        Ok(Self { socket })
    }

    /// The address and port it sends from.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends one datagram.
    pub fn send(&self, server: SocketAddr, query: &[u8]) -> io::Result<()> {
        self.socket.send_to(query, server).map(drop)
    }

    /// Sends datagrams with this TOS octet or IPv6 traffic class from now on: DSCP and ECN.
    pub fn set_traffic_class(&self, class: u8) -> Result<()> {
        let class = class.into();
        match self.socket.local_addr()? {
            SocketAddr::V4(_) => setsockopt(&self.socket, Ipv4Tos, &class)?,
            SocketAddr::V6(_) => setsockopt(&self.socket, Ipv6TClass, &class)?,
        }
        Ok(())
    }

    /// Sends one datagram whose payload stays in the memory of a pipe, apart from its headers (`splice`).
    pub fn send_scattered(&self, server: SocketAddr, query: &[u8]) -> Result<()> {
        let (pipe, mut end) = io::pipe()?;
        end.write_all(query)?;
        drop(end);
        self.socket.connect(server)?;
        // The standard library has the kernel move what a pipe holds to whatever is a file descriptor.
        let mut pipe = File::from(OwnedFd::from(pipe));
        let mut socket = File::from(OwnedFd::from(self.socket.try_clone()?));
        let sent = io::copy(&mut pipe, &mut socket)?;
        ensure!(sent == query.len() as u64, "only {sent} octets were sent");
        Ok(())
    }

    /// The next datagram; `None` if none comes in time.
    pub fn receive(&self, timeout: Duration) -> io::Result<Option<Received>> {
        let start = Instant::now();
        self.socket.set_read_timeout(Some(timeout))?;
        let mut buffer = vec![0; 65_535];
        match self.socket.recv_from(&mut buffer) {
            Ok((length, from)) => {
                let elapsed = start.elapsed();
                buffer.truncate(length);
                Ok(Some(Received {
                    bytes: buffer,
                    from,
                    elapsed,
                }))
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Sends one query over UDP and waits for one answer; `None` if none comes in time.
pub fn udp_query(
    namespace: &Namespace,
    server: SocketAddr,
    query: &[u8],
    timeout: Duration,
) -> Result<Option<Received>> {
    let any = match server {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let client = UdpClient::bind(namespace, SocketAddr::new(any, 0))?;
    client
        .send(server, query)
        .and_then(|()| client.receive(timeout))
        .with_context(|| format!("asking {server} over UDP failed"))
}

/// Sends one query over TCP and waits for the answer, no longer than `timeout` for each step.
pub fn tcp_query(
    namespace: &Namespace,
    server: SocketAddr,
    query: &[u8],
    timeout: Duration,
) -> Result<Received> {
    namespace
        .run(|| tcp_exchange(server, query, timeout))?
        .with_context(|| format!("asking {server} over TCP failed"))
}

fn tcp_exchange(server: SocketAddr, query: &[u8], timeout: Duration) -> io::Result<Received> {
    let start = Instant::now();
    let mut stream = TcpStream::connect_timeout(&server, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    // In one write: a server may read the length and the message from one segment only.
    stream.write_all(&framed(query)?)?;
    let bytes = read_framed(&mut stream)?;
    Ok(Received {
        bytes,
        from: stream.peer_addr()?,
        elapsed: start.elapsed(),
    })
}

/// The bytes of an ordinary query (recursion desired, no EDNS).
pub fn query(id: u16, name: &str, record_type: RecordType) -> Result<Vec<u8>> {
    // `from_str` would change upper case to lower.
    let name = Name::from_ascii(name).with_context(|| format!("`{name}` is not a domain name"))?;
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, record_type));
    Ok(message.to_vec()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_is_what_a_stub_resolver_sends() {
        let bytes = query(0x1234, "a.Bc.", RecordType::AAAA).unwrap();
        assert_eq!(
            bytes,
            b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x02Bc\x00\x00\x1c\x00\x01"
        );
    }
}
