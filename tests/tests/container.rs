//! The pods of deploy/manifests in containers: with their capabilities, their read-only root, their volumes, and the
//! seccomp profile, whose other calls end the program.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
};

use anyhow::{Context as _, Result, ensure};
use api_stub::{ApiStub, sample};
use deploy_tests::Release;
use hickory_proto::{op::Message, rr::RecordType};
use kxdns_tests::{
    container::{Container, Host, wait_until_ready},
    leftovers::is_clean,
    node::{ANSWER, PATIENCE, SERVICE, SERVICE_IP, plan},
};
use serde_json::Value;
use testbed::{Bpffs, Child, Scratch, Signal, Table, Topology, Upstream, tcp_query, udp_query};

const WEB: &str = "web.default.svc.cluster.local.";
const ADDRESS: &str = "10.96.1.5";
/// Where www.example.org is.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// The API server's name, which is in the container's hosts file alone.
const API: &str = "api.node.example";

/// A node, its API server, and its files.
struct Bed {
    topology: Topology,
    bpffs: Bpffs,
    files: Scratch,
    _upstream: Upstream,
    _api: ApiStub,
}

impl Bed {
    fn new() -> Result<Self> {
        let topology = plan().build()?;
        let api = topology.node.run(ApiStub::start)??;
        api.create(&sample::service("default", "web", ADDRESS))?;
        let mut dns = sample::service("kube-system", "kube-dns", &SERVICE_IP.to_string());
        dns["metadata"]["labels"] = serde_json::json!({ "k8s-app": "kube-dns" });
        api.create(&dns)?;
        let files = Scratch::new("node")?;
        for folder in ["etc", "state", "manifests"] {
            fs::create_dir(files.path().join(folder))?;
        }
        let kubeconfig = api.kubeconfig().replace("127.0.0.1", API);
        ensure!(kubeconfig.contains(API), "{kubeconfig}");
        fs::write(files.path().join("etc/kubeconfig"), kubeconfig)?;
        let hosts = format!("127.0.0.1 localhost {API}\n");
        fs::write(files.path().join("etc/hosts"), hosts)?;
        fs::write(
            files.path().join("etc/resolv.conf"),
            "nameserver 127.0.0.9\n",
        )?;
        let table = Table::new().address("www.example.org", OUTSIDE);
        let upstream = Upstream::start(&topology.node, "127.0.0.9:53".parse()?, table)?;
        Ok(Self {
            topology,
            bpffs: Bpffs::mount()?,
            files,
            _upstream: upstream,
            _api: api,
        })
    }

    fn host(&self) -> Host<'_> {
        Host {
            bed: &self.topology,
            bpffs: &self.bpffs,
            files: self.files.path(),
            address: SERVICE_IP.into(),
        }
    }

    /// The first address that the pod gets for a name over UDP.
    fn resolve(&self, name: &str) -> Result<Option<IpAddr>> {
        let query = testbed::query(7, name, RecordType::A)?;
        let pod = &self.topology.pod(kxdns_tests::node::POD).namespace;
        let reply = udp_query(pod, SERVICE, &query, ANSWER)?.context("no answer")?;
        address(&reply.bytes)
    }

    /// The same over TCP, which the kernel does not answer.
    fn resolve_by_server(&self, name: &str) -> Result<Option<IpAddr>> {
        let query = testbed::query(7, name, RecordType::A)?;
        let pod = &self.topology.pod(kxdns_tests::node::POD).namespace;
        address(&tcp_query(pod, SERVICE, &query, ANSWER)?.bytes)
    }
}

fn address(answer: &[u8]) -> Result<Option<IpAddr>> {
    let message = Message::from_vec(answer)?;
    Ok(message
        .answers
        .first()
        .and_then(|record| record.data.ip_addr()))
}

