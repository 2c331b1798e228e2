//! The objects of a plan as the API server takes them.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{ClusterPlan, Namespace, Pod, Port, Reach, Service, ServiceType, Slice};

/// Namespaces that every API server makes by itself.
pub(super) const STANDING: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

impl ClusterPlan {
    /// All objects, Namespaces first; those that every API server has by itself are left out.
    #[must_use]
    pub fn objects(&self) -> Vec<Value> {
        let standing = |it: &&Namespace| !STANDING.contains(&it.name.as_str()) || it.team.is_some();
        let namespaces = self.namespaces.iter().filter(standing).map(namespace);
        let services = self.services.iter().filter(|it| !it.is_kubernetes());
        namespaces
            .chain(services.map(service))
            .chain(self.slices.iter().map(slice))
            .chain(self.pods.iter().map(pod))
            .collect()
    }
}

impl Service {
    /// Whether it is the API server's own, which every API server makes by itself.
    pub(super) fn is_kubernetes(&self) -> bool {
        (self.namespace.as_str(), self.name.as_str()) == ("default", "kubernetes")
    }
}

fn namespace(namespace: &Namespace) -> Value {
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": namespace.name },
    });
    label(&mut object, "team", namespace.team);
    object
}

fn service(service: &Service) -> Value {
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": service.name, "namespace": service.namespace },
        "spec": {},
    });
    label(&mut object, "team", service.team);
    if service.is_dns() {
        label(&mut object, "k8s-app", Some("kube-dns"));
    }
    let spec = &mut object["spec"];
    match &service.reach {
        Reach::ExternalName(target) => {
            spec["type"] = "ExternalName".into();
            spec["externalName"] = target.as_str().into();
        }
        Reach::Headless => {
            spec["type"] = "ClusterIP".into();
            spec["clusterIP"] = "None".into();
            spec["clusterIPs"] = json!(["None"]);
            spec["ipFamilies"] = json!(["IPv4", "IPv6"]);
            spec["ipFamilyPolicy"] = "RequireDualStack".into();
        }
        Reach::ClusterIps(kind, addresses) => {
            spec["type"] = match kind {
                ServiceType::ClusterIp => "ClusterIP",
                ServiceType::NodePort => "NodePort",
                ServiceType::LoadBalancer => "LoadBalancer",
            }
            .into();
            let families: Vec<_> = addresses.iter().map(family).collect();
            let both = families.len() > 1;
            spec["clusterIP"] = json!(addresses.first());
            spec["clusterIPs"] = json!(addresses);
            spec["ipFamilies"] = json!(families);
            spec["ipFamilyPolicy"] = if both {
                "RequireDualStack"
            } else {
                "SingleStack"
            }
            .into();
        }
    }
    if !service.external_ips.is_empty() {
        spec["externalIPs"] = json!(service.external_ips);
    }
    if !service.ports.is_empty() {
        spec["ports"] = service.ports.iter().map(port).collect();
    }
    object
}

fn slice(slice: &Slice) -> Value {
    let endpoints = slice.endpoints.iter().map(|endpoint| {
        let mut object = json!({ "addresses": endpoint.addresses, "conditions": {} });
        if let Some(hostname) = &endpoint.hostname {
            object["hostname"] = hostname.as_str().into();
        }
        if let Some(ready) = endpoint.ready {
            object["conditions"]["ready"] = ready.into();
        }
        object
    });
    let mut object = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": { "name": slice.name, "namespace": slice.namespace },
        "addressType": if slice.v6 { "IPv6" } else { "IPv4" },
        "endpoints": endpoints.collect::<Vec<_>>(),
        "ports": slice.ports.iter().map(port).collect::<Vec<_>>(),
    });
    label(&mut object, "team", slice.team);
    let service = slice.service.as_str();
    label(&mut object, "kubernetes.io/service-name", Some(service));
    let manager = slice.managed.then_some("endpointslice-controller.k8s.io");
    label(
        &mut object,
        "endpointslice.kubernetes.io/managed-by",
        manager,
    );
    let headless = slice.headless.then_some("");
    label(&mut object, "service.kubernetes.io/headless", headless);
    object
}

fn pod(pod: &Pod) -> Value {
    let addresses = pod.addresses.iter().map(|ip| json!({ "ip": ip }));
    let mut object = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": pod.name, "namespace": pod.namespace },
        "spec": { "containers": [{ "name": "main", "image": "main" }] },
        "status": { "phase": pod.phase, "podIPs": addresses.collect::<Vec<_>>() },
    });
    label(&mut object, "team", pod.team);
    if let Some(first) = pod.addresses.first() {
        object["status"]["podIP"] = json!(first);
    }
    object
}

fn port(port: &Port) -> Value {
    // CoreDNS reads name, number and protocol of a slice's port without asking whether they are there.
    let number = port.number;
    json!({ "name": port.name, "protocol": port.protocol, "port": number })
}

fn label(object: &mut Value, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        object["metadata"]["labels"][key] = value.into();
    }
}

fn family(address: &IpAddr) -> &'static str {
    if address.is_ipv6() { "IPv6" } else { "IPv4" }
}
