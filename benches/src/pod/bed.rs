//! A node with one pod for each subject, so that no subject is on another's way.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use ::dns_ctl::attach::pins;
use anyhow::{Context as _, Result, ensure};
use api_stub::{ApiStub, peer};
use dns_common::maps::map_name;
use serde_json::Value;
use testbed::{Bpffs, Child, Namespace, Scratch, Topology, interrupt, remove_settings};

use super::{
    cost,
    question::Right,
    reflector::Reflector,
    subject::{Subject, reflector},
};
use crate::{
    dns_ctl,
    neighbours::Hook,
    peers::{
        Peer, Running, Served,
        coredns::{self, Tuning},
        wait_for_answer,
    },
    server::population::{Population, service_address, service_whole},
};

/// The address of the cluster's DNS, on the node's loopback interface.
pub(super) const SERVICE: SocketAddr = SocketAddr::new(IpAddr::V4(SERVICE_IP), 53);
const SERVICE_IP: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
/// Nobody is there, and nobody asks: all names are of the cluster.
const UPSTREAM: SocketAddr = here(5300);
const METRICS: SocketAddr = here(9153);
const READY: SocketAddr = here(8181);
const POD: &str = "client";
/// How long dns-ctl may take to be ready.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long a request may take until then.
const REQUEST_LIMIT: Duration = Duration::from_secs(2);

const fn here(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Where the programs are.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    dns_ctl: PathBuf,
    coredns: PathBuf,
}

/// A node on which one subject answers; everything ends when dropped, the server first.
pub(super) struct Bed {
    /// The subject's name.
    pub(super) label: &'static str,
    /// Who it is; a reflector is no subject.
    pub(super) subject: Option<Subject>,
    /// Ids of its kernel programs.
    pub(super) programs: Vec<u32>,
    /// What is right to answer.
    pub(super) right: Right,
    server: Server,
    _api: Option<ApiStub>,
    bpffs: Option<(PathBuf, Bpffs)>,
    _folder: Option<Scratch>,
    topology: Topology,
}

enum Server {
    Process(Child),
    Peer(Running),
    Reflector(#[expect(dead_code, reason = "it answers while it is there")] Reflector),
}

impl Programs {
    /// A given dns-ctl, or else the one built beside this program; CoreDNS as the tests have it.
    pub(super) fn find(given: Option<&Path>) -> Result<Self> {
        Ok(Self {
            dns_ctl: dns_ctl::find(given)?,
            coredns: peer::coredns()?,
        })
    }

    /// What a subject says of its version.
    pub(super) fn version(&self, subject: Subject) -> Result<String> {
        let first_line = |program: &Path, flag| -> Result<String> {
            let text = testbed::output(Command::new(program).arg(flag))?;
            Ok(text.lines().next().unwrap_or_default().to_owned())
        };
        match subject {
            Subject::Kxdns(_) => first_line(&self.dns_ctl, "--version"),
            Subject::CoreDns(_) => first_line(&self.coredns, "-version"),
            Subject::Peer(peer) => peer.version(),
        }
    }
}

impl Bed {
    /// Makes a node where a subject answers for the Services of a population.
    pub(super) fn start(
        programs: &Programs,
        subject: Subject,
        population: Population,
    ) -> Result<Self> {
        let topology = topology()?;
        let bed = match subject {
            Subject::Kxdns(hook) => kxdns(&programs.dns_ctl, hook, population, topology),
            Subject::CoreDns(tuning) => core_dns(&programs.coredns, tuning, population, topology),
            Subject::Peer(peer) => other(peer, population, topology),
        };
        bed.with_context(|| subject.label())
    }

    /// Makes a node where a reflector sends everything back.
    pub(super) fn reflector(hook: Hook) -> Result<Self> {
        let topology = topology()?;
        let pod = topology.pod(POD);
        let interface = &pod.node_interface;
        // It sends questions for Ethernet addresses back, too.
        let address = testbed::ethernet_address(&topology.node, interface)?;
        let address = address.map(|octet| format!("{octet:02x}")).join(":");
        let routes = pod.namespace.ip("-4 route show default")?;
        let gateway = routes.split_whitespace().nth(2);
        let gateway = gateway.context("the pod has no default route")?;
        pod.namespace.ip(&format!(
            "neigh replace {gateway} lladdr {address} dev eth0 nud permanent"
        ))?;
        let reflector = Reflector::attach(&topology.node, interface, hook)?;
        Ok(Self {
            label: self::reflector(hook),
            subject: None,
            programs: vec![reflector.program],
            right: Right::Echo,
            server: Server::Reflector(reflector),
            _api: None,
            bpffs: None,
            _folder: None,
            topology,
        })
    }

    /// The pod that asks.
    pub(super) fn pod(&self) -> &Namespace {
        &self.topology.pod(POD).namespace
    }

    /// The server's process.
    pub(super) fn process(&self) -> Option<u32> {
        self.child().map(Child::pid)
    }

    /// What the server has written.
    pub(super) fn words(&self) -> String {
        self.child().map_or_else(String::new, Child::output)
    }

    fn child(&self) -> Option<&Child> {
        match &self.server {
            Server::Process(child) | Server::Peer(Running { child, .. }) => Some(child),
            Server::Reflector(_) => None,
        }
    }

