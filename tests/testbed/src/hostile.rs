//! A DNS server that misbehaves as a script says: silent, late, lying, broken, over UDP and TCP.

mod form;

use std::{
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    Namespace,
    sockets::{self, LARGEST, framed, read_framed},
};
use form::Addresses;
pub use form::Form;

/// How long a TCP client may be silent, and how long a silent server keeps its connections.
const IDLE: Duration = Duration::from_secs(5);

/// What a hostile server sends for each query.
#[derive(Clone, Debug)]
pub struct Script {
    /// The address in its honest replies.
    pub truth: Ipv4Addr,
    /// The address in its lies.
    pub lie: Ipv4Addr,
    /// The TTL of its records, in seconds.
    pub ttl: u32,
    /// What it sends over UDP, in this order.
    pub datagrams: Vec<Datagram>,
    /// What it does over TCP.
    pub stream: Stream,
}

/// A reply over UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// What it looks like.
    pub form: Form,
    /// Where it comes from.
    pub source: Source,
    /// How long after the query.
    pub delay: Duration,
}

/// Where a datagram comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Where the query was sent to.
    Server,
    /// Another port of that address.
    OtherPort,
    /// The same port of the next address.
    NextAddress,
}

/// What happens on a TCP connection after a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stream {
    /// This reply.
    Reply(Form),
    /// The connection is closed.
    Close,
    /// Half of the honest reply, and the connection is closed.
    Half,
    /// A length of 65,535 octets, the honest reply, and nothing more.
    Overlong,
    /// Nothing.
    Mute,
    /// The honest reply, one octet at a time, with this pause before each.
    Drip(Duration),
}

/// A running server; it ends when dropped.
#[derive(Debug)]
pub struct Hostile {
    address: SocketAddr,
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    script: Mutex<Arc<Script>>,
    queries: AtomicU64,
    stop: AtomicBool,
}

/// Sockets that replies over UDP are sent from.
#[derive(Debug)]
struct Senders {
    server: UdpSocket,
    other_port: UdpSocket,
    next_address: UdpSocket,
}

impl Script {
    /// Says this over UDP, and the truth over TCP.
    #[must_use]
    pub fn new(truth: Ipv4Addr, lie: Ipv4Addr, ttl: u32, datagrams: &[Form]) -> Self {
        Self {
            truth,
            lie,
            ttl,
            datagrams: datagrams.iter().cloned().map(Datagram::new).collect(),
            stream: Stream::Reply(Form::Truth),
        }
    }

    fn addresses(&self) -> Addresses {
        Addresses {
            truth: self.truth,
            lie: self.lie,
            ttl: self.ttl,
        }
    }
}

impl Datagram {
    /// A reply that comes at once, and from where it should.
    #[must_use]
    pub const fn new(form: Form) -> Self {
        Self {
            form,
            source: Source::Server,
            delay: Duration::ZERO,
        }
    }
}

impl Hostile {
    /// Binds `address` in a namespace, UDP and TCP, and follows `script`.
    ///
    /// The next address is bound too, so the namespace has to have it.
    pub fn start(namespace: &Namespace, address: SocketAddr, script: Script) -> Result<Self> {
        let (udp, tcp) = sockets::bind(namespace, address)?;
        let address = udp.local_addr()?;
        let senders = namespace
            .run(|| Senders::bind(&udp, address))?
            .with_context(|| format!("can't bind the other sources of {address}"))?;
        let state = Arc::new(State {
            script: Mutex::new(Arc::new(script)),
            queries: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let senders = Arc::new(senders);
        let threads = vec![
            thread::spawn({
                let state = Arc::clone(&state);
                move || serve_udp(&udp, &senders, &state)
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

    /// Follows another script from now on.
    pub fn replace(&self, script: Script) {
        *self.state.script() = Arc::new(script);
    }

    /// How many datagrams and messages have come in.
    #[must_use]
    pub fn queries(&self) -> u64 {
        self.state.queries.load(Ordering::Relaxed)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic of the thread has been printed; a second one here would end the process.
            let _ = thread.join();
        }
    }
}

impl State {
    /// The script, also after a thread has panicked: it changes in a single step.
    fn script(&self) -> MutexGuard<'_, Arc<Script>> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Senders {
    fn bind(server: &UdpSocket, address: SocketAddr) -> io::Result<Self> {
        let next = SocketAddr::new(after(address.ip()), address.port());
        Ok(Self {
            server: server.try_clone()?,
            other_port: UdpSocket::bind(SocketAddr::new(address.ip(), 0))?,
            next_address: UdpSocket::bind(next)?,
        })
    }

    fn of(&self, source: Source) -> &UdpSocket {
        match source {
            Source::Server => &self.server,
            Source::OtherPort => &self.other_port,
            Source::NextAddress => &self.next_address,
        }
    }
}

/// The address after this one.
fn after(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits().wrapping_add(1)).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits().wrapping_add(1)).into(),
    }
}

fn serve_udp(socket: &UdpSocket, senders: &Arc<Senders>, state: &State) {
    let mut buffer = vec![0; LARGEST];
    while !state.is_stopped() {
        let Ok((length, client)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        state.queries.fetch_add(1, Ordering::Relaxed);
        let script = Arc::clone(&state.script());
        for datagram in &script.datagrams {
            let addresses = script.addresses();
            let Some(bytes) = datagram.form.reply(&buffer[..length], addresses) else {
                continue;
            };
            let (source, delay) = (datagram.source, datagram.delay);
            if delay.is_zero() {
                // A client that has gone away is no concern of the server's.
                let _ = senders.of(source).send_to(&bytes, client);
                continue;
            }
            // It does not keep the sockets: another server may want the address by then.
            let senders = Arc::downgrade(senders);
            thread::spawn(move || {
                thread::sleep(delay);
                if let Some(senders) = senders.upgrade() {
                    let _ = senders.of(source).send_to(&bytes, client);
                }
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

/// Plays its part for one query after the other, until the client closes or is silent for long.
fn serve_stream(mut stream: TcpStream, state: &State) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_nodelay(true)?;
    while !state.is_stopped() {
        let query = read_framed(&mut stream)?;
        state.queries.fetch_add(1, Ordering::Relaxed);
        let script = Arc::clone(&state.script());
        let form = match &script.stream {
            Stream::Reply(form) => form,
            _ => &Form::Truth,
        };
        let Some(reply) = form.reply(&query, script.addresses()) else {
            return Ok(());
        };
        let whole = framed(&reply)?;
        match &script.stream {
            Stream::Reply(_) => stream.write_all(&whole)?,
            Stream::Close => return Ok(()),
            Stream::Half => return stream.write_all(&whole[..whole.len() / 2]),
            Stream::Overlong => stream.write_all(&[&[0xFF; 2], reply.as_slice()].concat())?,
            Stream::Mute => {}
            Stream::Drip(pause) => {
                for octet in whole {
                    thread::sleep(*pause);
                    stream.write_all(&[octet])?;
                }
            }
        }
    }
    Ok(())
}
