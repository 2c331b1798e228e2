//! Binds the listen addresses and moves messages between the sockets and the service.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    connections::{Connections, Place},
    service::Service,
    tcp,
    udp::Socket,
    worker::Worker,
};
use crate::metrics::liveness::Pulse;

/// Most UDP sockets for one address; more would cost memory and help no one.
const MOST_SOCKETS: usize = 16;
/// How long the server may do nothing before it counts as dead.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// How often it shows that it is alive.
const BEAT: Duration = Duration::from_secs(2);
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
    /// As long as this is polled, and no thread hangs at a batch of queries, `pulse` beats. It ends before that if there
    /// are no threads to be had.
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
        let mut workers = Vec::new();
        for (number, socket) in self.udp.into_iter().enumerate() {
            match Worker::start(number, socket, Arc::clone(&service)) {
                Ok(worker) => workers.push(worker),
                Err(error) => {
                    // An address without UDP is worse than an end that is seen, and a new start.
                    tracing::error!(%error, "a thread for UDP could not be started");
                    return;
                }
            }
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
            // Each is asked, whatever the others say.
            let hanging = workers
                .iter_mut()
                .map(|worker| u32::from(!worker.goes_on()));
            if hanging.sum::<u32>() == 0 {
                pulse.beat();
            }
        }
        let left = join_all(workers.into_iter().map(Worker::stop)).await;
        join_all(left.into_iter().map(|tasks| drain(tasks, grace))).await;
        while listeners.join_next().await.is_some() {}
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
