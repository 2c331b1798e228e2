//! EndpointSlices, and what is left of them.

use super::*;

/// A slice of the Service `web`, with these further fields.
fn slice(fields: &Value) -> Value {
    let mut slice = json!({
        "metadata": {
            "name": "web-x.1", "namespace": "b", "labels": {"kubernetes.io/service-name": "web"},
        },
        "addressType": "IPv4",
    });
    for (name, value) in fields.as_object().unwrap() {
        slice[name] = value.clone();
    }
    slice
}

fn endpoint(ips: &[&str], hostname: Option<&str>) -> Endpoint {
    Endpoint {
        addresses: addresses(ips),
        hostname: hostname.map(Into::into),
    }
}

#[test]
fn ready_endpoints_are_kept() {
    for (case, conditions, is_kept) in [
        ("ready", json!({"ready": true}), true),
        ("not ready", json!({"ready": false}), false),
        ("not known", json!({}), true),
        ("null", json!({"ready": null}), true),
        ("none", Value::Null, true),
        (
            "serving while it ends",
            json!({"ready": false, "serving": true, "terminating": true}),
            false,
        ),
        (
            "published though it ends",
            json!({"ready": true, "serving": false, "terminating": true}),
            true,
        ),
    ] {
        let endpoints = json!([{"addresses": ["10.0.0.1"], "conditions": conditions}]);
        let (got, remarks) = usable::<EndpointSlice>(&slice(&json!({"endpoints": endpoints})));
        assert_eq!(got.endpoints.len(), usize::from(is_kept), "{case}");
        assert_eq!(remarks, [] as [&str; 0], "{case}");
    }
}

#[test]
fn an_endpoint_keeps_what_is_right_of_it() {
    let two = endpoint(&["10.0.0.1", "10.0.0.2"], None);
    for (case, address_type, stated, expected, remarks) in [
        (
            "a name",
            "IPv4",
            json!({"addresses": ["10.0.0.1"], "hostname": "web-0"}),
            Some(endpoint(&["10.0.0.1"], Some("web-0"))),
            0,
        ),
        (
            "an empty name",
            "IPv4",
            json!({"addresses": ["10.0.0.1"], "hostname": ""}),
            Some(endpoint(&["10.0.0.1"], None)),
            0,
        ),
        (
            "a name that is no label",
            "IPv4",
            json!({"addresses": ["10.0.0.1"], "hostname": "web.0"}),
            Some(endpoint(&["10.0.0.1"], None)),
            1,
        ),
        (
            "a bad address among good ones",
            "IPv4",
            json!({"addresses": ["10.0.0.1", "10.0.0", "10.0.0.2"]}),
            Some(two),
            1,
        ),
        (
            "only a bad one",
            "IPv4",
            json!({"addresses": ["x"], "hostname": "a"}),
            None,
            1,
        ),
        (
            "another family",
            "IPv4",
            json!({"addresses": ["fd00::1"]}),
            None,
            1,
        ),
        (
            "IPv6",
            "IPv6",
            json!({"addresses": ["fd00::1"]}),
            Some(endpoint(&["fd00::1"], None)),
            0,
        ),
        (
            "IPv4 in IPv6",
            "IPv6",
            json!({"addresses": ["10.0.0.1"]}),
            None,
            1,
        ),
        (
            "not said",
            "",
            json!({"addresses": ["10.0.0.1", "fd00::1"]}),
            Some(endpoint(&["10.0.0.1", "fd00::1"], None)),
            0,
        ),
        (
            "names",
            "FQDN",
            json!({"addresses": ["a.example"]}),
            None,
            0,
        ),
        ("no address", "IPv4", json!({"addresses": []}), None, 0),
    ] {
        let fields = json!({"addressType": address_type, "endpoints": [stated]});
        let (got, told) = usable::<EndpointSlice>(&slice(&fields));
        let expected: Box<[Endpoint]> = expected.into_iter().collect();
        assert_eq!(got.endpoints, expected, "{case}");
        assert_eq!(told.len(), remarks, "{case}: {told:?}");
    }
}

#[test]
fn a_slices_ports_need_a_number_only() {
    let http = port_of("http", Protocol::Tcp, 80);
    for (case, ports, expected, remarks) in [
        (
            "plain",
            json!([{"name": "http", "port": 80, "protocol": "TCP"}]),
            vec![http.clone()],
            0,
        ),
        (
            "in capitals",
            json!([{"name": "HTTP", "port": 80}]),
            vec![http.clone()],
            0,
        ),
        (
            "no name",
            json!([{"port": 53, "protocol": "UDP"}]),
            vec![port_of("", Protocol::Udp, 53)],
            0,
        ),
        (
            "empty name",
            json!([{"name": "", "port": 80}]),
            vec![port_of("", Protocol::Tcp, 80)],
            0,
        ),
        (
            "no number",
            json!([{"name": "any"}, {"name": "http", "port": 80}]),
            vec![http],
            0,
        ),
        (
            "odd protocol",
            json!([{"name": "a", "port": 80, "protocol": "QUIC"}]),
            vec![],
            1,
        ),
        ("null", Value::Null, vec![], 0),
        ("empty", json!([]), vec![], 0),
    ] {
        let (got, told) = usable::<EndpointSlice>(&slice(&json!({"ports": ports})));
        assert_eq!(*got.ports, expected, "{case}");
        assert_eq!(told.len(), remarks, "{case}: {told:?}");
    }
}

#[test]
fn a_slice_belongs_to_the_service_of_its_label() {
    let labelled = |labels: Value| {
        slice(&json!({"metadata": {
            "name": "x.y", "namespace": "b", "labels": labels,
        }}))
    };
    let (got, _) = usable::<EndpointSlice>(&labelled(json!({"kubernetes.io/service-name": "db"})));
    assert_eq!((&*got.service, got.key), ("db", ObjectKey::new("b", "x.y")));
    for labels in [
        json!({}),
        Value::Null,
        json!({"kubernetes.io/service-name": ""}),
        json!({"app": "db"}),
    ] {
        let got = trimmed::<EndpointSlice>(&labelled(labels));
        assert_eq!(got.outcome, Outcome::Unused);
        assert_eq!(got.complaint(), None);
    }
    let got = invalid::<EndpointSlice>(&labelled(json!({"kubernetes.io/service-name": "d.b"})));
    assert!(got.contains("`d.b` is not a DNS label"), "{got}");
}
