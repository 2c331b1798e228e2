//! What each kind of name has, by the schema.

use super::*;

/// Asks the synced cluster.
fn check(cases: &[(&str, RecordType, &str)]) {
    let zone = zone(true);
    for (name, query_type, expected) in cases {
        let got = line(&reply(name, *query_type, &zone));
        assert_eq!(got, *expected, "{name} {query_type}");
    }
}

fn nodata() -> String {
    format!("No Error aa [] [{SOA_LINE}] []")
}

fn no_name() -> String {
    format!("Non-Existent Domain aa [] [{SOA_LINE}] []")
}

#[test]
fn services_endpoints_and_pods_have_addresses() {
    check(&[
        (
            "nginx.default.svc.cluster.local.",
            RecordType::A,
            "No Error aa [nginx.default.svc.cluster.local. 5 10.96.0.10] [] []",
        ),
        (
            "nginx.default.svc.cluster.local.",
            RecordType::AAAA,
            "No Error aa [nginx.default.svc.cluster.local. 5 fd00::10] [] []",
        ),
        (
            "four.default.svc.cluster.local.",
            RecordType::AAAA,
            &nodata(),
        ),
        (
            "nginx.default.svc.cluster.local.",
            RecordType::MX,
            &nodata(),
        ),
        (
            "nginx.default.svc.cluster.local.",
            RecordType::HTTPS,
            &nodata(),
        ),
        (
            "nginx.default.svc.cluster.local.",
            RecordType::ANY,
            &nodata(),
        ),
        (
            "nothing.default.svc.cluster.local.",
            RecordType::ANY,
            &no_name(),
        ),
        (
            "db.default.svc.cluster.local.",
            RecordType::A,
            "No Error aa [db.default.svc.cluster.local. 5 10.1.0.1, \
             db.default.svc.cluster.local. 5 10.1.0.2] [] []",
        ),
        (
            "zero.db.default.svc.cluster.local.",
            RecordType::AAAA,
            "No Error aa [zero.db.default.svc.cluster.local. 5 fd00::1] [] []",
        ),
        (
            "10-1-0-2.db.default.svc.cluster.local.",
            RecordType::AAAA,
            &nodata(),
        ),
        (
            "10-9-9-9.default.pod.cluster.local.",
            RecordType::A,
            "No Error aa [10-9-9-9.default.pod.cluster.local. 5 10.9.9.9] [] []",
        ),
        (
            "nothing.default.svc.cluster.local.",
            RecordType::A,
            &no_name(),
        ),
        (
            "nginx.nowhere.svc.cluster.local.",
            RecordType::A,
            &no_name(),
        ),
        ("nginx.cluster.local.", RecordType::AAAA, &no_name()),
    ]);
}

#[test]
fn ports_have_locations() {
    check(&[
        (
            "nginx.default.svc.cluster.local.",
            RecordType::SRV,
            "No Error aa [nginx.default.svc.cluster.local. 5 0 25 80 nginx.default.svc.cluster.local., \
             nginx.default.svc.cluster.local. 5 0 25 443 nginx.default.svc.cluster.local.] [] \
             [nginx.default.svc.cluster.local. 5 10.96.0.10, nginx.default.svc.cluster.local. 5 fd00::10]",
        ),
        (
            "_http._tcp.nginx.default.svc.cluster.local.",
            RecordType::SRV,
            "No Error aa [_http._tcp.nginx.default.svc.cluster.local. 5 \
             0 50 80 nginx.default.svc.cluster.local.] [] \
             [nginx.default.svc.cluster.local. 5 10.96.0.10, nginx.default.svc.cluster.local. 5 fd00::10]",
        ),
        (
            "_http._tcp.nginx.default.svc.cluster.local.",
            RecordType::A,
            &nodata(),
        ),
        (
            "_tcp.nginx.default.svc.cluster.local.",
            RecordType::SRV,
            &nodata(),
        ),
        (
            "http.tcp.nginx.default.svc.cluster.local.",
            RecordType::SRV,
            &no_name(),
        ),
        (
            "_http._udp.nginx.default.svc.cluster.local.",
            RecordType::SRV,
            &no_name(),
        ),
        (
            "_sql._tcp.db.default.svc.cluster.local.",
            RecordType::SRV,
            "No Error aa [_sql._tcp.db.default.svc.cluster.local. 5 \
             0 33 5432 zero.db.default.svc.cluster.local., \
             _sql._tcp.db.default.svc.cluster.local. 5 0 33 5432 10-1-0-2.db.default.svc.cluster.local.] [] \
             [zero.db.default.svc.cluster.local. 5 10.1.0.1, zero.db.default.svc.cluster.local. 5 fd00::1, \
             10-1-0-2.db.default.svc.cluster.local. 5 10.1.0.2]",
        ),
    ]);
}

