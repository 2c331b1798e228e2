//! How dns-ctl stops: clients are sent elsewhere first, queries under way are answered, the kernel goes on.

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::RecordType,
};
use kxdns_tests::{
    leftovers::is_clean,
    node::{METRICS, Node, PATIENCE, SERVICE, manifests, plan, services},
};
use testbed::{Reply, Scratch, Signal, Table, UdpClient, Upstream, framed, read_framed};

const NAME: &str = "web.default.svc.cluster.local.";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 96, 1, 5);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
/// Where the node asks for names outside the cluster.
const UPSTREAM: &str = "127.0.0.1:5300";

/// A node with a Service, and a server for names outside the cluster.
struct Bed {
    node: Node,
    upstream: Upstream,
    _folder: Scratch,
}

fn start(flags: &[&str], table: Table) -> Result<Bed> {
    let folder = manifests(&services(&[("web", &ADDRESS.to_string())]))?;
    let path = folder.path().to_string_lossy().into_owned();
    let bed = plan().build()?;
    let upstream = Upstream::start(&bed.node, UPSTREAM.parse()?, table)?;
    Ok(Bed {
        node: Node::start(bed, &["--manifests", &path], flags)?,
        upstream,
        _folder: folder,
    })
}

/// Checks that all that a client may ask is answered, by kernel and server.
fn serves(node: &Node) -> Result<()> {
    let before = node.hits()?;
    ensure!(node.resolve(NAME)? == Some(ADDRESS.into()));
    ensure!(node.hits()? == before + 1, "the kernel has not answered");
    ensure!(node.resolve("outside.example.")? == Some(OUTSIDE.into()));
    let message = node.message_of_server(NAME, RecordType::A)?;
    ensure!(message.answers.len() == 1, "{message}");
    Ok(())
}

/// Waits until the program has ended as it should.
fn ends(node: &mut Node) -> Result<()> {
    let status = node.child.wait(PATIENCE)?;
    ensure!(
        status.code() == Some(0),
        "{status}: {}",
        node.child.output()
    );
    Ok(())
}

#[test]
fn clients_are_sent_elsewhere_while_all_is_answered() -> Result<()> {
    for again in [Signal::SIGTERM, Signal::SIGINT] {
        // Longer than anything waits here: only the second signal can end it.
        let table = Table::new().address("outside.example.", OUTSIDE);
        let mut bed = start(&["--lameduck", "300"], table)?;
        serves(&bed.node)?;
        bed.node.child.signal(Signal::SIGTERM)?;
        bed.node.eventually(|node| {
            let reply = node.page("/readyz")?;
            ensure!(reply.status == 503, "{}", reply.status);
            ensure!(reply.body.contains("about to stop"), "{}", reply.body);
            Ok(())
        })?;
        for _ in 0..20 {
            serves(&bed.node)?;
        }
        assert_eq!(bed.node.page("/healthz")?.status, 200, "it is not dead");
        assert_eq!(bed.node.page("/metrics")?.status, 200);
        bed.node.child.signal(again)?;
        ends(&mut bed.node)?;
        let said = bed.node.child.output();
        assert!(said.contains(&format!("{again} again")), "{said}");
    }
    Ok(())
}

#[test]
fn it_ends_by_itself_and_the_kernel_goes_on() -> Result<()> {
    let table = Table::new().address("outside.example.", OUTSIDE);
    let mut bed = start(&["--lameduck", "2"], table)?;
    bed.node.child.signal(Signal::SIGTERM)?;
    ends(&mut bed.node)?;
    let before = bed.node.hits()?;
    for _ in 0..20 {
        assert_eq!(bed.node.resolve(NAME)?, Some(ADDRESS.into()));
    }
    assert_eq!(bed.node.hits()?, before + 20);
    assert_eq!(bed.node.status()?["running"], false);
    Ok(())
}

