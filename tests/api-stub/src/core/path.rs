//! URL paths: which resource, namespace and object a path names.

use super::kind::Kind;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/healthz`, `/livez`, `/readyz`.
    Health,
    /// `/version`.
    Version,
    /// `/api`: versions of the core group.
    CoreVersions,
    /// `/apis`: the other groups.
    Groups,
    /// `/apis/GROUP`.
    Group(String),
    /// `/api/v1`, `/apis/GROUP/v1`: what a group holds.
    Resources(String),
    /// All objects of a kind, of one namespace or of the cluster.
    Collection(Kind, Option<String>),
    /// One object.
    Object {
        /// Its kind.
        kind: Kind,
        /// Its namespace, `None` for cluster-wide kinds.
        namespace: Option<String>,
        /// Its name.
        name: String,
        /// Only its status (`/status`).
        status: bool,
    },
    /// Nothing served here.
    Unknown,
}

/// Reads a path.
#[must_use]
pub fn route(path: &str) -> Route {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["healthz" | "livez" | "readyz", ..] => Route::Health,
        ["version"] => Route::Version,
        ["api"] => Route::CoreVersions,
        ["apis"] => Route::Groups,
        ["apis", group] if known(group) => Route::Group((*group).into()),
        ["api", "v1"] => Route::Resources(String::new()),
        ["apis", group, "v1"] if known(group) => Route::Resources((*group).into()),
        ["api", "v1", rest @ ..] => resource("", rest),
        ["apis", group, "v1", rest @ ..] if known(group) => resource(group, rest),
        _ => Route::Unknown,
    }
}

fn known(group: &str) -> bool {
    !group.is_empty() && Kind::ALL.iter().any(|kind| kind.resource().group == group)
}

fn resource(group: &str, parts: &[&str]) -> Route {
    let (namespace, parts) = match parts {
        // `namespaces/NAME/status` is the namespace's own status, not a kind named "status".
        ["namespaces", _] | ["namespaces", _, "status"] if group.is_empty() => (None, parts),
        ["namespaces", namespace, rest @ ..] => (Some((*namespace).to_owned()), rest),
        _ => (None, parts),
    };
    let Some(kind) = parts
        .first()
        .and_then(|plural| Kind::by_plural(group, plural))
    else {
        return Route::Unknown;
    };
    let in_place = kind.resource().namespaced == namespace.is_some();
    match parts {
        // A namespaced kind has a collection of the whole cluster too.
        [_] if in_place || namespace.is_none() => Route::Collection(kind, namespace),
        [_, name] if in_place => Route::Object {
            kind,
            namespace,
            name: (*name).into(),
            status: false,
        },
        [_, name, "status"] if in_place && kind.resource().has_status => Route::Object {
            kind,
            namespace,
            name: (*name).into(),
            status: true,
        },
        _ => Route::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(kind: Kind, namespace: Option<&str>, name: &str, status: bool) -> Route {
        Route::Object {
            kind,
            namespace: namespace.map(Into::into),
            name: name.into(),
            status,
        }
    }

    #[test]
    fn routes() {
        let table = [
            ("/readyz/ping", Route::Health),
            ("/api/", Route::CoreVersions),
            ("/api/v1", Route::Resources(String::new())),
            (
                "/apis/discovery.k8s.io",
                Route::Group("discovery.k8s.io".into()),
            ),
            ("/api/v1/services", Route::Collection(Kind::Service, None)),
            (
                "/api/v1/namespaces",
                Route::Collection(Kind::Namespace, None),
            ),
            (
                "/api/v1/namespaces/a",
                object(Kind::Namespace, None, "a", false),
            ),
            (
                "/api/v1/namespaces/a/status",
                object(Kind::Namespace, None, "a", true),
            ),
            (
                "/api/v1/namespaces/a/services",
                Route::Collection(Kind::Service, Some("a".into())),
            ),
            (
                "/api/v1/namespaces/a/pods/p/status",
                object(Kind::Pod, Some("a"), "p", true),
            ),
            ("/api/v1/namespaces/a/nodes", Route::Unknown),
            ("/api/v1/services/web", Route::Unknown),
            ("/api/v1/nodes/n1", object(Kind::Node, None, "n1", false)),
            ("/api/v1/endpointslices", Route::Unknown),
            (
                "/apis/discovery.k8s.io/v1/namespaces/a/endpointslices/s",
                object(Kind::EndpointSlice, Some("a"), "s", false),
            ),
            (
                "/apis/discovery.k8s.io/v1beta1/endpointslices",
                Route::Unknown,
            ),
            ("/api/v1/namespaces/a/endpoints/e/status", Route::Unknown),
            ("/", Route::Unknown),
        ];
        for (path, expected) in table {
            assert_eq!(route(path), expected, "{path}");
        }
    }

    #[test]
    fn paths_and_routes_agree() {
        for kind in Kind::ALL {
            assert_eq!(
                route(&kind.collection_path(None)),
                Route::Collection(kind, None)
            );
            let namespace = kind.resource().namespaced.then(|| "a".to_owned());
            assert_eq!(
                route(&kind.collection_path(Some("a"))),
                Route::Collection(kind, namespace)
            );
        }
    }
}
