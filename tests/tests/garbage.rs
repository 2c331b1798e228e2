//! A hundred thousand bad messages over UDP and TCP: each gets what it deserves, and the server is as well as before.
//!
//! The seed is printed; `KXDNS_SEED` repeats a run.

use std::{
    collections::HashMap,
    io::Write as _,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    sync::Mutex,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use hickory_proto::rr::RecordType;
use kxdns_tests::{
    garbage::{
        Ending, Garbage,
        due::{Due, datagram_limit, due, frames, judge},
    },
    server::{SERVICE_ADDRESS, SERVICE_NAME, Said, Server, until_closed},
};
use testbed::{Namespace, Table, UdpClient, Upstream, open_files, resident};

/// Messages over UDP.
const DATAGRAMS: usize = 80_000;
/// Streams of each worker, with fifteen messages or so.
const STREAMS_EACH: usize = 250;
/// What it begins with, until every part of the server has been in use.
const WARM_UP: usize = 8;
/// Datagrams under way at a time: as many as fit into the smallest socket buffers.
const WINDOW: usize = 48;
/// Sockets that ask in turn: the server has several for one address, and clients are spread over them.
const CLIENTS: usize = 6;
/// Streams at a time, each worker one.
const WORKERS: u64 = 6;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much more memory the server may use afterwards, in octets.
const MEMORY: u64 = 16 << 20;
/// Where the server listens.
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 53);
/// Its upstream.
const UPSTREAM: &str = "127.0.0.2:53";

struct Bed {
    namespace: Namespace,
    server: Server,
    _upstream: Upstream,
}

impl Bed {
    fn start() -> Result<Self> {
        let namespace = Namespace::new("garbage")?;
        let upstream = Upstream::start(&namespace, UPSTREAM.parse()?, Table::new())?;
        // So few answers are kept that the memory they take is no matter.
        let flags = ["--upstream", UPSTREAM, "--cache-size", "200"];
        Ok(Self {
            server: Server::start(&namespace, SERVER, &flags)?,
            namespace,
            _upstream: upstream,
        })
    }

    fn client(&self) -> Result<UdpClient> {
        UdpClient::bind(&self.namespace, "0.0.0.0:0".parse()?)
    }

    fn expect_well(&self) -> Result<()> {
        let query = testbed::query(7, SERVICE_NAME, RecordType::A)?;
        let reply = self.server.ask(&self.namespace, &query, PATIENCE)?;
        let said = Said::read(&query, &reply)?;
        ensure!(said == Said::address(SERVICE_ADDRESS), "{said:?}");
        Ok(())
    }
}

/// Sends so many messages over UDP, and judges each reply; a message that deserves none must have none.
fn datagrams(bed: &Bed, garbage: &mut Garbage, count: usize) -> Result<()> {
    let clients = (0..CLIENTS).map(|_| bed.client());
    let clients = clients.collect::<Result<Vec<_>>>()?;
    let mut sent = 0;
    for client in clients.iter().cycle() {
        if sent >= count {
            break;
        }
        let mut pending = HashMap::new();
        for _ in 0..WINDOW.min(count - sent) {
            let message = garbage.message();
            client.send(SERVER, &message)?;
            sent += 1;
            if let (Some(id), Due::Reply(_)) = (message.first_chunk::<2>(), due(&message)) {
                pending.insert(*id, message);
            }
        }
        // What deserves no reply comes before what does: a reply to it would be seen in this window or the next.
        while !pending.is_empty() {
            let Some(reply) = client.receive(PATIENCE)? else {
                bail!("no reply to {:x?}", pending.values().next());
            };
            let id = reply.bytes.first_chunk::<2>();
            let message = id.and_then(|id| pending.remove(id));
            let message = message.with_context(|| {
                format!(
                    "a reply to what deserves none, or a second one: {:x?}",
                    reply.bytes
                )
            })?;
            judge(&message, &reply.bytes, datagram_limit(&message))
                .with_context(|| format!("{message:x?} got {:x?}", reply.bytes))?;
        }
    }
    Ok(())
}

/// Streams that are left open until the end.
type Idle = Mutex<Vec<TcpStream>>;

/// Sends so many streams; what comes back is judged.
fn streams(bed: &Bed, garbage: &mut Garbage, count: usize, idle: &Idle) -> Result<()> {
    for _ in 0..count {
        let stream = garbage.stream();
        let mut socket = bed.namespace.run(|| TcpStream::connect(SERVER))??;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        // A server may close the connection at the first message that deserves no reply.
        let mut segments = stream.segments.iter();
        let _ = segments.try_for_each(|segment| socket.write_all(segment));
        match stream.ending {
            Ending::Close => {}
            Ending::Idle => idle.lock().expect("no panic").push(socket),
            Ending::HalfClose => {
                let _ = socket.shutdown(Shutdown::Write);
                let octets = until_closed(&mut socket)?;
                let sent = stream.segments.concat();
                judge_stream(&sent, &octets).with_context(|| format!("sent {sent:x?}"))?;
            }
        }
    }
    Ok(())
}

