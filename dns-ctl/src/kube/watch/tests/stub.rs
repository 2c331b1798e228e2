//! The watch against the API stub, whose own parser judges the selectors.

use api_stub::{ApiStub, Kind::ConfigMap as ConfigMapKind};

use super::*;

/// A client of a stub that has the usual Namespaces.
fn stub_client(stub: &ApiStub) -> Client {
    crate::kube::connection::client(kube::Config::new(stub.url().parse().unwrap())).unwrap()
}

fn config_map(value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "data": {"upstreamNameservers": value},
    })
}

#[tokio::test]
async fn the_config_map_is_followed_from_its_absence_to_its_end() {
    let stub = ApiStub::start().unwrap();
    let wanted = Wanted {
        config_map: Some(ObjectKey::new("kube-system", "kube-dns")),
        ..Wanted::default()
    };
    let mut running = Running::with(stub_client(&stub), wanted);
    let data = |value: &str| {
        let key = "upstreamNameservers".to_owned();
        Some(BTreeMap::from([(key, value.to_owned())]))
    };
    let mut other = config_map("9");
    other["metadata"]["name"] = "other".into();
    stub.create(&other).unwrap();
    assert_eq!(running.config_map().await, None);
    stub.create(&config_map("1")).unwrap();
    assert_eq!(running.config_map().await, data("1"));
    stub.replace(&config_map("2")).unwrap();
    assert_eq!(running.config_map().await, data("2"));
    stub.delete(ConfigMapKind, "kube-system", "kube-dns")
        .unwrap();
    assert_eq!(running.config_map().await, None);
    stub.create(&config_map("3")).unwrap();
    assert_eq!(running.config_map().await, data("3"));
    drop(running.events);
    timeout(PATIENCE, running.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_api_server_understands_the_selectors() {
    let stub = ApiStub::start().unwrap();
    let slice = |name: &str, labels: &[(&str, &str)]| {
        let mut labels: serde_json::Map<String, Value> = labels
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.into()))
            .collect();
        labels.insert("kubernetes.io/service-name".to_owned(), "web".into());
        slice(name, &Value::Object(labels), true)
    };
    let headless = ("service.kubernetes.io/headless", "");
    let managed = (
        "endpointslice.kubernetes.io/managed-by",
        "endpointslice-controller.k8s.io",
    );
    let mirrored = (
        "endpointslice.kubernetes.io/managed-by",
        "endpointslicemirroring-controller.k8s.io",
    );
    let pod = |name: &str, phase: &str| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
            "spec": {"containers": [{"name": "a", "image": "a"}]},
            "status": {"phase": phase, "podIP": "10.1.0.1"},
        })
    };
    let mut internal = service("internal", "10.96.0.9");
    internal["metadata"]["labels"] = json!({"team": "b"});
    for object in [
        slice("headless", &[headless, managed]),
        slice("headless-mirrored", &[headless, mirrored]),
        slice("plain", &[managed]),
        slice("mirrored", &[mirrored]),
        slice("hand-made", &[]),
        pod("running", "Running"),
        pod("done", "Succeeded"),
        pod("failed", "Failed"),
        internal,
    ] {
        stub.force(&object).unwrap();
    }
    let wanted = Wanted {
        slices: vec![SliceList::Headless, SliceList::Foreign],
        pods: true,
        namespace_selector: Some("kubernetes.io/metadata.name in (default)".parse().unwrap()),
        service_selector: Some("team notin (b)".parse().unwrap()),
        ..Wanted::default()
    };
    let mut running = Running::with(stub_client(&stub), wanted);
    let mut listed = BTreeSet::new();
    let mut lists = 0;
    while lists < 5 {
        let (kind, name) = match running.event().await {
            Event::Service(Change::InitApply(object)) => ("service", object.key.name),
            Event::Namespace(Change::InitApply(object)) => ("namespace", object.key.name),
            Event::Pod(Change::InitApply(object)) => ("pod", object.key.name),
            Event::EndpointSlice(SliceList::Headless, Change::InitApply(object)) => {
                ("headless", object.key.name)
            }
            Event::EndpointSlice(SliceList::Foreign, Change::InitApply(object)) => {
                ("foreign", object.key.name)
            }
            Event::Service(Change::InitDone)
            | Event::Namespace(Change::InitDone)
            | Event::Pod(Change::InitDone)
            | Event::EndpointSlice(_, Change::InitDone) => {
                lists += 1;
                continue;
            }
            _ => continue,
        };
        listed.insert(format!("{kind} {name}"));
    }
    let expected = [
        "foreign hand-made",
        "foreign mirrored",
        "headless headless",
        "headless headless-mirrored",
        "namespace default",
        "pod running",
        "service kubernetes",
    ];
    assert_eq!(listed, expected.map(ToOwned::to_owned).into());
}
