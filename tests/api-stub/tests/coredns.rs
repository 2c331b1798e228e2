//! CoreDNS syncs from the cluster: the proof that the stub is honest enough for the usual Go client.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use api_stub::peer::CoreDns;
use api_stub::{ApiStub, Cluster, Failure, Kind, sample, wait_until};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

const PATIENCE: Duration = Duration::from_mins(2);

/// Asks once; `None` if there is no answer within two seconds.
fn ask(server: SocketAddr, name: &str, kind: RecordType) -> Option<Message> {
    let mut query = Message::query();
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    socket.send_to(&query.to_vec().unwrap(), server).ok()?;
    let mut bytes = [0; 4096];
    let length = socket.recv(&mut bytes).ok()?;
    let answer = Message::from_vec(&bytes[..length]).expect("a DNS message");
    (answer.metadata.id == query.metadata.id).then_some(answer)
}

/// The answers' data as text, or the response code if it is not NOERROR.
fn told(answer: &Message) -> BTreeSet<String> {
    match answer.metadata.response_code {
        ResponseCode::NoError => answer
            .answers
            .iter()
            .map(|record| record.data.to_string())
            .collect(),
        code => BTreeSet::from([code.to_str().to_owned()]),
    }
}

/// Asks until the answer is as expected.
fn expect(dns: &CoreDns, name: &str, kind: RecordType, expected: &[&str]) {
    let expected: BTreeSet<_> = expected.iter().map(|&text| text.to_owned()).collect();
    let mut last = None;
    let met = wait_until(PATIENCE, || {
        last = ask(dns.address(), name, kind).as_ref().map(told);
        (last.as_ref() == Some(&expected)).then_some(())
    });
    assert!(
        met.is_some(),
        "{name} {kind}: expected {expected:?}, got {last:?}; CoreDNS says:\n{}",
        dns.log()
    );
}

const NXDOMAIN: &[&str] = &["Non-Existent Domain"];

#[test]
fn coredns_syncs() {
    let cluster = Cluster::start().unwrap();
    let service = |name: &str, address: &str| sample::service("default", name, address);
    cluster.create(&service("web", "10.96.30.1")).unwrap();
    cluster.create(&service("db", "None")).unwrap();
    cluster
        .create(&sample::slice(
            "default",
            "db",
            &[("10.1.0.1", "db-0"), ("10.1.0.2", "")],
        ))
        .unwrap();
    cluster.create(&sample::namespace("shop")).unwrap();
    cluster
        .create(&sample::service("shop", "web", "10.96.30.2"))
        .unwrap();

    let mut dns = CoreDns::start(&cluster.kubeconfig(), "pods insecure").unwrap();
    dns.wait_ready(PATIENCE).unwrap();

    expect(
        &dns,
        "web.default.svc.cluster.local.",
        RecordType::A,
        &["10.96.30.1"],
    );
    expect(
        &dns,
        "web.shop.svc.cluster.local.",
        RecordType::A,
        &["10.96.30.2"],
    );
    expect(
        &dns,
        "web.default.svc.cluster.local.",
        RecordType::AAAA,
        &[],
    );
    expect(
        &dns,
        "absent.default.svc.cluster.local.",
        RecordType::A,
        NXDOMAIN,
    );
    expect(
        &dns,
        "db.default.svc.cluster.local.",
        RecordType::A,
        &["10.1.0.1", "10.1.0.2"],
    );
    expect(
        &dns,
        "db-0.db.default.svc.cluster.local.",
        RecordType::A,
        &["10.1.0.1"],
    );
    expect(
        &dns,
        "10-1-0-2.db.default.svc.cluster.local.",
        RecordType::A,
        &["10.1.0.2"],
    );
    expect(
        &dns,
        "_http._tcp.web.default.svc.cluster.local.",
        RecordType::SRV,
        &["0 100 80 web.default.svc.cluster.local."],
    );
    expect(
        &dns,
        "_http._tcp.db.default.svc.cluster.local.",
        RecordType::SRV,
        &[
            "0 50 80 db-0.db.default.svc.cluster.local.",
            "0 50 80 10-1-0-2.db.default.svc.cluster.local.",
        ],
    );
    expect(
        &dns,
        "1.30.96.10.in-addr.arpa.",
        RecordType::PTR,
        &["web.default.svc.cluster.local."],
    );

    follows(&cluster, &dns);
    if let Some(stub) = cluster.stub() {
        survives(stub, &dns);
    }
}

