//! The queries of the demo: who asks what with which program, and what is right.

use std::net::Ipv4Addr;

use super::{
    By::{self, Anyone, Kernel, Outside, Userspace},
    Expected, FRONTEND, LATE_ADDRESS, LOGGER, OUTSIDE_ADDRESS, Query,
};

const CACHE: Ipv4Addr = Ipv4Addr::new(10, 96, 1, 10);
const DATABASE: Ipv4Addr = Ipv4Addr::new(10, 96, 1, 20);
const NGINX: Ipv4Addr = Ipv4Addr::new(10, 96, 1, 30);
const QUEUE: Ipv4Addr = Ipv4Addr::new(10, 96, 2, 10);
const SEARCH: Ipv4Addr = Ipv4Addr::new(10, 96, 2, 20);
const DASHBOARD: Ipv4Addr = Ipv4Addr::new(10, 96, 2, 30);

/// All queries of the demo, in order.
pub(in crate::demo) const ALL: &[Query] = &[
    // The same namespace: the first name of the search list is the right one.
    getent(FRONTEND, "cache", CACHE, Kernel),
    getent(FRONTEND, "database", DATABASE, Kernel),
    getent(FRONTEND, "nginx", NGINX, Kernel),
    getent(FRONTEND, "nginx.default", NGINX, Kernel),
    getent(FRONTEND, "nginx.default.svc", NGINX, Kernel),
    getent(FRONTEND, "nginx.default.svc.cluster.local", NGINX, Kernel),
    // For A and AAAA at once; and for AAAA first, along the whole search list and as it is, then for A.
    Query {
        pod: FRONTEND,
        program: "getent",
        arguments: ["ahosts", "cache"],
        expected: Expected::Address(CACHE),
        by: Kernel,
    },
    Query {
        pod: FRONTEND,
        program: "getent",
        arguments: ["hosts", "cache"],
        expected: Expected::Address(CACHE),
        by: Outside,
    },
    // Another namespace, by ever longer names; alone, its name is not found.
    getent(FRONTEND, "queue.shared", QUEUE, Kernel),
    getent(FRONTEND, "queue.shared.svc", QUEUE, Kernel),
    getent(FRONTEND, "queue.shared.svc.cluster.local", QUEUE, Kernel),
    Query {
        pod: FRONTEND,
        program: "getent",
        arguments: ["ahostsv4", "queue"],
        expected: Expected::NoName,
        by: Anyone,
    },
    // Outside the cluster: the names of the search list are denied in the kernel, the last one is for the upstream.
    getent(FRONTEND, "www.example.org", OUTSIDE_ADDRESS, Outside),
    // From the other pod.
    getent(LOGGER, "queue", QUEUE, Kernel),
    getent(LOGGER, "queue.shared", QUEUE, Kernel),
    getent(LOGGER, "queue.shared.svc", QUEUE, Kernel),
    getent(LOGGER, "queue.shared.svc.cluster.local", QUEUE, Kernel),
    getent(LOGGER, "cache.default", CACHE, Kernel),
    // One question at a time, without the EDNS that dig adds.
    plain_dig("cache.default.svc.cluster.local", CACHE),
    plain_dig("database.default.svc.cluster.local", DATABASE),
    plain_dig("NGINX.Default.SVC.cluster.local", NGINX),
    plain_dig("queue.shared.svc.cluster.local", QUEUE),
    plain_dig("search.shared.svc.cluster.local", SEARCH),
    plain_dig("dashboard.shared.svc.cluster.local", DASHBOARD),
    // As dig asks if nobody tells it otherwise: with EDNS and a cookie.
    dig(
        ["cache.default.svc.cluster.local", "A"],
        Expected::Address(CACHE),
        Kernel,
    ),
    dig(
        ["+tcp", "cache.default.svc.cluster.local"],
        Expected::Address(CACHE),
        Userspace,
    ),
    dig(
        ["cache.default.svc.cluster.local", "AAAA"],
        Expected::NoData,
        Kernel,
    ),
    dig(
        ["nobody.default.svc.cluster.local", "A"],
        Expected::NoName,
        Kernel,
    ),
    dig(
        ["nobody.default.svc.cluster.local", "HTTPS"],
        Expected::NoName,
        Kernel,
    ),
    dig(
        ["default.svc.cluster.local", "MX"],
        Expected::NoData,
        Kernel,
    ),
    dig(
        ["-x", "10.96.1.10"],
        Expected::Name("cache.default.svc.cluster.local."),
        Kernel,
    ),
    // Asked for above, and kept since.
    dig(
        ["www.example.org", "A"],
        Expected::Address(OUTSIDE_ADDRESS),
        Userspace,
    ),
];

/// The query for the Service added while dns-ctl runs.
pub(in crate::demo) const LATE: Query =
    plain_dig("greeter.default.svc.cluster.local", LATE_ADDRESS);

/// An application's look-up of an IPv4 address.
const fn getent(pod: &'static str, name: &'static str, address: Ipv4Addr, by: By) -> Query {
    Query {
        pod,
        program: "getent",
        arguments: ["ahostsv4", name],
        expected: Expected::Address(address),
        by,
    }
}

/// A question without EDNS.
const fn plain_dig(name: &'static str, address: Ipv4Addr) -> Query {
    dig(["+noedns", name], Expected::Address(address), Kernel)
}

const fn dig(arguments: [&'static str; 2], expected: Expected, by: By) -> Query {
    Query {
        pod: FRONTEND,
        program: "dig",
        arguments,
        expected,
        by,
    }
}
