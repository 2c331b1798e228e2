//! Upstreams that answer, stay silent, refuse, lie or truncate, and what the client gets.

use std::{future::Future, sync::atomic::AtomicUsize};

use hickory_proto::{
    op::{Message, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::A},
};
use tokio::net::TcpListener;

use super::*;

fn query() -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.id = 0x1234;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(
        Name::from_ascii("Example.COM.").unwrap(),
        RecordType::A,
    ));
    message.to_vec().unwrap()
}

/// A reply with one address that tells the upstreams apart.
fn reply(query: &[u8], rcode: ResponseCode, last: u8) -> Message {
    let query = Message::from_vec(query).unwrap();
    let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
    reply.metadata.response_code = rcode;
    reply.metadata.recursion_available = true;
    let name = query.queries[0].name.clone();
    reply.add_query(query.queries[0].clone());
    if rcode == ResponseCode::NoError {
        let data = RData::A(A(Ipv4Addr::new(192, 0, 2, last)));
        reply.add_answer(Record::from_rdata(name, 60, data));
    }
    reply
}

/// An upstream that answers each datagram with what `respond` makes of it.
async fn udp_upstream<F>(respond: impl Fn(Vec<u8>) -> F + Send + 'static) -> Upstream
where
    F: Future<Output = Vec<Vec<u8>>> + Send,
{
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            for datagram in respond(buffer[..length].to_vec()).await {
                let _ = socket.send_to(&datagram, peer).await;
            }
        }
    });
    address.to_string().parse().unwrap()
}

async fn answering(rcode: ResponseCode, last: u8) -> Upstream {
    udp_upstream(move |query| async move { vec![reply(&query, rcode, last).to_vec().unwrap()] })
        .await
}

/// A port on which nobody listens.
async fn closed() -> Upstream {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.local_addr().unwrap().to_string().parse().unwrap()
}

async fn forwarded(upstreams: &[Upstream], transport: Transport) -> Result<Message, Cause> {
    let forwarder = Forwarder::new(upstreams, Arc::new(Metrics::new()));
    let bytes = forwarder.forward(&query(), transport).await?;
    let message = Message::from_vec(&bytes).unwrap();
    assert_eq!(message.metadata.id, 0x1234);
    if let Some(question) = message.queries.first() {
        assert_eq!(question.name.to_ascii(), "Example.COM.");
    }
    Ok(message)
}

fn address(message: &Message) -> Option<u8> {
    match message.answers.first()?.data {
        RData::A(A(address)) => Some(address.octets()[3]),
        _ => None,
    }
}

#[tokio::test]
async fn the_first_upstream_that_knows_answers() {
    for (case, upstreams, rcode, last) in [
        (
            "first",
            vec![
                answering(ResponseCode::NoError, 1).await,
                answering(ResponseCode::NoError, 2).await,
            ],
            ResponseCode::NoError,
            Some(1),
        ),
        (
            "second after a closed port",
            vec![closed().await, answering(ResponseCode::NoError, 2).await],
            ResponseCode::NoError,
            Some(2),
        ),
        (
            "second after SERVFAIL",
            vec![
                answering(ResponseCode::ServFail, 1).await,
                answering(ResponseCode::NoError, 2).await,
            ],
            ResponseCode::NoError,
            Some(2),
        ),
        (
            "a denial is an answer",
            vec![
                answering(ResponseCode::NXDomain, 1).await,
                answering(ResponseCode::NoError, 2).await,
            ],
            ResponseCode::NXDomain,
            None,
        ),
        (
            "all refuse: the first word",
            vec![
                answering(ResponseCode::Refused, 1).await,
                answering(ResponseCode::ServFail, 2).await,
            ],
            ResponseCode::Refused,
            None,
        ),
    ] {
        let message = forwarded(&upstreams, Transport::Udp).await.unwrap();
        assert_eq!(message.metadata.response_code, rcode, "{case}");
        assert_eq!(address(&message), last, "{case}");
    }
}

#[tokio::test]
async fn a_silent_upstream_is_asked_last_from_then_on() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let silent = udp_upstream(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        async { Vec::new() }
    })
    .await;
    let good = answering(ResponseCode::NoError, 2).await;
    let forwarder = Forwarder::new(&[silent, good], Arc::new(Metrics::new()));

    let started = Instant::now();
    assert!(forwarder.forward(&query(), Transport::Udp).await.is_ok());
    assert!(started.elapsed() >= TRY);
    let started = Instant::now();
    assert!(forwarder.forward(&query(), Transport::Udp).await.is_ok());
    assert!(started.elapsed() < TRY);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn nobody_to_ask_is_told_apart_from_nobody_who_answers() {
    assert_eq!(forwarded(&[], Transport::Udp).await, Err(Cause::NoUpstream));
    let closed = [closed().await, closed().await];
    assert_eq!(
        forwarded(&closed, Transport::Udp).await,
        Err(Cause::Unreachable)
    );
}

#[tokio::test]
async fn forged_replies_are_passed_over() {
    let upstream = udp_upstream(|query| async move {
        let good = reply(&query, ResponseCode::NoError, 1).to_vec().unwrap();
        let mut wrong_id = reply(&query, ResponseCode::NoError, 9).to_vec().unwrap();
        wrong_id[0] ^= 0xFF;
        let mut wrong_name = reply(&query, ResponseCode::NoError, 9).to_vec().unwrap();
        wrong_name[13] = b'z';
        vec![b"garbage".to_vec(), wrong_id, wrong_name, query, good]
    })
    .await;
    let message = forwarded(&[upstream], Transport::Udp).await.unwrap();
    assert_eq!(address(&message), Some(1));
}

#[tokio::test]
async fn a_truncated_reply_is_fetched_whole_for_tcp_clients_only() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    let socket = UdpSocket::bind(upstream).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let mut truncated = reply(&buffer[..length], ResponseCode::NoError, 1).truncate();
            truncated.metadata.truncation = true;
            socket
                .send_to(&truncated.to_vec().unwrap(), peer)
                .await
                .unwrap();
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut query = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut query).await.unwrap();
            let reply = reply(&query, ResponseCode::NoError, 7).to_vec().unwrap();
            stream
                .write_u16(u16::try_from(reply.len()).unwrap())
                .await
                .unwrap();
            stream.write_all(&reply).await.unwrap();
        }
    });
    let upstream: Upstream = upstream.to_string().parse().unwrap();
    let over_udp = forwarded(&[upstream], Transport::Udp).await.unwrap();
    assert!(over_udp.metadata.truncation);
    let over_tcp = forwarded(&[upstream], Transport::Tcp).await.unwrap();
    assert!(!over_tcp.metadata.truncation);
    assert_eq!(address(&over_tcp), Some(7));
}
