//! The cluster of this bench: Services and their EndpointSlices, as large as those that people and controllers make.

use std::net::Ipv4Addr;

use api_stub::sample;
use serde_json::{Value, json};

/// Services of one namespace.
const OF_NAMESPACE: u32 = 1000;
/// The first ClusterIP, and the first that is given by a change.
const CLUSTER_IPS: Ipv4Addr = Ipv4Addr::new(10, 97, 0, 0);
const CHANGED_IPS: Ipv4Addr = Ipv4Addr::new(10, 108, 0, 0);
/// The first address of a Pod.
const POD_IPS: Ipv4Addr = Ipv4Addr::new(10, 128, 0, 0);
/// Names that a Service of this cluster has: its own, that of its port with the one above it, and its address.
const NAMES_OF_SERVICE: u32 = 4;
/// Names that an endpoint has: its own, its address, and one to spare.
const NAMES_OF_ENDPOINT: u32 = 3;
/// Names that do not belong to a Service, at least.
const OTHER_NAMES: u32 = 1000;

/// How large a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Population {
    /// Services, each with a ClusterIP and one named port.
    pub(super) services: u32,
    /// Endpoints of each Service, in one EndpointSlice; 0: no EndpointSlices at all.
    pub(super) endpoints: u32,
}

impl Population {
    /// The objects.
    pub(super) fn objects(self) -> impl Iterator<Item = Value> {
        let namespaces = 0..self.services.div_ceil(OF_NAMESPACE);
        let namespaces = namespaces.map(|number| sample::namespace(&namespace_name(number)));
        let services = (0..self.services).map(|number| service(number, service_address(number)));
        let sliced = 0..if self.endpoints == 0 {
            0
        } else {
            self.services
        };
        namespaces
            .chain(services)
            .chain(sliced.map(move |number| slice(number, self.endpoints)))
    }

    /// All endpoints.
    pub(super) const fn all_endpoints(self) -> u32 {
        self.services * self.endpoints
    }

    /// How many names it has at most, with those of the endpoints or without.
    pub(super) const fn names(self, of_endpoints: bool) -> u32 {
        let of_endpoints = if of_endpoints {
            NAMES_OF_ENDPOINT * self.all_endpoints()
        } else {
            0
        };
        NAMES_OF_SERVICE * self.services + of_endpoints + OTHER_NAMES
    }
}

/// A Service's name.
pub(super) fn service_name(number: u32) -> String {
    format!("service-{number}")
}

/// The namespace that a Service is in.
pub(super) fn namespace_of(number: u32) -> String {
    namespace_name(number / OF_NAMESPACE)
}

/// A Service's whole name.
pub(super) fn whole_name(number: u32) -> String {
    let (name, namespace) = (service_name(number), namespace_of(number));
    format!("{name}.{namespace}.svc.cluster.local.")
}

/// A Service's ClusterIP.
pub(super) fn service_address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(CLUSTER_IPS.to_bits() + number)
}

/// The ClusterIP that a change gives.
pub(super) fn changed_address(change: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(CHANGED_IPS.to_bits() + change)
}

/// The Service, with this ClusterIP.
pub(super) fn service(number: u32, address: Ipv4Addr) -> Value {
    let name = service_name(number);
    let mut service = sample::service(&namespace_of(number), &name, &address.to_string());
    service["metadata"]["labels"] = labels(&name);
    service["metadata"]["annotations"] = json!({
        "meta.helm.sh/release-name": name,
        "meta.helm.sh/release-namespace": namespace_of(number),
    });
    // What a client that applies a manifest leaves, which is a good part of most objects.
    service["metadata"]["managedFields"] = json!([{
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:metadata": {
                "f:annotations": { ".": {}, "f:meta.helm.sh/release-name": {}, "f:meta.helm.sh/release-namespace": {} },
                "f:labels": {
                    ".": {}, "f:app.kubernetes.io/instance": {}, "f:app.kubernetes.io/managed-by": {},
                    "f:app.kubernetes.io/name": {}, "f:helm.sh/chart": {},
                },
            },
            "f:spec": {
                "f:internalTrafficPolicy": {},
                "f:ports": {
                    ".": {},
                    "k:{\"port\":80,\"protocol\":\"TCP\"}": {
                        ".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {},
                    },
                },
                "f:selector": {}, "f:sessionAffinity": {}, "f:type": {},
            },
        },
        "manager": "helm",
        "operation": "Update",
        "time": "2026-01-01T00:00:00Z",
    }]);
    service
}

fn slice(number: u32, endpoints: u32) -> Value {
    let (name, namespace) = (service_name(number), namespace_of(number));
    let endpoint = |place: u32| {
        let address = Ipv4Addr::from_bits(POD_IPS.to_bits() + number * endpoints + place);
        json!({
            "addresses": [address.to_string()],
            "conditions": { "ready": true, "serving": true, "terminating": false },
            "nodeName": format!("node-{}", (number + place) % OF_NAMESPACE),
            "targetRef": {
                "kind": "Pod",
                "namespace": namespace,
                "name": format!("{name}-5d4f8c7b9-{place:05}"),
                "uid": format!("6f1c2a7e-0000-4000-8000-{:012x}", u64::from(number) * 256 + u64::from(place)),
            },
        })
    };
    let mut labels = labels(&name);
    labels["kubernetes.io/service-name"] = name.as_str().into();
    labels["endpointslice.kubernetes.io/managed-by"] = "endpointslice-controller.k8s.io".into();
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{name}-abcde"),
            "namespace": namespace,
            "labels": labels,
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "Service", "name": name, "controller": true,
                "blockOwnerDeletion": true, "uid": format!("0a1b2c3d-0000-4000-8000-{number:012x}"),
            }],
        },
        "addressType": "IPv4",
        "endpoints": (0..endpoints).map(endpoint).collect::<Vec<_>>(),
        "ports": [{ "name": "http", "port": 8080, "protocol": "TCP" }],
    })
}

fn labels(name: &str) -> Value {
    json!({
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/name": name,
        "helm.sh/chart": format!("{name}-1.2.3"),
    })
}

fn namespace_name(number: u32) -> String {
    format!("team-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_objects_as_asked_for() {
        let kinds = |services, endpoints| {
            let population = Population {
                services,
                endpoints,
            };
            let objects: Vec<_> = population.objects().collect();
            ["Namespace", "Service", "EndpointSlice"]
                .map(|kind| objects.iter().filter(|it| it["kind"] == kind).count())
        };
        assert_eq!(kinds(1001, 0), [2, 1001, 0]);
        assert_eq!(kinds(10, 5), [1, 10, 10]);
    }

    #[test]
    fn the_api_server_takes_them() {
        let population = Population {
            services: 3,
            endpoints: 2,
        };
        let api = api_stub::ApiStub::start().unwrap();
        assert_eq!(api.create_all(population.objects()).unwrap(), 7);
    }

    #[test]
    fn an_object_is_as_large_as_real_ones() {
        let text = service(7, service_address(7)).to_string();
        assert!((1000..2000).contains(&text.len()), "{}", text.len());
    }
}
