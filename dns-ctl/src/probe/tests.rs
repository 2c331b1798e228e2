//! Probes against servers on loopback that answer as the test says.

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{
        RData, Record, RecordType,
        rdata::{A, AAAA},
    },
};
use tokio::{net::UdpSocket, sync::mpsc, time::timeout};

use super::*;
use crate::{metrics::Metrics, zone::name::Domain};

/// Far less than [`PERIOD`].
const SOON: Duration = Duration::from_secs(3);

fn name() -> Domain {
    "svc.a.test".parse().unwrap()
}

/// A server that lets `answer` fill in its replies, and reports the types it was asked for.
async fn server(
    answer: impl Fn(&mut Message, RecordType) -> bool + Send + 'static,
) -> (SocketAddr, mpsc::UnboundedReceiver<RecordType>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (asked, types) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let mut message = Message::from_vec(&buffer[..length])
                .unwrap()
                .into_response();
            let query_type = message.queries[0].query_type();
            if asked.send(query_type).is_err() {
                return;
            }
            if answer(&mut message, query_type) {
                let bytes = message.to_vec().unwrap();
                socket.send_to(&bytes, peer).await.unwrap();
            }
        }
    });
    (address, types)
}

fn add(message: &mut Message, data: RData) {
    let name = message.queries[0].name().clone();
    message.add_answer(Record::from_rdata(name, 5, data));
}

fn types(mut asked: mpsc::UnboundedReceiver<RecordType>) -> Vec<RecordType> {
    let mut types = Vec::new();
    while let Ok(query_type) = asked.try_recv() {
        types.push(query_type);
    }
    types
}

#[tokio::test]
async fn an_address_of_either_family_will_do() {
    let (v4, asked) = server(|message, _| {
        add(message, RData::A(A::new(10, 0, 0, 1)));
        true
    })
    .await;
    assert_eq!(resolve(v4, &name()).await, Ok(()));
    assert_eq!(types(asked), [RecordType::A]);

    let (v6, asked) = server(|message, query_type| {
        if query_type == RecordType::AAAA {
            add(message, RData::AAAA(AAAA::new(1, 0, 0, 0, 0, 0, 0, 1)));
        }
        true
    })
    .await;
    assert_eq!(resolve(v6, &name()).await, Ok(()));
    assert_eq!(types(asked), [RecordType::A, RecordType::AAAA]);
}

#[tokio::test]
async fn failures_say_why() {
    let (empty, asked) = server(|_, _| true).await;
    assert_eq!(resolve(empty, &name()).await, Err(Failure::NoData));
    assert_eq!(types(asked), [RecordType::A, RecordType::AAAA]);

    let (denying, asked) = server(|message, _| {
        message.metadata.response_code = ResponseCode::NXDomain;
        true
    })
    .await;
    let denied = Failure::Error(ResponseCode::NXDomain);
    assert_eq!(resolve(denying, &name()).await, Err(denied));
    assert_eq!(types(asked), [RecordType::A]);

    let (silent, _asked) = server(|_, _| false).await;
    assert_eq!(resolve(silent, &name()).await, Err(Failure::NoAnswer));

    // Bound and dropped: nobody else has had time to take the port.
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    assert!(matches!(
        resolve(address, &name()).await,
        Err(Failure::Unreachable(_))
    ));
}

#[tokio::test]
async fn the_first_round_is_at_once_and_counted() {
    let (address, mut asked) = server(|message, _| {
        message.metadata.response_code = ResponseCode::ServFail;
        true
    })
    .await;
    let probes = Arc::new(Probes::new(vec![name(), "b.test".parse().unwrap()]));
    let metrics = Metrics::new();
    let probe_metrics = ProbeMetrics::default();
    metrics.register(Box::new(probe_metrics.clone()));
    let task = tokio::spawn(run(address, Arc::clone(&probes), probe_metrics));
    for _ in 0..2 {
        assert!(timeout(SOON, asked.recv()).await.unwrap().is_some());
    }
    // The results come a moment after the queries.
    let both = async {
        while probes.page().text.contains("not asked yet") {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, both).await.unwrap();
    assert!(!probes.page().good);
    assert!(
        probes.page().text.contains("the answer is Server Failure"),
        "{}",
        probes.page().text
    );
    let page = metrics.render();
    for line in [
        r#"kxdns_probe_success{probe="svc.a.test"} 0"#,
        r#"kxdns_probe_success{probe="b.test"} 0"#,
        r#"kxdns_probe_duration_seconds_count{probe="b.test"} 1"#,
    ] {
        assert!(page.lines().any(|got| got == line), "{line}\nin\n{page}");
    }
    task.abort();
}

#[test]
fn wildcard_listeners_are_reached_by_loopback() {
    for (listen, reached) in [
        ("0.0.0.0:53", "127.0.0.1:53"),
        ("[::]:5353", "[::1]:5353"),
        ("10.96.0.10:53", "10.96.0.10:53"),
    ] {
        assert_eq!(
            reachable(listen.parse().unwrap()),
            reached.parse().unwrap(),
            "{listen}"
        );
    }
}
