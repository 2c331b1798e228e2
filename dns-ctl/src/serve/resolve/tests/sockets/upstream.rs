//! An upstream on real sockets, whose behaviour can be changed.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use hickory_proto::op::ResponseCode;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
    task::JoinSet,
};

use crate::serve::resolve::tests::messages::{address, code};

/// What an upstream does with a query.
#[derive(Clone, Copy, Debug)]
pub(super) enum Does {
    /// Gives the address 192.0.2.x.
    Answer(u8),
    /// Gives it behind replies that don't fit the query.
    AnswerAmongLies(u8),
    /// Gives it over TCP only.
    TruncatedThenAnswer(u8),
    /// The same, and closes the connection.
    TruncatedThenAnswerAndClose(u8),
    /// Sends more than was asked for, and the right answer over TCP.
    OversizedThenAnswer(u8),
    StaySilent,
    /// Sends the query back.
    Echo,
    WrongId,
    WrongName,
    WrongType,
    /// Sends the right answer from another port.
    OtherPort,
    CompressionLoop,
    /// Claims more records than there are.
    LyingCount,
    /// Sends more than was asked for, and closes the TCP connection.
    Oversized,
    TruncatedThenGarbage,
    TruncatedThenOtherQuestion,
    /// Says over TCP as well that the answer is cut.
    TruncatedThenTruncated,
    TruncatedThenClose,
    ServFail,
}

/// A running upstream; it ends with this value.
pub(super) struct Upstream {
    pub(super) address: String,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

pub(super) struct State {
    does: Mutex<Does>,
    queries: AtomicUsize,
    connections: AtomicUsize,
    /// How many queries of a connection to read before they are answered, the last one first.
    hold_back: AtomicUsize,
}

/// An address at which nobody listens.
pub(super) async fn dead() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.local_addr().unwrap().to_string()
}

impl State {
    pub(super) fn new(does: Does) -> Arc<Self> {
        Arc::new(Self {
            does: Mutex::new(does),
            queries: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            hold_back: AtomicUsize::new(1),
        })
    }

    fn does(&self) -> Does {
        *self.does.lock().unwrap()
    }

    /// Counts a query; names that look for loops don't count, and get no answer.
    fn counts(&self, query: &[u8]) -> bool {
        let is_probe = query.windows(10).any(|part| part == b"kxdns-loop");
        self.queries
            .fetch_add(usize::from(!is_probe), Ordering::Relaxed);
        !is_probe
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Serves a connection as long as the behaviour lets it.
    pub(super) async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        let mut held = Vec::new();
        while let Ok(length) = stream.read_u16().await {
            let mut query = vec![0; usize::from(length)];
            if stream.read_exact(&mut query).await.is_err() || !self.counts(&query) {
                continue;
            }
            held.push(query);
            if held.len() < self.hold_back.load(Ordering::Relaxed) {
                continue;
            }
            for query in held.drain(..).rev() {
                let Some(reply) = over_tcp(self.does(), &query) else {
                    return;
                };
                let length = u16::try_from(reply.len()).unwrap();
                let framed = [&length.to_be_bytes(), &reply[..]].concat();
                // In two pieces, so that a message is not always read whole.
                let (first, rest) = framed.split_at(3);
                for piece in [first, rest] {
                    if stream.write_all(piece).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
                if matches!(self.does(), Does::TruncatedThenAnswerAndClose(_)) {
                    let _ = stream.shutdown().await;
                    return;
                }
            }
        }
    }
}

impl Upstream {
    pub(super) async fn start(does: Does) -> Self {
        let (listener, udp) = loop {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            // The port may be another's for UDP.
            if let Ok(udp) = UdpSocket::bind(listener.local_addr().unwrap()).await {
                break (listener, udp);
            }
        };
        let address = udp.local_addr().unwrap().to_string();
        let state = State::new(does);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, Arc::clone(&state)));
        tasks.spawn(serve_tcp(listener, Arc::clone(&state)));
        Self {
            address,
            state,
            _tasks: tasks,
        }
    }

    /// Does something else from now on.
    pub(super) fn now(&self, does: Does) {
        *self.state.does.lock().unwrap() = does;
    }

    pub(super) fn hold_back(&self, queries: usize) {
        self.state.hold_back.store(queries, Ordering::Relaxed);
    }

    /// Queries over UDP and TCP.
    pub(super) fn queries(&self) -> usize {
        self.state.queries.load(Ordering::Relaxed)
    }

    pub(super) fn connections(&self) -> usize {
        self.state.connections()
    }
}

