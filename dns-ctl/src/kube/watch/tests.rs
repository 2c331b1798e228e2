//! The watch against a small HTTP server that lists, watches, refuses and expires.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use futures::stream;
use kube::core::Status;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

use super::*;
use crate::zone::{name::RelativeName, store::Store};

/// What a request for Services gets, one after the other; the last one again and again.
type Script = fn(usize) -> Reply;

enum Reply {
    List(Vec<Value>),
    /// Events; then the connection stays open.
    Watch(Vec<Value>),
    Status(u16),
}

#[derive(Clone)]
struct Server {
    script: Script,
    requests: Arc<AtomicUsize>,
    queries: Arc<Mutex<Vec<HashMap<String, String>>>>,
}

async fn services(
    State(server): State<Server>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    server.queries.lock().unwrap().push(query);
    respond((server.script)(
        server.requests.fetch_add(1, Ordering::Relaxed),
    ))
}

async fn namespaces(Query(query): Query<HashMap<String, String>>) -> Response {
    respond(if query.contains_key("watch") {
        Reply::Watch(Vec::new())
    } else {
        Reply::List(Vec::new())
    })
}

fn respond(reply: Reply) -> Response {
    match reply {
        Reply::List(items) => Json(json!({
            "apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "7"}, "items": items,
        }))
        .into_response(),
        Reply::Watch(events) => {
            let lines = events.into_iter().map(|event| Ok::<_, std::io::Error>(format!("{event}\n")));
            Body::from_stream(stream::iter(lines).chain(stream::pending())).into_response()
        }
        Reply::Status(code) => {
            let status = json!({
                "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": "no",
            });
            (StatusCode::from_u16(code).unwrap(), Json(status)).into_response()
        }
    }
}

fn service(name: &str, ip: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "default", "resourceVersion": "8"},
        "spec": {"clusterIP": ip},
    })
}

fn event(kind: &str, object: &Value) -> Value {
    json!({"type": kind, "object": object})
}

async fn start(script: Script) -> (SocketAddr, Server) {
    let server = Server {
        script,
        requests: Arc::default(),
        queries: Arc::default(),
    };
    let router = Router::new()
        .route("/api/v1/services", get(services))
        .route("/api/v1/namespaces", get(namespaces))
        .with_state(server.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, server)
}

fn client(address: SocketAddr) -> Client {
    Client::try_from(kube::Config::new(
        format!("http://{address}").parse().unwrap(),
    ))
    .unwrap()
}

/// Applies events until `done`, for some seconds at most.
async fn until(
    events: &mut mpsc::Receiver<Event>,
    store: &mut Store,
    done: impl Fn(&Store) -> bool,
) {
    while !done(store) {
        let event = timeout(Duration::from_secs(15), events.recv()).await;
        store.apply(event.expect("an event in time").expect("a running watch"));
    }
}

fn address(store: &Store, name: &str) -> Option<String> {
    let name = RelativeName::service("default", name).unwrap();
    let records = store.zone().node(&name)?.records.as_ref()?;
    records.a.first().map(ToString::to_string)
}

#[tokio::test]
async fn lists_and_watches_become_a_zone() {
    let (server_address, server) = start(|request| match request {
        0 => Reply::List(vec![
            service("a", "10.0.0.1"),
            service("b", "10.0.0.2"),
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {},
            }),
        ]),
        _ => Reply::Watch(vec![
            event("MODIFIED", &service("a", "10.0.0.9")),
            event("DELETED", &service("b", "10.0.0.2")),
            event("ADDED", &service("c", "10.0.0.3")),
        ]),
    })
    .await;
    let metrics = Arc::new(Metrics::new());
    let (sender, mut events) = mpsc::channel(4);
    let task = tokio::spawn(watch(client(server_address), sender, Arc::clone(&metrics)));
    let mut store = Store::new();
    until(&mut events, &mut store, |store| {
        store.zone().synced() && address(store, "c").is_some()
    })
    .await;
    assert_eq!(address(&store, "a").unwrap(), "10.0.0.9");
    assert_eq!(address(&store, "b"), None);

    let page = metrics.render();
    for line in [
        r#"source_events_total{kind="service",event="init_apply"} 2"#,
        r#"source_events_total{kind="service",event="delete"} 1"#,
        r#"source_errors_total{kind="service"} 1"#,
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
    {
        let queries = server.queries.lock().unwrap();
        assert_eq!(
            queries[0].get("resourceVersion").unwrap(),
            "0",
            "{queries:?}"
        );
        assert!(!queries[0].contains_key("limit"), "{queries:?}");
        assert_eq!(queries[1].get("allowWatchBookmarks").unwrap(), "true");
        assert!(!queries[1].contains_key("sendInitialEvents"));
    }
    drop(events);
    timeout(Duration::from_secs(2), task)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn refusals_and_expiry_are_overcome() {
    let (address_of_server, _) = start(|request| match request {
        0 => Reply::Status(403),
        1 => Reply::List(vec![service("a", "10.0.0.1")]),
        2 => Reply::Watch(vec![json!({"type": "ERROR", "object": {
            "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "old",
        }})]),
        3 => Reply::List(vec![service("b", "10.0.0.2")]),
        _ => Reply::Watch(Vec::new()),
    })
    .await;
    let (sender, mut events) = mpsc::channel(4);
    tokio::spawn(watch(
        client(address_of_server),
        sender,
        Arc::new(Metrics::new()),
    ));
    let mut store = Store::new();
    until(&mut events, &mut store, |store| {
        address(store, "a").is_some()
    })
    .await;
    until(&mut events, &mut store, |store| {
        address(store, "b").is_some()
    })
    .await;
    assert_eq!(address(&store, "a"), None);
}

fn refused(code: u16) -> watcher::Error {
    let status = Status {
        code,
        message: "told so".to_owned(),
        ..Status::default()
    };
    watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status)))
}

#[test]
fn advice_says_what_to_do() {
    for (error, parts) in [
        (
            refused(403),
            ["resources [services]", "verbs [list, watch]"],
        ),
        (refused(401), ["credentials", "told so"]),
        (refused(500), ["trying again", "500"]),
        (
            watcher::Error::NoResourceVersion,
            ["trying again", "resourceVersion"],
        ),
    ] {
        let text = advice("services", &error);
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}

#[test]
fn errors_are_told_now_and_then() {
    let mut errors = Quieted::default();
    let start = Instant::now();
    assert_eq!(errors.tell(start), Some(0));
    assert_eq!(errors.tell(start + TELL_EVERY / 3), None);
    assert_eq!(errors.tell(start + TELL_EVERY / 2), None);
    assert_eq!(errors.tell(start + TELL_EVERY), Some(2));
}
