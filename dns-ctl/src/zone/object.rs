//! The Kubernetes objects that DNS needs, trimmed to what DNS needs of them, and their events.

use std::net::IpAddr;

/// Namespace and name of an object; the namespace is empty for cluster-scoped kinds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The object's namespace.
    pub namespace: Box<str>,
    /// The object's name.
    pub name: Box<str>,
}

/// A Service (`core/v1`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Namespace and name.
    pub key: ObjectKey,
    /// How the Service is reached.
    pub reach: Reach,
    /// Whether this is the cluster's DNS: labelled `k8s-app=kube-dns` in `kube-system`.
    pub is_dns: bool,
}

/// How a Service is reached (`spec.type` and `spec.clusterIPs`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Through its ClusterIPs, one per family; the types `NodePort` and `LoadBalancer` have them too.
    ClusterIps(Vec<IpAddr>),
    /// Through its endpoints: `clusterIP: None`.
    Headless,
    /// Through another name: type `ExternalName`.
    ExternalName,
    /// Not yet: the API server has not given it an address.
    Pending,
}

/// A Namespace (`core/v1`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// The namespace's name; `key.namespace` is empty.
    pub key: ObjectKey,
}

/// What a source, the API server or a folder of manifests, says has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// To a Service.
    Service(Change<Service>),
    /// To a Namespace.
    Namespace(Change<Namespace>),
}

/// A step in the life of a list-and-watch, in the order `Init InitApply* InitDone (Apply | Delete)*`.
///
/// `Init` may come again at any time: the source starts over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// A new list begins.
    Init,
    /// An object of the new list.
    InitApply(T),
    /// The new list is complete and replaces all that was known.
    InitDone,
    /// The object was created or changed.
    Apply(T),
    /// The object was deleted.
    Delete(ObjectKey),
}

impl ObjectKey {
    /// The key of a namespaced object.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}
