//! The demo's cluster: a node that runs dns-ctl, two pods, and the Internet's DNS.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use hickory_proto::rr::RecordType;
use testbed::{
    Bpffs, Child, PodFiles, Scratch, Signal, Table, Topology, Upstream, interrupt,
    kubelet_resolv_conf, output, remove_settings, udp_query,
};

use super::{
    counters::{Counters, Status},
    queries,
};
use crate::workspace::Workspace;

/// The DNS service's address, as examples/kube-system.yaml has it.
const SERVICE_IP: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
const DNS_PORT: u16 = 53;
const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9153);
/// How long dns-ctl may take to be ready.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long any one request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(2);

/// Everything the demo has started; dropping it ends and removes it all, dns-ctl first.
pub(super) struct Cluster {
    dns_ctl: Child,
    started: Instant,
    upstream: Upstream,
    frontend_files: PodFiles,
    logger_files: PodFiles,
    manifests: Scratch,
    bpffs: Bpffs,
    bed: Topology,
    program: PathBuf,
}

impl Cluster {
    /// Makes the namespaces, starts the upstream and dns-ctl, and waits until that is ready.
    pub(super) fn start(workspace: &Workspace) -> Result<Self> {
        let bed = Topology::plan()
            .pod(queries::FRONTEND)
            .pod(queries::LOGGER)
            .outside("internet")
            .service_ip(SERVICE_IP)
            .build()?;
        let internet = bed.outside();
        let upstream = Upstream::start(
            &internet.namespace,
            (internet.ipv4, DNS_PORT).into(),
            Table::new().address(queries::OUTSIDE_NAME, queries::OUTSIDE_ADDRESS),
        )?;
        let bpffs = Bpffs::mount()?;
        let manifests = copy_of(&workspace.root.join("examples"))?;
        let files = |namespace| {
            PodFiles::new(&kubelet_resolv_conf(
                SERVICE_IP.into(),
                namespace,
                "cluster.local",
            ))
        };
        let program = workspace.target_dir.join("release/dns-ctl");

        let mut command = run_command(&program, &bed, &bpffs, manifests.path(), &upstream);
        let dns_ctl = Child::spawn("dns-ctl", &mut command)?;
        let mut cluster = Self {
            dns_ctl,
            started: Instant::now(),
            upstream,
            frontend_files: files("default")?,
            logger_files: files("shared")?,
            manifests,
            bpffs,
            bed,
            program,
        };
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    /// Waits until dns-ctl says that it is ready, or until somebody interrupts.
    pub(super) fn wait_until_ready(&mut self) -> Result<()> {
        let bed = &self.bed;
        self.dns_ctl
            .wait_for("/readyz to say 200", START_LIMIT, || {
                if interrupt::is_there() {
                    return Ok(Some(()));
                }
                let reply = testbed::get(&bed.node, METRICS, "/readyz", REQUEST_LIMIT)?;
                ensure!(
                    reply.status == 200,
                    "it says {} {}",
                    reply.status,
                    reply.body.trim()
                );
                Ok(Some(()))
            })?;
        interrupt::check()
    }

    /// Whether dns-ctl was started a short time ago and does not yet say that it is ready.
    pub(super) fn is_starting(&self) -> bool {
        let ready = testbed::get(&self.bed.node, METRICS, "/readyz", REQUEST_LIMIT);
        self.started.elapsed() < START_LIMIT && !ready.is_ok_and(|reply| reply.status == 200)
    }

    /// Ends dns-ctl as a crash would, with no chance to tidy up.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.dns_ctl.signal(Signal::SIGKILL)?;
        self.dns_ctl.wait(START_LIMIT)?;
        Ok(())
    }

    /// Starts dns-ctl again.
    pub(super) fn start_again(&mut self) -> Result<()> {
        let Self {
            program,
            bed,
            bpffs,
            manifests,
            upstream,
            ..
        } = self;
        let mut command = run_command(program, bed, bpffs, manifests.path(), upstream);
        self.dns_ctl = Child::spawn("dns-ctl", &mut command)?;
        self.started = Instant::now();
        Ok(())
    }

