//! The handle of a running stub: start, objects, stop.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::core::kind::Kind;
use crate::core::object::{Object, text};
use crate::core::registry::{Preconditions, Registry, Target};
use crate::core::status::ApiError;
use crate::faults::Faults;
use crate::http::Shared;
use crate::http::handle::handle;
use crate::http::listen::{Door, bind};
use crate::kubeconfig::kubeconfig;

/// What can be chosen when a stub starts.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How many changes are remembered before the oldest are gone.
    pub history: usize,
    /// Services may have addresses outside `10.96.0.0/12` and `fd00:10:96::/108`.
    pub any_service_ip: bool,
    /// Streaming lists (`sendInitialEvents`) are understood; otherwise refused with 422.
    pub streaming_lists: bool,
    /// How often watches send a bookmark unasked.
    pub bookmark_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            history: 200_000,
            any_service_ip: false,
            streaming_lists: true,
            bookmark_interval: Duration::from_mins(1),
        }
    }
}

/// A running stub; it stops when this is dropped.
///
/// It runs on threads of its own, so every call here may be made from tests with and without a runtime.
#[derive(Debug)]
pub struct ApiStub {
    pub(crate) shared: Arc<Shared>,
    pub(crate) app: Router,
    pub(crate) door: Mutex<Option<Door>>,
    /// `None` only while it is dropped.
    pub(crate) runtime: Option<Runtime>,
}

impl ApiStub {
    /// Starts a stub with the default options.
    pub fn start() -> Result<Self> {
        Self::start_with(&Options::default())
    }

    /// Starts a stub.
    pub fn start_with(options: &Options) -> Result<Self> {
        let (listener, address) = bind(options.listen)?;
        let registry = Registry::new(options.history, options.any_service_ip, now)?;
        let faults = Faults::new(options.streaming_lists);
        let shared = Arc::new(Shared::new(
            registry,
            faults,
            options.bookmark_interval,
            address,
        ));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("api-stub")
            .enable_all()
            .build()
            .context("cannot start the threads of the API stub")?;
        let app = Router::new()
            .fallback(handle)
            .with_state(Arc::clone(&shared));
        let door = Door::open(
            runtime.handle(),
            listener,
            app.clone(),
            shared.faults.connections.subscribe(),
        )?;
        Ok(Self {
            shared,
            app,
            door: Mutex::new(Some(door)),
            runtime: Some(runtime),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// A kubeconfig that points at it.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        kubeconfig(&self.url(), None)
    }

    /// Writes that kubeconfig to a file.
    pub fn write_kubeconfig(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.kubeconfig())
            .with_context(|| format!("cannot write the kubeconfig {}", path.display()))
    }

    /// Creates an object in the namespace its metadata names (`default` if it names none).
    pub fn create(&self, object: &Value) -> Result<Value, ApiError> {
        let (kind, namespace) = identify(object)?;
        self.shared
            .change(|registry| registry.create(kind, namespace.as_deref(), object))
            .map(|made| made.value())
    }

    /// Creates many objects at once, and stops at the first that is refused; how many there are.
    pub fn create_all(&self, objects: impl IntoIterator<Item = Value>) -> Result<usize, ApiError> {
        self.shared.change(|registry| {
            let mut count = 0;
            for object in objects {
                let (kind, namespace) = identify(&object)?;
                registry.create(kind, namespace.as_deref(), &object)?;
                count += 1;
            }
            Ok(count)
        })
    }

    /// Replaces an object; a `resourceVersion` in it must be the current one.
    pub fn replace(&self, object: &Value) -> Result<Value, ApiError> {
        let (kind, namespace) = identify(object)?;
        let target = Target {
            kind,
            namespace: namespace.as_deref(),
            name: text(object, "/metadata/name"),
        };
        self.shared
            .change(|registry| registry.replace(target, object, false))
            .map(|(made, _)| made.value())
    }

    /// Changes an object by a merge patch (RFC 7396); `namespace` is empty for cluster-wide kinds.
    pub fn merge(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, ApiError> {
        self.shared
            .change(|registry| registry.merge(target(kind, namespace, name), patch, false))
            .map(|made| made.value())
    }

    /// Writes an object whatever the rules say, status included: a Service with another ClusterIP, a ready Pod.
    pub fn force(&self, object: &Value) -> Result<Value, ApiError> {
        let (kind, namespace) = identify(object)?;
        let mut object = object.clone();
        if let Some(namespace) = namespace {
            object["metadata"]["namespace"] = namespace.into();
        }
        self.shared
            .change(|registry| registry.force(kind, &object))
            .map(|made| made.value())
    }

    /// Deletes an object; `namespace` is empty for cluster-wide kinds.
    pub fn delete(&self, kind: Kind, namespace: &str, name: &str) -> Result<(), ApiError> {
        let target = target(kind, namespace, name);
        self.shared
            .change(|registry| registry.delete(target, &Preconditions::default()))
            .map(drop)
    }

    /// Reads an object; `namespace` is empty for cluster-wide kinds.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Value, ApiError> {
        self.shared
            .registry()
            .get(target(kind, namespace, name))
            .map(|object| object.value())
    }

    /// All objects of a kind, in the order of namespace and name.
    #[must_use]
    pub fn list(&self, kind: Kind) -> Vec<Value> {
        let objects: Vec<Arc<Object>> = self.shared.registry().store().all(kind).cloned().collect();
        objects.iter().map(|object| object.value()).collect()
    }

    /// The newest `resourceVersion`.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.shared.registry().store().revision()
    }
}

impl Drop for ApiStub {
    fn drop(&mut self) {
        let door = self
            .door
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(door) = door {
            door.close();
        }
        self.drop_connections();
        if let Some(runtime) = self.runtime.take() {
            // Not `drop`: waiting for threads is not allowed inside another runtime.
            runtime.shutdown_background();
        }
    }
}

fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

fn target<'a>(kind: Kind, namespace: &'a str, name: &'a str) -> Target<'a> {
    Target {
        kind,
        namespace: Some(namespace).filter(|_| kind.resource().namespaced),
        name,
    }
}

/// Kind and namespace of an object as a manifest has it.
pub(crate) fn identify(object: &Value) -> Result<(Kind, Option<String>), ApiError> {
    let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
    let Some(kind) = Kind::by_type(version, kind) else {
        let known = Kind::ALL
            .map(|kind| format!("{} {kind}", kind.api_version()))
            .join(", ");
        return Err(ApiError::bad_request(format!(
            "no kind {kind:?} in version {version:?} here; served are {known}"
        )));
    };
    let namespace = match text(object, "/metadata/namespace") {
        "" => "default",
        namespace => namespace,
    };
    Ok((
        kind,
        kind.resource().namespaced.then(|| namespace.to_owned()),
    ))
}
