//! Random clusters: every kind of Service, several domains, sets of all sizes, listed or not yet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dns_ctl::zone::{
    EndpointNames, PodNames, Policy, Touched, Zone,
    name::Domain,
    object::{
        Change, Endpoint, EndpointSlice, Event, Namespace, ObjectKey, Pod, Port, Protocol, Reach,
        Service,
    },
    store::Store,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

const NAMESPACES: [&str; 4] = ["default", "shared", "x", "kube-system"];
/// Names of one Service that are parts, beginnings or ends of another's are what a careless look-up confuses.
const SERVICES: [&str; 9] = [
    "a",
    "ab",
    "b",
    "nginx",
    "nginx1",
    "svc",
    "pod",
    "cluster",
    "dns-version",
];
const DOMAINS: [&[&str]; 4] = [
    &["cluster.local"],
    &["cluster.local", "corp.example"],
    &["local"],
    &[
        "a.rather.long.domain.for.a.cluster.whose.names.are.therefore.long.example",
        "x",
    ],
];
const TTLS: [u32; 4] = [0, 5, 30, 3600];

/// A cluster, as dns-ctl sees it.
#[derive(Debug)]
pub struct Cluster {
    /// The zone.
    pub zone: Zone,
    /// All that is in it.
    pub touched: Touched,
    /// The domains it is served under.
    pub domains: Vec<Domain>,
    /// TTL of the records in seconds.
    pub ttl: u32,
    /// Whether the kernel may deny names.
    pub negative: bool,
}

impl Cluster {
    /// The cluster of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let policy = Policy {
            pods: *[PodNames::Disabled, PodNames::Insecure, PodNames::Verified]
                .choose(&mut rng)
                .expect("three"),
            endpoints: if rng.random() {
                EndpointNames::All
            } else {
                EndpointNames::Headless
            },
            namespaces: None,
            ignore_empty_services: rng.random_ratio(1, 8),
            dns_endpoints: false,
        };
        let mut store = Store::new(policy.clone());
        // Most of the time all is listed.
        let listed = rng.random_ratio(7, 8);
        list(&mut store, listed, namespaces(&mut rng), Event::Namespace);
        let services = services(&mut rng);
        let slices: Vec<_> = services
            .iter()
            .flat_map(|it| slices(&mut rng, it))
            .collect();
        list(&mut store, listed, services, Event::Service);
        for &of in policy.slice_lists() {
            let every = rng.random_ratio(9, 10);
            list(&mut store, listed || every, slices.clone(), |change| {
                Event::EndpointSlice(of, change)
            });
        }
        list(&mut store, listed, pods(&mut rng), Event::Pod);
        let touched = store.take_touched(rng.random());
        let domains = DOMAINS.choose(&mut rng).expect("four");
        let parsed = domains.iter().map(|it| it.parse().expect("a domain"));
        Self {
            zone: store.zone().clone(),
            touched,
            domains: parsed.collect(),
            ttl: *TTLS.choose(&mut rng).expect("four"),
            negative: rng.random_ratio(7, 8),
        }
    }
}

/// A list of objects, its end missing if it is not `listed`.
fn list<T>(store: &mut Store, listed: bool, objects: Vec<T>, event: impl Fn(Change<T>) -> Event) {
    store.apply(event(Change::Init));
    for object in objects {
        store.apply(event(Change::InitApply(object)));
    }
    if listed {
        store.apply(event(Change::InitDone));
    }
}

fn namespaces(rng: &mut StdRng) -> Vec<Namespace> {
    let served = NAMESPACES.iter().filter(|_| rng.random_ratio(5, 6));
    served
        .map(|name| Namespace {
            key: ObjectKey::new("", name),
        })
        .collect()
}

fn services(rng: &mut StdRng) -> Vec<Service> {
    let mut services = Vec::new();
    for namespace in NAMESPACES {
        for name in SERVICES {
            if rng.random_ratio(1, 3) {
                continue;
            }
            let reach = match rng.random_range(0..10) {
                0..3 => Reach::ClusterIps([v4(rng)].into()),
                3 => Reach::ClusterIps([v6(rng)].into()),
                4 => Reach::ClusterIps([v4(rng), v6(rng)].into()),
                5 => Reach::Pending,
                6 => Reach::ExternalName(external(rng)),
                _ => Reach::Headless,
            };
            services.push(Service {
                key: ObjectKey::new(namespace, name),
                reach,
                ports: ports(rng),
                is_dns: namespace == "kube-system" && rng.random_ratio(1, 3),
            });
        }
    }
    services
}

fn external(rng: &mut StdRng) -> Domain {
    let targets = [
        "www.example.org",
        "a.default.svc.cluster.local",
        "nginx.x.svc.cluster.local",
        "nobody.x.svc.cluster.local",
    ];
    let target = targets.choose(rng).expect("four");
    target.parse().expect("a domain")
}

fn ports(rng: &mut StdRng) -> Box<[Port]> {
    let number = rng.random_range(0..3);
    let port = |at: u16| Port {
        name: ["", "http", "dns"][usize::from(at)].into(),
        protocol: if at == 2 {
            Protocol::Udp
        } else {
            Protocol::Tcp
        },
        number: 80 + at,
    };
    (0..number).map(port).collect()
}

/// The slices of a Service, most of them small, some too large for one answer or for an entry.
fn slices(rng: &mut StdRng, service: &Service) -> Vec<EndpointSlice> {
    if rng.random_ratio(1, 6) {
        return Vec::new();
    }
    let sizes = [
        1, 1, 2, 3, 5, 8, 16, 17, 24, 25, 27, 28, 60, 74, 90, 120, 300,
    ];
    let size = *sizes.choose(rng).expect("many");
    let dual = rng.random_ratio(1, 3);
    let mut endpoints = Vec::new();
    for at in 0..size {
        let address = if dual && at % 2 == 0 {
            v6(rng)
        } else {
            v4(rng)
        };
        endpoints.push(Endpoint {
            addresses: [address].into(),
            hostname: rng.random_ratio(1, 4).then(|| format!("web-{at}").into()),
        });
    }
    let slice = EndpointSlice {
        key: ObjectKey::new(&service.key.namespace, &format!("{}-1", service.key.name)),
        service: service.key.name.clone(),
        endpoints: endpoints.into(),
        ports: ports(rng),
    };
    vec![slice]
}

fn pods(rng: &mut StdRng) -> Vec<Pod> {
    let pod = |at: usize, address| Pod {
        key: ObjectKey::new(NAMESPACES[at % NAMESPACES.len()], &format!("pod-{at}")),
        addresses: [address].into(),
    };
    (0..20).map(|at| pod(at, v4(rng))).collect()
}

/// Few enough that Services and pods share some.
fn v4(rng: &mut StdRng) -> IpAddr {
    Ipv4Addr::new(
        10,
        rng.random_range(0..4),
        rng.random_range(0..4),
        rng.random(),
    )
    .into()
}

fn v6(rng: &mut StdRng) -> IpAddr {
    Ipv6Addr::new(
        0xfd00,
        0,
        0,
        0,
        0,
        0,
        rng.random_range(0..4),
        rng.random_range(0..256),
    )
    .into()
}
