//! TCP connections: messages with a length before each, several per connection (RFC 7766).

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use socket2::{Domain, Protocol, Type};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Mutex, Semaphore},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    arrival::Arrival,
    service::{Action, Service},
};
use crate::metrics::label::Transport;

/// How long a connection may stay without a complete query, or a client without taking a reply.
const IDLE: Duration = Duration::from_secs(10);
/// How long a new connection may take to its first query, so that silent ones do not fill the places.
const FIRST: Duration = Duration::from_secs(2);
/// How many queries of one connection may wait for upstreams at a time.
const WAITING: usize = 32;
/// How many connections may wait to be accepted.
const BACKLOG: i32 = 128;

/// Binds `address`; a wildcard IPv6 address takes IPv6 only, as the UDP sockets do.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart must not wait for the last connections to time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Serves one connection until the client closes it, is idle for too long, or `shutdown` is cancelled.
pub(super) async fn serve(stream: TcpStream, service: Arc<Service>, shutdown: CancellationToken) {
    let _connection = service.metrics.connected();
    let _ = stream.set_nodelay(true);
    let (mut reader, writer) = stream.into_split();
    let writer = Arc::new(Mutex::new(writer));
    let waiting = Arc::new(Semaphore::new(WAITING));
    let mut forwarded = JoinSet::new();
    let mut patience = FIRST;
    loop {
        let message = tokio::select! {
            message = timeout(patience, read(&mut reader)) => message,
            () = shutdown.cancelled() => break,
        };
        let Ok(Ok(message)) = message else {
            break;
        };
        patience = IDLE;
        let arrival = Arrival::by(Transport::Tcp);
        let mut reply = Vec::new();
        match service.handle(&message, arrival, &mut reply) {
            // A peer that does not speak DNS is not worth a connection.
            Action::Ignore => break,
            Action::Reply => {
                if write(&writer, &reply).await.is_err() {
                    break;
                }
            }
            Action::Wait(pending) => {
                // With too many waiting, reading stops until one is done: the client feels it.
                let Ok(permit) = Arc::clone(&waiting).acquire_owned().await else {
                    break;
                };
                let (service, writer) = (Arc::clone(&service), Arc::clone(&writer));
                forwarded.spawn(async move {
                    let _permit = permit;
                    if let Some(reply) = service.resolve(&message, pending, arrival).await {
                        let _ = write(&writer, &reply).await;
                    }
                });
            }
        }
        while forwarded.try_join_next().is_some() {}
    }
    // A client may close its sending side right after its last query: what is under way is still sent.
    while forwarded.join_next().await.is_some() {}
}

async fn read(reader: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let length = reader.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    reader.read_exact(&mut message).await?;
    Ok(message)
}

async fn write(writer: &Mutex<OwnedWriteHalf>, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    // Length and message in one write, so that they leave in one segment.
    let framed = [&length.to_be_bytes(), message].concat();
    let mut writer = writer.lock().await;
    timeout(IDLE, writer.write_all(&framed)).await?
}
