//! One network namespace with an API server, an upstream, and the servers that are compared.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, ensure};
use api_stub::{ApiStub, peer};
use clap::ValueEnum;
use hickory_proto::rr::RecordType;
use testbed::{Child, Namespace, Scratch, Upstream, interrupt, remove_settings};

use super::{
    population::{self, Population},
    workload::Kind,
};
use crate::{
    dns_ctl,
    peers::{
        Peer, Running, Served,
        coredns::{Setup, Tuning, corefile},
    },
};

/// The address of the first server; the others have the next ones.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 10);
/// Where all ask for names outside the cluster.
const UPSTREAM: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 4)), 53);
/// The port for queries, for metrics, and where CoreDNS says that it is ready.
const DNS: u16 = 53;
const METRICS: u16 = 9153;
const READY: u16 = 8181;
/// How many of a server's lines are shown when something is wrong.
const LAST_LINES: usize = 10;
/// How long a server may take to be ready.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long any one request may take until then.
const REQUEST_LIMIT: Duration = Duration::from_secs(2);

/// The servers and all they need; everything ends when dropped, the servers first.
#[derive(Debug)]
pub(super) struct Bed {
    /// The servers; the first is the one that the others are compared with.
    pub(super) subjects: Vec<Subject>,
    /// Where they and their clients are.
    pub(super) namespace: Namespace,
    _upstream: Upstream,
    _api: ApiStub,
    _folder: Scratch,
}

/// A server that is measured.
#[derive(Debug)]
pub(super) struct Subject {
    /// The name for it in reports.
    pub(super) label: String,
    /// Where it answers.
    pub(super) address: SocketAddr,
    server: Server,
    process: Process,
}

/// A server that can be measured.
#[derive(Clone, Debug)]
enum Server {
    /// A build of dns-ctl.
    DnsCtl(PathBuf),
    /// Somebody else's.
    Other(Other),
}

/// A server that dns-ctl can be measured beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Other {
    /// CoreDNS as kubeadm sets it up
    Coredns,
    /// CoreDNS as one would who wants it fast
    Tuned,
    /// unbound, the Services as its `local-data`
    Unbound,
    /// dnsmasq, the Services in a hosts file
    Dnsmasq,
}

#[derive(Debug)]
enum Process {
    Own(Child),
    Peer(Running),
}

/// The servers that are asked for, with the name of each in reports.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    servers: Vec<(String, Server)>,
    coredns: Option<PathBuf>,
}

impl Programs {
    /// The programs: a given dns-ctl, or else the one built beside this program; other builds of it; and others.
    pub(super) fn find(given: Option<&Path>, builds: &[PathBuf], others: &[Other]) -> Result<Self> {
        let mut servers = vec![("dns-ctl".to_owned(), Server::DnsCtl(dns_ctl::find(given)?))];
        for build in builds {
            let build = dns_ctl::find(Some(build))?;
            let label = build.file_name().unwrap_or_default().to_string_lossy();
            servers.push((format!("build {label}"), Server::DnsCtl(build)));
        }
        servers.extend(
            others
                .iter()
                .map(|other| (other.label().to_owned(), Server::Other(*other))),
        );
        let needs_coredns = others.iter().any(|other| other.tuning().is_some());
        let coredns = needs_coredns.then(peer::coredns).transpose()?;
        Ok(Self { servers, coredns })
    }

    /// What each says of its version.
    pub(super) fn versions(&self) -> Result<Vec<String>> {
        let version = |(label, server): &(String, Server)| {
            let version = match server {
                Server::DnsCtl(program) => first_line(program, "--version")?,
                Server::Other(Other::Unbound) => Peer::Unbound.version()?,
                Server::Other(Other::Dnsmasq) => Peer::Dnsmasq.version()?,
                Server::Other(Other::Coredns | Other::Tuned) => {
                    first_line(self.coredns(), "-version")?
                }
            };
            Ok(format!("{label}: {version}"))
        };
        self.servers.iter().map(version).collect()
    }

    fn coredns(&self) -> &Path {
        self.coredns.as_deref().unwrap_or(Path::new("coredns"))
    }
}

impl Other {
    /// Its name in reports.
    const fn label(self) -> &'static str {
        match self {
            Self::Coredns => "CoreDNS",
            Self::Tuned => "CoreDNS, tuned",
            Self::Unbound => Peer::Unbound.label(),
            Self::Dnsmasq => Peer::Dnsmasq.label(),
        }
    }

    /// How CoreDNS is set up, if it is that.
    const fn tuning(self) -> Option<Tuning> {
        match self {
            Self::Coredns => Some(Tuning::Stock),
            Self::Tuned => Some(Tuning::Tuned),
            Self::Unbound | Self::Dnsmasq => None,
        }
    }
}

