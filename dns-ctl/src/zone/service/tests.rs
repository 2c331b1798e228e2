//! Services with their slices, and the names they come to.

use super::*;
use crate::zone::fixture::{external, ips, ports, service, slice};

/// Every name with its records, one a line, then every pointer.
fn shown(names: &Names) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, records) in &names.owners {
        let mut parts: Vec<String> = records.a.iter().map(ToString::to_string).collect();
        parts.extend(records.aaaa.iter().map(ToString::to_string));
        let srv = records.srv.iter();
        parts.extend(srv.map(|srv| format!("{}%{}:{}", srv.weight, srv.target, srv.port)));
        parts.extend(records.alias.iter().map(|alias| format!("={alias}")));
        lines.push(format!("{name} {}", parts.join(" ")).trim_end().to_owned());
    }
    let pointers = names.pointers.iter();
    lines.extend(pointers.map(|pointer| format!("{} -> {}", pointer.address, pointer.name)));
    lines
}

fn check(
    case: &str,
    service: &Service,
    slices: &[EndpointSlice],
    policy: &Policy,
    expected: &[&str],
) {
    let slices: Vec<_> = slices.iter().collect();
    let mut got = shown(&names(service, &slices, policy));
    let mut expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
    got.sort();
    expected.sort();
    assert_eq!(got, expected, "{case}");
}

#[test]
fn a_service_with_cluster_ips() {
    let policy = Policy::default();
    let mut web = service("web.x", ips(&["10.0.0.1"]));
    check(
        "without ports",
        &web,
        &[],
        &policy,
        &["web.x.svc 10.0.0.1", "10.0.0.1 -> web.x.svc"],
    );
    web.ports = ports(&["http/tcp/80", "quic/udp/443", "sig/sctp/9", "/tcp/81"]);
    check(
        "named and unnamed ports",
        &web,
        &[],
        &policy,
        &[
            "web.x.svc 10.0.0.1 25%web.x.svc:9 25%web.x.svc:80 25%web.x.svc:81 25%web.x.svc:443",
            "_http._tcp.web.x.svc 100%web.x.svc:80",
            "_quic._udp.web.x.svc 100%web.x.svc:443",
            "_sig._sctp.web.x.svc 100%web.x.svc:9",
            "10.0.0.1 -> web.x.svc",
        ],
    );
    // The DNS Service itself: one number for two protocols is one location.
    web.reach = ips(&["10.0.0.1", "fd00::1"]);
    web.ports = ports(&["dns/udp/53", "dns-tcp/tcp/53"]);
    check(
        "both families, one number twice",
        &web,
        &[],
        &policy,
        &[
            "web.x.svc 10.0.0.1 fd00::1 25%web.x.svc:53",
            "_dns._udp.web.x.svc 50%web.x.svc:53",
            "_dns-tcp._tcp.web.x.svc 50%web.x.svc:53",
            "10.0.0.1 -> web.x.svc",
            "fd00::1 -> web.x.svc",
        ],
    );
}

#[test]
fn a_headless_service() {
    let policy = Policy::default();
    let db = service("db.x", Reach::Headless);
    check("without slices", &db, &[], &policy, &[]);
    let none_ready = slice("db-1.x", "db", &[], &["sql/tcp/1"]);
    check("without ready endpoints", &db, &[none_ready], &policy, &[]);
    check(
        "host name, address, both families, without ports",
        &db,
        &[
            slice("db-1.x", "db", &["zero=10.1.0.1", "10.1.0.2"], &[]),
            slice("db-2.x", "db", &["zero=fd00::1", "fd00::"], &[]),
        ],
        &policy,
        &[
            "db.x.svc 10.1.0.1 10.1.0.2 fd00:: fd00::1",
            "zero.db.x.svc 10.1.0.1 fd00::1",
            "10-1-0-2.db.x.svc 10.1.0.2",
            "fd00--0.db.x.svc fd00::",
            "10.1.0.1 -> zero.db.x.svc",
            "10.1.0.2 -> 10-1-0-2.db.x.svc",
            "fd00:: -> fd00--0.db.x.svc",
            "fd00::1 -> zero.db.x.svc",
        ],
    );
    check(
        "slices with different ports, a shared host name, an address twice",
        &db,
        &[
            slice(
                "db-1.x",
                "db",
                &["h=10.1.0.1", "h=10.1.0.2"],
                &["sql/tcp/5432"],
            ),
            slice("db-2.x", "db", &["h=10.1.0.1"], &["sql/tcp/5433", "/tcp/7"]),
        ],
        &policy,
        &[
            // Two addresses with one port, and one with two: four pairs.
            "db.x.svc 10.1.0.1 10.1.0.2 25%h.db.x.svc:7 25%h.db.x.svc:5432 25%h.db.x.svc:5433",
            "h.db.x.svc 10.1.0.1 10.1.0.2 25%h.db.x.svc:7 25%h.db.x.svc:5432 25%h.db.x.svc:5433",
            "_sql._tcp.db.x.svc 33%h.db.x.svc:5432 33%h.db.x.svc:5433",
            "10.1.0.1 -> h.db.x.svc",
            "10.1.0.2 -> h.db.x.svc",
        ],
    );
}

