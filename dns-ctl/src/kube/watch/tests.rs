//! The watch against a server that follows a script, and against the API stub.

mod outage;
mod requests;
mod server;
mod simulated;
mod stub;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch::Receiver},
    task::JoinHandle,
    time::timeout,
};

use server::{Reply, Server};

use super::*;
use crate::{
    kube::config_map::ConfigMapData,
    zone::{
        Policy,
        name::RelativeName,
        object::{Endpoint, ObjectKey, SliceList},
        store::Store,
    },
};

/// Longer than any delay of a watch that tries again.
const PATIENCE: Duration = Duration::from_secs(15);

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

/// A watch that runs, and what it has led to.
struct Running {
    events: mpsc::Receiver<Arrived>,
    config_map: Receiver<ConfigMapData>,
    metrics: Arc<Metrics>,
    task: JoinHandle<()>,
    store: Store,
}

impl Running {
    fn start(server: &Server, wanted: Wanted) -> Self {
        Self::with(server.client(), wanted)
    }

    fn with(client: Client, wanted: Wanted) -> Self {
        let (sender, events) = mpsc::channel(4);
        let (config_map_sender, config_map) = tokio::sync::watch::channel(None);
        let metrics = Arc::new(Metrics::new());
        let task = watch(
            client,
            wanted,
            sender,
            config_map_sender,
            Arc::clone(&metrics),
        );
        Self {
            events,
            config_map,
            metrics,
            task: tokio::spawn(task),
            store: Store::new(Policy::default()),
        }
    }

    async fn event(&mut self) -> Event {
        let event = timeout(PATIENCE, self.events.recv()).await;
        event
            .expect("an event in time")
            .expect("a running watch")
            .event
    }

    /// Applies events until `done`.
    async fn until(&mut self, done: impl Fn(&Store) -> bool) {
        while !done(&self.store) {
            let event = self.event().await;
            self.store.apply(event);
        }
    }

    /// The next events that `pick` picks, as many as there are in `expected`.
    async fn expect<T: Debug + PartialEq>(
        &mut self,
        pick: fn(Event) -> Option<T>,
        expected: Vec<T>,
    ) {
        for expected in expected {
            let got = loop {
                if let Some(got) = pick(self.event().await) {
                    break got;
                }
            };
            assert_eq!(got, expected);
        }
    }

    async fn config_map(&mut self) -> ConfigMapData {
        let changed = timeout(PATIENCE, self.config_map.changed()).await;
        changed.expect("a change in time").expect("a running watch");
        self.config_map.borrow_and_update().clone()
    }
}

fn address(store: &Store, name: &str) -> Option<String> {
    let name = RelativeName::service("default", name).unwrap();
    let records = store.zone().node(&name)?.records.as_ref()?;
    records.a.first().map(ToString::to_string)
}

