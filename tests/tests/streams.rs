//! TCP as clients use and abuse it: pipelines, slow and silent clients, and such as never read (RFC 7766).

use std::{
    collections::BTreeSet,
    io::{ErrorKind, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use hickory_proto::rr::RecordType;
use kxdns_tests::server::{SERVICE_ADDRESS, SERVICE_NAME, Said, Server, until_closed};
use socket2::{Domain, Socket, Type};
use testbed::{Namespace, Table, Upstream, framed, open_files, read_framed, resident, udp_query};

/// How long anything may take that the server is to do at once, or after its own time.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where the server listens.
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 53);
/// Its upstream.
const UPSTREAM: &str = "127.0.0.2:53";
/// A name that the upstream answers at once, and its address.
const OUTSIDE: (&str, Ipv4Addr) = ("quick.example.", Ipv4Addr::new(203, 0, 113, 1));
/// A name that the upstream answers late.
const SLOW: &str = "slow.example.";
/// How late.
const DELAY: Duration = Duration::from_millis(700);
/// More connections than the server takes, by far.
const MANY: usize = 300;
/// What a client that does not read may cost, in octets.
const MEMORY: u64 = 16 << 20;
/// The most that such a client sends, in octets.
const MOST: usize = 64 << 20;

struct Bed {
    namespace: Namespace,
    server: Server,
    _upstream: Upstream,
}

impl Bed {
    fn start() -> Result<Self> {
        let namespace = Namespace::new("streams")?;
        let table = Table::new()
            .address(OUTSIDE.0, OUTSIDE.1)
            .address(SLOW, OUTSIDE.1)
            .delay(SLOW, DELAY);
        let upstream = Upstream::start(&namespace, UPSTREAM.parse()?, table)?;
        let server = Server::start(&namespace, SERVER, &["--upstream", UPSTREAM])?;
        Ok(Self {
            namespace,
            server,
            _upstream: upstream,
        })
    }

    fn connect(&self) -> Result<TcpStream> {
        self.connect_from(Ipv4Addr::LOCALHOST)
    }

    /// A connection from an address of loopback's.
    fn connect_from(&self, client: Ipv4Addr) -> Result<TcpStream> {
        let stream = self.namespace.run(|| -> Result<TcpStream> {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.bind(&SocketAddr::new(client.into(), 0).into())?;
            socket.connect(&SERVER.into())?;
            Ok(socket.into())
        })??;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A query over TCP is answered.
    fn expect_tcp(&self, client: Ipv4Addr) -> Result<()> {
        let query = query(1, SERVICE_NAME)?;
        let mut stream = self.connect_from(client)?;
        stream.write_all(&framed(&query)?)?;
        let said = Said::read(&query, &read_framed(&mut stream)?)?;
        ensure!(said == Said::address(SERVICE_ADDRESS), "{said:?}");
        Ok(())
    }

    /// A query over UDP is answered.
    fn expect_udp(&self) -> Result<()> {
        let query = query(9, SERVICE_NAME)?;
        let reply = udp_query(&self.namespace, SERVER, &query, PATIENCE)?;
        let said = Said::read(&query, &reply.context("no answer over UDP")?.bytes)?;
        ensure!(said == Said::address(SERVICE_ADDRESS), "{said:?}");
        Ok(())
    }
}

fn query(id: u16, name: &str) -> Result<Vec<u8>> {
    testbed::query(id, name, RecordType::A)
}

fn id(message: &[u8]) -> Result<u16> {
    let id = message.first_chunk().context("a reply without an id")?;
    Ok(u16::from_be_bytes(*id))
}

#[test]
fn queries_in_one_segment_are_all_answered() -> Result<()> {
    let bed = Bed::start()?;
    let names = [SERVICE_NAME, OUTSIDE.0, SLOW, "missing.example."];
    let queries = (0..50)
        .zip(names.iter().cycle())
        .map(|(id, name)| query(id, name))
        .collect::<Result<Vec<_>>>()?;
    let mut stream = bed.connect()?;
    let frames = queries.iter().map(|query| framed(query));
    stream.write_all(&frames.collect::<Result<Vec<_>, _>>()?.concat())?;
    let mut answered = BTreeSet::new();
    for _ in &queries {
        let reply = read_framed(&mut stream)?;
        let id = id(&reply)?;
        let query = queries.get(usize::from(id)).context("an id not asked")?;
        let said = Said::read(query, &reply)?;
        match id % 4 {
            0 => assert_eq!(said, Said::address(SERVICE_ADDRESS)),
            1 | 2 => assert_eq!(said, Said::address(OUTSIDE.1)),
            _ => assert!(matches!(said, Said::Nothing(_)), "{said:?}"),
        }
        assert!(answered.insert(id), "{id} is answered twice");
    }
    Ok(())
}

#[test]
fn a_slow_answer_does_not_hold_up_the_next() -> Result<()> {
    let bed = Bed::start()?;
    let mut stream = bed.connect()?;
    let queries = [query(1, SLOW)?, query(2, SERVICE_NAME)?];
    stream.write_all(&[framed(&queries[0])?, framed(&queries[1])?].concat())?;
    assert_eq!(id(&read_framed(&mut stream)?)?, 2);
    let slow = read_framed(&mut stream)?;
    let said = Said::read(&queries[0], &slow)?;
    assert_eq!(said, Said::address(OUTSIDE.1));
    Ok(())
}

#[test]
fn a_client_that_has_sent_all_gets_its_answers_still() -> Result<()> {
    let bed = Bed::start()?;
    let mut stream = bed.connect()?;
    for (id, name) in [(1, SLOW), (2, SERVICE_NAME), (3, OUTSIDE.0)] {
        stream.write_all(&framed(&query(id, name)?)?)?;
    }
    stream.shutdown(Shutdown::Write)?;
    let answered = (0..3).map(|_| id(&read_framed(&mut stream)?));
    let answered = answered.collect::<Result<BTreeSet<_>>>()?;
    assert_eq!(answered, [1, 2, 3].into());
    assert_eq!(until_closed(&mut stream)?, b"");
    Ok(())
}

#[test]
fn a_query_may_come_octet_by_octet() -> Result<()> {
    let bed = Bed::start()?;
    let mut stream = bed.connect()?;
    for id in 0..3 {
        let query = query(id, SERVICE_NAME)?;
        for octet in framed(&query)? {
            stream.write_all(&[octet])?;
        }
        let said = Said::read(&query, &read_framed(&mut stream)?)?;
        assert_eq!(said, Said::address(SERVICE_ADDRESS));
    }
    Ok(())
}

#[test]
fn silent_clients_are_left() -> Result<()> {
    let mut bed = Bed::start()?;
    let query = framed(&query(1, SERVICE_NAME)?)?;
    let before = open_files(bed.server.child.pid())?;
    let mut clients = Vec::new();
    for (what, octets) in [
        ("nothing sent", &b""[..]),
        ("half a length", &query[..1]),
        ("half a query", &query[..9]),
        ("one query", &query),
        ("one and a half", &[&query[..], &query[..9]].concat()),
    ] {
        let mut stream = bed.connect()?;
        stream.write_all(octets)?;
        if octets.len() >= query.len() {
            read_framed(&mut stream)?;
        }
        clients.push((what, stream));
    }
    for (what, stream) in &mut clients {
        let rest = until_closed(stream).with_context(|| (*what).to_owned())?;
        assert_eq!(rest, b"", "{what}");
    }
    bed.server.expect_open_files(before)
}

#[test]
fn idle_connections_keep_no_one_from_being_served() -> Result<()> {
    let bed = Bed::start()?;
    // Of so many clients that each is within its share.
    let clients = (10..20).cycle().map(|host| Ipv4Addr::new(127, 0, 0, host));
    let idle = clients.take(MANY).map(|client| bed.connect_from(client));
    let idle = idle.collect::<Result<Vec<_>>>()?;
    for _ in 0..50 {
        bed.expect_udp()?;
    }
    // Over TCP as soon as the server has left the silent ones.
    bed.expect_tcp(Ipv4Addr::LOCALHOST)?;
    drop(idle);
    Ok(())
}

#[test]
fn one_client_s_connections_leave_room_for_others() -> Result<()> {
    let bed = Bed::start()?;
    let idle = (0..MANY).map(|_| bed.connect());
    let mut idle = idle.collect::<Result<Vec<_>>>()?;
    let first = idle.first_mut().context("there are many")?;
    // From now on it may be idle for long.
    first.write_all(&framed(&query(1, SERVICE_NAME)?)?)?;
    read_framed(first)?;
    bed.expect_tcp(Ipv4Addr::new(127, 0, 0, 10))?;
    // No place had to be given up for that.
    first.set_nonblocking(true)?;
    let error = first
        .peek(&mut [0])
        .expect_err("it is open, and has nothing to say");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    // Those beyond its share are closed, and not left waiting.
    let last = idle.last_mut().context("there are many")?;
    assert_eq!(until_closed(last)?, b"");
    Ok(())
}

#[test]
fn a_client_that_never_reads_costs_little() -> Result<()> {
    let bed = Bed::start()?;
    bed.expect_udp()?;
    let before = resident(bed.server.child.pid())?;
    let pipeline = framed(&query(1, SERVICE_NAME)?)?.repeat(1000);
    let mut stream = bed.connect()?;
    stream.set_nonblocking(true)?;
    // Until the server reads no more: it has answers to get rid of. Where it goes on reading, memory tells.
    let start = Instant::now();
    let (mut sent, mut stuck) = (0, 0);
    while stuck < 20 && sent < MOST && start.elapsed() < PATIENCE {
        match stream.write(&pipeline[sent % pipeline.len()..]) {
            Ok(length) => (sent, stuck) = (sent + length, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                bed.expect_udp()?;
                stuck += 1;
            }
            // The server may as well leave such a client.
            Err(_) => break,
        }
    }
    let after = resident(bed.server.child.pid())?;
    println!("{sent} octets sent; {before} octets of memory before, {after} after");
    assert!(after < before + MEMORY, "{before} before, {after} after");
    Ok(())
}
