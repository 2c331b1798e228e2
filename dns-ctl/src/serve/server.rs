//! Binds the listen addresses and moves messages between the sockets and the service.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures::FutureExt as _;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    connections::{Connections, Place},
    service::{Action, Arrival, Service},
    tcp,
    udp::{Route, Socket},
};
use crate::metrics::{label::Transport, liveness::Pulse};

/// The largest request over UDP that is read whole.
const MAX_REQUEST: usize = 4096;
/// Most UDP sockets for one address; more would cost memory and help no one.
const MOST_SOCKETS: usize = 16;
/// How long the server may do nothing before it counts as dead.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// How often it shows that it is alive.
const BEAT: Duration = Duration::from_secs(2);
/// Most datagrams that are read from a socket's queue at the end.
const QUEUED: usize = 4096;
/// How long to wait after an error that will not pass at once, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);
/// How often to look for a port that is free for both UDP and TCP when any port will do.
const ANY_PORT_TRIES: usize = 16;

/// Bound listeners: for each address one for TCP, and a group for UDP that shares its load.
#[derive(Debug)]
pub struct Server {
    udp: Vec<Socket>,
    tcp: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
}

/// Why an address can't be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has the port.
    #[error(
        "{transport} port of {address} is in use by another process: stop it, or choose another \
         address with --listen (`ss -lpn sport = :{}` shows who it is)", address.port()
    )]
    InUse {
        /// The address asked for.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        transport: &'static str,
    },
    /// Ports below 1024 are for those who may.
    #[error(
        "not allowed to listen on {transport} {address}: give the process CAP_NET_BIND_SERVICE (a pod: \
         securityContext.capabilities.add), or choose a port of 1024 or above with --listen"
    )]
    Privileged {
        /// The address asked for.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        transport: &'static str,
    },
    /// The host does not have the address.
    #[error(
        "no interface of this host has the address of {transport} {address}: add it, or choose \
         another with --listen"
    )]
    NoSuchAddress {
        /// The address asked for.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        transport: &'static str,
    },
    /// Anything else.
    #[error("can't listen on {transport} {address}: {source}")]
    Other {
        /// The address asked for.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        transport: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Server {
    /// Binds every address for UDP and TCP. Has to be called within a Tokio runtime.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        let mut server = Self {
            udp: Vec::new(),
            tcp: Vec::new(),
            addresses: Vec::new(),
        };
        for &address in addresses {
            let (udp, tcp, bound) = bind_pair(address)?;
            server.udp.extend(udp);
            server.tcp.push(tcp);
            server.addresses.push(bound);
        }
        Ok(server)
    }

    /// The addresses that are really bound, in the order asked for; port 0 has become a real one.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Answers queries until `shutdown` is cancelled, then lets those under way end, for as long as `grace`.
    ///
    /// As long as this is polled, and with it the sockets' tasks, `pulse` beats.
    pub async fn run(
        self,
        service: Arc<Service>,
        pulse: Pulse,
        shutdown: CancellationToken,
        grace: Duration,
    ) {
        // Those of all listeners together.
        let connections = Connections::new();
        let mut listeners = JoinSet::new();
        for socket in self.udp {
            listeners.spawn(serve_udp(
                socket,
                Arc::clone(&service),
                shutdown.clone(),
                grace,
            ));
        }
        for listener in self.tcp {
            listeners.spawn(serve_tcp(
                listener,
                Arc::clone(&service),
                Arc::clone(&connections),
                shutdown.clone(),
                grace,
            ));
        }
        // Without any address there is nothing to do, but no reason to end either.
        while timeout(BEAT, shutdown.cancelled()).await.is_err() {
            pulse.beat();
        }
        while listeners.join_next().await.is_some() {}
    }
}

