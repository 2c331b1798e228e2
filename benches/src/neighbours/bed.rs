//! Two pods on a node, and dns-ctl that comes and goes on their interfaces.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testbed::{Bpffs, Child, Namespace, Scratch, Topology, interrupt, remove_settings};

use super::Hook;

const CLIENT: &str = "client";
const SERVER: &str = "server";
const SERVICE_IP: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9153);
const MANIFEST: &str = "apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.96.1.1, ports: [{port: 80}]}
";
/// How long dns-ctl may take to be ready.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long a request may take until then.
const REQUEST_LIMIT: Duration = Duration::from_secs(2);

/// The pods, and what dns-ctl needs.
#[derive(Debug)]
pub(super) struct Bed {
    dns_ctl: PathBuf,
    bpffs: Bpffs,
    folder: Scratch,
    topology: Topology,
}

impl Bed {
    /// Makes the namespaces.
    pub(super) fn build(dns_ctl: PathBuf) -> Result<Self> {
        let topology = Topology::plan()
            .pod(CLIENT)
            .pod(SERVER)
            .service_ip(SERVICE_IP)
            .build()?;
        let folder = Scratch::new("bench")?;
        folder.write("services.yaml", MANIFEST)?;
        Ok(Self {
            dns_ctl,
            bpffs: Bpffs::mount()?,
            folder,
            topology,
        })
    }

    /// What dns-ctl says of its version.
    pub(super) fn version(&self) -> Result<String> {
        let text = testbed::output(Command::new(&self.dns_ctl).arg("--version"))?;
        Ok(text.trim().to_owned())
    }

    /// The pod that begins.
    pub(super) fn client(&self) -> &Namespace {
        &self.topology.pod(CLIENT).namespace
    }

    /// The pod that answers.
    pub(super) fn server(&self) -> &Namespace {
        &self.topology.pod(SERVER).namespace
    }

    /// Its address.
    pub(super) fn server_address(&self) -> Ipv4Addr {
        self.topology.pod(SERVER).ipv4
    }

    /// Starts dns-ctl, and makes sure that its programs are on both pods' interfaces, at this hook.
    pub(super) fn attach(&self, hook: Hook) -> Result<Child> {
        let node = &self.topology.node;
        let maps = self.bpffs.path().join("kxdns");
        let mut command = node.command(&self.dns_ctl);
        command.args(["run", "--mode", "accelerate", "--interface", "auto"]);
        command.args(["--on-exit", "remove", "--hook", hook.name()]);
        command.args(["--service-ip", &SERVICE_IP.to_string()]);
        command.args(["--metrics-listen", &METRICS.to_string()]);
        command.arg("--manifests").arg(self.folder.path());
        command.arg("--bpffs").arg(&maps);
        remove_settings(&mut command);
        let mut child = Child::spawn("dns-ctl", &mut command)?;
        child.wait_for("readiness", START_LIMIT, || {
            if interrupt::is_there() {
                return Ok(Some(()));
            }
            let reply = testbed::get(node, METRICS, "/readyz", REQUEST_LIMIT)?;
            ensure!(reply.status == 200, "{}", reply.body.trim());
            Ok(Some(()))
        })?;
        interrupt::check()?;

        let mut status = node.command(&self.dns_ctl);
        status.args(["status", "--output", "json", "--bpffs"]);
        let status = testbed::output(status.arg(&maps))?;
        let status: Value = serde_json::from_str(&status)?;
        let interfaces = status["interfaces"].as_array();
        let interfaces = interfaces.context("`dns-ctl status` tells of interfaces")?;
        let there = interfaces
            .iter()
            .filter(|interface| interface["hook"] == hook.name());
        ensure!(
            there.count() == 2,
            "the programs are not on both interfaces: {status}"
        );
        Ok(child)
    }
}
