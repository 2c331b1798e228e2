//! Objects as the API has them, and what is left of each kind.

mod service;
mod slice;

use std::net::IpAddr;

use serde_json::{Value, json};

use super::*;
use crate::zone::object::{Endpoint, EndpointSlice, Namespace, Pod, Reach, Service};

fn trimmed<T: Kind>(object: &Value) -> Trimmed<T> {
    T::trim(&serde_json::from_value(object.clone()).unwrap())
}

/// The object and the remarks on it.
fn usable<T: Kind>(object: &Value) -> (T, Vec<String>) {
    match trimmed::<T>(object).outcome {
        Outcome::Usable { object, remarks } => (object, remarks),
        other => panic!("{other:?}"),
    }
}

fn invalid<T: Kind>(object: &Value) -> String {
    match trimmed::<T>(object).outcome {
        Outcome::Invalid(reason) => reason,
        other => panic!("{other:?}"),
    }
}

fn named(name: &str, spec: &Value) -> Value {
    json!({"metadata": {"name": name, "namespace": "b"}, "spec": spec})
}

fn addresses(texts: &[&str]) -> Box<[IpAddr]> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn port_of(name: &str, protocol: Protocol, number: u16) -> Port {
    Port {
        name: name.into(),
        protocol,
        number,
    }
}

#[test]
fn a_pod_counts_while_it_has_addresses_and_lives() {
    for (case, status, expected) in [
        (
            "running",
            json!({"phase": "Running", "podIP": "10.0.0.1"}),
            Some(addresses(&["10.0.0.1"])),
        ),
        (
            "both families",
            json!({"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}),
            Some(addresses(&["10.0.0.1", "fd00::1"])),
        ),
        (
            "no phase",
            json!({"podIP": "10.0.0.1"}),
            Some(addresses(&["10.0.0.1"])),
        ),
        ("starting", json!({"phase": "Pending"}), None),
        (
            "empty",
            json!({"phase": "Running", "podIP": "", "podIPs": []}),
            None,
        ),
        (
            "done",
            json!({"phase": "Succeeded", "podIP": "10.0.0.1"}),
            None,
        ),
        (
            "failed",
            json!({"phase": "Failed", "podIP": "10.0.0.1"}),
            None,
        ),
        (
            "lost",
            json!({"phase": "Unknown", "podIP": "10.0.0.1"}),
            None,
        ),
        ("no status", Value::Null, None),
    ] {
        let pod = json!({"metadata": {"name": "p.1", "namespace": "b"}, "status": status});
        let expected = expected.map_or(Outcome::Unused, |addresses| {
            Outcome::whole(Pod {
                key: ObjectKey::new("b", "p.1"),
                addresses,
            })
        });
        assert_eq!(trimmed::<Pod>(&pod).outcome, expected, "{case}");
    }
}

#[test]
fn a_pods_bad_addresses_are_told() {
    let pod = |ips: &[&str]| {
        let ips: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
        json!({"metadata": {"name": "p"}, "status": {"podIPs": ips}})
    };
    let (got, remarks) = usable::<Pod>(&pod(&["10.0.0.1", "x"]));
    assert_eq!(got.addresses, addresses(&["10.0.0.1"]));
    assert_eq!(remarks.len(), 1);
    assert!(invalid::<Pod>(&pod(&["x"])).contains("`x`"));
}

#[test]
fn namespaces_are_labels_and_config_maps_are_data() {
    let got = trimmed::<Namespace>(&json!({"metadata": {"name": "a", "namespace": "ignored"}}));
    let key = ObjectKey::new("", "a");
    assert_eq!(got.outcome, Outcome::whole(Namespace { key }));
    for name in ["a.b", "A", ""] {
        invalid::<Namespace>(&json!({"metadata": {"name": name}}));
    }
    let object =
        json!({"metadata": {"name": "kube.dns"}, "data": {"k": "v"}, "binaryData": {"b": "AAAA"}});
    let (got, _) = usable::<ConfigMap>(&object);
    assert_eq!(got.key, ObjectKey::new("default", "kube.dns"));
    assert_eq!(got.data, [("k".to_owned(), "v".to_owned())].into());
    let (got, _) = usable::<ConfigMap>(&json!({"metadata": {"name": "empty"}}));
    assert!(got.data.is_empty());
}

#[test]
fn complaints_name_the_object_and_stay_short() {
    for (object, sentence) in [
        (
            named("a", &json!({"clusterIP": "x"})),
            "Service b/a is left out: its clusterIP `x` is not an IP address",
        ),
        (
            json!({"metadata": {}}),
            "a nameless Service is left out: metadata.name is missing",
        ),
        (
            named("a", &json!({"ports": [{"port": 0}, {"port": -1}]})),
            "Service b/a: its port 0 is left out: ports are 1 to 65535; its port -1 is left out",
        ),
    ] {
        let complaint = trimmed::<Service>(&object).complaint().unwrap();
        assert!(complaint.starts_with(sentence), "{complaint}");
    }
    let ports: Vec<Value> = (70_000..70_100).map(|port| json!({"port": port})).collect();
    let many = trimmed::<Service>(&named("a", &json!({"ports": ports})));
    let complaint = many.complaint().unwrap();
    assert!(complaint.ends_with("; and 95 more"), "{complaint}");
    let right = trimmed::<Service>(&named("a", &json!({})));
    assert_eq!(right.complaint(), None);
}