impl Bed {
    /// Makes the namespace, fills the API server, starts the servers and waits until all answer.
    pub(super) fn start(programs: &Programs, population: Population) -> Result<Self> {
        let namespace = Namespace::new("bench")?;
        let api = namespace.run(ApiStub::start)??;
        api.create_all(population.objects())?;
        let upstream = Upstream::start(&namespace, UPSTREAM, population.upstream())?;
        let folder = Scratch::new("bench")?;
        let kubeconfig = folder.path().join("kubeconfig");
        api.write_kubeconfig(&kubeconfig)?;
        let names: Vec<_> = population.names().collect();

        let mut subjects: Vec<Subject> = Vec::new();
        let addresses = (FIRST.to_bits()..).map(Ipv4Addr::from_bits);
        for ((label, server), ip) in programs.servers.iter().zip(addresses) {
            let at = |port| SocketAddr::from((ip, port));
            let process = match server {
                Server::DnsCtl(program) => {
                    let mut command = dns_ctl_command(&namespace, program, &kubeconfig, at);
                    Process::Own(Child::spawn(label, &mut command)?)
                }
                Server::Other(other) => {
                    if let Some(tuning) = other.tuning() {
                        let text = corefile(&Setup {
                            tuning,
                            listen: at(DNS),
                            ready: at(READY),
                            metrics: at(METRICS),
                            kubeconfig: &kubeconfig,
                            upstream: UPSTREAM,
                        });
                        let mut command = namespace.command(programs.coredns());
                        let file = folder.write(&format!("Corefile-{ip}"), &text)?;
                        command.arg("-conf").arg(file);
                        tuning.apply(&mut command);
                        Process::Own(Child::spawn(label, &mut command)?)
                    } else {
                        let peer = match other {
                            Other::Unbound => Peer::Unbound,
                            _ => Peer::Dnsmasq,
                        };
                        let served = Served {
                            listen: at(DNS),
                            domain: population::DOMAIN,
                            names: &names,
                            upstream: UPSTREAM,
                        };
                        Process::Peer(peer.start(&namespace, &served)?)
                    }
                }
            };
            subjects.push(Subject {
                label: label.clone(),
                address: at(DNS),
                server: server.clone(),
                process,
            });
        }
        for subject in &mut subjects {
            subject.wait_until_ready(&namespace)?;
        }
        Ok(Self {
            subjects,
            namespace,
            _upstream: upstream,
            _api: api,
            _folder: folder,
        })
    }
}

fn first_line(program: &Path, flag: &str) -> Result<String> {
    let text = testbed::output(Command::new(program).arg(flag))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn dns_ctl_command(
    namespace: &Namespace,
    program: &Path,
    kubeconfig: &Path,
    at: impl Fn(u16) -> SocketAddr,
) -> Command {
    let mut command = namespace.command(program);
    command.args(["run", "--hook", "off", "--kubeconfig"]);
    command.arg(kubeconfig);
    for (flag, address) in [
        ("--listen", at(DNS)),
        ("--upstream", UPSTREAM),
        ("--metrics-listen", at(METRICS)),
    ] {
        command.args([flag, &address.to_string()]);
    }
    remove_settings(&mut command);
    command
}

impl Subject {
    /// Whether it can answer queries of this sort: who is told its names by a file has no ports.
    pub(super) fn answers(&self, kind: Kind) -> bool {
        let is_told = matches!(self.server, Server::Other(Other::Unbound | Other::Dnsmasq));
        !(is_told && kind == Kind::Srv)
    }

    fn child(&self) -> &Child {
        match &self.process {
            Process::Own(child) => child,
            Process::Peer(running) => &running.child,
        }
    }

    /// Its process: nsenter enters the namespace and becomes the server.
    pub(super) fn pid(&self) -> u32 {
        self.child().pid()
    }

    /// The last lines that it has written.
    pub(super) fn last_words(&self) -> String {
        let output = self.child().output();
        let lines: Vec<_> = output.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// Waits until it says that it is ready, and answers: CoreDNS says so a moment before.
    fn wait_until_ready(&mut self, namespace: &Namespace) -> Result<()> {
        let (port, path) = match self.server {
            Server::DnsCtl(_) => (METRICS, "/readyz"),
            Server::Other(_) => (READY, "/ready"),
        };
        let (address, health) = (self.address, SocketAddr::new(self.address.ip(), port));
        let Process::Own(child) = &mut self.process else {
            // A peer has answered when it is started.
            return Ok(());
        };
        let query = testbed::query(1, &population::service_whole(0), RecordType::A)?;
        child.wait_for("readiness", START_LIMIT, || {
            if interrupt::is_there() {
                return Ok(Some(()));
            }
            let reply = testbed::get(namespace, health, path, REQUEST_LIMIT)?;
            ensure!(
                reply.status == 200,
                "{path} says {} {}",
                reply.status,
                reply.body.trim()
            );
            let answer = testbed::udp_query(namespace, address, &query, REQUEST_LIMIT)?;
            Ok(answer.map(drop))
        })?;
        interrupt::check()
    }
}
