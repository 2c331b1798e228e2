//! The server on loopback, with real sockets: good queries, bad bytes, pipelines, shutdown.

use arc_swap::ArcSwap;
use hickory_proto::{
    op::{Edns, Message, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::A},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream, UdpSocket},
    task::JoinHandle,
};

use super::*;
use crate::{
    metrics::{Metrics, liveness::Liveness},
    serve::{
        authority::Authority,
        connections::MOST_OF_ONE,
        resolve::{Limits, Resolver},
        upstream::{Routes, Upstream},
    },
    zone::{
        Policy,
        fixture::{Cluster, ips, namespace, service},
    },
};

/// How long queries under way may take at the end.
const GRACE: Duration = Duration::from_secs(3);
const NGINX: &str = "nGinx.default.svc.cluster.local.";

const LIMITS: Limits = Limits {
    cache_size: 100,
    max_ttl: 3600,
    max_negative_ttl: 1800,
    stale: Duration::ZERO,
    prefetch: 0,
    timeout: Duration::from_millis(4500),
    concurrency: 64,
};

struct Running {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

fn zone() -> crate::zone::Zone {
    let cluster = Cluster {
        services: vec![service("nginx.default", ips(&["10.96.0.10"]))],
        namespaces: vec![namespace("default")],
        ..Cluster::default()
    };
    cluster.listed(&Policy::default()).zone().clone()
}

fn start(upstreams: &[Upstream]) -> Running {
    let server = Server::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = server.addresses()[0];
    let metrics = Arc::new(Metrics::new());
    let domain = "cluster.local".parse().unwrap();
    let routes = Routes {
        upstreams: upstreams.to_vec(),
        ..Routes::default()
    };
    let service = Arc::new(Service {
        zone: Arc::new(ArcSwap::from_pointee(zone())),
        authority: Authority::new(&[domain], 5).unwrap(),
        resolver: Resolver::new(LIMITS, routes, Arc::clone(&metrics)),
        metrics: Arc::clone(&metrics),
    });
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(server.run(
        service,
        Liveness::default().part("server", PATIENCE),
        shutdown.clone(),
        GRACE,
    ));
    Running {
        address,
        metrics,
        shutdown,
        task,
    }
}

fn query(id: u16, name: &str) -> Message {
    let mut message = Message::query();
    message.metadata.id = id;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    message
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&length.to_be_bytes(), message].concat()
}

async fn over_udp(address: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(bytes, address).await.unwrap();
    let mut buffer = vec![0; 4096];
    let (length, from) = timeout(Duration::from_secs(2), socket.recv_from(&mut buffer))
        .await
        .ok()?
        .unwrap();
    assert_eq!(from, address);
    buffer.truncate(length);
    Some(buffer)
}

async fn next_message(stream: &mut TcpStream) -> Message {
    let mut bytes = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut bytes).await.unwrap();
    Message::from_vec(&bytes).unwrap()
}

fn address_of(message: &Message) -> Option<String> {
    match message.answers.first()?.data {
        RData::A(A(address)) => Some(address.to_string()),
        _ => None,
    }
}

#[tokio::test]
async fn both_transports_answer_alike() {
    let server = start(&[]);
    let bytes = query(7, NGINX).to_vec().unwrap();
    let udp = over_udp(server.address, &bytes).await.unwrap();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&framed(&bytes)).await.unwrap();
    let tcp = next_message(&mut stream).await;
    assert_eq!(Message::from_vec(&udp).unwrap(), tcp);
    assert_eq!(address_of(&tcp).unwrap(), "10.96.0.10");
    assert_eq!(tcp.answers[0].name.to_ascii(), NGINX);
    assert!(tcp.metadata.authoritative && tcp.metadata.recursion_desired);
    assert!(tcp.metadata.recursion_available);
}

#[tokio::test]
async fn bad_bytes_are_counted_and_do_no_harm() {
    let server = start(&[]);
    let good = query(9, NGINX).to_vec().unwrap();
    assert_eq!(
        over_udp(server.address, &good[..20]).await.unwrap()[3] & 0x0F,
        1
    );
    assert_eq!(
        over_udp(server.address, &[0; 12]).await.unwrap()[3] & 0x0F,
        1
    );

    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for bytes in [&b""[..], b"x", &good[..11], &[0xFF; 700]] {
        socket.send_to(bytes, server.address).await.unwrap();
    }
    let reply = over_udp(server.address, &good).await.unwrap();
    assert_eq!(Message::from_vec(&reply).unwrap().answers.len(), 1);
    let page = server.metrics.render();
    assert!(page.contains("kxdns_server_malformed_total 6"), "{page}");
}

