//! `--answer-endpoints`: what pods send to the DNS Service's endpoints is answered in the kernel while these are ready.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use api_stub::{Cluster, sample};
use hickory_proto::{op::Message, rr::RecordType};
use kxdns_tests::node::{ANSWER, METRICS, Node, PATIENCE, POD_INTERFACE, SERVICE, dns_ctl, plan};
use serde_json::{Value, json};
use testbed::{Bpffs, Child, Scratch, Table, Upstream, udp_query};

const NAME: &str = "web.default.svc.cluster.local.";
/// What the cluster says of it.
const CLUSTERS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 30, 1));
/// What the server behind the endpoint says of it, so that its answers can be told apart.
const ENDPOINTS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// A pod of the DNS Service, which takes queries at a port of its own.
const ENDPOINT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5)), 5353);
/// Where the endpoint does not take queries for the Service.
const OTHER_PORT: SocketAddr = SocketAddr::new(ENDPOINT.ip(), 53);

fn kube_dns() -> Value {
    let mut service = sample::service("kube-system", "kube-dns", "10.96.0.10");
    service["metadata"]["labels"] = json!({ "k8s-app": "kube-dns" });
    service["spec"]["ports"] =
        json!([{ "name": "dns", "port": 53, "protocol": "UDP", "targetPort": 5353 }]);
    service
}

fn slice(ready: bool) -> Value {
    let mut slice = sample::slice("kube-system", "kube-dns", &[("10.0.0.5", "")]);
    // The controller gives a slice its Service's labels.
    slice["metadata"]["labels"] = json!({
        "k8s-app": "kube-dns",
        "kubernetes.io/service-name": "kube-dns",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    });
    slice["endpoints"][0]["conditions"]["ready"] = ready.into();
    slice["ports"] = json!([{ "name": "dns", "port": 5353, "protocol": "UDP" }]);
    slice
}

struct Bed {
    // Ends first.
    node: Node,
    cluster: Cluster,
    _servers: [Upstream; 2],
    _folder: Scratch,
}

impl Bed {
    /// dns-ctl beside a cluster, and a server of other answers at both ports of the endpoint.
    fn start(flags: &[&str]) -> Result<Self> {
        let bed = plan().build()?;
        bed.node.ip("addr add 10.0.0.5/32 dev lo")?;
        let table = Table::new().address(NAME, ENDPOINTS);
        let server = |address| Upstream::start(&bed.node, address, table.clone());
        let servers = [server(ENDPOINT)?, server(OTHER_PORT)?];

        let cluster = bed.node.run(Cluster::start)??;
        for object in [
            kube_dns(),
            slice(true),
            sample::service("default", "web", &CLUSTERS.to_string()),
        ] {
            bed.node.run(|| cluster.create(&object))??;
        }
        let folder = Scratch::new("kubeconfig")?;
        let kubeconfig = folder.path().join("kubeconfig");
        cluster.write_kubeconfig(&kubeconfig)?;

        let bpffs = Bpffs::mount()?;
        let mut command = dns_ctl(&bed.node)?;
        command.args(["run", "--interface", POD_INTERFACE, "--kubeconfig"]);
        command.arg(kubeconfig).args(flags);
        command.args([
            "--listen",
            &SERVICE.to_string(),
            "--upstream",
            "127.0.0.1:5300",
        ]);
        command.args(["--metrics-listen", &METRICS.to_string(), "--bpffs"]);
        command.arg(bpffs.path().join("kxdns"));
        let child = Child::spawn("dns-ctl", &mut command)?;
        let mut node = Node { child, bpffs, bed };
        node.wait_until_ready()?;
        Ok(Self {
            node,
            cluster,
            _servers: servers,
            _folder: folder,
        })
    }

    /// What the pod gets there, and whether the kernel has answered.
    fn ask(&self, server: SocketAddr) -> Result<(IpAddr, bool)> {
        let before = self.node.hits()?;
        let query = testbed::query(7, NAME, RecordType::A)?;
        let reply = udp_query(self.node.pod(), server, &query, ANSWER)?;
        let reply = reply.with_context(|| format!("no answer of {server}"))?;
        ensure!(
            reply.from == server,
            "the answer of {server} comes from {}",
            reply.from
        );
        let message = Message::from_vec(&reply.bytes)?;
        let address = message.answers.first().and_then(|it| it.data.ip_addr());
        let in_kernel = self.node.hits()? > before;
        Ok((address.context("an answer has an address")?, in_kernel))
    }

    /// Waits until the pod gets this from the endpoint; the cluster's answer only ever comes from the kernel.
    fn expect(&self, address: IpAddr) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (found, in_kernel) = self.ask(ENDPOINT)?;
            assert_eq!(found == CLUSTERS, in_kernel, "{found}");
            if found == address {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "{found}: {}",
                self.node.child.output()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn set_ready(&self, ready: bool) -> Result<()> {
        self.node
            .bed
            .node
            .run(|| self.cluster.replace(&slice(ready)))??;
        Ok(())
    }
}

#[test]
fn endpoints_are_answered_for_while_they_are_ready() -> Result<()> {
    let bed = Bed::start(&["--answer-endpoints"])?;
    bed.expect(CLUSTERS)?;
    assert_eq!(bed.ask(SERVICE)?, (CLUSTERS, true));
    assert_eq!(bed.ask(OTHER_PORT)?, (ENDPOINTS, false));
    bed.set_ready(false)?;
    bed.expect(ENDPOINTS)?;
    assert_eq!(bed.ask(SERVICE)?, (CLUSTERS, true));
    bed.set_ready(true)?;
    bed.expect(CLUSTERS)
}

#[test]
fn endpoints_are_left_alone_unless_that_is_asked_for() -> Result<()> {
    let bed = Bed::start(&[])?;
    // Once this is answered in the kernel, the addresses are known.
    let deadline = Instant::now() + PATIENCE;
    while bed.ask(SERVICE)? != (CLUSTERS, true) {
        ensure!(Instant::now() < deadline, "{}", bed.node.child.output());
    }
    assert_eq!(bed.ask(ENDPOINT)?, (ENDPOINTS, false));
    assert_eq!(bed.ask(OTHER_PORT)?, (ENDPOINTS, false));
    Ok(())
}