/// Objects created, changed and deleted while it runs.
fn follows(cluster: &Cluster, dns: &CoreDns) {
    let service = |name: &str, address: &str| sample::service("default", name, address);
    cluster.create(&service("late", "10.96.30.3")).unwrap();
    expect(
        dns,
        "late.default.svc.cluster.local.",
        RecordType::A,
        &["10.96.30.3"],
    );
    // A Service's address may only change by way of deletion, or of a time without any.
    cluster.delete(Kind::Service, "default", "late").unwrap();
    expect(
        dns,
        "late.default.svc.cluster.local.",
        RecordType::A,
        NXDOMAIN,
    );
    cluster.create(&service("late", "10.96.30.4")).unwrap();
    expect(
        dns,
        "late.default.svc.cluster.local.",
        RecordType::A,
        &["10.96.30.4"],
    );
    cluster
        .replace(&sample::external("default", "late", "example.org"))
        .unwrap();
    expect(
        dns,
        "late.default.svc.cluster.local.",
        RecordType::CNAME,
        &["example.org."],
    );
    cluster.replace(&service("late", "10.96.30.5")).unwrap();
    expect(
        dns,
        "late.default.svc.cluster.local.",
        RecordType::A,
        &["10.96.30.5"],
    );
    let mut slice = cluster.get(Kind::EndpointSlice, "default", "db-1").unwrap();
    slice["endpoints"][1]["conditions"]["ready"] = false.into();
    cluster.replace(&slice).unwrap();
    expect(
        dns,
        "db.default.svc.cluster.local.",
        RecordType::A,
        &["10.1.0.1"],
    );
}

/// Waits until all three watches (Services, Namespaces, `EndpointSlices`) are open and no longer new.
///
/// The Go client lists again if a watch without events ends within its first second.
fn settle(stub: &ApiStub) {
    let open = || (stub.counters().open_watches == 3).then_some(());
    wait_until(PATIENCE, open).expect("three open watches");
    std::thread::sleep(Duration::from_millis(1500));
}

/// Broken connections, lost history, an absent and a slow server.
fn survives(stub: &ApiStub, dns: &CoreDns) {
    let make = |name: &str, address: &str| {
        stub.create(&sample::service("default", name, address))
            .unwrap()
    };
    let name = |name: &str| format!("{name}.default.svc.cluster.local.");
    let lists = stub.counters().lists;

    let mut moved = sample::service("default", "web", "10.96.30.9");
    moved["metadata"]["labels"] = serde_json::json!({ "moved": "yes" });
    stub.force(&moved).unwrap();
    expect(dns, &name("web"), RecordType::A, &["10.96.30.9"]);

    settle(stub);
    stub.drop_watches();
    make("a", "10.96.30.11");
    expect(dns, &name("a"), RecordType::A, &["10.96.30.11"]);
    settle(stub);
    stub.drop_connections();
    make("b", "10.96.30.12");
    expect(dns, &name("b"), RecordType::A, &["10.96.30.12"]);
    settle(stub);
    stub.end_watches();
    make("c", "10.96.30.13");
    expect(dns, &name("c"), RecordType::A, &["10.96.30.13"]);
    assert_eq!(
        stub.counters().lists,
        lists,
        "broken watches are resumed, not listed anew"
    );

    // Away for some seconds, and when it is back, history has gone: every watch gets 410 and lists again.
    settle(stub);
    stub.go_away();
    make("d", "10.96.30.14");
    stub.delete(Kind::Service, "default", "a").unwrap();
    stub.compact();
    std::thread::sleep(Duration::from_secs(4));
    expect(dns, &name("b"), RecordType::A, &["10.96.30.12"]);
    stub.come_back().unwrap();
    expect(dns, &name("d"), RecordType::A, &["10.96.30.14"]);
    expect(dns, &name("a"), RecordType::A, NXDOMAIN);
    let relists = stub.counters().lists - lists;
    assert!(
        (1..=6).contains(&relists),
        "one list for each of three watches, give or take a retry: {relists}"
    );

    settle(stub);
    stub.fail_next(2, Failure::Internal);
    stub.fail_next(1, Failure::TooManyRequests(1));
    stub.drop_watches();
    make("e", "10.96.30.15");
    expect(dns, &name("e"), RecordType::A, &["10.96.30.15"]);
    stub.set_delay(Duration::from_millis(500));
    stub.set_trickle(Duration::from_millis(100));
    stub.drop_watches();
    make("f", "10.96.30.16");
    expect(dns, &name("f"), RecordType::A, &["10.96.30.16"]);
}
