//! Tests of the defaults and rules of Services.

use serde_json::{Value, json};

use super::*;
use crate::core::address::Ranges;

fn pool() -> Pool {
    Pool::new(Ranges::default(), false)
}

fn admitted(spec: &Value) -> Value {
    let mut service = json!({ "spec": spec });
    let causes = admit(&mut service, None, &mut pool());
    assert_eq!(causes, [], "{spec}");
    service["spec"].take()
}

fn refused(spec: &Value, old: Option<&Value>) -> Vec<String> {
    let old = old.map(|spec| json!({ "spec": spec }));
    let causes = admit(&mut json!({ "spec": spec }), old.as_ref(), &mut pool());
    causes
        .iter()
        .map(|cause| format!("{} {}", cause.field, cause.reason))
        .collect()
}

#[test]
fn defaults() {
    let spec = admitted(&json!({ "ports": [{ "port": 80 }] }));
    assert_eq!(spec["type"], "ClusterIP");
    assert_eq!(spec["clusterIPs"], json!(["10.96.1.0"]));
    assert_eq!(spec["clusterIP"], "10.96.1.0");
    assert_eq!(spec["ipFamilies"], json!(["IPv4"]));
    assert_eq!(spec["ipFamilyPolicy"], "SingleStack");
    assert_eq!(
        spec["ports"],
        json!([{ "port": 80, "protocol": "TCP", "targetPort": 80 }])
    );
}

#[test]
fn families() {
    let ports = json!([{ "port": 80 }]);
    let table = [
        (
            json!({ "clusterIP": "10.96.0.9" }),
            json!(["10.96.0.9"]),
            "SingleStack",
        ),
        (
            json!({ "ipFamilyPolicy": "PreferDualStack" }),
            json!(["10.96.1.0", "fd00:10:96::100"]),
            "PreferDualStack",
        ),
        (
            json!({ "ipFamilies": ["IPv6"] }),
            json!(["fd00:10:96::100"]),
            "SingleStack",
        ),
        (
            json!({ "ipFamilies": ["IPv6", "IPv4"] }),
            json!(["fd00:10:96::100", "10.96.1.0"]),
            "RequireDualStack",
        ),
        (
            json!({ "clusterIPs": ["10.96.0.9", "fd00:10:96::9"] }),
            json!(["10.96.0.9", "fd00:10:96::9"]),
            "RequireDualStack",
        ),
        (
            json!({ "clusterIP": "None" }),
            json!(["None"]),
            "SingleStack",
        ),
    ];
    for (mut spec, addresses, policy) in table {
        spec["ports"] = ports.clone();
        let spec = admitted(&spec);
        assert_eq!(
            (&spec["clusterIPs"], &spec["ipFamilyPolicy"]),
            (&addresses, &policy.into())
        );
    }
}

#[test]
fn refusals() {
    let port = json!([{ "port": 80 }]);
    let held = json!({ "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "ports": port });
    let table = [
        (json!({}), None, "spec.ports FieldValueRequired"),
        (
            json!({ "type": "ExternalName" }),
            None,
            "spec.externalName FieldValueRequired",
        ),
        (
            json!({ "type": "Odd", "ports": port }),
            None,
            "spec.type FieldValueNotSupported",
        ),
        (
            json!({ "clusterIP": "10.96", "ports": port }),
            None,
            "spec.clusterIPs[0] FieldValueInvalid",
        ),
        (
            json!({ "clusterIP": "192.0.2.1", "ports": port }),
            None,
            "spec.clusterIPs[0] FieldValueInvalid",
        ),
        (
            json!({ "ports": [{ "port": 0 }] }),
            None,
            "spec.ports[0].port FieldValueInvalid",
        ),
        (
            json!({ "ports": [{ "port": 1 }, { "name": "b", "port": 2 }] }),
            None,
            "spec.ports[0].name FieldValueRequired",
        ),
        (
            json!({ "ports": [{ "name": "A", "port": 1 }] }),
            None,
            "spec.ports[0].name FieldValueInvalid",
        ),
        (
            json!({ "clusterIP": "10.96.0.8", "ports": port }),
            Some(&held),
            "spec.clusterIPs[0] FieldValueInvalid",
        ),
    ];
    for (spec, old, expected) in table {
        assert_eq!(refused(&spec, old), [expected], "{spec}");
    }
}

#[test]
fn updates_keep_the_address() {
    let old = json!({ "spec": { "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"] } });
    let mut new = json!({ "spec": { "ports": [{ "port": 81 }] } });
    assert_eq!(admit(&mut new, Some(&old), &mut pool()), []);
    assert_eq!(new["spec"]["clusterIP"], "10.96.0.9");
}
