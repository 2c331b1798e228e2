//! A connection to an upstream, over TCP or TLS, that is shared and kept (RFC 7766, section 6.2).
//!
//! Queries are sent without waiting for the answers of earlier ones, which may come in any order. A
//! task owns the connection; it ends when nothing is asked for a while, or when the upstream falls
//! silent, and the next query begins a new one.

use std::{
    collections::HashMap,
    fmt, io,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf},
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{failure::Failure, message::Malformed, query::Query, question::HEADER};

/// How long a connection stays without a query.
const IDLE: Duration = Duration::from_secs(10);
/// How long an upstream that has queries to answer may stay silent, or not take any.
const SILENCE: Duration = Duration::from_secs(3);
/// Queries of one connection that wait for answers at a time.
const PENDING: usize = 256;
/// Queries that wait to be sent; more wait with those who ask.
const QUEUE: usize = 64;
/// Octets that are read at a time, at least.
const CHUNK: usize = 4096;

/// Where a connection leads.
#[derive(Clone)]
pub(super) struct Dial {
    pub(super) address: SocketAddr,
    /// The name that the certificate has to be for; TCP without it.
    pub(super) tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// The connection to one upstream, opened when it is needed.
#[derive(Debug)]
pub(super) struct Pipeline {
    dial: Dial,
    current: Mutex<Option<mpsc::Sender<Job>>>,
}

/// A query and where its reply goes.
#[derive(Debug)]
struct Job {
    query: Query,
    reply: oneshot::Sender<Result<Vec<u8>, Failure>>,
}

impl Pipeline {
    pub(super) const fn new(dial: Dial) -> Self {
        Self {
            dial,
            current: Mutex::new(None),
        }
    }

    /// Sends `query` and waits for its reply; the caller limits the time.
    pub(super) async fn ask(&self, query: &Query) -> Result<Vec<u8>, Failure> {
        let (connection, is_new) = self.connection();
        match ask_over(&connection, query).await {
            // The upstream may close an idle connection just when it is used again: that says nothing.
            Err(Failure::Closed) if !is_new => ask_over(&self.connection().0, query).await,
            result => result,
        }
    }

    /// The open connection, or a new one, and whether it is new.
    fn connection(&self) -> (mpsc::Sender<Job>, bool) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = current.as_ref().filter(|sender| !sender.is_closed()) {
            return (open.clone(), false);
        }
        let (sender, jobs) = mpsc::channel(QUEUE);
        tokio::spawn(connect_and_serve(self.dial.clone(), jobs));
        *current = Some(sender.clone());
        (sender, true)
    }
}

async fn ask_over(connection: &mpsc::Sender<Job>, query: &Query) -> Result<Vec<u8>, Failure> {
    let (reply, answer) = oneshot::channel();
    let query = query.clone();
    let sent = connection.send(Job { query, reply }).await;
    sent.map_err(|_| Failure::Closed)?;
    answer.await.unwrap_or(Err(Failure::Closed))
}

/// The life of a connection.
async fn connect_and_serve(dial: Dial, mut jobs: mpsc::Receiver<Job>) {
    let failure = match timeout(SILENCE, dial.connect()).await {
        Ok(Ok(stream)) => Connection::new(stream).serve(&mut jobs).await,
        Ok(Err(failure)) => failure,
        Err(_) => Failure::Timeout,
    };
    // Closed first: who hears of the failure and asks again gets a new connection.
    jobs.close();
    while let Ok(job) = jobs.try_recv() {
        let _ = job.reply.send(Err(failure.clone()));
    }
}

impl Dial {
    async fn connect(&self) -> Result<Box<dyn Stream>, Failure> {
        let tcp = TcpStream::connect(self.address).await?;
        let _ = tcp.set_nodelay(true);
        let Some((connector, name)) = &self.tls else {
            return Ok(Box::new(tcp));
        };
        let tls = connector.connect(name.clone(), tcp).await;
        Ok(Box::new(
            tls.map_err(|error| Failure::Tls(error.to_string()))?,
        ))
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.tls.as_ref().map(|(_, name)| name);
        f.debug_struct("Dial")
            .field("address", &self.address)
            .field("name", &name)
            .finish()
    }
}

