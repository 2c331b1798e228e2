//! Tests of writes: conflicts, missing namespaces, immutable fields, deletion.

use serde_json::{Value, json};

use super::*;

fn registry() -> Registry {
    Registry::new(1000, false, || "2020-01-01T00:00:00Z".into()).unwrap()
}

fn service(name: &str, ip: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": name },
        "spec": { "clusterIP": ip, "ports": [{ "port": 80 }] },
    })
}

fn web() -> Target<'static> {
    Target {
        kind: Kind::Service,
        namespace: Some("default"),
        name: "web",
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, ApiError>) -> (u16, &'static str) {
    let error = result.expect_err("must be refused");
    (error.code, error.reason)
}

#[test]
fn create_stamps_and_refuses() {
    let mut registry = registry();
    let before = registry.store().revision();
    let made = registry
        .create(Kind::Service, Some("default"), &service("web", "10.96.0.9"))
        .unwrap()
        .value();
    assert_eq!(
        made["metadata"]["resourceVersion"],
        (before + 1).to_string()
    );
    assert_eq!(made["metadata"]["namespace"], "default");
    assert_eq!(
        made["metadata"]["creationTimestamp"],
        "2020-01-01T00:00:00Z"
    );
    assert_eq!(made["metadata"]["uid"].as_str().unwrap().len(), 36);
    let mut create =
        |space, value: Value| refusal(registry.create(Kind::Service, Some(space), &value));
    assert_eq!(
        create("default", service("web", "")),
        (409, "AlreadyExists")
    );
    assert_eq!(
        create("default", service("other", "10.96.0.9")),
        (422, "Invalid")
    );
    assert_eq!(create("nowhere", service("web", "")), (404, "NotFound"));
    assert_eq!(create("default", service("Web", "")), (422, "Invalid"));
    assert_eq!(
        create(
            "default",
            json!({ "metadata": {}, "spec": { "ports": [{ "port": 80 }] } })
        ),
        (422, "Invalid")
    );
    assert_eq!(
        create(
            "default",
            json!({ "kind": "Pod", "metadata": { "name": "x" } })
        ),
        (400, "BadRequest")
    );
    assert_eq!(
        create(
            "default",
            json!({ "metadata": { "name": "x" }, "spec": { "ports": 80 } })
        ),
        (400, "BadRequest")
    );
    assert_eq!(
        create(
            "default",
            json!({ "metadata": { "name": "x", "namespace": "other" } })
        ),
        (400, "BadRequest")
    );
    assert_eq!(
        create(
            "default",
            json!({ "metadata": { "name": "x", "resourceVersion": "7" } })
        ),
        (400, "BadRequest")
    );
    assert_eq!(
        registry.store().revision(),
        before + 1,
        "refusals change nothing"
    );
}

#[test]
fn replace_guards_against_stale_writers() {
    let mut registry = registry();
    let first = registry
        .create(Kind::Service, Some("default"), &service("web", "10.96.0.9"))
        .unwrap();
    let mut value = first.value();
    let (same, _) = registry.replace(web(), &value, false).unwrap();
    assert_eq!(same.revision(), first.revision(), "no change, no version");
    value["spec"]["ports"][0]["port"] = 81.into();
    let (second, created) = registry.replace(web(), &value, false).unwrap();
    assert!(second.revision() > first.revision() && !created);
    value["spec"]["ports"][0]["port"] = 82.into();
    assert_eq!(
        refusal(registry.replace(web(), &value, false)),
        (409, "Conflict")
    );
    value["metadata"]["resourceVersion"] = "".into();
    registry
        .replace(web(), &value, false)
        .expect("no version: the writer does not care");
    value["spec"]["clusterIP"] = "10.96.0.10".into();
    assert_eq!(
        refusal(registry.replace(web(), &value, false)),
        (422, "Invalid")
    );
    value["metadata"]["uid"] = "another".into();
    assert_eq!(
        refusal(registry.replace(web(), &value, false)),
        (409, "Conflict")
    );
    let absent = Target {
        name: "absent",
        ..web()
    };
    let (_, created) = registry
        .replace(absent, &service("absent", ""), false)
        .unwrap();
    assert!(created, "services may be created by PUT");
    let slice = Target {
        kind: Kind::EndpointSlice,
        ..absent
    };
    let value = json!({ "metadata": { "name": "absent" }, "addressType": "IPv4", "endpoints": [] });
    assert_eq!(
        refusal(registry.replace(slice, &value, false)),
        (404, "NotFound")
    );
}