#[tokio::test]
async fn a_connection_carries_many_queries_and_survives_a_bad_one() {
    let server = start(&[]);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut bytes = Vec::new();
    for id in 0..50 {
        bytes.extend(framed(&query(id, NGINX).to_vec().unwrap()));
    }
    let bad = query(50, NGINX).to_vec().unwrap();
    bytes.extend(framed(&bad[..20]));
    bytes.extend(framed(
        &query(51, "nope.default.svc.cluster.local.")
            .to_vec()
            .unwrap(),
    ));
    // In odd pieces, so that lengths and messages are cut.
    for piece in bytes.chunks(7) {
        stream.write_all(piece).await.unwrap();
    }
    for id in 0..50 {
        let message = next_message(&mut stream).await;
        assert_eq!(message.metadata.id, id);
        assert_eq!(message.answers.len(), 1);
    }
    let rcode = next_message(&mut stream).await.metadata.response_code;
    assert_eq!(rcode, ResponseCode::FormErr);
    let last = next_message(&mut stream).await;
    assert_eq!(last.metadata.id, 51);
    assert_eq!(last.metadata.response_code, ResponseCode::NXDomain);
}

#[tokio::test]
async fn outside_names_come_from_the_upstream_for_both_transports() {
    // Another server of ours is the upstream: it holds another cluster's domain.
    let upstream = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = upstream.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, peer)) = upstream.recv_from(&mut buffer).await {
            buffer[2] |= 0x80;
            buffer[3] = 3;
            upstream.send_to(&buffer[..length], peer).await.unwrap();
        }
    });
    let server = start(&[address.to_string().parse().unwrap()]);
    let mut outside = query(77, "Outside.example.");
    outside.set_edns(Edns::new());
    let bytes = outside.to_vec().unwrap();
    let udp = over_udp(server.address, &bytes).await.unwrap();
    let message = Message::from_vec(&udp).unwrap();
    assert_eq!(message.metadata.id, 77);
    assert_eq!(message.metadata.response_code, ResponseCode::NXDomain);
    assert!(!message.metadata.authoritative && message.edns.is_some());

    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // The sending side closes at once: the reply comes all the same.
    stream.write_all(&framed(&bytes)).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(next_message(&mut stream).await, message);
    let page = server.metrics.render();
    let line = r#"kxdns_server_forwarded_total{outcome="answered"} 2"#;
    assert!(page.contains(line), "{page}");
}

#[tokio::test]
async fn a_kept_answer_is_each_clients_own() {
    let upstream = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = upstream.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, peer)) = upstream.recv_from(&mut buffer).await {
            let query = Message::from_vec(&buffer[..length]).unwrap();
            let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
            let name = query.queries[0].name.clone();
            reply.add_query(query.queries[0].clone());
            reply.answers = (0..60)
                .map(|last| {
                    let data = RData::A(A(std::net::Ipv4Addr::new(192, 0, 2, last)));
                    Record::from_rdata(name.clone(), 60, data)
                })
                .collect();
            let reply = reply.to_vec().unwrap();
            upstream.send_to(&reply, peer).await.unwrap();
        }
    });
    let server = start(&[address.to_string().parse().unwrap()]);
    for (id, name, edns, whole) in [
        (1, "wWw.example.", Some(1232), true),
        (2, "www.EXAMPLE.", Some(1232), true),
        (3, "www.example.", Some(600), false),
        (4, "www.example.", None, false),
    ] {
        let mut query = query(id, name);
        if let Some(size) = edns {
            let mut edns = Edns::new();
            edns.set_max_payload(size);
            query.set_edns(edns);
        }
        let bytes = query.to_vec().unwrap();
        let reply = over_udp(server.address, &bytes).await.unwrap();
        let reply = Message::from_vec(&reply).unwrap();
        assert_eq!(reply.metadata.id, id);
        assert_eq!(reply.queries[0].name.to_ascii(), name);
        assert_eq!(reply.metadata.truncation, !whole);
        assert_eq!(reply.answers.len(), if whole { 60 } else { 0 });
        assert_eq!(reply.edns.is_some(), edns.is_some());

        // Over TCP everyone gets everything.
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&framed(&bytes)).await.unwrap();
        assert_eq!(next_message(&mut stream).await.answers.len(), 60);
    }
    let page = server.metrics.render();
    let line = r#"kxdns_cache_lookups_total{result="hit"} 7"#;
    assert!(page.contains(line), "{page}");
}

