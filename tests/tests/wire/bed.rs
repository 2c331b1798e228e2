//! A dual-stack node on one hook, objects of every kind, and a pod that asks.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use anyhow::{Context as _, Result, ensure};
use api_stub::sample;
use aya::programs::XdpMode;
use dns_ctl::attach::kernel::{Kernel, OBJECT};
use kxdns_tests::node::{ANSWER, METRICS, Node, POD_INTERFACE, SERVICE, SERVICE_IP, manifests};
use serde_json::{Value, json};
use testbed::{Plan, Scratch, UdpClient, tcp_query, udp_query};

/// Every hook.
pub(crate) const HOOKS: [&str; 4] = ["tcx", "tc", "xdp-generic", "xdp-native"];
/// The DNS service's IPv6 address.
pub(crate) const SERVICE_IP6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 0xa);
/// Where the pod reaches DNS, over either version of IP.
pub(crate) const SERVERS: [SocketAddr; 2] = [
    SERVICE,
    SocketAddr::new(IpAddr::V6(SERVICE_IP6), SERVICE.port()),
];
/// Services with an address of each family. Their names have every remainder of eight octets, so that what
/// follows them begins at even and odd offsets.
pub(crate) const SERVICES: [&str; 8] = [
    "n", "ng", "ngi", "ngin", "nginx", "nginxa", "nginx-1", "nginx-12",
];
/// Headless Services with five IPv4 and three IPv6 addresses.
pub(crate) const HEADLESS: [&str; 2] = ["ring", "rings"];
/// A headless Service with more addresses than a message of 512 octets takes.
pub(crate) const WIDE: &str = "wide";
const WIDTH: u8 = 40;
/// A Service that is another name for [`OUTSIDE`].
pub(crate) const ALIAS: &str = "mail";
/// A name outside the cluster.
pub(crate) const OUTSIDE: &str = "smtp.example.org.";

/// A running node; all gone when dropped.
pub(crate) struct Bed {
    pub(crate) node: Node,
    hook: &'static str,
    /// The program on the pod's side that native XDP needs on a veth; it passes everything.
    _peer: Option<Kernel>,
    _folder: Scratch,
}

/// Packets that the kernel answered, by kind, or passed on, by reason.
#[derive(Clone, Debug)]
pub(crate) struct Counts(BTreeMap<(String, String), u64>);

impl Bed {
    /// Starts a node with the pod of `plan` on a hook; `flags` are any more for `dns-ctl run`.
    pub(crate) fn start(plan: Plan, hook: &'static str, flags: &[&str]) -> Result<Self> {
        let native = hook == "xdp-native";
        let plan = plan.service_ip(SERVICE_IP6);
        let plan = if native { plan.single_queue() } else { plan };
        let folder = manifests(&objects())?;
        let path = folder.path().to_string_lossy().into_owned();
        let [v4, v6] = SERVERS.map(|server| server.to_string());
        let [ip4, ip6] = [IpAddr::V4(SERVICE_IP), IpAddr::V6(SERVICE_IP6)].map(|ip| ip.to_string());
        let common = ["--hook", hook, "--listen", &v4, "--listen", &v6];
        let addresses = ["--service-ip", &ip4, "--service-ip", &ip6];
        let flags = [&common[..], &addresses, flags].concat();
        let node = Node::start(plan.build()?, &["--manifests", &path], &flags)?;
        let status = node.status()?;
        ensure!(status["interfaces"][0]["name"] == POD_INTERFACE, "{status}");
        ensure!(status["interfaces"][0]["hook"] == hook, "{status}");
        let peer = native.then(|| node.pod().run(attach_to_pod)).transpose()?;
        Ok(Self {
            node,
            hook,
            _peer: peer.transpose()?,
            _folder: folder,
        })
    }

    /// Asks over UDP from the pod; the octets of the answer.
    pub(crate) fn ask(&self, server: SocketAddr, query: &[u8]) -> Result<Vec<u8>> {
        let reply = udp_query(self.node.pod(), server, query, ANSWER)?;
        let reply = reply.context("no answer over UDP")?;
        ensure!(reply.from == server, "it comes from {}", reply.from);
        Ok(reply.bytes)
    }

    /// Asks over TCP from the pod, which only the server in userspace answers.
    pub(crate) fn ask_server(&self, server: SocketAddr, query: &[u8]) -> Result<Vec<u8>> {
        Ok(tcp_query(self.node.pod(), server, query, ANSWER)?.bytes)
    }