#[test]
fn addresses_point_back() {
    check(&[
        (
            "10.0.96.10.in-addr.arpa.",
            RecordType::PTR,
            "No Error aa [10.0.96.10.in-addr.arpa. 5 nginx.default.svc.cluster.local.] [] []",
        ),
        (
            "1.0.1.10.in-addr.arpa.",
            RecordType::PTR,
            "No Error aa [1.0.1.10.in-addr.arpa. 5 zero.db.default.svc.cluster.local.] [] []",
        ),
        (
            "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.",
            RecordType::PTR,
            "No Error aa [0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa. \
             5 nginx.default.svc.cluster.local.] [] []",
        ),
    ]);
}

#[test]
fn aliases_are_followed_within_the_cluster() {
    check(&[
        (
            "out.default.svc.cluster.local.",
            RecordType::CNAME,
            "No Error aa [out.default.svc.cluster.local. 5 www.example.com.] [] []",
        ),
        ("out.default.svc.cluster.local.", RecordType::ANY, &nodata()),
        (
            "near.default.svc.cluster.local.",
            RecordType::A,
            "No Error aa [near.default.svc.cluster.local. 5 nginx.default.svc.cluster.local., \
             nginx.default.svc.cluster.local. 5 10.96.0.10] [] []",
        ),
        (
            "far.default.svc.cluster.local.",
            RecordType::AAAA,
            "No Error aa [far.default.svc.cluster.local. 5 near.default.svc.sub.example., \
             near.default.svc.sub.example. 5 nginx.default.svc.cluster.local., \
             nginx.default.svc.cluster.local. 5 fd00::10] [] []",
        ),
        (
            "near.default.svc.cluster.local.",
            RecordType::MX,
            &format!(
                "No Error aa [near.default.svc.cluster.local. 5 nginx.default.svc.cluster.local.] \
                 [{SOA_LINE}] []"
            ),
        ),
        (
            "gone.default.svc.cluster.local.",
            RecordType::A,
            &format!(
                "Non-Existent Domain aa [gone.default.svc.cluster.local. 5 \
                 nothing.default.svc.cluster.local.] [{SOA_LINE}] []"
            ),
        ),
    ]);
}

#[test]
fn the_domain_itself_and_its_fixed_names() {
    check(&[
        ("default.svc.cluster.local.", RecordType::A, &nodata()),
        ("empty.svc.cluster.local.", RecordType::A, &nodata()),
        ("svc.cluster.local.", RecordType::TXT, &nodata()),
        ("pod.cluster.local.", RecordType::A, &nodata()),
        ("cluster.local.", RecordType::A, &nodata()),
        (
            "cluster.local.",
            RecordType::SOA,
            &format!("No Error aa [{SOA_LINE}] [] []"),
        ),
        (
            "cluster.local.",
            RecordType::NS,
            "No Error aa [cluster.local. 5 ns.dns.cluster.local.] [] \
             [ns.dns.cluster.local. 5 10.96.0.53, ns.dns.cluster.local. 5 fd00::53]",
        ),
        (
            "ns.dns.cluster.local.",
            RecordType::A,
            "No Error aa [ns.dns.cluster.local. 5 10.96.0.53] [] []",
        ),
        (
            "dns-version.cluster.local.",
            RecordType::TXT,
            "No Error aa [dns-version.cluster.local. 28800 1.1.0] [] []",
        ),
        ("dns-version.cluster.local.", RecordType::A, &nodata()),
    ]);
}