    /// Queries that the kernel has answered so far; nothing if the subject has no part in the kernel.
    pub(super) fn kernel_answers(&self, programs: &Programs) -> Result<Option<u64>> {
        let Some((maps, _)) = &self.bpffs else {
            return Ok(None);
        };
        let status = status(&programs.dns_ctl, &self.topology.node, maps)?;
        let hits = status["hits"].as_object().context("`hits` is an object")?;
        Ok(Some(hits.values().filter_map(Value::as_u64).sum()))
    }
}

fn topology() -> Result<Topology> {
    interrupt::check()?;
    Topology::plan().pod(POD).service_ip(SERVICE_IP).build()
}

/// An API server on the node, and the folder with the file that says how to reach it.
fn api(topology: &Topology, population: Population) -> Result<(ApiStub, Scratch, PathBuf)> {
    let api = topology.node.run(ApiStub::start)??;
    api.create_all(population.objects())?;
    let folder = Scratch::new("bench")?;
    let kubeconfig = folder.path().join("kubeconfig");
    api.write_kubeconfig(&kubeconfig)?;
    Ok((api, folder, kubeconfig))
}

fn kxdns(program: &Path, hook: Hook, population: Population, topology: Topology) -> Result<Bed> {
    let (api, folder, kubeconfig) = api(&topology, population)?;
    let bpffs = Bpffs::mount()?;
    let maps = bpffs.path().join("kxdns");
    let mut command = topology.node.command(program);
    command.args(["run", "--on-exit", "remove", "--lameduck", "0"]);
    command.args(["--hook", hook.name(), "--interface"]);
    command.arg(&topology.pod(POD).node_interface);
    for (flag, value) in [
        ("--service-ip", SERVICE_IP.to_string()),
        ("--listen", SERVICE.to_string()),
        ("--upstream", UPSTREAM.to_string()),
        ("--metrics-listen", METRICS.to_string()),
    ] {
        command.args([flag, &value]);
    }
    command.arg("--kubeconfig").arg(kubeconfig);
    command.arg("--bpffs").arg(&maps);
    remove_settings(&mut command);
    let mut child = Child::spawn("dns-ctl", &mut command)?;
    wait_until_ready(&mut child, &topology.node, METRICS, "/readyz")?;

    let status = status(program, &topology.node, &maps)?;
    let interfaces = status["interfaces"].as_array();
    let interfaces = interfaces.context("`dns-ctl status` tells of interfaces")?;
    ensure!(
        interfaces.len() == 1 && interfaces[0]["hook"] == hook.name(),
        "the program is not where it should be: {status}"
    );
    let names = pins::open(&maps, map_name::NAMES)?.info()?.id();
    Ok(Bed {
        label: Subject::Kxdns(hook).label(),
        subject: Some(Subject::Kxdns(hook)),
        programs: cost::programs_of(names)?,
        right: Right::Address,
        server: Server::Process(child),
        _api: Some(api),
        bpffs: Some((maps, bpffs)),
        _folder: Some(folder),
        topology,
    })
}

fn core_dns(
    program: &Path,
    tuning: Tuning,
    population: Population,
    topology: Topology,
) -> Result<Bed> {
    let (api, folder, kubeconfig) = api(&topology, population)?;
    let corefile = coredns::corefile(&coredns::Setup {
        tuning,
        listen: SERVICE,
        ready: READY,
        metrics: METRICS,
        kubeconfig: &kubeconfig,
        upstream: UPSTREAM,
    });
    let mut command = topology.node.command(program);
    command
        .arg("-conf")
        .arg(folder.write("Corefile", &corefile)?);
    tuning.apply(&mut command);
    let mut child = Child::spawn("CoreDNS", &mut command)?;
    wait_until_ready(&mut child, &topology.node, READY, "/ready")?;
    wait_for_answer(&mut child, &topology.node, SERVICE, &service_whole(0))?;
    Ok(Bed {
        label: Subject::CoreDns(tuning).label(),
        subject: Some(Subject::CoreDns(tuning)),
        programs: Vec::new(),
        right: Right::Address,
        server: Server::Process(child),
        _api: Some(api),
        bpffs: None,
        _folder: Some(folder),
        topology,
    })
}

fn other(peer: Peer, population: Population, topology: Topology) -> Result<Bed> {
    let names =
        (0..population.services).map(|number| (service_whole(number), service_address(number)));
    let names: Vec<_> = names.collect();
    let running = peer.start(
        &topology.node,
        &Served {
            listen: SERVICE,
            domain: "cluster.local",
            names: &names,
            upstream: UPSTREAM,
        },
    )?;
    Ok(Bed {
        label: Subject::Peer(peer).label(),
        subject: Some(Subject::Peer(peer)),
        programs: Vec::new(),
        right: Right::Address,
        server: Server::Peer(running),
        _api: None,
        bpffs: None,
        _folder: None,
        topology,
    })
}

fn wait_until_ready(
    child: &mut Child,
    node: &Namespace,
    health: SocketAddr,
    path: &str,
) -> Result<()> {
    child.wait_for("readiness", START_LIMIT, || {
        if interrupt::is_there() {
            return Ok(Some(()));
        }
        let reply = testbed::get(node, health, path, REQUEST_LIMIT)?;
        ensure!(reply.status == 200, "{}", reply.body.trim());
        Ok(Some(()))
    })?;
    interrupt::check()
}

/// What `dns-ctl status` says.
fn status(program: &Path, node: &Namespace, maps: &Path) -> Result<Value> {
    let mut status = node.command(program);
    status.args(["status", "--output", "json", "--bpffs"]);
    Ok(serde_json::from_str(&testbed::output(status.arg(maps))?)?)
}
