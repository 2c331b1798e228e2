//! A node that runs dns-ctl, with one pod.

use std::{
    ffi::OsStr,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use hickory_proto::{op::Message, rr::RecordType};
use serde_json::Value;
use testbed::{Bpffs, Child, HttpReply, Namespace, Scratch, Topology, tcp_query, udp_query};

/// The DNS service's address.
pub const SERVICE_IP: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
/// The DNS service.
pub const SERVICE: SocketAddr = SocketAddr::new(IpAddr::V4(SERVICE_IP), 53);
/// How long anything may take that is not itself the subject of a test.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long an answer may take.
pub const ANSWER: Duration = Duration::from_secs(3);
/// The pod's label.
pub const POD: &str = "client";
/// The node's end of the pod's veth pair.
pub const POD_INTERFACE: &str = "pod-client";
/// Where metrics and health are served.
pub const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9153);

/// A build of dns-ctl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// The one that is shipped.
    Plain,
    /// Another version by name only.
    Other,
    /// The next version of the map contract.
    Next,
}

impl Build {
    /// The program.
    pub fn program(self) -> Result<PathBuf> {
        let (name, feature) = match self {
            Self::Plain => ("dns-ctl", None),
            Self::Other => ("dns-ctl-other", Some("other-build")),
            Self::Next => ("dns-ctl-next", Some("next-abi")),
        };
        testbed::program_with("dns-ctl", name, feature)
    }
}

/// A running dns-ctl in a topology of its own; all gone when dropped, dns-ctl first.
#[derive(Debug)]
pub struct Node {
    /// The program.
    pub child: Child,
    /// Where its maps are pinned.
    pub bpffs: Bpffs,
    /// The namespaces.
    pub bed: Topology,
}

impl Node {
    /// Starts dns-ctl in the bed's node, attached to the pod's interface, and waits until it is ready.
    ///
    /// `source` are the flags that say where objects come from, `flags` any more.
    pub fn start(bed: Topology, source: &[&str], flags: &[&str]) -> Result<Self> {
        let bpffs = Bpffs::mount()?;
        let child = Child::spawn("dns-ctl", &mut run_command(&bed, &bpffs, source, flags))?;
        let mut node = Self { child, bpffs, bed };
        node.wait_until_ready()?;
        Ok(node)
    }

    /// Waits until the programs are in their places; what is to be answered may still be unknown.
    pub fn wait_until_placed(&mut self) -> Result<()> {
        self.child.wait_for_line("serving DNS", PATIENCE).map(drop)
    }

