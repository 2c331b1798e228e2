//! The HTTP endpoint: `/metrics`, `/healthz`, `/readyz`.

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
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Metrics;

/// The media type of the `OpenMetrics` text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether this process can do its work yet; shared by those who know and those who ask.
#[derive(Debug, Default)]
pub struct Readiness {
    synced: AtomicBool,
    listening: AtomicBool,
}

impl Readiness {
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
        [
            (
                &self.synced,
                "the lists of Services and Namespaces are not complete yet",
            ),
            (&self.listening, "the DNS listeners are not bound yet"),
        ]
        .into_iter()
        .filter(|(reached, _)| !reached.load(Ordering::Relaxed))
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

/// Answers HTTP requests until `shutdown` is cancelled.
pub async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(page).with_state(metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready).with_state(readiness));
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

async fn page(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPEN_METRICS)], metrics.render())
}

async fn ready(State(readiness): State<Arc<Readiness>>) -> (StatusCode, String) {
    let missing = readiness.missing();
    if missing.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n")
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    async fn fetch(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    #[tokio::test]
    async fn pages_follow_the_state_of_the_process() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let readiness = Arc::new(Readiness::default());
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve(
            listener,
            Arc::new(Metrics::new()),
            Arc::clone(&readiness),
            shutdown.clone(),
        ));

        let metrics = fetch(address, "/metrics").await;
        assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
        assert!(metrics.contains(OPEN_METRICS), "{metrics}");
        assert!(metrics.contains("kxdns_synced 0"), "{metrics}");
        assert!(fetch(address, "/healthz").await.ends_with("ok\n"));
        assert!(fetch(address, "/nothing").await.starts_with("HTTP/1.1 404"));

        readiness.set_listening(true);
        let waiting = fetch(address, "/readyz").await;
        assert!(waiting.starts_with("HTTP/1.1 503"), "{waiting}");
        assert!(waiting.contains("not complete yet"), "{waiting}");
        assert!(!waiting.contains("listeners"), "{waiting}");
        readiness.set_synced(true);
        assert!(fetch(address, "/readyz").await.starts_with("HTTP/1.1 200"));

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
