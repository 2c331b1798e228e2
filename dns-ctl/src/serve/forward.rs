//! Passes queries for names outside the cluster to the upstreams, in order, until one answers.
//!
//! Messages are relayed as they are: only the id is exchanged on the way out and back, and the
//! question gets back the case the client wrote it in. So EDNS options, DO, the authority section and
//! every flag pass through.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{self, AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    sync::Semaphore,
    time::{Instant as Deadline, timeout_at},
};

use super::{answer::Cause, relay::Outgoing, upstream::Upstream};
use crate::metrics::{
    Metrics,
    label::{Forwarded, Transport},
};

/// How long one upstream may take.
const TRY: Duration = Duration::from_secs(2);
/// How long all upstreams together may take: the C library's client gives up after 5 seconds.
const ALL_TRIES: Duration = Duration::from_millis(4500);
/// For how long an upstream that did not answer is asked last.
const LAST_RESORT: Duration = Duration::from_secs(10);
/// How many queries may wait for upstreams; each holds a socket.
const WAITING: usize = 512;
/// The largest message over UDP.
const MAX_DATAGRAM: usize = 65_535;

/// Sends queries to upstreams.
#[derive(Debug)]
pub struct Forwarder {
    upstreams: Vec<Health>,
    waiting: Semaphore,
    started: Instant,
    metrics: Arc<Metrics>,
}

/// An upstream and whether it is asked in its turn.
#[derive(Debug)]
struct Health {
    upstream: Upstream,
    /// Milliseconds since the start until which it is asked last.
    last_until: AtomicU64,
}

impl Forwarder {
    /// Forwards to `upstreams`, the first one preferred.
    #[must_use]
    pub fn new(upstreams: &[Upstream], metrics: Arc<Metrics>) -> Self {
        let upstreams = upstreams
            .iter()
            .map(|&upstream| Health {
                upstream,
                last_until: AtomicU64::new(0),
            })
            .collect();
        Self {
            upstreams,
            waiting: Semaphore::new(WAITING),
            started: Instant::now(),
            metrics,
        }
    }

    /// Whether there is any upstream.
    #[must_use]
    pub const fn has_upstreams(&self) -> bool {
        !self.upstreams.is_empty()
    }

    /// The upstreams' reply to the message `query`, ready to be sent to the client.
    ///
    /// For a client over UDP a truncated reply is passed on; for one over TCP it is fetched whole.
    pub async fn forward(&self, query: &[u8], transport: Transport) -> Result<Vec<u8>, Cause> {
        let (outcome, result) = self.attempt(query, transport).await;
        self.metrics.forwarded(outcome);
        result
    }

    async fn attempt(
        &self,
        query: &[u8],
        transport: Transport,
    ) -> (Forwarded, Result<Vec<u8>, Cause>) {
        if self.upstreams.is_empty() {
            return (Forwarded::NoUpstream, Err(Cause::NoUpstream));
        }
        let Ok(_permit) = self.waiting.try_acquire() else {
            return (Forwarded::Overload, Err(Cause::Overload));
        };
        let end = Deadline::now() + ALL_TRIES;
        let mut refusal = None;
        for health in self.in_turn() {
            let deadline = end.min(Deadline::now() + TRY);
            let asked = Instant::now();
            let Some(outgoing) = Outgoing::new(query, rand::random()) else {
                break;
            };
            let upstream = health.upstream.address();
            match timeout_at(deadline, exchange(&outgoing, upstream, transport)).await {
                Ok(Ok(reply)) => {
                    self.metrics.upstream_answered(asked.elapsed());
                    health.last_until.store(0, Ordering::Relaxed);
                    if !reply.is_refusal() {
                        return (Forwarded::Answered, Ok(reply.into_bytes()));
                    }
                    refusal.get_or_insert(reply);
                }
                failure => {
                    let until = self.started.elapsed() + LAST_RESORT;
                    let until = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
                    health.last_until.store(until, Ordering::Relaxed);
                    let reason = match failure {
                        Ok(Err(error)) => error.to_string(),
                        _ => "no answer in time".to_owned(),
                    };
                    tracing::debug!(%upstream, reason, "upstream failed");
                }
            }
            if Deadline::now() >= end {
                break;
            }
        }
        match refusal {
            Some(reply) => (Forwarded::Failed, Ok(reply.into_bytes())),
            None => (Forwarded::Unreachable, Err(Cause::Unreachable)),
        }
    }

    /// The upstreams in order, those that lately did not answer at the end.
    fn in_turn(&self) -> impl Iterator<Item = &Health> {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (good, last): (Vec<_>, Vec<_>) = self
            .upstreams
            .iter()
            .partition(|health| health.last_until.load(Ordering::Relaxed) <= now);
        good.into_iter().chain(last)
    }
}

/// Asks one upstream: over UDP, and over TCP if the reply is truncated and the client could take it.
async fn exchange(
    query: &Outgoing<'_>,
    upstream: SocketAddr,
    transport: Transport,
) -> io::Result<super::relay::Incoming> {
    let reply = over_udp(query, upstream).await?;
    if transport == Transport::Tcp && reply.is_truncated() {
        return over_tcp(query, upstream).await;
    }
    Ok(reply)
}

async fn over_udp(
    query: &Outgoing<'_>,
    upstream: SocketAddr,
) -> io::Result<super::relay::Incoming> {
    // A socket of its own for each query: the kernel picks a random port, and takes datagrams from
    // this upstream only.
    let local: SocketAddr = if upstream.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(upstream).await?;
    socket.send(query.as_bytes()).await?;
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // What does not fit the query may come from someone who guesses: the real reply may follow.
        if let Some(reply) = query.accept(&buffer[..length]) {
            return Ok(reply);
        }
    }
}

async fn over_tcp(
    query: &Outgoing<'_>,
    upstream: SocketAddr,
) -> io::Result<super::relay::Incoming> {
    let mut stream = TcpStream::connect(upstream).await?;
    let length = u16::try_from(query.as_bytes().len()).map_err(io::Error::other)?;
    let framed = [&length.to_be_bytes(), query.as_bytes()].concat();
    stream.write_all(&framed).await?;
    let mut reply = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut reply).await?;
    query
        .accept(&reply)
        .ok_or_else(|| io::Error::other("the reply does not fit the query"))
}

#[cfg(test)]
mod tests;