    /// Waits until readiness is reported.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        let bed = &self.bed;
        self.child.wait_for("readiness", PATIENCE, || {
            let reply = testbed::get(&bed.node, METRICS, "/readyz", ANSWER)?;
            ensure!(reply.status == 200, "{}", reply.body);
            Ok(Some(()))
        })
    }

    /// The pod's namespace.
    #[must_use]
    pub fn pod(&self) -> &Namespace {
        &self.bed.pod(POD).namespace
    }

    /// What `dns-ctl status` says.
    pub fn status(&self) -> Result<Value> {
        self.status_of(Build::Plain)
    }

    /// What `status` of a build says.
    pub fn status_of(&self, build: Build) -> Result<Value> {
        self.told(build, &["status"])
    }

    /// What `lookup` of a build says of a name; an error if the kernel holds nothing for it.
    pub fn lookup_of(&self, build: Build, name: &str) -> Result<Value> {
        self.told(build, &["lookup", name])
    }

    fn told(&self, build: Build, arguments: &[&str]) -> Result<Value> {
        let mut command = command(build, &self.bed.node)?;
        command
            .args(arguments)
            .args(["--output", "json", "--bpffs"])
            .arg(self.folder());
        Ok(serde_json::from_str(&testbed::output(&mut command)?)?)
    }

    /// The folder given with `--bpffs`.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        folder(&self.bpffs)
    }

    /// Packets answered in the kernel so far.
    pub fn hits(&self) -> Result<u64> {
        let status = self.status()?;
        let hits = status["hits"].as_object().context("`hits` is an object")?;
        Ok(hits.values().filter_map(Value::as_u64).sum())
    }

    /// Packets passed on for this reason so far.
    pub fn misses(&self, reason: &str) -> Result<u64> {
        self.status()?["misses"][reason]
            .as_u64()
            .with_context(|| format!("no counter `{reason}`"))
    }

    /// Asks over UDP from the pod; the octets of the answer.
    pub fn ask(&self, query: &[u8]) -> Result<Vec<u8>> {
        let reply = udp_query(self.pod(), SERVICE, query, ANSWER)?.context("no answer over UDP")?;
        ensure!(
            reply.from == SERVICE,
            "the answer comes from {}",
            reply.from
        );
        Ok(reply.bytes)
    }

    /// Asks over TCP from the pod, which only the userspace server answers.
    pub fn ask_server(&self, query: &[u8]) -> Result<Vec<u8>> {
        Ok(tcp_query(self.pod(), SERVICE, query, ANSWER)?.bytes)
    }

    /// What the pod is told over UDP.
    pub fn message(&self, name: &str, record_type: RecordType) -> Result<Message> {
        Ok(Message::from_vec(&self.ask(&testbed::query(
            7,
            name,
            record_type,
        )?)?)?)
    }

    /// What the server tells the pod, over TCP.
    pub fn message_of_server(&self, name: &str, record_type: RecordType) -> Result<Message> {
        let query = testbed::query(7, name, record_type)?;
        Ok(Message::from_vec(&self.ask_server(&query)?)?)
    }

    /// A page of the metrics endpoint.
    pub fn page(&self, path: &str) -> Result<HttpReply> {
        testbed::get(&self.bed.node, METRICS, path, ANSWER)
    }

    /// Waits until `check` holds.
    pub fn eventually<T>(&self, check: impl Fn(&Self) -> Result<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match check(self) {
                Ok(value) => return Ok(value),
                Err(error) if Instant::now() > deadline => {
                    return Err(error).with_context(|| self.child.output());
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// The IPv4 address that the pod gets for a name, over UDP.
    pub fn resolve(&self, name: &str) -> Result<Option<IpAddr>> {
        let answer = self.ask(&testbed::query(7, name, RecordType::A)?)?;
        let message = Message::from_vec(&answer)?;
        Ok(message
            .answers
            .first()
            .and_then(|record| record.data.ip_addr()))
    }
}

/// A topology with the DNS service's address and one pod.
#[must_use]
pub fn plan() -> testbed::Plan {
    Topology::plan().pod(POD).service_ip(SERVICE_IP)
}

/// A folder with this manifest.
pub fn manifests(text: &str) -> Result<Scratch> {
    let scratch = Scratch::new("manifests")?;
    scratch.write("services.yaml", text)?;
    Ok(scratch)
}

/// A manifest of ClusterIP Services in the namespace `default`.
#[must_use]
pub fn services(services: &[(&str, &str)]) -> String {
    let documents = services.iter().map(|(name, address)| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n\
             spec: {{clusterIP: {address}, ports: [{{port: 80}}]}}\n"
        )
    });
    documents.collect::<Vec<_>>().join("---\n")
}

/// The program to be tested, in a namespace, without settings from this process's environment.
pub fn dns_ctl(namespace: &Namespace) -> Result<Command> {
    command(Build::Plain, namespace)
}

fn command(build: Build, namespace: &Namespace) -> Result<Command> {
    let mut command = namespace.command(build.program()?);
    testbed::remove_settings(&mut command);
    Ok(command)
}

/// `dns-ctl run` as [`Node::start`] runs it; `flags` replace what it would say otherwise.
///
/// # Panics
/// If the program can't be built.
#[must_use]
pub fn run_command(bed: &Topology, bpffs: &Bpffs, source: &[&str], flags: &[&str]) -> Command {
    run_build(Build::Plain, bed, bpffs, source, flags)
}

/// As [`run_command`], with another build.
///
/// # Panics
/// If the program can't be built.
#[must_use]
pub fn run_build(
    build: Build,
    bed: &Topology,
    bpffs: &Bpffs,
    source: &[&str],
    flags: &[&str],
) -> Command {
    let mut command = command(build, &bed.node).expect("dns-ctl can be built");
    command.arg("run").args(source).args(flags);
    for (flag, value) in [
        ("--interface", POD_INTERFACE.to_owned()),
        ("--service-ip", SERVICE_IP.to_string()),
        ("--listen", SERVICE.to_string()),
        ("--upstream", "127.0.0.1:5300".to_owned()),
        ("--metrics-listen", METRICS.to_string()),
        ("--lameduck", "0".to_owned()),
        ("--bpffs", folder(bpffs).to_string_lossy().into_owned()),
    ] {
        if !flags.contains(&flag) {
            command.args([flag, &value]);
        }
    }
    command
}

/// Runs a program that ends by itself: its exit code and all that it said.
pub fn outcome(command: &mut Command) -> Result<(Option<i32>, String)> {
    let mut child = Child::spawn("dns-ctl", command)?;
    let status = child.wait(PATIENCE)?;
    Ok((status.code(), child.output()))
}

/// The words of a command of [`dns_ctl`] without the way into its namespace, for a command that has gone it.
pub fn unwrapped(command: &Command) -> impl Iterator<Item = &OsStr> {
    command
        .get_args()
        .skip_while(|word| !word.as_encoded_bytes().ends_with(b"dns-ctl"))
}

fn folder(bpffs: &Bpffs) -> PathBuf {
    bpffs.path().join("kxdns")
}
