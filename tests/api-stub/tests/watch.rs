//! Watches and faults over the wire: events, bookmarks, 410, broken and refused connections.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[allow(unreachable_pub, missing_docs, dead_code)]
mod common;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use api_stub::{ApiStub, Failure, Kind, Verb, sample, wait_until};
use common::{Watch, get};
use serde_json::json;

const SERVICES: &str = "/api/v1/namespaces/default/services";
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn watches() {
    let stub = ApiStub::start().unwrap();
    stub.create(&sample::service("default", "web", "")).unwrap();
    let start = stub.revision();
    let label = |tier: &str| json!({ "metadata": { "labels": { "tier": tier } } });
    let mut all = Watch::open(
        stub.address(),
        &format!("{SERVICES}?watch=1&resourceVersion=0"),
    );
    let mut front = Watch::open(
        stub.address(),
        &format!(
            "/api/v1/services?watch=true&labelSelector=tier%3Dfront&resourceVersion={start}&allowWatchBookmarks=true"
        ),
    );
    assert_eq!([all.told(), all.told()], ["ADDED kubernetes", "ADDED web"]);
    stub.merge(Kind::Service, "default", "web", &label("front"))
        .unwrap();
    stub.merge(Kind::Service, "default", "web", &label("back"))
        .unwrap();
    stub.create(&sample::namespace("other")).unwrap();
    assert_eq!([all.told(), all.told()], ["MODIFIED web", "MODIFIED web"]);
    assert_eq!([front.told(), front.told()], ["ADDED web", "DELETED web"]);
    stub.send_bookmarks();
    let bookmark = front.next().unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(
        bookmark["object"]["metadata"]["resourceVersion"],
        stub.revision().to_string()
    );
    stub.end_watches();
    assert_eq!((all.next(), front.next()), (None, None));
    stub.compact();
    let mut late = Watch::open(
        stub.address(),
        &format!("{SERVICES}?watch=1&resourceVersion={start}"),
    );
    let error = late.next().unwrap();
    assert_eq!(
        (&error["type"], &error["object"]["reason"]),
        (&"ERROR".into(), &"Expired".into())
    );
    assert_eq!(error["object"]["code"], 410);
    assert_eq!(late.next(), None);
    let mut short = Watch::open(
        stub.address(),
        &format!(
            "{SERVICES}?watch=1&timeoutSeconds=1&resourceVersion={}",
            stub.revision()
        ),
    );
    assert_eq!(short.next(), None, "ends by itself");
}

#[test]
fn streaming_lists() {
    let stub = ApiStub::start().unwrap();
    let target = format!(
        "{SERVICES}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    );
    let mut watch = Watch::open(stub.address(), &target);
    assert_eq!(watch.told(), "ADDED kubernetes");
    let end = watch.next().unwrap();
    assert_eq!(
        end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    stub.create(&sample::service("default", "web", "")).unwrap();
    assert_eq!(watch.told(), "ADDED web");
    stub.set_streaming_lists(false);
    let refused = get(stub.address(), &target);
    assert_eq!(refused.refusal().0, 422);
    assert_eq!(
        refused.json()["details"]["causes"][0]["field"],
        "sendInitialEvents"
    );
}

#[test]
fn faults() {
    let stub = ApiStub::start().unwrap();
    let address = stub.address();
    stub.fail_next(1, Failure::TooManyRequests(7));
    stub.fail_next(1, Failure::Unavailable(3));
    stub.fail_next(1, Failure::Internal);
    stub.fail_next_of(Verb::Watch, 1, Failure::Forbidden);
    stub.fail_next_of(Verb::Get, 1, Failure::Unauthorized);
    let slow_down = get(address, SERVICES);
    assert!(
        slow_down.head.contains("retry-after: 7"),
        "{}",
        slow_down.head
    );
    assert_eq!(slow_down.refusal().0, 429);
    let unavailable = get(address, SERVICES);
    assert!(
        unavailable.head.contains("retry-after: 3"),
        "{}",
        unavailable.head
    );
    assert_eq!(unavailable.refusal().0, 503);
    assert_eq!(get(address, SERVICES).refusal().0, 500);
    assert_eq!(get(address, SERVICES).code, 200);
    assert_eq!(
        get(address, &format!("{SERVICES}?watch=1")).refusal().0,
        403
    );
    assert_eq!(get(address, "/api/v1/namespaces/default").refusal().0, 401);
    assert_eq!(get(address, "/api/v1/namespaces/default").code, 200);

    stub.set_delay(Duration::from_millis(300));
    let before = Instant::now();
    assert_eq!(get(address, SERVICES).code, 200);
    assert!(before.elapsed() >= Duration::from_millis(300));
    stub.set_trickle(Duration::from_millis(100));
    stub.set_delay(Duration::ZERO);
    stub.create_all((0..3).map(|number| sample::service("default", &format!("s{number}"), "")))
        .unwrap();
    let before = Instant::now();
    let mut watch = Watch::open(address, &format!("{SERVICES}?watch=1"));
    assert_eq!(
        [watch.told(), watch.told(), watch.told(), watch.told()],
        ["ADDED kubernetes", "ADDED s0", "ADDED s1", "ADDED s2"]
    );
    assert!(before.elapsed() >= Duration::from_millis(400));
    stub.clear_faults();

    stub.drop_connections();
    assert_eq!(watch.next(), None);
    let mut watch = Watch::open(
        address,
        &format!("{SERVICES}?watch=1&resourceVersion={}", stub.revision()),
    );
    stub.drop_watches();
    assert_eq!(watch.next(), None);
    for _ in 0..100 {
        stub.go_away();
        assert!(TcpStream::connect(address).is_err(), "nobody listens");
        stub.come_back().unwrap();
    }
    stub.go_away();
    stub.create(&sample::service("default", "meanwhile", ""))
        .unwrap();
    stub.come_back().unwrap();
    stub.come_back().expect("once more does no harm");
    assert_eq!(get(address, &format!("{SERVICES}/meanwhile")).code, 200);
    wait_until(PATIENCE, || {
        (stub.counters().open_watches == 0).then_some(())
    })
    .expect("all watches have ended");
}
