//! Sockets: accepts connections, breaks them, goes away and comes back on the same port.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::mpsc;

use anyhow::{Context, Result};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// A listening socket and the task that accepts on it.
#[derive(Debug)]
pub(crate) struct Door {
    task: AbortHandle,
    /// Its sender lives in the task: the channel ends when the socket is closed.
    closed: mpsc::Receiver<()>,
}

/// Binds an address; returns what was bound, for a port of 0.
pub(crate) fn bind(address: SocketAddr) -> Result<(StdListener, SocketAddr)> {
    let listener =
        StdListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    listener
        .set_nonblocking(true)
        .context("cannot make the listening socket non-blocking")?;
    let bound = listener
        .local_addr()
        .context("cannot tell the address bound")?;
    Ok((listener, bound))
}

impl Door {
    /// Accepts connections until closed; each ends when `cut` changes.
    pub(crate) fn open(
        runtime: &Handle,
        listener: StdListener,
        app: Router,
        cut: watch::Receiver<u64>,
    ) -> Result<Self> {
        let guard = runtime.enter();
        let listener = TcpListener::from_std(listener)
            .context("cannot hand the listening socket to the runtime")?;
        drop(guard);
        let (alive, closed) = mpsc::channel();
        let socket = Socket {
            listener,
            _alive: alive,
        };
        let task = runtime.spawn(accept(socket, app, cut));
        Ok(Self {
            task: task.abort_handle(),
            closed,
        })
    }

    /// Closes the socket and returns when it is closed.
    pub(crate) fn close(self) {
        self.task.abort();
        // Nothing is ever sent: this ends when the task has dropped socket and sender.
        let _ = self.closed.recv();
    }
}

/// Fields are dropped in this order, polled or not: the socket is closed before the sender tells so.
struct Socket {
    listener: TcpListener,
    _alive: mpsc::Sender<()>,
}

async fn accept(socket: Socket, app: Router, cut: watch::Receiver<u64>) {
    loop {
        // An accept can fail for one connection (aborted, out of descriptors) and work for the next.
        if let Ok((stream, _)) = socket.listener.accept().await {
            let mut cut = cut.clone();
            // Cuts of the past are not meant for it.
            cut.mark_unchanged();
            tokio::spawn(connection(stream, app.clone(), cut));
        } else {
            tokio::task::yield_now().await;
        }
    }
}

async fn connection(stream: TcpStream, app: Router, mut cut: watch::Receiver<u64>) {
    // Events are small and must not wait for company.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(app);
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // What is left of it to tell, the client has seen.
        _ = served => {}
        _ = cut.changed() => {}
    }
}
