//! The wire: a veth pair of one queue, a client at one end, and a subject at the other.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sched::{CpuSet, sched_getaffinity},
    unistd::Pid,
};
use serde_json::Value;
use testbed::{Bpffs, Child, Namespace, Scratch, Side, Topology, interrupt, remove_settings};

use super::{
    knot,
    kxdpgun::Gun,
    names::{self, Kind},
    napi,
};

const CLIENT: &str = "wire";
/// The client's interface.
const NEAR_CLIENT: &str = "eth0";
const SERVICE_IP: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
/// Whom the client asks.
pub(super) const SERVICE: SocketAddr = SocketAddr::new(IpAddr::V4(SERVICE_IP), 53);
const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9153);
/// Nobody is there, and nobody is asked.
const UPSTREAM: &str = "127.0.0.1:5300";
/// How long dns-ctl may take to be ready.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long a request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(2);

/// The wire and what both ends need; all gone when dropped.
#[derive(Debug)]
pub(super) struct Bed {
    /// Who takes packets from the subject's end, and is the processor time of the wire there.
    pub(super) napi: u32,
    dns_ctl: PathBuf,
    knotd: PathBuf,
    bpffs: Bpffs,
    folder: Scratch,
    topology: Topology,
    next_hop: [u8; 6],
    client_cpu: usize,
    subject_cpu: usize,
}

impl Bed {
    /// Makes it, with so many Services to be asked for.
    pub(super) fn build(dns_ctl: PathBuf, services: u32) -> Result<Self> {
        let knotd = knot::find()?;
        let (client_cpu, subject_cpu) = two_cpus()?;
        // With GRO the ends take packets as with XDP, also while no program is there; and the thread stays the same.
        let topology = Topology::plan()
            .pod(CLIENT)
            .service_ip(SERVICE_IP)
            .single_queue()
            .offload(Side::Node, "gro", true)
            .offload(Side::Pod, "gro", true)
            .build()?;
        let interface = &topology.pod(CLIENT).node_interface;
        let napi = napi::thread(&topology.node, interface, subject_cpu)?;
        let next_hop = testbed::ethernet_address(&topology.node, interface)?;
        let folder = Scratch::new("wire")?;
        folder.write("services.yaml", &names::manifest(services))?;
        folder.write("zone", &names::zone(services, SERVICE_IP))?;
        for kind in [Kind::A, Kind::Nxdomain] {
            folder.write(kind.title(), &kind.questions(services))?;
        }
        Ok(Self {
            napi,
            dns_ctl,
            knotd,
            bpffs: Bpffs::mount()?,
            folder,
            topology,
            next_hop,
            client_cpu,
            subject_cpu,
        })
    }

    /// What dns-ctl and knotd say of their versions.
    pub(super) fn versions(&self) -> Result<[String; 2]> {
        let dns_ctl = testbed::output(Command::new(&self.dns_ctl).arg("--version"))?;
        Ok([dns_ctl.trim().to_owned(), knot::version(&self.knotd)?])
    }

    /// Where the questions come from.
    pub(super) fn client(&self) -> &Namespace {
        &self.topology.pod(CLIENT).namespace
    }

    /// Where the subjects are.
    pub(super) fn node(&self) -> &Namespace {
        &self.topology.node
    }

    /// The subject's end of the pair.
    pub(super) fn interface(&self) -> &str {
        &self.topology.pod(CLIENT).node_interface
    }

    /// The file of questions of a sort.
    pub(super) fn questions(&self, kind: Kind) -> PathBuf {
        self.folder.path().join(kind.title())
    }

    /// kxdpgun at the client's end.
    pub(super) fn gun(&self, seconds: u32) -> Gun<'_> {
        Gun {
            namespace: self.client(),
            interface: NEAR_CLIENT,
            local: self.topology.pod(CLIENT).ipv4,
            server: SERVICE_IP,
            next_hop: self.next_hop,
            cpu: self.client_cpu,
            seconds,
        }
    }

    /// Starts Knot with the zone.
    pub(super) fn start_knot(&self) -> Result<(Child, Scratch)> {
        let place = (self.interface(), SERVICE_IP);
        let zone = self.folder.path().join("zone");
        knot::start(&self.knotd, self.node(), place, &zone, self.subject_cpu)
    }

    /// Starts dns-ctl with the Services, and makes sure that its program is where it should be.
    pub(super) fn start_dns_ctl(&self) -> Result<Child> {
        let maps = self.bpffs.path().join("kxdns");
        let mut command = self.node().command("taskset");
        command.args(["--cpu-list", &self.subject_cpu.to_string()]);
        command.arg(&self.dns_ctl).arg("run");
        for (flag, value) in [
            ("--interface", self.interface()),
            ("--hook", "xdp-native"),
            ("--on-exit", "remove"),
            ("--lameduck", "0"),
            ("--upstream", UPSTREAM),
            ("--service-ip", &SERVICE_IP.to_string()),
            ("--listen", &SERVICE.to_string()),
            ("--metrics-listen", &METRICS.to_string()),
        ] {
            command.args([flag, value]);
        }
        let manifest = self.folder.path().join("services.yaml");
        command.arg("--manifests").arg(manifest);
        command.arg("--bpffs").arg(&maps);
        remove_settings(&mut command);
        let mut child = Child::spawn("dns-ctl", &mut command)?;
        child.wait_for("readiness", START_LIMIT, || {
            if interrupt::is_there() {
                return Ok(Some(()));
            }
            let reply = testbed::get(self.node(), METRICS, "/readyz", REQUEST_LIMIT)?;
            ensure!(reply.status == 200, "{}", reply.body.trim());
            Ok(Some(()))
        })?;
        interrupt::check()?;

        let mut status = self.node().command(&self.dns_ctl);
        status.args(["status", "--output", "json", "--bpffs"]);
        let status = testbed::output(status.arg(&maps))?;
        let status: Value = serde_json::from_str(&status)?;
        ensure!(
            status["interfaces"][0]["hook"] == "xdp-native",
            "the program is not there: {status}"
        );
        Ok(child)
    }

    /// How many packets dns-ctl's program has answered.
    pub(super) fn hits(&self) -> Result<u64> {
        let page = testbed::get(self.node(), METRICS, "/metrics", REQUEST_LIMIT)?;
        let prefix = "kxdns_kernel_packets_total{hook=\"xdp\",result=\"hit\"";
        let values = page
            .body
            .lines()
            .filter(|line| line.starts_with(prefix))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        Ok(values.sum())
    }
}

/// The first processor and the last one that this process may use.
fn two_cpus() -> Result<(usize, usize)> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let mut cpus = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    let first = cpus.next();
    first
        .zip(cpus.next_back())
        .context("one processor is for the client and one for the subject; here is only one")
}