async fn serve_udp(socket: UdpSocket, state: Arc<State>) {
    let elsewhere = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut buffer = [0; 1500];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        let query = &buffer[..length];
        if !state.counts(query) {
            continue;
        }
        let does = state.does();
        let from: &UdpSocket = if matches!(does, Does::OtherPort) {
            &elsewhere
        } else {
            &socket
        };
        send(from, &over_udp(does, query), peer).await;
    }
}

async fn send(socket: &UdpSocket, datagrams: &[Vec<u8>], peer: SocketAddr) {
    for datagram in datagrams {
        let _ = socket.send_to(datagram, peer).await;
    }
}

async fn serve_tcp(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        connections.spawn(async move { state.serve(stream).await });
    }
}

/// The reply with `change` made to it.
fn changed(query: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut reply = address(query, 60, 99);
    change(&mut reply);
    reply
}

fn over_udp(does: Does, query: &[u8]) -> Vec<Vec<u8>> {
    let wrong_id = || changed(query, |reply| reply[0] ^= 0xFF);
    let wrong_name = || changed(query, |reply| reply[13] ^= 1);
    let wrong_type = || {
        // Behind the name of the question.
        let end = query[12..].iter().position(|octet| *octet == 0).unwrap() + 12;
        changed(query, |reply| reply[end + 2] = 28)
    };
    let oversized = || {
        let mut reply = address(query, 60, 99);
        reply.resize(5000, 0);
        reply
    };
    match does {
        Does::Answer(last) => vec![address(query, 60, last)],
        Does::AnswerAmongLies(last) => vec![
            b"garbage".to_vec(),
            Vec::new(),
            wrong_id(),
            wrong_name(),
            wrong_type(),
            query.to_vec(),
            address(query, 60, last),
        ],
        Does::StaySilent => Vec::new(),
        Does::Echo => vec![query.to_vec()],
        Does::WrongId => vec![wrong_id()],
        Does::WrongName => vec![wrong_name()],
        Does::WrongType => vec![wrong_type()],
        Does::OtherPort => vec![address(query, 60, 99)],
        Does::CompressionLoop => vec![changed(query, |reply| {
            // The owner of the answer, a pointer to the question, now leads to itself.
            let at = reply.windows(2).position(|two| two == b"\xC0\x0C").unwrap();
            reply[at + 1] = u8::try_from(at).unwrap();
        })],
        Does::LyingCount => vec![changed(query, |reply| reply[7] = 200)],
        Does::Oversized | Does::OversizedThenAnswer(_) => vec![oversized()],
        Does::TruncatedThenAnswer(_)
        | Does::TruncatedThenAnswerAndClose(_)
        | Does::TruncatedThenGarbage
        | Does::TruncatedThenOtherQuestion
        | Does::TruncatedThenTruncated
        | Does::TruncatedThenClose => vec![changed(query, |reply| reply[2] |= 0x02)],
        Does::ServFail => vec![code(query, ResponseCode::ServFail)],
    }
}

/// The reply over a connection; `None` closes it.
fn over_tcp(does: Does, query: &[u8]) -> Option<Vec<u8>> {
    match does {
        Does::Answer(last)
        | Does::TruncatedThenAnswer(last)
        | Does::TruncatedThenAnswerAndClose(last)
        | Does::OversizedThenAnswer(last) => Some(address(query, 60, last)),
        Does::TruncatedThenGarbage => Some(b"garbage".to_vec()),
        Does::TruncatedThenOtherQuestion => Some(changed(query, |reply| reply[13] ^= 1)),
        Does::TruncatedThenTruncated => Some(changed(query, |reply| reply[2] |= 0x02)),
        _ => None,
    }
}