    /// A socket in the pod from which a server can be asked.
    pub(crate) fn client(&self, server: SocketAddr) -> Result<UdpClient> {
        let any = if server.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        UdpClient::bind(self.node.pod(), any.parse()?)
    }

    /// What the hook's program has counted so far.
    pub(crate) fn counts(&self) -> Result<Counts> {
        let page = testbed::get(&self.node.bed.node, METRICS, "/metrics", ANSWER)?;
        let kind = if self.hook.starts_with("xdp") {
            "xdp"
        } else {
            "tc"
        };
        let prefix = format!("kxdns_kernel_packets_total{{hook=\"{kind}\",result=\"");
        let read = |line: &str| -> Option<_> {
            let (result, rest) = line.strip_prefix(&prefix)?.split_once('"')?;
            let (reason, rest) = rest.strip_prefix(",reason=\"")?.split_once("\"} ")?;
            let count = rest.parse::<u64>().ok()?;
            Some(((result.to_owned(), reason.to_owned()), count))
        };
        let counts: BTreeMap<_, _> = page.body.lines().filter_map(read).collect();
        ensure!(!counts.is_empty(), "no counters of {kind}: {}", page.body);
        Ok(Counts(counts))
    }
}

impl Counts {
    /// The kinds that were answered more often since, and how much more often.
    pub(crate) fn hits_since(&self, before: &Self) -> Vec<(&str, u64)> {
        self.since(before, "hit")
    }

    /// The reasons for which more packets were passed on since, and how many more.
    pub(crate) fn misses_since(&self, before: &Self) -> Vec<(&str, u64)> {
        self.since(before, "miss")
    }

    fn since(&self, before: &Self, of: &str) -> Vec<(&str, u64)> {
        let more = self.0.iter().filter_map(|(key, now)| {
            let (result, reason) = key;
            let more = now - before.0.get(key).copied().unwrap_or(0);
            (result == of && more > 0).then_some((reason.as_str(), more))
        });
        more.collect()
    }
}

/// Attaches a program to the pod's side; without a configuration it passes every packet.
fn attach_to_pod() -> Result<Kernel> {
    let mut kernel = Kernel::load(OBJECT, 1)?;
    kernel.xdp()?.attach("eth0", XdpMode::Driver)?;
    Ok(kernel)
}

/// The address of the Service at this place of [`SERVICES`], counted from 1.
pub(crate) fn addresses(place: usize) -> (String, String) {
    (format!("10.96.1.{place}"), format!("fd00:10:96::1:{place}"))
}

fn objects() -> String {
    let mut objects = Vec::new();
    for (place, name) in (1..).zip(SERVICES) {
        let (v4, v6) = addresses(place);
        let mut service = sample::service("default", name, &v4);
        service["spec"]["clusterIPs"] = json!([v4, v6]);
        objects.push(service);
    }
    for (number, name) in (1..).zip(HEADLESS) {
        let v4 = (1..=5).map(|last| format!("10.244.{number}0.{last}"));
        let v6 = (1..=3).map(|last| format!("fd00:10:244:{number}0::{last}"));
        objects.extend(headless(name, v4, v6));
    }
    let wide = (1..=WIDTH).map(|last| format!("10.244.30.{last}"));
    objects.extend(headless(WIDE, wide, []));
    objects.push(sample::external("default", ALIAS, OUTSIDE));
    let texts = objects.iter().map(Value::to_string);
    texts.collect::<Vec<_>>().join("\n---\n")
}

/// A headless Service, and its slices.
fn headless(
    name: &str,
    v4: impl IntoIterator<Item = String>,
    v6: impl IntoIterator<Item = String>,
) -> [Value; 3] {
    let slice = |family: &str, addresses: Vec<String>| {
        let endpoints: Vec<_> = addresses.iter().map(|it| (it.as_str(), "")).collect();
        let mut slice = sample::slice("default", name, &endpoints);
        slice["metadata"]["name"] = format!("{name}-{}", family.to_lowercase()).into();
        slice["addressType"] = family.into();
        slice
    };
    [
        sample::service("default", name, "None"),
        slice("IPv4", v4.into_iter().collect()),
        slice("IPv6", v6.into_iter().collect()),
    ]
}