#[test]
fn weights_never_reach_zero() {
    let endpoints: Vec<String> = (0..250).map(|last| format!("10.1.0.{last}")).collect();
    let endpoints: Vec<&str> = endpoints.iter().map(String::as_str).collect();
    let all = slice("db-1.x", "db", &endpoints, &["sql/tcp/1"]);
    let names = names(
        &service("db.x", Reach::Headless),
        &[&all],
        &Policy::default(),
    );
    let base = RelativeName::service("x", "db").unwrap();
    let records = &names.owners[&base];
    assert_eq!(records.srv.len(), 250);
    assert!(records.srv.iter().all(|srv| srv.weight == 1));
}

#[test]
fn endpoints_of_other_services_count_only_where_asked_for() {
    let web = service("web.x", ips(&["10.0.0.1"]));
    let slices = [slice(
        "web-1.x",
        "web",
        &["10.1.0.1", "h=10.1.0.2"],
        &["p/tcp/8"],
    )];
    let of_service = ["web.x.svc 10.0.0.1", "10.0.0.1 -> web.x.svc"];
    check(
        "headless only",
        &web,
        &slices,
        &Policy::default(),
        &of_service,
    );
    let all = Policy {
        endpoints: EndpointNames::All,
        ..Policy::default()
    };
    let mut expected = of_service.to_vec();
    expected.extend([
        "10-1-0-1.web.x.svc 10.1.0.1 100%10-1-0-1.web.x.svc:8",
        "h.web.x.svc 10.1.0.2 100%h.web.x.svc:8",
        "10.1.0.2 -> h.web.x.svc",
    ]);
    check("all", &web, &slices, &all, &expected);
}

#[test]
fn empty_services_are_ignored_only_where_asked_for() {
    let policy = Policy {
        ignore_empty_services: true,
        ..Policy::default()
    };
    let web = service("web.x", ips(&["10.0.0.1"]));
    check("no slice", &web, &[], &policy, &[]);
    let empty = slice("web-1.x", "web", &[], &["p/tcp/8"]);
    check("no endpoint", &web, &[empty], &policy, &[]);
    let one = slice("web-1.x", "web", &["10.1.0.1"], &["p/tcp/8"]);
    let whole = ["web.x.svc 10.0.0.1", "10.0.0.1 -> web.x.svc"];
    check("one endpoint", &web, &[one], &policy, &whole);
    // These have no endpoints of their own.
    let alias = service("out.x", external("example.com"));
    check("alias", &alias, &[], &policy, &["out.x.svc =example.com"]);
}

#[test]
fn other_ways_to_reach_a_service() {
    let policy = Policy::default();
    let alias = service("out.x", external("Example.COM."));
    check("alias", &alias, &[], &policy, &["out.x.svc =example.com"]);
    let pending = service("new.x", Reach::Pending);
    check("pending", &pending, &[], &policy, &["new.x.svc"]);
    let digit = service("1st.x", ips(&["10.0.0.1"]));
    let names = ["1st.x.svc 10.0.0.1", "10.0.0.1 -> 1st.x.svc"];
    check("a digit first", &digit, &[], &policy, &names);
}

#[test]
fn a_name_that_is_too_long_leaves_out_itself_only() {
    let long = "a".repeat(63);
    let mut web = service(&format!("{long}.x"), ips(&["10.0.0.1"]));
    // A port's name has 15 octets at most; this one has no room with its underscore.
    let port = format!("{long}/tcp/80");
    web.ports = ports(&[port.as_str()]);
    let names = names(&web, &[], &Policy::default());
    assert_eq!(names.owners.len(), 1);
    assert_eq!(names.owners.values().next().unwrap().srv.len(), 1);
    let too_long = service(&format!("a{long}.x"), ips(&["10.0.0.1"]));
    assert_eq!(
        super::names(&too_long, &[], &Policy::default()),
        Names::default()
    );
}