#[tokio::test]
async fn lists_and_watches_become_a_zone() {
    let server = Server::start("/services", |request| match request {
        0 => Reply::List(vec![
            service("a", "10.0.0.1"),
            service("b", "10.0.0.2"),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {}}),
        ]),
        _ => Reply::Watch(vec![
            event("MODIFIED", &service("a", "10.0.0.9")),
            event("DELETED", &service("b", "10.0.0.2")),
            event("ADDED", &service("c", "10.0.0.3")),
        ]),
    })
    .await;
    let mut running = Running::start(&server, Wanted::from(&Policy::default()));
    running
        .until(|store| store.zone().synced() && address(store, "c").is_some())
        .await;
    assert_eq!(address(&running.store, "a").unwrap(), "10.0.0.9");
    assert_eq!(address(&running.store, "b"), None);

    let page = running.metrics.render();
    for line in [
        r#"source_events_total{kind="service",event="init_apply"} 2"#,
        r#"source_events_total{kind="service",event="delete"} 1"#,
        r#"source_invalid_objects{kind="service"} 1"#,
        r#"source_invalid_objects{kind="namespace"} 0"#,
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
    let asked = server.asked("/api/v1/services");
    assert_eq!(asked[0].get("resourceVersion").unwrap(), "0", "{asked:?}");
    assert!(!asked[0].contains_key("limit"), "{asked:?}");
    assert_eq!(asked[1].get("allowWatchBookmarks").unwrap(), "true");
    assert!(!asked[1].contains_key("sendInitialEvents"));
    assert!(!asked[0].contains_key("labelSelector") && !asked[1].contains_key("fieldSelector"));
    drop(running.events);
    timeout(PATIENCE, running.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn refusals_and_expiry_are_overcome() {
    let server = Server::start("/services", |request| match request {
        0 => Reply::Status(403),
        1 => Reply::List(vec![service("a", "10.0.0.1")]),
        2 => Reply::Watch(vec![json!({"type": "ERROR", "object": {
            "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "old",
        }})]),
        3 => Reply::List(vec![service("b", "10.0.0.2")]),
        _ => Reply::Watch(Vec::new()),
    })
    .await;
    let mut running = Running::start(&server, Wanted::from(&Policy::default()));
    running.until(|store| address(store, "a").is_some()).await;
    running.until(|store| address(store, "b").is_some()).await;
    assert_eq!(address(&running.store, "a"), None);
}

#[tokio::test]
async fn a_service_that_becomes_invalid_loses_its_name() {
    let server = Server::start("/services", |request| match request {
        0 => Reply::List(vec![service("a", "10.0.0.1"), service("b", "10.0.0.2")]),
        _ => Reply::Watch(vec![
            event("MODIFIED", &service("a", "10.0.0.300")),
            event("MODIFIED", &service("a", "10.0.0.300")),
            event("MODIFIED", &service("b", "10.0.0.3")),
        ]),
    })
    .await;
    let mut running = Running::start(&server, Wanted::from(&Policy::default()));
    running
        .until(|store| address(store, "b").is_some_and(|ip| ip == "10.0.0.3"))
        .await;
    assert_eq!(address(&running.store, "a"), None);
    let page = running.metrics.render();
    let line = r#"source_invalid_objects{kind="service"} 1"#;
    assert!(page.contains(line), "{page}");
}

fn slice(name: &str, labels: &Value, ready: bool) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": "default", "resourceVersion": "8", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.1.0.1"], "conditions": {"ready": ready}}],
    })
}

fn of_web() -> Value {
    json!({"kubernetes.io/service-name": "web"})
}

#[tokio::test]
async fn slices_come_in_their_lists() {
    let server = Server::start("/endpointslices", |request| match request {
        0 => Reply::List(vec![
            slice("web-1", &of_web(), true),
            slice("stray", &json!({}), true),
        ]),
        _ => Reply::Watch(vec![
            event("MODIFIED", &slice("web-1", &of_web(), false)),
            event("DELETED", &slice("web-1", &of_web(), false)),
        ]),
    })
    .await;
    let wanted = Wanted {
        slices: vec![SliceList::All],
        ..Wanted::default()
    };
    let mut running = Running::start(&server, wanted);
    let of = |ready: bool| {
        let mut slice = EndpointSlice {
            key: ObjectKey::new("default", "web-1"),
            service: "web".into(),
            endpoints: Box::default(),
            ports: Box::default(),
        };
        if ready {
            slice.endpoints = Box::new([Endpoint {
                addresses: Box::new(["10.1.0.1".parse().unwrap()]),
                hostname: None,
            }]);
        }
        slice
    };
    let pick = |event| match event {
        Event::EndpointSlice(SliceList::All, change) => Some(change),
        _ => None,
    };
    running
        .expect(
            pick,
            vec![
                Change::Init,
                Change::InitApply(of(true)),
                Change::InitDone,
                Change::Apply(of(false)),
                Change::Delete(of(true).key),
            ],
        )
        .await;
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