/// A TCP or TLS stream.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open connection.
struct Connection {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    /// What has been read, but is not a whole message yet.
    buffer: Vec<u8>,
    pending: HashMap<u16, Job>,
    /// When the upstream last sent something, or was first asked after it had nothing to do.
    since: Instant,
}

impl Connection {
    fn new(stream: Box<dyn Stream>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            reader,
            writer,
            buffer: Vec::new(),
            pending: HashMap::new(),
            since: Instant::now(),
        }
    }

    /// Sends queries and gives out replies until the connection ends: why.
    async fn serve(mut self, jobs: &mut mpsc::Receiver<Job>) -> Failure {
        let mut wanted = true;
        let failure = loop {
            let patience = if self.pending.is_empty() {
                IDLE
            } else {
                SILENCE
            };
            tokio::select! {
                job = jobs.recv(), if wanted && self.pending.len() < PENDING => match job {
                    Some(job) => {
                        if let Err(failure) = self.send(job).await {
                            break failure;
                        }
                    }
                    // The upstream is no longer configured: those who wait still get their answers.
                    None => wanted = false,
                },
                read = read_more(&mut self.reader, &mut self.buffer) => {
                    self.since = Instant::now();
                    if let Err(failure) = read.and_then(|()| self.deliver()) {
                        break failure;
                    }
                }
                () = sleep_until(self.since + patience) => break Failure::Closed,
            }
            if !wanted && self.pending.is_empty() {
                break Failure::Closed;
            }
        };
        jobs.close();
        for (_, job) in self.pending.drain() {
            let _ = job.reply.send(Err(failure.clone()));
        }
        failure
    }

    async fn send(&mut self, job: Job) -> Result<(), Failure> {
        // Whoever has given up needs no place.
        self.pending.retain(|_, job| !job.reply.is_closed());
        if self.pending.is_empty() {
            self.since = Instant::now();
        }
        let id = loop {
            let id = rand::random();
            if !self.pending.contains_key(&id) {
                break id;
            }
        };
        let query = job.query.under(id);
        let message = query.as_bytes();
        let length = u16::try_from(message.len()).map_err(io::Error::other)?;
        let framed = [&length.to_be_bytes(), message].concat();
        let reply = job.reply;
        self.pending.insert(id, Job { query, reply });
        let write = async {
            self.writer.write_all(&framed).await?;
            self.writer.flush().await
        };
        match timeout(SILENCE, write).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Failure::Closed),
        }
    }

    /// Gives out the whole messages that have been read.
    fn deliver(&mut self) -> Result<(), Failure> {
        while let Some((length, rest)) = self.buffer.split_first_chunk() {
            let length = usize::from(u16::from_be_bytes(*length));
            let Some(message) = rest.get(..length) else {
                break;
            };
            if length < HEADER {
                return Err(Malformed::Cut.into());
            }
            let id = u16::from_be_bytes([message[0], message[1]]);
            // An unknown number is that of a query that nobody waits for any more.
            if let Some(job) = self.pending.remove(&id) {
                let reply = if job.query.fits(message) {
                    Ok(message.to_vec())
                } else {
                    Err(Malformed::Question.into())
                };
                let _ = job.reply.send(reply);
            }
            self.buffer.drain(..2 + length);
        }
        Ok(())
    }
}

/// Appends what has come; nothing is lost if this is given up.
async fn read_more(
    reader: &mut ReadHalf<Box<dyn Stream>>,
    buffer: &mut Vec<u8>,
) -> Result<(), Failure> {
    buffer.reserve(CHUNK);
    match reader.read_buf(buffer).await {
        Ok(1..) => Ok(()),
        _ => Err(Failure::Closed),
    }
}
