//! A DNS server of fixed answers over UDP and TCP: "the Internet's DNS" of a testbed.

mod table;

use std::{
    collections::HashMap,
    io::{self, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result};
use hickory_proto::op::Message;

use crate::{
    Namespace,
    sockets::{self, LARGEST, framed, read_framed},
};
pub use table::{Reply, Table};

/// How long a TCP client may be silent.
const IDLE: Duration = Duration::from_secs(5);

/// A running server; it ends when dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    table: Mutex<Table>,
    counts: Mutex<HashMap<String, u64>>,
    stop: AtomicBool,
}

impl Upstream {
    /// Binds `address` (port 0: any) in a namespace, UDP and TCP, and answers from `table`.
    pub fn start(namespace: &Namespace, address: SocketAddr, table: Table) -> Result<Self> {
        let sockets = sockets::bind(namespace, address)?;
        Self::on(sockets, table)
    }

    /// Binds `address` (port 0: any) where this process is, UDP and TCP, and answers from `table`.
    pub fn start_here(address: SocketAddr, table: Table) -> Result<Self> {
        let sockets =
            sockets::bind_here(address).with_context(|| format!("can't bind {address}"))?;
        Self::on(sockets, table)
    }

    fn on((udp, tcp): (UdpSocket, TcpListener), table: Table) -> Result<Self> {
        let address = udp.local_addr()?;
        let state = Arc::new(State {
            table: Mutex::new(table),
            ..State::default()
        });
        let threads = vec![
            thread::spawn({
                let state = Arc::clone(&state);
                move || serve_udp(&udp, &state)
            }),
            thread::spawn({
                let state = Arc::clone(&state);
                move || serve_tcp(&tcp, &state)
            }),
        ];
        Ok(Self {
            address,
            state,
            threads,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers from another table from now on.
    pub fn replace(&self, table: Table) {
        *locked(&self.state.table) = table;
    }

    /// How many queries have come in.
    #[must_use]
    pub fn queries(&self) -> u64 {
        locked(&self.state.counts).values().sum()
    }

    /// How many queries have come in for a name, of any type; upper and lower case are the same.
    #[must_use]
    pub fn queries_of(&self, name: &str) -> u64 {
        let name = format!("{}.", name.trim_end_matches('.').to_ascii_lowercase());
        locked(&self.state.counts).get(&name).copied().unwrap_or(0)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of the thread has been printed; a second one here would end the process.
            let _ = thread.join();
        }
    }
}

impl State {
    /// Counts the query and gives the answer and when to send it.
    fn answer(&self, query: &Message) -> Option<(Message, Duration)> {
        let question = query.queries.first()?;
        let name = question.name().to_lowercase().to_string();
        *locked(&self.counts).entry(name).or_default() += 1;
        locked(&self.table).answer(query)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn serve_udp(socket: &UdpSocket, state: &Arc<State>) {
    let mut buffer = vec![0; LARGEST];
    while !state.is_stopped() {
        let Ok((length, client)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let Ok(query) = Message::from_vec(&buffer[..length]) else {
            continue;
        };
        let Some((reply, delay)) = state.answer(&query) else {
            continue;
        };
        let Some(bytes) = table::fit_datagram(&reply, &query) else {
            continue;
        };
        if delay.is_zero() {
            // A client that has gone away is no concern of the server's.
            let _ = socket.send_to(&bytes, client);
        } else if let Ok(socket) = socket.try_clone() {
            thread::spawn(move || {
                thread::sleep(delay);
                let _ = socket.send_to(&bytes, client);
            });
        }
    }
}

fn serve_tcp(listener: &TcpListener, state: &Arc<State>) {
    while !state.is_stopped() {
        let Ok((stream, _)) = listener.accept() else {
            continue;
        };
        let state = Arc::clone(state);
        thread::spawn(move || {
            // It ends with an error when the client closes, as all do.
            let _ = serve_stream(stream, &state);
        });
    }
}

/// Answers one query after the other, until the client closes or is silent for long.
fn serve_stream(mut stream: TcpStream, state: &State) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    while !state.is_stopped() {
        let query = read_framed(&mut stream)?;
        let query = Message::from_vec(&query).map_err(io::Error::other)?;
        let Some((mut reply, delay)) = state.answer(&query) else {
            continue;
        };
        reply.metadata.truncation = false;
        thread::sleep(delay);
        let bytes = reply.to_vec().map_err(io::Error::other)?;
        stream.write_all(&framed(&bytes)?)?;
    }
    Ok(())
}

/// The value, also after a thread has panicked: every change is a single step.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
