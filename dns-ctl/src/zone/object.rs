//! The Kubernetes objects that DNS needs, trimmed to what DNS needs of them, and their events.
//!
//! The objects are written to disk as they are here: `snapshot::format` has a version for that.

use std::{fmt, net::IpAddr, time::Instant};

use serde::{Deserialize, Serialize};

use super::name::Domain;

/// Namespace and name of an object; the namespace is empty for cluster-scoped kinds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectKey {
    /// The object's namespace.
    pub namespace: Box<str>,
    /// The object's name.
    pub name: Box<str>,
}

/// A Service (`core/v1`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Namespace and name.
    pub key: ObjectKey,
    /// How the Service is reached.
    pub reach: Reach,
    /// `spec.ports`; a headless Service's SRV records come from its endpoints instead.
    pub ports: Box<[Port]>,
    /// Whether this is the cluster's DNS: labelled `k8s-app=kube-dns` in `kube-system`.
    pub is_dns: bool,
}

/// How a Service is reached (`spec.type` and `spec.clusterIPs`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// Through its ClusterIPs, one per family; the types `NodePort` and `LoadBalancer` have them too.
    ClusterIps(Box<[IpAddr]>),
    /// Through its endpoints: `clusterIP: None`.
    Headless,
    /// Through another name: type `ExternalName`.
    ExternalName(Domain),
    /// Not yet: the API server has not given it an address.
    Pending,
}

/// A port of a Service or of an EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    /// The port's name; empty if it has none.
    pub name: Box<str>,
    /// The protocol above IP.
    pub protocol: Protocol,
    /// The number; ports of an EndpointSlice without a number are left out.
    pub number: u16,
}

/// The protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    /// Also where none is given.
    Tcp,
    /// Datagrams.
    Udp,
    /// Streams of messages (RFC 9260).
    Sctp,
}

/// An EndpointSlice (`discovery.k8s.io/v1`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSlice {
    /// Namespace and name.
    pub key: ObjectKey,
    /// The Service it belongs to, in the same namespace (label `kubernetes.io/service-name`).
    pub service: Box<str>,
    /// The endpoints that are ready: `conditions.ready` is true or absent.
    pub endpoints: Box<[Endpoint]>,
    /// The ports of every endpoint; empty if the slice has none.
    pub ports: Box<[Port]>,
}

/// One endpoint of an EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its addresses, of the slice's one family.
    pub addresses: Box<[IpAddr]>,
    /// `hostname`, if it is a valid label.
    pub hostname: Option<Box<str>>,
}

/// A Namespace (`core/v1`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// The namespace's name; `key.namespace` is empty.
    pub key: ObjectKey,
}

/// A Pod (`core/v1`) that has addresses and has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `status.podIPs`.
    pub addresses: Box<[IpAddr]>,
}

/// What a source, the API server or a folder of manifests, says has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// To a Service.
    Service(Change<Service>),
    /// To a Namespace.
    Namespace(Change<Namespace>),
    /// To an EndpointSlice of this list.
    EndpointSlice(SliceList, Change<EndpointSlice>),
    /// To a Pod.
    Pod(Change<Pod>),
}

impl Event {
    /// Whether it takes effect by itself; the other ones do at the end of their list.
    #[must_use]
    pub const fn takes_effect(&self) -> bool {
        const fn of<T>(change: &Change<T>) -> bool {
            !matches!(change, Change::Init | Change::InitApply(_))
        }
        match self {
            Self::Service(change) => of(change),
            Self::Namespace(change) => of(change),
            Self::EndpointSlice(_, change) => of(change),
            Self::Pod(change) => of(change),
        }
    }
}

/// An event and when it came, for telling how long it takes to have effect.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// What has happened.
    pub event: Event,
    /// When this process had read it.
    pub at: Instant,
}

impl From<Event> for Arrived {
    fn from(event: Event) -> Self {
        let at = Instant::now();
        Self { event, at }
    }
}

/// The lists in which EndpointSlices come; a slice whose labels change moves from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SliceList {
    /// All slices of the cluster.
    All,
    /// Those labelled `service.kubernetes.io/headless`.
    Headless,
    /// Those without that label that Kubernetes' own controller does not manage: mirrored or hand-made.
    Foreign,
    /// Those of the cluster's DNS Service, which tell where it is and give no names.
    Dns,
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

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

impl EndpointSlice {
    /// The key of the Service that the slice belongs to.
    #[must_use]
    pub fn service_key(&self) -> ObjectKey {
        ObjectKey {
            namespace: self.key.namespace.clone(),
            name: self.service.clone(),
        }
    }
}

impl Protocol {
    /// The protocol as SRV owner names write it, without the underscore (RFC 2782).
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}
