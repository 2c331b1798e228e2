//! Whether an upstream answers at all: asked once or twice, before there is a resolver.

use std::time::Duration;

use hickory_proto::rr::RecordType;
use tokio::time::{Instant, timeout};

use super::{
    failure::Failure,
    link::{Channel, Network as _, Sockets},
    query::Query,
    question::Question,
    tls::{Roots, Tls},
};
use crate::serve::upstream::Upstream;

/// How often a datagram is sent that may get lost.
const DATAGRAMS: u32 = 2;

/// How long `upstream` takes to answer, whatever it answers; if it does not within `patience`, why.
///
/// It is asked for the servers of the root: that says nothing of the cluster or its clients.
pub async fn reach(upstream: &Upstream, patience: Duration) -> Result<Duration, String> {
    let link = Sockets::new(Tls::new(Roots::System)).link(upstream);
    let query = Query::new(&Question::internal(b"\0", RecordType::NS), true);
    let (channel, tries) = match upstream.server_name() {
        Some(_) => (Channel::Stream, 1),
        None => (Channel::Datagram, DATAGRAMS),
    };
    let mut failure = Failure::Timeout;
    for _ in 0..tries {
        let asked = Instant::now();
        match timeout(patience / tries, link.ask(&query, channel)).await {
            Ok(Ok(_)) => return Ok(asked.elapsed()),
            Ok(Err(error)) => failure = error,
            Err(_) => failure = Failure::Timeout,
        }
    }
    Err(failure.to_string())
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn upstream(socket: &UdpSocket) -> Upstream {
        socket.local_addr().unwrap().to_string().parse().unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_refusal_to_the_second_datagram_is_an_answer() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let upstream = upstream(&socket);
        let answer = tokio::task::spawn_blocking(move || {
            let mut buffer = [0; 512];
            let (_lost, _) = socket.recv_from(&mut buffer).unwrap();
            let (length, peer) = socket.recv_from(&mut buffer).unwrap();
            buffer[2] |= 0x80;
            buffer[3] = 5;
            socket.send_to(&buffer[..length], peer).unwrap();
        });
        assert!(reach(&upstream, Duration::from_secs(2)).await.is_ok());
        answer.await.unwrap();
    }

    #[tokio::test]
    async fn a_closed_port_is_told_at_once() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let upstream = upstream(&socket);
        drop(socket);
        let error = reach(&upstream, PATIENCE).await.unwrap_err();
        assert!(error.contains("can't be reached"), "{error}");
    }

    #[tokio::test]
    async fn silence_ends_with_the_patience() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let error = reach(&upstream(&socket), Duration::from_millis(20))
            .await
            .unwrap_err();
        assert_eq!(error, "no answer in time");
    }
}