    /// Runs a program in a pod, to its end.
    pub(super) fn run_in_pod(
        &self,
        pod: &str,
        program: &str,
        arguments: &[&str],
    ) -> Result<Output> {
        let files = if pod == queries::LOGGER {
            &self.logger_files
        } else {
            &self.frontend_files
        };
        self.bed
            .pod(pod)
            .namespace
            .pod_command(files, program)
            .args(arguments)
            .output()
            .with_context(|| format!("can't start {program} in pod {pod}"))
    }

    /// Whether a name resolves to an address, asked once from the frontend.
    pub(super) fn resolves(&self, name: &str, address: Ipv4Addr) -> Result<bool> {
        let query = testbed::query(1, name, RecordType::A)?;
        let pod = &self.bed.pod(queries::FRONTEND).namespace;
        let reply = udp_query(pod, (SERVICE_IP, DNS_PORT).into(), &query, REQUEST_LIMIT)?;
        // The one A record of an answer ends with its address; an answer without one does not.
        Ok(reply.is_some_and(|reply| reply.bytes.ends_with(&address.octets())))
    }

    /// Writes one more manifest to the folder dns-ctl watches.
    pub(super) fn add_manifest(&self, name: &str, content: &str) -> Result<()> {
        self.manifests.write(name, content)?;
        Ok(())
    }

    /// What `dns-ctl status` says.
    pub(super) fn status(&self) -> Result<Status> {
        let mut command = without_settings(self.bed.node.command(&self.program));
        command
            .args(["status", "--output", "json", "--bpffs"])
            .arg(pin_folder(&self.bpffs));
        let text = output(&mut command)?;
        serde_json::from_str(&text)
            .with_context(|| format!("`dns-ctl status --output json` says `{}`", text.trim()))
    }

    /// How many queries each part has seen so far.
    pub(super) fn counters(&self) -> Result<Counters> {
        let reply = testbed::get(&self.bed.node, METRICS, "/metrics", REQUEST_LIMIT)?;
        ensure!(reply.status == 200, "/metrics says {}", reply.status);
        Counters::read(&self.status()?, &reply.body, self.upstream.queries())
    }

    /// What dns-ctl has written so far.
    pub(super) fn log(&self) -> String {
        self.dns_ctl.output()
    }

    /// Ends dns-ctl in order, then removes everything; gives what `dns-ctl uninstall` has found to remove.
    pub(super) fn stop(self) -> Result<String> {
        let status = self.dns_ctl.stop()?;
        ensure!(
            status.success(),
            "dns-ctl did not end cleanly on SIGTERM ({status})"
        );
        let mut command = without_settings(self.bed.node.command(&self.program));
        command
            .args(["uninstall", "--bpffs"])
            .arg(pin_folder(&self.bpffs));
        output(&mut command)
    }
}

/// `dns-ctl run` in the node.
fn run_command(
    program: &Path,
    bed: &Topology,
    bpffs: &Bpffs,
    manifests: &Path,
    upstream: &Upstream,
) -> Command {
    let mut command = without_settings(bed.node.command(program));
    command
        .arg("run")
        .arg("--manifests")
        .arg(manifests)
        .args(["--exclude-interface", "uplink"])
        .args(["--service-ip", &SERVICE_IP.to_string()])
        .args(["--listen", &format!("{SERVICE_IP}:{DNS_PORT}")])
        .args(["--upstream", &upstream.address().to_string()])
        .arg("--bpffs")
        .arg(pin_folder(bpffs))
        .args(["--metrics-listen", &METRICS.to_string()])
        .args(["--lameduck", "0"]);
    command
}

/// Where dns-ctl pins what outlives it.
fn pin_folder(bpffs: &Bpffs) -> PathBuf {
    bpffs.path().join("kxdns")
}

/// The command without settings of dns-ctl that happen to be in this environment.
fn without_settings(mut command: Command) -> Command {
    remove_settings(&mut command);
    command
}

/// A copy of a folder of manifests, to which the demo can add.
fn copy_of(folder: &Path) -> Result<Scratch> {
    let copy = Scratch::new("manifests")?;
    for entry in fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))? {
        let entry = entry?;
        fs::copy(entry.path(), copy.path().join(entry.file_name()))?;
    }
    Ok(copy)
}