#[test]
fn nothing_stays_if_that_is_asked_for() -> Result<()> {
    let mut bed = start(&["--on-exit", "remove"], Table::new())?;
    is_clean(&bed.node.bed.node).expect_err("it is attached");
    bed.node.child.signal(Signal::SIGTERM)?;
    ends(&mut bed.node)?;
    is_clean(&bed.node.bed.node)?;
    assert!(!bed.node.folder().exists());
    Ok(())
}

#[test]
fn queries_under_way_are_answered() -> Result<()> {
    let mut table = Table::new();
    for name in ["udp.example.", "tcp.example."] {
        table = table
            .address(name, OUTSIDE)
            .delay(name, Duration::from_secs(1));
    }
    let mut bed = start(&["--grace", "20"], table)?;
    let node = &bed.node;
    let udp = UdpClient::bind(node.pod(), (Ipv4Addr::UNSPECIFIED, 0).into())?;
    udp.send(SERVICE, &testbed::query(1, "udp.example.", RecordType::A)?)?;
    let mut tcp = connect(node, SERVICE)?;
    tcp.write_all(&framed(&testbed::query(2, "tcp.example.", RecordType::A)?)?)?;
    let _silent = connect(node, SERVICE)?;
    node.eventually(|_| {
        let mut names = ["udp.example.", "tcp.example."].iter();
        ensure!(names.all(|name| bed.upstream.queries_of(name) > 0));
        Ok(())
    })?;

    bed.node.child.signal(Signal::SIGTERM)?;
    let reply = udp
        .receive(PATIENCE)?
        .context("the datagram got no answer")?;
    for (id, octets) in [(1, reply.bytes), (2, read_framed(&mut tcp)?)] {
        let message = Message::from_vec(&octets)?;
        assert_eq!(message.metadata.id, id);
        assert_eq!(message.answers.len(), 1, "{message}");
    }
    ends(&mut bed.node)
}

/// The upstream never answers, with a timeout longer than anything waits here; and somebody's request for a page
/// does not come to its end.
#[test]
fn nobody_holds_it_up_for_longer_than_the_grace() -> Result<()> {
    let table = Table::new().reply("never.example.", RecordType::A, Reply::Drop);
    let mut bed = start(&["--grace", "1", "--upstream-timeout", "60000"], table)?;
    let udp = UdpClient::bind(bed.node.pod(), (Ipv4Addr::UNSPECIFIED, 0).into())?;
    udp.send(
        SERVICE,
        &testbed::query(1, "never.example.", RecordType::A)?,
    )?;
    let mut tcp = connect(&bed.node, SERVICE)?;
    tcp.write_all(&framed(&testbed::query(
        2,
        "never.example.",
        RecordType::A,
    )?)?)?;
    let mut slow = bed.node.bed.node.run(|| TcpStream::connect(METRICS))??;
    slow.write_all(b"GET /metrics HTTP/1.1\r\n")?;
    bed.node.eventually(|_| {
        ensure!(bed.upstream.queries_of("never.example.") > 0);
        Ok(())
    })?;
    bed.node.child.signal(Signal::SIGTERM)?;
    ends(&mut bed.node)
}

/// What comes when the sockets are closed is refused by the kernel, not left without an answer.
#[test]
fn one_that_runs_no_longer_takes_no_connections() -> Result<()> {
    let mut bed = start(&[], Table::new())?;
    let message = bed.node.message_of_server("x.example.", RecordType::A)?;
    assert_eq!(message.metadata.response_code, ResponseCode::NXDomain);
    bed.node.child.signal(Signal::SIGTERM)?;
    ends(&mut bed.node)?;
    let error = connect(&bed.node, SERVICE).unwrap_err();
    let refused = error
        .downcast_ref::<std::io::Error>()
        .context("of the system")?;
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    Ok(())
}

fn connect(node: &Node, to: SocketAddr) -> Result<TcpStream> {
    let stream = node
        .pod()
        .run(|| TcpStream::connect_timeout(&to, PATIENCE))??;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}
