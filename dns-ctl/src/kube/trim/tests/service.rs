//! Services, and what is left of them.

use super::*;

#[test]
fn the_spec_decides_how_a_service_is_reached() {
    let ips = |texts: &[&str]| Reach::ClusterIps(addresses(texts));
    let external = |name: &str| Reach::ExternalName(name.parse().unwrap());
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
            external("example.com"),
        ),
        (
            "external, in capitals and with a dot",
            json!({"type": "ExternalName", "externalName": "My.Example.COM."}),
            external("my.example.com"),
        ),
        (
            "external with a stale address",
            json!({"type": "ExternalName", "externalName": "a.b.", "clusterIP": "10.0.0.1"}),
            external("a.b"),
        ),
        (
            "external with a stale, bad address",
            json!({"type": "ExternalName", "externalName": "a.b.", "clusterIPs": ["x"]}),
            external("a.b"),
        ),
        (
            "a stale external name",
            json!({"type": "ClusterIP", "externalName": "10.0.0.9", "clusterIP": "10.0.0.1"}),
            ips(&["10.0.0.1"]),
        ),
        ("no address yet", json!({"clusterIP": ""}), Reach::Pending),
        ("nothing", json!({}), Reach::Pending),
    ] {
        let (service, remarks) = usable::<Service>(&named("a", &spec));
        assert_eq!(service.reach, expected, "{case}");
        assert_eq!(remarks, [] as [&str; 0], "{case}");
    }
}

#[test]
fn a_service_that_can_not_be_served_is_refused_with_the_reason() {
    let external = |name: &str| json!({"type": "ExternalName", "externalName": name});
    let plain = json!({"clusterIP": "10.0.0.1"});
    let long = "a".repeat(64);
    for (case, name, spec, reason) in [
        (
            "address too short",
            "a",
            json!({"clusterIP": "10.0.0"}),
            "clusterIP `10.0.0`",
        ),
        (
            "octet too large",
            "a",
            json!({"clusterIP": "10.0.0.256"}),
            "clusterIP `10.0.0.256`",
        ),
        (
            "one of two",
            "a",
            json!({"clusterIPs": ["10.0.0.1", "fd00::g"]}),
            "clusterIP `fd00::g`",
        ),
        (
            "none, written small",
            "a",
            json!({"clusterIP": "none"}),
            "clusterIP `none`",
        ),
        (
            "no external name",
            "a",
            json!({"type": "ExternalName"}),
            "has no externalName",
        ),
        (
            "IPv4 address as a name",
            "a",
            external("10.0.0.1"),
            "is an IP address",
        ),
        (
            "the same with a dot",
            "a",
            external("10.0.0.1."),
            "is an IP address",
        ),
        (
            "IPv6 address as a name",
            "a",
            external("fd00::1"),
            "is an IP address",
        ),
        ("empty label", "a", external("a..b"), "not a DNS name"),
        ("only a dot", "a", external("."), "not a DNS name"),
        ("blank", "a", external("a b"), "not a DNS name"),
        ("a URL", "a", external("https://a.b/"), "not a DNS name"),
        ("long label", "a", external(&long), "not a DNS name"),
        (
            "dot in the name",
            "a.b",
            plain.clone(),
            "metadata.name `a.b` is not a DNS label",
        ),
        ("capital", "A", plain.clone(), "not a DNS label"),
        ("underscore", "a_b", plain.clone(), "not a DNS label"),
        ("hyphen first", "-a", plain.clone(), "not a DNS label"),
        ("hyphen last", "a-", plain.clone(), "not a DNS label"),
        ("long name", &long, plain.clone(), "not a DNS label"),
        ("no name", "", plain.clone(), "metadata.name is missing"),
    ] {
        let got = invalid::<Service>(&named(name, &spec));
        assert!(got.contains(reason), "{case}: {got}");
    }
    let elsewhere = json!({"metadata": {"name": "a", "namespace": "b.c"}, "spec": plain});
    let got = invalid::<Service>(&elsewhere);
    assert!(got.starts_with("metadata.namespace `b.c`"), "{got}");
}

#[test]
fn names_with_a_digit_first_are_fine() {
    let (service, _) = usable::<Service>(&named("3scale", &json!({"clusterIP": "10.0.0.1"})));
    assert_eq!(service.key, ObjectKey::new("b", "3scale"));
}

#[test]
fn ports_have_a_name_a_protocol_and_a_number() {
    let spec = json!({"clusterIP": "10.0.0.1", "ports": [
        {"name": "Web", "port": 80},
        {"port": 81, "protocol": "TCP"},
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "sig", "port": 2905, "protocol": "SCTP"},
        {"name": "odd", "port": 1, "protocol": "DCCP"},
        {"name": "nil", "port": 0},
        {"name": "big", "port": 65536},
    ]});
    let (service, remarks) = usable::<Service>(&named("a", &spec));
    assert_eq!(
        *service.ports,
        [
            port_of("web", Protocol::Tcp, 80),
            port_of("", Protocol::Tcp, 81),
            port_of("dns", Protocol::Udp, 53),
            port_of("sig", Protocol::Sctp, 2905),
        ]
    );
    assert_eq!(remarks.len(), 3, "{remarks:?}");
    assert!(remarks[0].contains("`DCCP`"), "{remarks:?}");
}

#[test]
fn only_the_labelled_service_of_kube_system_is_dns() {
    for (namespace, labels, is_dns) in [
        ("kube-system", json!({"k8s-app": "kube-dns"}), true),
        ("kube-system", json!({"k8s-app": "metrics"}), false),
        ("kube-system", json!({}), false),
        ("default", json!({"k8s-app": "kube-dns"}), false),
    ] {
        let object = json!({"metadata": {"name": "x", "namespace": namespace, "labels": labels}});
        assert_eq!(usable::<Service>(&object).0.is_dns, is_dns, "{namespace}");
    }
}
