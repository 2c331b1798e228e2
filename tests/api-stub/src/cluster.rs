//! A cluster for tests: the stub, or a real API server where `KUBEBUILDER_ASSETS` names one.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use axum::http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::core::kind::Kind;
use crate::core::object::text;
use crate::envtest::{Assets, Envtest};
use crate::stub::{ApiStub, identify};
use crate::wait_until;

/// How long the API server may take until it serves objects.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running API server, stub or real, and a client for it; both end when this is dropped.
pub struct Cluster {
    client: kube::Client,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    server: Server,
}

#[derive(Debug)]
enum Server {
    Stub(ApiStub),
    Real(Envtest),
}

impl Cluster {
    /// Starts a real API server if `KUBEBUILDER_ASSETS` is set, else the stub.
    pub fn start() -> Result<Self> {
        let server = match Assets::from_env()? {
            Some(assets) => Server::Real(Envtest::start(&assets)?),
            None => Server::Stub(ApiStub::start()?),
        };
        Self::on(server)
    }

    /// A cluster on a stub that was started with options of the test's own.
    pub fn of_stub(stub: ApiStub) -> Result<Self> {
        Self::on(Server::Stub(stub))
    }

    fn on(server: Server) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("cluster-client")
            .enable_all()
            .build()
            .context("cannot start the client's thread")?;
        let config = Kubeconfig::from_yaml(&server.kubeconfig())
            .context("cannot read the cluster's own kubeconfig")?;
        let client = wait_for(&runtime, async move {
            let config =
                kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
            anyhow::Ok(kube::Client::try_from(config)?)
        })??;
        let cluster = Self {
            client,
            runtime: Some(runtime),
            server,
        };
        let namespace = wait_until(PATIENCE, || {
            cluster.get(Kind::Namespace, "", "default").ok()
        });
        namespace.with_context(|| {
            format!("the API server does not serve the namespace default after {PATIENCE:?}")
        })?;
        Ok(cluster)
    }

    /// The stub, with its faults and counters; `None` on a real API server.
    #[must_use]
    pub fn stub(&self) -> Option<&ApiStub> {
        match &self.server {
            Server::Stub(stub) => Some(stub),
            Server::Real(_) => None,
        }
    }

    /// The API server's base URL.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.server {
            Server::Stub(stub) => stub.url(),
            Server::Real(real) => real.url().to_owned(),
        }
    }

    /// A kubeconfig that points at it.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        self.server.kubeconfig()
    }

    /// Writes that kubeconfig to a file.
    pub fn write_kubeconfig(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.kubeconfig())
            .with_context(|| format!("cannot write the kubeconfig {}", path.display()))
    }

    /// Creates an object in the namespace its metadata names (`default` if it names none).
    ///
    /// A Pod's or Node's status is written too, through its subresource.
    pub fn create(&self, object: &Value) -> Result<Value> {
        let (kind, namespace) = identify(object)?;
        let made = self.request(
            Method::POST,
            &kind.collection_path(namespace.as_deref()),
            Some(object),
        )?;
        if !object["status"].is_object() || !matches!(kind, Kind::Pod | Kind::Node) {
            return Ok(made);
        }
        let mut with_status = made;
        with_status["status"] = object["status"].clone();
        let path = format!(
            "{}/status",
            object_path(
                kind,
                namespace.as_deref(),
                text(&with_status, "/metadata/name")
            )
        );
        self.request(Method::PUT, &path, Some(&with_status))
    }

    /// Replaces an object; a `resourceVersion` in it must be the current one.
    pub fn replace(&self, object: &Value) -> Result<Value> {
        let (kind, namespace) = identify(object)?;
        let path = object_path(kind, namespace.as_deref(), text(object, "/metadata/name"));
        self.request(Method::PUT, &path, Some(object))
    }

    /// Deletes an object; `namespace` is empty for cluster-wide kinds.
    pub fn delete(&self, kind: Kind, namespace: &str, name: &str) -> Result<()> {
        self.request(
            Method::DELETE,
            &object_path(kind, Some(namespace), name),
            None,
        )
        .map(drop)
    }

    /// Reads an object; `namespace` is empty for cluster-wide kinds.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Value> {
        self.request(Method::GET, &object_path(kind, Some(namespace), name), None)
    }

    fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let body = body
            .map(|body| body.to_string().into_bytes())
            .unwrap_or_default();
        let told = format!("{method} {path}");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Content-Type", "application/json")
            .body(body)?;
        let client = self.client.clone();
        let runtime = self
            .runtime
            .as_ref()
            .context("the cluster is being dropped")?;
        wait_for(
            runtime,
            async move { client.request::<Value>(request).await },
        )?
        .with_context(|| told)
    }
}

impl Server {
    fn kubeconfig(&self) -> String {
        match self {
            Self::Stub(stub) => stub.kubeconfig(),
            Self::Real(real) => real.kubeconfig(),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn object_path(kind: Kind, namespace: Option<&str>, name: &str) -> String {
    format!("{}/{name}", kind.collection_path(namespace))
}

/// Runs work on the client's own thread, so that this works with and without a runtime around it.
fn wait_for<T: Send + 'static>(
    runtime: &Runtime,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T> {
    let (done, result) = mpsc::channel();
    runtime.spawn(async move { done.send(work.await) });
    result
        .recv()
        .map_err(|_| anyhow!("the client's thread has died"))
}