#[test]
fn external_name_becomes_cluster_ip_and_back() {
    let mut registry = registry();
    let external = json!({ "metadata": { "name": "web" }, "spec": { "type": "ExternalName", "externalName": "example.org" } });
    registry
        .create(Kind::Service, Some("default"), &external)
        .unwrap();
    let (inside, _) = registry
        .replace(web(), &service("web", "10.96.0.9"), false)
        .unwrap();
    assert_eq!(inside.field("spec.clusterIP"), "10.96.0.9");
    registry.replace(web(), &external, false).unwrap();
    registry
        .create(
            Kind::Service,
            Some("default"),
            &service("next", "10.96.0.9"),
        )
        .expect("the address is free again");
}

#[test]
fn merge_and_status() {
    let mut registry = registry();
    registry
        .create(Kind::Service, Some("default"), &service("web", "10.96.0.9"))
        .unwrap();
    registry
        .merge(
            web(),
            &json!({ "metadata": { "labels": { "a": "1", "b": "2" } } }),
            false,
        )
        .unwrap();
    let patched = registry
        .merge(
            web(),
            &json!({ "metadata": { "labels": { "a": null } } }),
            false,
        )
        .unwrap();
    assert_eq!(patched.labels().keys().collect::<Vec<_>>(), ["b"]);
    let stale = json!({ "metadata": { "resourceVersion": "1", "labels": { "c": "1" } } });
    assert_eq!(
        refusal(registry.merge(web(), &stale, false)),
        (409, "Conflict")
    );
    let status = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } } });
    let ignored = registry.merge(web(), &status, false).unwrap();
    assert_eq!(ignored.value()["status"], json!({ "loadBalancer": {} }));
    let written = registry.merge(web(), &status, true).unwrap();
    assert_eq!(written.value()["status"], status["status"]);
}

#[test]
fn deletion() {
    let mut registry = registry();
    registry
        .create(Kind::Service, Some("default"), &service("web", "10.96.0.9"))
        .unwrap();
    let other = Preconditions {
        uid: Some("another".into()),
        revision: None,
    };
    assert_eq!(refusal(registry.delete(web(), &other)), (409, "Conflict"));
    registry.delete(web(), &Preconditions::default()).unwrap();
    assert_eq!(
        refusal(registry.delete(web(), &Preconditions::default())),
        (404, "NotFound")
    );
    registry
        .create(
            Kind::Namespace,
            None,
            &json!({ "metadata": { "name": "shop" } }),
        )
        .unwrap();
    registry
        .create(Kind::Service, Some("shop"), &service("web", "10.96.0.9"))
        .unwrap();
    let shop = Target {
        kind: Kind::Namespace,
        namespace: None,
        name: "shop",
    };
    registry.delete(shop, &Preconditions::default()).unwrap();
    assert_eq!(
        refusal(registry.get(Target {
            namespace: Some("shop"),
            ..web()
        })),
        (404, "NotFound")
    );
    let default = Target {
        name: "default",
        ..shop
    };
    assert_eq!(
        refusal(registry.delete(default, &Preconditions::default())),
        (403, "Forbidden")
    );
}

#[test]
fn force_breaks_the_rules() {
    let mut registry = registry();
    registry
        .create(Kind::Service, Some("default"), &service("web", "10.96.0.9"))
        .unwrap();
    let mut moved = service("web", "192.0.2.7");
    moved["metadata"]["namespace"] = "default".into();
    let object = registry.force(Kind::Service, &moved).unwrap();
    assert_eq!(object.field("spec.clusterIP"), "192.0.2.7");
}
