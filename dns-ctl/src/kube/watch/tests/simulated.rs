//! An API server without a socket, in simulated time: what it answers depends on the time and the question.

use std::{io, sync::Mutex};

use axum::{
    body::Body,
    http::{Request, Response},
};
use futures::stream;
use kube::Client;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use tower::service_fn;

use super::*;

/// What a request gets.
pub(super) enum Answer {
    /// No connection, or one that breaks before there is an answer.
    Error(io::ErrorKind),
    /// Nothing, for ever.
    Silence,
    /// A refusal, and the seconds that it asks to wait.
    Status(u16, Option<u32>),
    /// A list of this version, and where the next page begins.
    List(u32, Vec<Value>, Option<&'static str>),
    /// A watch with these events, and when and how it ends; `None`: silently never.
    Watch(Vec<Value>, Option<(Instant, End)>),
}

#[derive(Clone, Copy)]
pub(super) enum End {
    Clean,
    Broken,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// When it came, after the start.
    pub(super) at: Duration,
    /// The path's parameters.
    pub(super) query: BTreeMap<String, String>,
}

impl Ask {
    pub(super) fn is_watch(&self) -> bool {
        self.query.contains_key("watch")
    }

    pub(super) fn get(&self, parameter: &str) -> Option<&str> {
        self.query.get(parameter).map(String::as_str)
    }
}

/// The server, and what it was asked.
pub(super) struct Simulated {
    start: Instant,
    script: Box<dyn Fn(&Ask) -> Answer + Send + Sync>,
    asked: Mutex<Vec<Ask>>,
}

impl Simulated {
    pub(super) fn new(script: impl Fn(&Ask) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            script: Box::new(script),
            asked: Mutex::default(),
        })
    }

    pub(super) fn asked(&self) -> Vec<Ask> {
        self.asked.lock().unwrap().clone()
    }

    /// When it was asked for, of all requests or only lists, within a range of time.
    pub(super) fn times(
        &self,
        within: std::ops::Range<Duration>,
        only_lists: bool,
    ) -> Vec<Duration> {
        let asked = self.asked();
        let of_kind = asked.iter().filter(|ask| !only_lists || !ask.is_watch());
        let times = of_kind.map(|ask| ask.at);
        times.filter(|at| within.contains(at)).collect()
    }

    pub(super) fn client(self: &Arc<Self>) -> Client {
        let server = Arc::clone(self);
        let answer = move |request: Request<kube::client::Body>| {
            let server = Arc::clone(&server);
            async move { server.answer(request.uri()).await }
        };
        Client::new(service_fn(answer), "default")
    }

    async fn answer(&self, uri: &axum::http::Uri) -> io::Result<Response<Body>> {
        let axum::extract::Query(query) = axum::extract::Query::try_from_uri(uri).unwrap();
        let at = self.start.elapsed();
        let ask = Ask { at, query };
        let answer = (self.script)(&ask);
        self.asked.lock().unwrap().push(ask);
        let (code, body) = match answer {
            Answer::Error(kind) => return Err(kind.into()),
            Answer::Silence => return future::pending().await,
            Answer::Status(code, wait) => (code, Body::from(status(code, wait).to_string())),
            Answer::List(version, items, next) => {
                let metadata = json!({"resourceVersion": version.to_string(), "continue": next});
                let list = json!({
                    "apiVersion": "v1", "kind": "List", "metadata": metadata, "items": items,
                });
                (200, Body::from(list.to_string()))
            }
            Answer::Watch(events, end) => {
                let lines = events.into_iter().map(|event| Ok(format!("{event}\n")));
                let end = stream::once(ended(end)).filter_map(future::ready);
                (200, Body::from_stream(stream::iter(lines).chain(end)))
            }
        };
        Ok(Response::builder().status(code).body(body).unwrap())
    }
}

/// The end of a watch: an error, or nothing more.
async fn ended(end: Option<(Instant, End)>) -> Option<io::Result<String>> {
    let (at, end) = match end {
        Some(end) => end,
        None => future::pending().await,
    };
    sleep_until(at).await;
    match end {
        End::Clean => None,
        End::Broken => Some(Err(io::ErrorKind::ConnectionReset.into())),
    }
}

/// The event that ends a watch which is too old.
pub(super) fn expired() -> Value {
    event("ERROR", &status(410, None))
}

fn status(code: u16, wait: Option<u32>) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": "no",
        "details": wait.map(|wait| json!({"retryAfterSeconds": wait})),
    })
}
