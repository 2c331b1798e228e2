//! The way to an upstream: datagrams and connections. Moves octets, and decides nothing of DNS.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use futures::future::BoxFuture;
use tokio::net::UdpSocket;

use super::{
    failure::Failure,
    query::Query,
    stream::{Dial, Pipeline},
    tls::Tls,
};
use crate::serve::upstream::Upstream;

/// The largest datagram that is read whole: more than three times what we ask for.
const MAX_DATAGRAM: usize = 4096;

/// Makes the ways to upstreams; tests have a network of their own.
pub(super) trait Network: fmt::Debug + Send + Sync {
    /// The way to `upstream`.
    fn link(&self, upstream: &Upstream) -> Arc<dyn Link>;
}

/// The way to one upstream.
pub(super) trait Link: fmt::Debug + Send + Sync {
    /// Sends `query` and waits for the reply that fits it; the caller limits the time.
    fn ask<'l>(
        &'l self,
        query: &'l Query,
        channel: Channel,
    ) -> BoxFuture<'l, Result<Vec<u8>, Failure>>;
}

/// How a query is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    /// In a datagram.
    Datagram,
    /// Over a connection: TLS for upstreams that are asked so, otherwise TCP.
    Stream,
}

/// The real network.
#[derive(Debug)]
pub(super) struct Sockets {
    tls: Tls,
}

impl Sockets {
    pub(super) fn new(tls: Tls) -> Self {
        Self { tls }
    }
}

impl Network for Sockets {
    fn link(&self, upstream: &Upstream) -> Arc<dyn Link> {
        let address = upstream.address();
        let tls = upstream
            .server_name()
            .map(|name| (self.tls.connector(), name.clone()));
        Arc::new(SocketLink {
            address,
            pipeline: Pipeline::new(Dial { address, tls }),
        })
    }
}

#[derive(Debug)]
struct SocketLink {
    address: SocketAddr,
    pipeline: Pipeline,
}

impl Link for SocketLink {
    fn ask<'l>(
        &'l self,
        query: &'l Query,
        channel: Channel,
    ) -> BoxFuture<'l, Result<Vec<u8>, Failure>> {
        Box::pin(async move {
            match channel {
                Channel::Datagram => over_udp(query, self.address).await,
                Channel::Stream => self.pipeline.ask(query).await,
            }
        })
    }
}

async fn over_udp(query: &Query, upstream: SocketAddr) -> Result<Vec<u8>, Failure> {
    // A socket of its own for each query: the kernel picks a random port, and takes datagrams from
    // this upstream only.
    let local: SocketAddr = if upstream.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(upstream).await?;
    let query = query.under(rand::random());
    socket.send(query.as_bytes()).await?;
    // One octet more than is taken, so that a datagram that is cut can be told.
    let mut buffer = vec![0; MAX_DATAGRAM + 1];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // What does not fit the query may come from someone who guesses: the real reply may follow.
        if query.fits(&buffer[..length]) {
            buffer.truncate(length);
            if length > MAX_DATAGRAM {
                mark_truncated(&mut buffer);
            }
            return Ok(buffer);
        }
    }
}

/// Has a reply that is larger than was asked for fetched over TCP, as one that the sender truncated.
fn mark_truncated(message: &mut [u8]) {
    message[2] |= 0x02;
}
