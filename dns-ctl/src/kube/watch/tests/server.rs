//! A small HTTP server that lists, watches, refuses and expires as a script says.

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    body::Body,
    extract::{self, State},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use futures::{StreamExt as _, stream};
use kube::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What the requests for one resource get, one after the other; every other one is empty and silent,
/// except that there is the Namespace `default`.
pub(super) type Script = fn(usize) -> Reply;

pub(super) enum Reply {
    List(Vec<Value>),
    /// Events; then the connection stays open.
    Watch(Vec<Value>),
    Status(u16),
}

#[derive(Clone)]
pub(super) struct Server {
    address: SocketAddr,
    resource: &'static str,
    script: Script,
    requests: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<(String, Query)>>>,
}

pub(super) type Query = HashMap<String, String>;

impl Server {
    /// Serves the script for requests of this resource, wherever it is.
    pub(super) async fn start(resource: &'static str, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            resource,
            script,
            requests: Arc::default(),
            asked: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub(super) fn client(&self) -> Client {
        let url = format!("http://{}", self.address).parse().unwrap();
        crate::kube::connection::client(kube::Config::new(url)).unwrap()
    }

    /// The parameters of the requests for a path, in their order.
    pub(super) fn asked(&self, path: &str) -> Vec<Query> {
        let asked = self.asked.lock().unwrap();
        let of_path = asked.iter().filter(|(asked, _)| asked == path);
        of_path.map(|(_, query)| query.clone()).collect()
    }

    /// The paths that were asked for, each once.
    pub(super) fn paths(&self) -> BTreeSet<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(path, _)| path.clone()).collect()
    }
}

async fn answer(
    State(server): State<Server>,
    uri: Uri,
    extract::Query(query): extract::Query<Query>,
) -> Response {
    let is_watch = query.contains_key("watch");
    server
        .asked
        .lock()
        .unwrap()
        .push((uri.path().to_owned(), query));
    respond(if uri.path().ends_with(server.resource) {
        (server.script)(server.requests.fetch_add(1, Ordering::Relaxed))
    } else if is_watch {
        Reply::Watch(Vec::new())
    } else if uri.path().ends_with("/namespaces") {
        Reply::List(vec![json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"},
        })])
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
