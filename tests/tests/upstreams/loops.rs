//! An upstream that asks this server in turn: it is found out, and no storm comes of it.

use anyhow::{Context as _, Result, ensure};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::RecordType,
};
use kxdns_tests::server::{SERVICE_ADDRESS, SERVICE_NAME, Said, Server};
use testbed::{Form, Hostile, Namespace, Relay, Script, UdpClient};

use crate::{FIRST, LIE, PATIENCE, SECOND, SECOND_UPSTREAM, TIMEOUT, TTL, is_right, local};

/// How many names are asked for at a time.
const NAMES: u16 = 20;
/// How often the relay may be used: to find out, and a few times each name before. A storm would be thousands.
const BOUND: u64 = 100;

/// What clients get for so many names at a time.
fn ask_all(namespace: &Namespace, server: &Server) -> Result<Vec<Said>> {
    let client = UdpClient::bind(namespace, "0.0.0.0:0".parse()?)?;
    let query = |id| testbed::query(id, &format!("name-{id}.example."), RecordType::A);
    for id in 0..NAMES {
        client.send(server.address, &query(id)?)?;
    }
    (0..NAMES)
        .map(|_| {
            let reply = client.receive(PATIENCE)?.context("no answer")?;
            let id = Message::from_vec(&reply.bytes)?.metadata.id;
            Said::read(&query(id)?, &reply.bytes)
        })
        .collect()
}

/// A relay that leads back to the server, and the server, which has said so.
fn start(namespace: &Namespace, more: &[&str]) -> Result<(Relay, Server)> {
    let (address, upstream) = (local(1, 0, 1), local(2, 0, 1));
    let relay = Relay::start(namespace, upstream, address)?;
    let first = upstream.to_string();
    let flags = [&["--upstream-timeout", TIMEOUT, "--upstream", &first], more].concat();
    let mut server = Server::start(namespace, address, &flags)?;
    let line = server.child.wait_for_line("this DNS server", PATIENCE)?;
    ensure!(line.contains(&first), "{line}");
    Ok((relay, server))
}

#[test]
fn an_upstream_that_leads_back_here_is_not_asked() -> Result<()> {
    let namespace = Namespace::new("loop")?;
    let (relay, server) = start(&namespace, &[])?;
    for said in ask_all(&namespace, &server)? {
        assert_eq!(said, Said::Nothing(ResponseCode::ServFail));
    }
    assert!(relay.queries() <= BOUND, "{} queries", relay.queries());
    let query = testbed::query(7, SERVICE_NAME, RecordType::A)?;
    let reply = server.ask(&namespace, &query, PATIENCE)?;
    assert_eq!(Said::read(&query, &reply)?, Said::address(SERVICE_ADDRESS));
    Ok(())
}

#[test]
fn another_upstream_answers_instead() -> Result<()> {
    let namespace = Namespace::new("loop")?;
    let second = Script::new(SECOND, LIE, TTL, &[Form::Truth]);
    let _second = Hostile::start(&namespace, SECOND_UPSTREAM, second)?;
    let (relay, server) = start(&namespace, &["--upstream", &SECOND_UPSTREAM.to_string()])?;
    for said in ask_all(&namespace, &server)? {
        assert!(is_right(&said) && said != Said::address(FIRST), "{said:?}");
    }
    assert!(relay.queries() <= BOUND, "{} queries", relay.queries());
    Ok(())
}
