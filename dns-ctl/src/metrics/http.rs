//! The HTTP endpoint: `/metrics`, `/healthz`, `/readyz`, `/probe`.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    extract::{Path, State},
    http::{
        HeaderMap, StatusCode,
        header::{ACCEPT, CONTENT_TYPE},
    },
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Metrics, format::Format, liveness::Liveness};
use crate::probe::state::{Page, Probes};

/// Whether this process can do its work yet; shared by those who know and those who ask.
#[derive(Debug, Default)]
pub struct Readiness {
    synced: AtomicBool,
    listening: AtomicBool,
    stopping: AtomicBool,
}

impl Readiness {
    /// States that this process has been told to stop: it is not to be sent new clients.
    pub fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// States whether every watched kind has been listed completely.
    pub fn set_synced(&self, synced: bool) {
        self.synced.store(synced, Ordering::Relaxed);
    }

    /// States whether the DNS listeners are bound, or none is asked for.
    pub fn set_listening(&self, listening: bool) {
        self.listening.store(listening, Ordering::Relaxed);
    }

    /// What is still missing, in words; empty when ready.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let holds = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        [
            (
                holds(&self.synced),
                "what there is in the cluster is not known yet, or not yet in the kernel",
            ),
            (
                holds(&self.listening),
                "the DNS listeners are not bound yet",
            ),
            (!holds(&self.stopping), "this process is about to stop"),
        ]
        .into_iter()
        .filter(|(reached, _)| !reached)
        .map(|(_, reason)| reason)
        .collect()
    }
}

/// Why the endpoint can't be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "can't listen on {address} for metrics: {source}; choose another address with --metrics-listen"
)]
pub struct BindError {
    /// The address asked for.
    pub address: SocketAddr,
    /// What the kernel said.
    #[source]
    pub source: io::Error,
}

/// Opens the listener for [`serve`].
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| BindError { address, source })
}

/// What the pages are made of.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    /// For `/metrics`.
    pub metrics: Arc<Metrics>,
    /// For `/healthz`.
    pub liveness: Arc<Liveness>,
    /// For `/readyz`.
    pub readiness: Arc<Readiness>,
    /// For `/probe` and `/probe/NAME`.
    pub probes: Arc<Probes>,
}

/// Answers HTTP requests until `shutdown` is cancelled.
pub async fn serve(
    listener: TcpListener,
    pages: Pages,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(page).with_state(pages.metrics))
        .route("/healthz", get(alive).with_state(pages.liveness))
        .route("/readyz", get(ready).with_state(pages.readiness))
        .route("/probe", get(probes).with_state(Arc::clone(&pages.probes)))
        .route("/probe/{name}", get(probe).with_state(pages.probes));
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

async fn page(State(metrics): State<Arc<Metrics>>, headers: HeaderMap) -> impl IntoResponse {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::accepted(accept);
    (
        [(CONTENT_TYPE, format.media_type())],
        format.of(metrics.render()),
    )
}

async fn alive(State(liveness): State<Arc<Liveness>>) -> (StatusCode, String) {
    unless(&liveness.overdue(liveness.now()))
}

async fn ready(State(readiness): State<Arc<Readiness>>) -> (StatusCode, String) {
    unless(&readiness.missing())
}

async fn probes(State(probes): State<Arc<Probes>>) -> (StatusCode, String) {
    results(probes.page())
}

async fn probe(
    State(probes): State<Arc<Probes>>,
    Path(name): Path<String>,
) -> (StatusCode, String) {
    probes.page_of(&name).map_or_else(
        || {
            let text = "there is no such probe; /probe lists them, --probe adds one\n";
            (StatusCode::NOT_FOUND, text.to_owned())
        },
        results,
    )
}

/// Good unless there are reasons against it, which are told one a line.
fn unless(reasons: &[impl ToString]) -> (StatusCode, String) {
    if reasons.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
    (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n")
}

fn results(page: Page) -> (StatusCode, String) {
    let status = if page.good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, page.text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;
    use crate::probe::exchange::Failure;

    async fn fetch(address: SocketAddr, path: &str) -> String {
        fetch_as(address, path, "*/*").await
    }

    async fn fetch_as(address: SocketAddr, path: &str, accept: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    #[tokio::test]
    async fn pages_follow_the_state_of_the_process() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let probe = |name: &str| name.parse().unwrap();
        let pages = Pages {
            probes: Arc::new(Probes::new(vec![probe("a.test"), probe("b.test")])),
            ..Pages::default()
        };
        let (liveness, probes) = (Arc::clone(&pages.liveness), Arc::clone(&pages.probes));
        let readiness = Arc::clone(&pages.readiness);
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve(listener, pages, shutdown.clone()));

        let metrics = fetch(address, "/metrics").await;
        assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
        let media_type = format!("content-type: {}\r\n", Format::Classic.media_type());
        assert!(metrics.contains(&media_type), "{metrics}");
        assert!(metrics.contains("kxdns_build_info gauge"), "{metrics}");
        let open = fetch_as(address, "/metrics", "application/openmetrics-text").await;
        let media_type = format!("content-type: {}\r\n", Format::Open.media_type());
        assert!(
            open.contains(&media_type) && open.ends_with("# EOF\n"),
            "{open}"
        );
        assert!(metrics.contains("kxdns_synced 0"), "{metrics}");
        assert!(fetch(address, "/healthz").await.ends_with("ok\n"));
        assert!(fetch(address, "/nothing").await.starts_with("HTTP/1.1 404"));

        readiness.set_listening(true);
        let waiting = fetch(address, "/readyz").await;
        assert!(waiting.starts_with("HTTP/1.1 503"), "{waiting}");
        assert!(waiting.contains("is not known yet"), "{waiting}");
        assert!(!waiting.contains("listeners"), "{waiting}");
        readiness.set_synced(true);
        assert!(fetch(address, "/readyz").await.starts_with("HTTP/1.1 200"));

        // A pulse that may never pause is always overdue.
        let _pulse = liveness.part("the zone", Duration::ZERO);
        while liveness.overdue(liveness.now()).is_empty() {
            tokio::task::yield_now().await;
        }
        let dead = fetch(address, "/healthz").await;
        assert!(dead.starts_with("HTTP/1.1 503"), "{dead}");
        assert!(dead.contains("the zone has not been heard of"), "{dead}");

        let now = jiff::Timestamp::now();
        probes.record(0, Ok(()), now);
        probes.record(1, Err(Failure::NoData), now);
        for (path, status, word) in [
            ("/probe", 503, "b.test: failed since"),
            ("/probe/a.test", 200, "a.test: ok since"),
            ("/probe/B.test.", 503, "neither A nor AAAA"),
            ("/probe/c.test", 404, "no such probe"),
            ("/probe/%20", 404, "no such probe"),
        ] {
            let reply = fetch(address, path).await;
            assert!(
                reply.starts_with(&format!("HTTP/1.1 {status}")),
                "{path}: {reply}"
            );
            assert!(reply.contains(word), "{path}: {reply}");
        }
        probes.record(1, Ok(()), now);
        assert!(fetch(address, "/probe").await.starts_with("HTTP/1.1 200"));

        shutdown.cancel();
        server.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let taken = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = taken.local_addr().unwrap();
        let error = bind(address).await.unwrap_err().to_string();
        assert!(error.contains(&address.to_string()), "{error}");
        assert!(error.contains("--metrics-listen"), "{error}");
    }
}
