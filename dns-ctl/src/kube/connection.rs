//! Makes a client of a configuration, whose connections notice when the other end is gone.
//!
//! As the client library makes its own, but for three things. A machine that dies says nothing, and a watch waits for
//! minutes: keepalive probes notice it within one. And no request is repeated unseen: who asks decides when to ask
//! again, differently on each node, and an operator sees each refusal. And that is told by who asked, not by the library
//! once more.

use std::time::Duration;

use hyper_timeout::TimeoutConnector;
use hyper_util::{
    client::legacy::{Builder, connect::HttpConnector},
    rt::TokioExecutor,
};
use kube::{
    Client, Config,
    client::{Body, ConfigExt as _},
};
use tower::{BoxError, ServiceBuilder};

/// Longer than the longest silence of a healthy watch.
const READ_TIMEOUT: Duration = Duration::from_mins(5);
/// After which silence the other end is probed, how often, and how many probes may go unanswered.
const SILENCE: Duration = Duration::from_secs(20);
const PROBE_INTERVAL: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

/// A client of the API server; nothing is sent yet.
pub(super) fn client(mut config: Config) -> kube::Result<Client> {
    config.default_retry = false;
    config.read_timeout.get_or_insert(READ_TIMEOUT);
    if config.proxy_url.is_some() {
        return Client::try_from(config);
    }
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_keepalive(Some(SILENCE));
    http.set_keepalive_interval(Some(PROBE_INTERVAL));
    http.set_keepalive_retries(Some(PROBES));
    let https = config.rustls_https_connector_with_connector(http)?;
    let mut connector = TimeoutConnector::new(https);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    connector.set_reset_reader_on_write(config.reset_reader_on_write);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(Builder::new(TokioExecutor::new()).build::<_, Body>(connector));
    Ok(Client::new(service, config.default_namespace))
}

#[cfg(test)]
mod tests {
    use std::{fs, net::SocketAddr};

    use kube::{Api, api::ListParams};
    use tokio::net::TcpListener;

    use super::*;

    /// The kind of timer that runs on this process's connections to an IPv4 address, from `/proc/net/tcp`.
    fn timers(to: SocketAddr) -> Vec<String> {
        let port = format!(":{:04X}", to.port());
        let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
        let rows = table
            .lines()
            .map(|row| row.split_whitespace().collect::<Vec<_>>());
        // Local address, remote address, state (1: established), queues, timer and when it runs out.
        rows.filter(|row| row[2].ends_with(&port) && row[3] == "01")
            .map(|row| row[5].split(':').next().unwrap().to_owned())
            .collect()
    }

    #[tokio::test]
    async fn connections_are_probed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}").parse().unwrap();
        let api: Api<k8s_openapi::api::core::v1::Service> =
            Api::all(client(Config::new(url)).unwrap());
        let asking = tokio::spawn(async move { api.list(&ListParams::default()).await.is_ok() });
        let (connection, _) = listener.accept().await.unwrap();
        connection.readable().await.unwrap();
        // Once the request is acknowledged, the timer that is left is that of keepalive.
        let probed = async {
            while timers(address) != ["02"] {
                tokio::task::yield_now().await;
            }
        };
        let patience = Duration::from_secs(30);
        let probed = tokio::time::timeout(patience, probed).await;
        assert!(probed.is_ok(), "{:?}", timers(address));
        asking.abort();
    }

    #[tokio::test]
    async fn refusals_are_not_repeated_unseen() {
        let router =
            axum::Router::new().fallback(|| async { axum::http::StatusCode::SERVICE_UNAVAILABLE });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let requests = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let count = std::sync::Arc::clone(&requests);
        let router = router.layer(axum::middleware::from_fn(
            move |request, next: axum::middleware::Next| {
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                next.run(request)
            },
        ));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let api: Api<k8s_openapi::api::core::v1::Service> =
            Api::all(client(Config::new(url)).unwrap());
        assert!(api.list(&ListParams::default()).await.is_err());
        assert_eq!(requests.load(std::sync::atomic::Ordering::Relaxed), 1);
    }
}