async fn serve_udp(
    socket: Socket,
    service: Arc<Service>,
    shutdown: CancellationToken,
    grace: Duration,
) {
    let socket = Arc::new(socket);
    let mut forwarded = JoinSet::new();
    let mut buffer = vec![0; MAX_REQUEST];
    loop {
        let received = tokio::select! {
            received = socket.receive(&mut buffer) => received,
            () = shutdown.cancelled() => break,
        };
        match received {
            Ok((length, route)) => {
                let message = &buffer[..length];
                handle_datagram(message, route, &socket, &service, &mut forwarded).await;
            }
            Err(error) => {
                tracing::debug!(%error, "a datagram could not be received");
                sleep(PAUSE).await;
            }
        }
        while forwarded.try_join_next().is_some() {}
    }
    // What has arrived by now is answered, too.
    for _ in 0..QUEUED {
        let Some(Ok((length, route))) = socket.receive(&mut buffer).now_or_never() else {
            break;
        };
        handle_datagram(&buffer[..length], route, &socket, &service, &mut forwarded).await;
    }
    drain(forwarded, grace).await;
}

async fn handle_datagram(
    message: &[u8],
    route: Route,
    socket: &Arc<Socket>,
    service: &Arc<Service>,
    forwarded: &mut JoinSet<()>,
) {
    let arrival = Arrival::by(Transport::Udp);
    match service.handle(message, arrival) {
        Action::Ignore => {}
        Action::Reply(reply) => send(socket, &reply, route).await,
        Action::Wait(pending) => {
            let (socket, service) = (Arc::clone(socket), Arc::clone(service));
            let message = message.to_vec();
            // Bounded by the resolver, which turns away what is too much.
            forwarded.spawn(async move {
                if let Some(reply) = service.resolve(&message, pending, arrival).await {
                    send(&socket, &reply, route).await;
                }
            });
        }
    }
}

async fn send(socket: &Socket, reply: &[u8], route: Route) {
    if let Err(error) = socket.send(reply, route).await {
        tracing::debug!(peer = %route.peer, %error, "a reply could not be sent");
    }
}

async fn serve_tcp(
    listener: TcpListener,
    service: Arc<Service>,
    connections: Arc<Connections>,
    shutdown: CancellationToken,
    grace: Duration,
) {
    let mut served = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &connections) => accepted,
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, client, place)) => {
                // One too many of this client is closed.
                if let Some(taken) = connections.take(place, client.ip()) {
                    let (service, shutdown) = (Arc::clone(&service), shutdown.clone());
                    served.spawn(async move {
                        let _taken = taken;
                        tcp::serve(stream, service, shutdown).await;
                    });
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                sleep(PAUSE).await;
            }
        }
        while served.try_join_next().is_some() {}
    }
    drop(listener);
    drain(served, grace).await;
}

/// Waits until there is room for a connection, then for the connection.
async fn accept(
    listener: &TcpListener,
    connections: &Connections,
) -> io::Result<(TcpStream, SocketAddr, Place)> {
    let place = connections.place().await.map_err(io::Error::other)?;
    let (stream, client) = listener.accept().await?;
    Ok((stream, client, place))
}

async fn drain(mut tasks: JoinSet<()>, grace: Duration) {
    let _ = timeout(grace, async { while tasks.join_next().await.is_some() {} }).await;
}

/// Binds both protocols at one address; with port 0 at one port that is free for both.
///
/// TCP comes first: its port has one owner, while a second process of the same user could join the
/// group of UDP sockets, and take some of the queries.
fn bind_pair(address: SocketAddr) -> Result<(Vec<Socket>, TcpListener, SocketAddr), BindError> {
    let mut tries = if address.port() == 0 {
        ANY_PORT_TRIES
    } else {
        1
    };
    loop {
        tries -= 1;
        let tcp = tcp::bind(address).map_err(|error| bind_error(address, "TCP", error))?;
        let bound = tcp
            .local_addr()
            .map_err(|error| bind_error(address, "TCP", error))?;
        let group = (0..sockets_per_address()).map(|_| Socket::bind(bound));
        match group.collect::<io::Result<Vec<_>>>() {
            Ok(udp) => return Ok((udp, tcp, bound)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            Err(error) => return Err(bind_error(bound, "UDP", error)),
        }
    }
}

/// How many UDP sockets share an address: as many as threads serve them.
fn sockets_per_address() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST_SOCKETS))
}

fn bind_error(address: SocketAddr, transport: &'static str, source: io::Error) -> BindError {
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address, transport },
        io::ErrorKind::PermissionDenied => BindError::Privileged { address, transport },
        io::ErrorKind::AddrNotAvailable => BindError::NoSuchAddress { address, transport },
        _ => BindError::Other {
            address,
            transport,
            source,
        },
    }
}

#[cfg(test)]
mod tests;