#[tokio::test]
async fn a_query_that_comes_back_is_refused_and_its_upstream_not_asked() {
    // Passes everything on to whoever it is told.
    let upstream = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = upstream.local_addr().unwrap();
    let server = start(&[address.to_string().parse().unwrap()]);
    let (to, mut came_back) = (server.address, false);
    let mut buffer = [0; 1500];
    while !came_back {
        let (length, peer) = upstream.recv_from(&mut buffer).await.unwrap();
        let reply = over_udp(to, &buffer[..length]).await.unwrap();
        let message = Message::from_vec(&reply).unwrap();
        came_back = message.metadata.response_code == ResponseCode::Refused;
        upstream.send_to(&reply, peer).await.unwrap();
    }
    let outside = query(5, "a.example.").to_vec().unwrap();
    let reply = Message::from_vec(&over_udp(to, &outside).await.unwrap()).unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    let page = server.metrics.render();
    let line = format!(r#"kxdns_server_upstream_looping{{upstream="{address}"}} 1"#);
    assert!(page.contains(&line), "{page}");
}

#[tokio::test]
async fn without_upstreams_outside_names_fail() {
    let server = start(&[]);
    let mut outside = query(3, "example.com.");
    outside.set_edns(Edns::new());
    let reply = over_udp(server.address, &outside.to_vec().unwrap())
        .await
        .unwrap();
    let message = Message::from_vec(&reply).unwrap();
    assert_eq!(message.metadata.response_code, ResponseCode::ServFail);
    let line = r#"requests_total{transport="udp",zone="outside",type="A",rcode="SERVFAIL"} 1"#;
    assert!(server.metrics.render().contains(line));
}

#[tokio::test]
async fn shutdown_ends_the_server_and_frees_the_ports() {
    let server = start(&[]);
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(&framed(&query(1, NGINX).to_vec().unwrap()))
        .await
        .unwrap();
    next_message(&mut idle).await;
    server.shutdown.cancel();
    timeout(Duration::from_secs(1), server.task)
        .await
        .unwrap()
        .unwrap();
    drop(Server::bind(&[server.address]).unwrap());
}

#[tokio::test]
async fn bind_errors_name_address_and_remedy() {
    let taken = Server::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = taken.addresses()[0];
    let error = Server::bind(&[address]).unwrap_err();
    assert!(matches!(
        error,
        BindError::InUse {
            transport: "TCP",
            ..
        }
    ));
    let text = error.to_string();
    assert!(
        text.contains(&address.to_string()) && text.contains("--listen"),
        "{text}"
    );

    // TEST-NET-1: no host has it.
    let error = Server::bind(&["192.0.2.1:5300".parse().unwrap()]).unwrap_err();
    assert!(matches!(error, BindError::NoSuchAddress { .. }), "{error}");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_soon() {
    let server = start(&[]);
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let closed = timeout(Duration::from_secs(5), silent.read(&mut [0; 1])).await;
    assert_eq!(closed.unwrap().unwrap(), 0);
}

/// A connection from an address of the caller's choice.
async fn connect_from(client: &str, server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{client}:0").parse().unwrap()).unwrap();
    socket.connect(server).await.unwrap()
}

/// Asks over a connection; whether there was an answer.
async fn answers(stream: &mut TcpStream) -> bool {
    let bytes = framed(&query(9, NGINX).to_vec().unwrap());
    // What is closed already may take the octets or not; it gives none back.
    let sent = stream.write_all(&bytes).await;
    sent.is_ok() && stream.read(&mut [0; 512]).await.is_ok_and(|read| read > 0)
}

#[tokio::test]
async fn a_client_with_too_many_connections_keeps_no_other_out() {
    let server = start(&[]);
    let mut greedy = Vec::new();
    for number in 0..MOST_OF_ONE {
        let mut stream = connect_from("127.0.0.2", server.address).await;
        assert!(answers(&mut stream).await, "connection {number}");
        greedy.push(stream);
    }
    let mut over = connect_from("127.0.0.2", server.address).await;
    assert!(!answers(&mut over).await, "one more of the same client");
    let mut other = connect_from("127.0.0.3", server.address).await;
    assert!(answers(&mut other).await, "another client");
}
