//! Ordinary objects for tests: Services, Namespaces, EndpointSlices.

use serde_json::{Value, json};

/// A Namespace.
#[must_use]
pub fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

/// A Service with one TCP port 80 named `http`; `address` is its ClusterIP, `None` (the word) makes it headless,
/// empty lets the server choose.
#[must_use]
pub fn service(namespace: &str, name: &str, address: &str) -> Value {
    let mut service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": name, "namespace": namespace },
        "spec": { "selector": { "app": name }, "ports": [{ "name": "http", "port": 80 }] },
    });
    if !address.is_empty() {
        service["spec"]["clusterIP"] = address.into();
    }
    service
}

/// A Service that is another name for a host.
#[must_use]
pub fn external(namespace: &str, name: &str, host: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": name, "namespace": namespace },
        "spec": { "type": "ExternalName", "externalName": host },
    })
}

/// An IPv4 `EndpointSlice` of a headless Service, as the endpoint slice controller labels it;
/// `endpoints` are address and hostname (empty for none), all ready, on TCP port 80 named `http`.
#[must_use]
pub fn slice(namespace: &str, service: &str, endpoints: &[(&str, &str)]) -> Value {
    let endpoint = |(address, hostname): &(&str, &str)| {
        let mut endpoint = json!({ "addresses": [address], "conditions": { "ready": true } });
        if !hostname.is_empty() {
            endpoint["hostname"] = (*hostname).into();
        }
        endpoint
    };
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{service}-1"),
            "namespace": namespace,
            "labels": {
                "kubernetes.io/service-name": service,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "service.kubernetes.io/headless": "",
            },
        },
        "addressType": "IPv4",
        "endpoints": endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        "ports": [{ "name": "http", "port": 80, "protocol": "TCP" }],
    })
}
