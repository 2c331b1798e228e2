//! What clients ask for, and who they are, is in no metric and no line of the log; and no flood of theirs is one of lines.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result, ensure};
use hickory_proto::rr::RecordType;
use kxdns_tests::{node::PATIENCE, server::Server};
use testbed::{Namespace, Reply, Table, UdpClient, Upstream, tcp_query, udp_query};

/// Where the server listens; its metrics are at the same address.
const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)), 53);
/// What no metric and no line may have, in any case of letters: it is in each name that is asked for.
const SECRET: &str = "sesame";
/// The beginning of the clients' addresses.
const CLIENTS: &str = "127.99.";
/// Clients.
const MANY: u8 = 200;
/// Datagrams of the flood.
const FLOOD: u32 = 100_000;
/// Lines that the whole test may lead to.
const LINES: usize = 100;

/// A client of its own address.
fn client(namespace: &Namespace, number: u8) -> Result<UdpClient> {
    let address = IpAddr::from([127, 99, number, 7]);
    UdpClient::bind(namespace, SocketAddr::new(address, 0))
}

/// Names that hold the secret, odd and not.
fn names() -> Vec<String> {
    let long = format!("{SECRET}.{}example.com.", "x.".repeat(110));
    [
        "sesame.default.svc.cluster.local.",
        "SeSame.Kube-System.svc.cluster.local.",
        "*.sesame.svc.cluster.local.",
        "_sesame._tcp.web.default.svc.cluster.local.",
        "web.default.svc.cluster.local.sesame.",
        "sesame.example.com.",
        "broken.sesame.example.com.",
        "sesame--line.example.com.",
        "sesame--line.default.svc.cluster.local.",
        "sesame.in-addr.arpa.",
        "sesame.",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([long])
    .collect()
}

/// The query with other octets in the place of these, if it has them.
fn replaced(query: &[u8], octets: [u8; 2], others: [u8; 2]) -> Option<Vec<u8>> {
    let at = query.windows(2).position(|window| *window == octets)?;
    let mut query = query.to_vec();
    query[at..at + 2].copy_from_slice(&others);
    Some(query)
}

#[test]
fn names_and_clients_are_told_to_nobody_and_a_flood_is_a_few_lines() -> Result<()> {
    let namespace = Namespace::new("quiet")?;
    namespace.ip("link set lo up")?;
    let table = Table::new().reply("sesame.example.com.", RecordType::A, Reply::ServFail);
    let _upstream = Upstream::start(&namespace, "127.0.0.1:5300".parse()?, table)?;
    let flags = [
        ["--upstream", "127.0.0.1:5300"],
        // Nobody is there.
        ["--upstream", "127.0.0.1:5301"],
        ["--stub-domain", "example.com=127.0.0.1:5302"],
        ["--upstream-timeout", "300"],
    ];
    let server = Server::start(&namespace, ADDRESS, flags.as_flattened())?;

    for name in names() {
        for kind in [
            RecordType::A,
            RecordType::SRV,
            RecordType::ANY,
            RecordType::Unknown(65_280),
        ] {
            let query = testbed::query(1, &name, kind)?;
            udp_query(&namespace, ADDRESS, &query, PATIENCE)?.with_context(|| name.clone())?;
            tcp_query(&namespace, ADDRESS, &query, PATIENCE)?;
            // Another operation, a class of its own, half of the message, and something behind it.
            let mut odd = vec![query.clone(); 3];
            // A name that would end a line, or a label of a metric.
            odd.extend(replaced(&query, *b"--", *b"\n\""));
            odd[0][2] |= 0x28;
            let class = odd[1].len() - 1;
            odd[1][class] = 3;
            odd[2].extend_from_slice(SECRET.as_bytes());
            odd.push(query[..query.len() / 2].to_vec());
            let sender = client(&namespace, 1)?;
            for message in odd {
                sender.send(ADDRESS, &message)?;
            }
        }
    }
    let query = testbed::query(1, "sesame.example.com.", RecordType::A)?;
    for number in 0..MANY {
        client(&namespace, number)?.send(ADDRESS, &query)?;
    }
    let flooding = client(&namespace, 2)?;
    for number in 0..FLOOD {
        let octets = number.to_be_bytes();
        let message = [&query[..10], SECRET.as_bytes(), &octets].concat();
        // What the socket does not take is not sent.
        let _sent = flooding.send(ADDRESS, &message);
    }
    let query = testbed::query(1, "web.default.svc.cluster.local.", RecordType::A)?;
    // Over UDP it would be lost among all those that wait to be read.
    tcp_query(&namespace, ADDRESS, &query, PATIENCE)?;

    let metrics = SocketAddr::new(ADDRESS.ip(), 9153);
    let page = testbed::get(&namespace, metrics, "/metrics", PATIENCE)?.body;
    let malformed = testbed::sum(&page, "kxdns_server_malformed_total").unwrap_or(0.0);
    ensure!(malformed > 1000.0, "only {malformed} have come");
    ensure!(
        page.contains("kxdns_server_upstream_up{upstream=\"127.0.0.1:5302\"} 0"),
        "{page}"
    );
    let log = server.child.output();
    ensure!(log.contains("the upstream is down"), "{log}");
    for (what, text) in [("the page", &page), ("the log", &log)] {
        let text = text.to_lowercase();
        ensure!(!text.contains(SECRET), "{what} has a name: {text}");
        ensure!(!text.contains(CLIENTS), "{what} has a client: {text}");
    }
    let lines = log.lines().count();
    ensure!(lines <= LINES, "{lines} lines: {log}");
    println!("{lines} lines after {FLOOD} malformed datagrams, {malformed} of which were read");
    Ok(())
}
