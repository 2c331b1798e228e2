//! Trims Kubernetes objects to what DNS needs of them.

use std::net::IpAddr;

use k8s_openapi::{
    api::core::v1::{self, ServiceSpec},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::zone::object::{Namespace, ObjectKey, Reach, Service};

/// Namespace and label of the cluster's DNS Service, by Kubernetes convention.
const DNS_NAMESPACE: &str = "kube-system";
const DNS_LABEL: (&str, &str) = ("k8s-app", "kube-dns");
/// The namespace of objects that name none.
const DEFAULT_NAMESPACE: &str = "default";
/// The ClusterIP of headless Services.
const HEADLESS: &str = "None";
/// The type of Services that stand for another name.
const EXTERNAL_NAME: &str = "ExternalName";

/// An object that can't be given an owner name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("metadata.name is missing")]
pub struct NoName;

/// The part of a Service that DNS needs.
pub fn service(service: &v1::Service) -> Result<Service, NoName> {
    let key = namespaced_key(&service.metadata)?;
    let is_dns = &*key.namespace == DNS_NAMESPACE
        && service
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| labels.get(DNS_LABEL.0))
            .is_some_and(|value| value == DNS_LABEL.1);
    Ok(Service {
        key,
        reach: service.spec.as_ref().map_or(Reach::Pending, reach),
        is_dns,
    })
}

/// The part of a Namespace that DNS needs.
pub fn namespace(namespace: &v1::Namespace) -> Result<Namespace, NoName> {
    Ok(Namespace {
        key: namespace_key(&namespace.metadata)?,
    })
}

/// The key of a namespaced object.
pub fn namespaced_key(metadata: &ObjectMeta) -> Result<ObjectKey, NoName> {
    let namespace = metadata
        .namespace
        .as_deref()
        .filter(|namespace| !namespace.is_empty())
        .unwrap_or(DEFAULT_NAMESPACE);
    Ok(ObjectKey::new(namespace, name(metadata)?))
}

/// The key of a Namespace.
pub fn namespace_key(metadata: &ObjectMeta) -> Result<ObjectKey, NoName> {
    Ok(ObjectKey::new("", name(metadata)?))
}

/// The ClusterIPs that a Service states, as written: `clusterIPs`, or `clusterIP` on its own.
pub fn stated_ips(spec: &ServiceSpec) -> impl Iterator<Item = &str> {
    let all = spec.cluster_ips.as_deref().unwrap_or_default();
    // The API server keeps both fields alike; a manifest may have only the older one.
    let single = spec.cluster_ip.as_ref().filter(|_| all.is_empty());
    all.iter()
        .chain(single)
        .map(String::as_str)
        .filter(|ip| !ip.is_empty())
}

fn name(metadata: &ObjectMeta) -> Result<&str, NoName> {
    metadata
        .name
        .as_deref()
        .filter(|name| !name.is_empty())
        .ok_or(NoName)
}

fn reach(spec: &ServiceSpec) -> Reach {
    if spec.type_.as_deref() == Some(EXTERNAL_NAME) {
        return Reach::ExternalName;
    }
    if stated_ips(spec).any(|ip| ip == HEADLESS) {
        return Reach::Headless;
    }
    let addresses: Vec<IpAddr> = stated_ips(spec).filter_map(|ip| ip.parse().ok()).collect();
    if addresses.is_empty() {
        Reach::Pending
    } else {
        Reach::ClusterIps(addresses)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn trimmed(object: Value) -> Result<Service, NoName> {
        let object: v1::Service = serde_json::from_value(object).unwrap();
        service(&object)
    }

    fn with_spec(spec: &Value) -> Reach {
        trimmed(json!({"metadata": {"name": "a", "namespace": "b"}, "spec": spec}))
            .unwrap()
            .reach
    }

    fn ips(texts: &[&str]) -> Reach {
        Reach::ClusterIps(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn the_spec_decides_how_a_service_is_reached() {
        for (case, spec, expected) in [
            (
                "one address",
                json!({"clusterIP": "10.0.0.1"}),
                ips(&["10.0.0.1"]),
            ),
            (
                "both families",
                json!({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"]}),
                ips(&["10.0.0.1", "fd00::1"]),
            ),
            (
                "only the list",
                json!({"clusterIPs": ["fd00::1"]}),
                ips(&["fd00::1"]),
            ),
            (
                "node port",
                json!({"type": "NodePort", "clusterIP": "10.0.0.1"}),
                ips(&["10.0.0.1"]),
            ),
            ("headless", json!({"clusterIP": "None"}), Reach::Headless),
            (
                "headless list",
                json!({"clusterIPs": ["None"]}),
                Reach::Headless,
            ),
            (
                "external",
                json!({"type": "ExternalName", "externalName": "example.com"}),
                Reach::ExternalName,
            ),
            (
                "external with a stale address",
                json!({"type": "ExternalName", "clusterIP": "10.0.0.1"}),
                Reach::ExternalName,
            ),
            ("no address yet", json!({"clusterIP": ""}), Reach::Pending),
            ("nothing", json!({}), Reach::Pending),
            (
                "not an address",
                json!({"clusterIP": "10.0.0"}),
                Reach::Pending,
            ),
        ] {
            assert_eq!(with_spec(&spec), expected, "{case}");
        }
    }

    #[test]
    fn only_the_labelled_service_of_kube_system_is_dns() {
        for (namespace, labels, is_dns) in [
            ("kube-system", json!({"k8s-app": "kube-dns"}), true),
            ("kube-system", json!({"k8s-app": "metrics"}), false),
            ("kube-system", json!({}), false),
            ("default", json!({"k8s-app": "kube-dns"}), false),
        ] {
            let object =
                json!({"metadata": {"name": "x", "namespace": namespace, "labels": labels}});
            assert_eq!(trimmed(object).unwrap().is_dns, is_dns, "{namespace}");
        }
    }

    #[test]
    fn names_are_needed_and_namespaces_are_not() {
        assert_eq!(trimmed(json!({"metadata": {}})), Err(NoName));
        assert_eq!(trimmed(json!({"metadata": {"name": ""}})), Err(NoName));
        let key = trimmed(json!({"metadata": {"name": "x"}})).unwrap().key;
        assert_eq!(key, ObjectKey::new("default", "x"));
        let unnamed = v1::Namespace::default();
        assert_eq!(namespace(&unnamed), Err(NoName));
    }
}
