//! The kinds of object served, and what is particular to each.

use std::fmt;

/// A kind of object this server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `v1` Namespace.
    Namespace,
    /// `v1` Node.
    Node,
    /// `v1` Pod.
    Pod,
    /// `v1` Service.
    Service,
    /// `v1` Endpoints.
    Endpoints,
    /// `v1` `ConfigMap`.
    ConfigMap,
    /// `discovery.k8s.io/v1` `EndpointSlice`.
    EndpointSlice,
}

/// What the API says about a kind: its place in the URL space and its habits.
#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each tells an independent habit of the API"
)]
pub struct Resource {
    /// API group, empty for the core group.
    pub group: &'static str,
    /// Name in the URL.
    pub plural: &'static str,
    /// Name of one, as discovery tells it.
    pub singular: &'static str,
    /// Name in the `kind` field.
    pub kind: &'static str,
    /// Short names for command line clients.
    pub short: &'static [&'static str],
    /// Lives in a namespace.
    pub namespaced: bool,
    /// Field selectors beyond `metadata.name` and `metadata.namespace`.
    pub fields: &'static [&'static str],
    /// `PUT` of an object that does not exist creates it.
    pub create_on_update: bool,
    /// `DELETE` answers with the object, not with a `Status`.
    pub returns_deleted: bool,
    /// Has a `status` that only the `/status` subresource writes.
    pub has_status: bool,
}

const NAMESPACE: Resource = Resource {
    group: "",
    plural: "namespaces",
    singular: "namespace",
    kind: "Namespace",
    short: &["ns"],
    namespaced: false,
    fields: &["status.phase"],
    create_on_update: false,
    returns_deleted: true,
    has_status: true,
};

const NODE: Resource = Resource {
    group: "",
    plural: "nodes",
    singular: "node",
    kind: "Node",
    short: &["no"],
    namespaced: false,
    fields: &["spec.unschedulable"],
    create_on_update: false,
    returns_deleted: false,
    has_status: true,
};

const POD: Resource = Resource {
    group: "",
    plural: "pods",
    singular: "pod",
    kind: "Pod",
    short: &["po"],
    namespaced: true,
    fields: &[
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ],
    create_on_update: false,
    returns_deleted: true,
    has_status: true,
};

const SERVICE: Resource = Resource {
    group: "",
    plural: "services",
    singular: "service",
    kind: "Service",
    short: &["svc"],
    namespaced: true,
    fields: &["spec.clusterIP", "spec.type"],
    create_on_update: true,
    returns_deleted: true,
    has_status: true,
};

const ENDPOINTS: Resource = Resource {
    group: "",
    plural: "endpoints",
    singular: "endpoints",
    kind: "Endpoints",
    short: &["ep"],
    namespaced: true,
    fields: &[],
    create_on_update: true,
    returns_deleted: false,
    has_status: false,
};

const CONFIG_MAP: Resource = Resource {
    group: "",
    plural: "configmaps",
    singular: "configmap",
    kind: "ConfigMap",
    short: &["cm"],
    namespaced: true,
    fields: &[],
    create_on_update: false,
    returns_deleted: false,
    has_status: false,
};

const ENDPOINT_SLICE: Resource = Resource {
    group: "discovery.k8s.io",
    plural: "endpointslices",
    singular: "endpointslice",
    kind: "EndpointSlice",
    short: &[],
    namespaced: true,
    fields: &[],
    create_on_update: false,
    returns_deleted: false,
    has_status: false,
};

impl Kind {
    /// Every kind, in the order discovery lists them.
    pub const ALL: [Kind; 7] = [
        Kind::ConfigMap,
        Kind::Endpoints,
        Kind::Namespace,
        Kind::Node,
        Kind::Pod,
        Kind::Service,
        Kind::EndpointSlice,
    ];

    /// What the API says about this kind.
    #[must_use]
    pub const fn resource(self) -> &'static Resource {
        match self {
            Kind::Namespace => &NAMESPACE,
            Kind::Node => &NODE,
            Kind::Pod => &POD,
            Kind::Service => &SERVICE,
            Kind::Endpoints => &ENDPOINTS,
            Kind::ConfigMap => &CONFIG_MAP,
            Kind::EndpointSlice => &ENDPOINT_SLICE,
        }
    }

    /// The value of an object's `apiVersion`: `v1` or `group/v1`.
    #[must_use]
    pub const fn api_version(self) -> &'static str {
        match self {
            Kind::EndpointSlice => "discovery.k8s.io/v1",
            _ => "v1",
        }
    }

    /// The kind behind a group and a name in the URL; every group has only version `v1`.
    #[must_use]
    pub fn by_plural(group: &str, plural: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.resource().group == group && kind.resource().plural == plural)
    }

    /// The kind an object claims in its `apiVersion` and `kind`.
    #[must_use]
    pub fn by_type(api_version: &str, kind: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.api_version() == api_version && known.resource().kind == kind)
    }

    /// Path of the collection: of one namespace, or of the whole cluster.
    #[must_use]
    pub fn collection_path(self, namespace: Option<&str>) -> String {
        let root = if self.resource().group.is_empty() {
            "/api"
        } else {
            "/apis"
        };
        let plural = self.resource().plural;
        match namespace.filter(|_| self.resource().namespaced) {
            Some(namespace) => format!(
                "{root}/{}/namespaces/{namespace}/{plural}",
                self.api_version()
            ),
            None => format!("{root}/{}/{plural}", self.api_version()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.resource().kind)
    }
}