/// The packets that `dns-ctl status`, run in the container, counts as answered.
fn hits(container: &Container) -> Result<u64> {
    let status: Value = serde_json::from_str(&container.exec(&["status", "--output", "json"])?)?;
    let hits = status["hits"].as_object().context("`hits` is an object")?;
    Ok(hits.values().filter_map(Value::as_u64).sum())
}

fn stop(child: &mut Child) -> Result<()> {
    child.signal(Signal::SIGTERM)?;
    let status = child.wait(PATIENCE)?;
    ensure!(status.code() == Some(0), "{status}: {}", child.output());
    Ok(())
}

#[test]
fn a_pod_serves_is_replaced_and_leaves_nothing() -> Result<()> {
    let bed = Bed::new()?;
    let host = bed.host();
    let expected: Option<IpAddr> = Some(ADDRESS.parse()?);
    let serve = Release::committed("serve")?;
    for _ in 0..2 {
        let container = Container::prepare(&serve, "containers", &host)?;
        let mut child = container.start()?;
        wait_until_ready(&mut child, &host)?;
        let before = hits(&container)?;
        ensure!(bed.resolve(WEB)? == expected, "{}", child.output());
        ensure!(hits(&container)? == before + 1, "{}", child.output());
        ensure!(
            bed.resolve_by_server(WEB)? == expected,
            "{}",
            child.output()
        );
        let outside = bed.resolve("www.example.org.")?;
        ensure!(
            outside == Some(OUTSIDE.into()),
            "{outside:?}: {}",
            child.output()
        );
        let lookup = container.exec(&["lookup", WEB])?;
        ensure!(lookup.contains(ADDRESS), "{lookup}");
        container.exec(&["trace", WEB])?;
        stop(&mut child)?;
        // What stays goes on.
        ensure!(bed.resolve(WEB)? == expected, "{}", child.output());
    }
    ensure!(
        fs::read_dir(bed.files.path().join("state"))?
            .next()
            .is_some(),
        "a snapshot"
    );

    let cleanup = Release::committed("cleanup")?;
    let uninstall = Container::prepare(&cleanup, "initContainers", &host)?;
    let mut child = uninstall.start()?;
    let status = child.wait(PATIENCE)?;
    ensure!(status.code() == Some(0), "{status}: {}", child.output());
    is_clean(&bed.topology.node)?;
    ensure!(
        !bed.bpffs.path().join("kxdns").exists(),
        "{}",
        child.output()
    );
    ensure!(
        fs::read_dir(bed.files.path().join("state"))?
            .next()
            .is_none(),
        "the snapshot stays"
    );
    let rest = Container::prepare(&cleanup, "containers", &host)?;
    let mut child = rest.start()?;
    child.wait_for_line("serving DNS", PATIENCE)?;
    stop(&mut child)
}

#[test]
fn a_pod_answers_in_front_of_another_dns() -> Result<()> {
    let bed = Bed::new()?;
    let host = bed.host();
    let accelerate = Release::committed("accelerate")?;
    let container = Container::prepare(&accelerate, "containers", &host)?;
    let mut child = container.start()?;
    wait_until_ready(&mut child, &host)?;
    ensure!(
        bed.resolve(WEB)? == Some(ADDRESS.parse()?),
        "{}",
        child.output()
    );
    ensure!(hits(&container)? == 1, "{}", child.output());
    stop(&mut child)
}

#[test]
fn a_seccomp_profile_that_forbids_bpf_is_told() -> Result<()> {
    let bed = Bed::new()?;
    let accelerate = Release::committed("accelerate")?;
    let container = Container::prepare(&accelerate, "containers", &bed.host())?;
    container.forbid("bpf")?;
    let mut child = container.start()?;
    let status = child.wait(PATIENCE)?;
    let said = child.output();
    ensure!(status.code() == Some(1), "{status}: {said}");
    ensure!(
        said.contains("seccomp") && said.contains("seccompProfile"),
        "{said}"
    );
    Ok(())
}