/// Each message before the first that deserves no reply has one, in any order; those after it may have.
fn judge_stream(sent: &[u8], received: &[u8]) -> Result<()> {
    let replies = frames(received);
    let whole: usize = replies.iter().map(|reply| 2 + reply.len()).sum();
    ensure!(whole == received.len(), "the last reply is cut");
    let messages = frames(sent);
    let must = messages.iter().take_while(|m| due(m) != Due::Nothing);
    let must = must.count();
    let mut waiting: Vec<_> = messages.iter().enumerate().collect();
    let mut answered = 0;
    for reply in replies {
        // Cut into pieces by a wrong length, several messages may have one id.
        let mut why = anyhow::anyhow!("it has no message's id");
        let found = waiting.iter().position(|(_, message)| {
            message.get(..2) == reply.get(..2)
                && judge(message, reply, usize::from(u16::MAX))
                    .map_err(|error| why = error)
                    .is_ok()
        });
        let Some(found) = found else {
            return Err(why.context(format!("a reply to no message: {reply:x?}")));
        };
        let (number, _) = waiting.remove(found);
        answered += usize::from(number < must);
    }
    ensure!(answered == must, "{answered} replies of {must}");
    Ok(())
}

/// The given seed, or any.
fn seed() -> Result<u64> {
    let seed = match std::env::var("KXDNS_SEED") {
        Ok(text) => text.parse().context("KXDNS_SEED is not a number")?,
        Err(_) => rand::random(),
    };
    println!("KXDNS_SEED={seed}");
    Ok(seed)
}

/// All kinds of garbage, this part of it.
fn everything(bed: &Bed, seed: u64, part: usize, idle: &Idle) -> Result<()> {
    datagrams(bed, &mut Garbage::new(seed), DATAGRAMS / part).context("over UDP")?;
    thread::scope(|scope| {
        let workers: Vec<_> = (1..=WORKERS)
            .map(|worker| {
                let mut garbage = Garbage::new(seed.wrapping_add(worker));
                scope.spawn(move || streams(bed, &mut garbage, STREAMS_EACH / part, idle))
            })
            .collect();
        let mut ended = workers
            .into_iter()
            .map(|worker| worker.join().expect("no panic"));
        ended.try_for_each(|outcome| outcome.context("over TCP"))
    })
}

#[test]
fn garbage_does_no_harm() -> Result<()> {
    let seed = seed()?;
    let mut bed = Bed::start()?;
    let pid = bed.server.child.pid();
    bed.expect_well()?;
    let files = open_files(pid)?;
    let idle = Idle::default();
    everything(&bed, !seed, WARM_UP, &idle)?;
    bed.expect_well()?;
    let memory = resident(pid)?;
    let lines = bed.server.child.output().lines().count();

    everything(&bed, seed, 1, &idle)?;
    bed.expect_well()?;
    let after = resident(pid)?;
    println!("{memory} octets of memory before, {after} after");
    ensure!(
        after < memory + MEMORY,
        "{memory} octets before, {after} after"
    );
    for mut socket in idle.into_inner().expect("no panic") {
        // What it answered before it gave up is of no interest here.
        until_closed(&mut socket)?;
    }
    bed.server.expect_open_files(files)?;
    let log = bed.server.child.output();
    ensure!(!log.contains("panicked"), "{log}");
    // Nobody can fill the log by sending.
    ensure!(log.lines().count() < lines + 10, "{log}");
    bed.expect_well()
}

/// A query that is longer than any server has to read is lost, or answered; nothing else comes of it.
#[test]
fn the_largest_datagrams_do_no_harm() -> Result<()> {
    let bed = Bed::start()?;
    let client = bed.client()?;
    let query = testbed::query(7, SERVICE_NAME, RecordType::A)?;
    for length in [4095, 4096, 4097, 16_384, 65_507] {
        let mut message = query.clone();
        message.resize(length, 0);
        client.send(SERVER, &message)?;
        let again = client
            .send(SERVER, &query)
            .and_then(|()| client.receive(PATIENCE))?;
        ensure!(again.is_some(), "no reply after {length} octets");
        bed.expect_well()?;
    }
    Ok(())
}
