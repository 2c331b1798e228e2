//! A node with a pod and an API server, on which one subject after the other is started.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use api_stub::{ApiStub, CONTEXT, peer};
use dns_common::maps::{DEFAULT_MAX_NAMES, map_name};
use dns_ctl::attach::{counters::Outcomes, maps::OutcomeMap, pins};
use serde::Serialize;
use testbed::{Bpffs, Child, Namespace, Scratch, Topology, remove_settings};

use super::population::Population;
use crate::dns_ctl as built;

const POD: &str = "client";
/// Where dns-ctl answers.
const DNS_CTL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 96, 0, 10)), 53);
const DNS_CTL_METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9153);
/// Where CoreDNS answers.
const COREDNS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 96, 0, 11)), 53);
const COREDNS_READY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8181);
/// Where nobody answers for names outside.
const UPSTREAM: &str = "127.0.0.1:5300";

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Subject {
    /// dns-ctl with its defaults.
    DnsCtl,
    /// Another build of it.
    Against,
    /// dns-ctl that gives every endpoint a name.
    AllEndpoints,
    /// CoreDNS.
    CoreDns,
}

impl Subject {
    /// The name for it in reports.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::DnsCtl => "dns-ctl",
            Self::Against => "dns-ctl, other build",
            Self::AllEndpoints => "dns-ctl --endpoints all",
            Self::CoreDns => "CoreDNS",
        }
    }

    /// Where it answers.
    pub(super) const fn address(self) -> SocketAddr {
        match self {
            Self::CoreDns => COREDNS,
            _ => DNS_CTL,
        }
    }

    /// Where, and by which path, it tells that it is ready.
    pub(super) const fn readiness(self) -> (SocketAddr, &'static str) {
        match self {
            Self::CoreDns => (COREDNS_READY, "/ready"),
            _ => (DNS_CTL_METRICS, "/readyz"),
        }
    }

    /// Whether it answers in the kernel.
    pub(super) const fn is_dns_ctl(self) -> bool {
        !matches!(self, Self::CoreDns)
    }
}

/// The programs.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    dns_ctl: PathBuf,
    against: Option<PathBuf>,
    coredns: Option<PathBuf>,
}

impl Programs {
    /// A given dns-ctl, or else the one built beside this program; another to compare it with; CoreDNS, if wanted.
    pub(super) fn find(
        given: Option<&Path>,
        against: Option<&Path>,
        with_coredns: bool,
    ) -> Result<Self> {
        Ok(Self {
            dns_ctl: built::find(given)?,
            against: against.map(|file| built::find(Some(file))).transpose()?,
            coredns: with_coredns.then(peer::coredns).transpose()?,
        })
    }

    /// Those of the wanted subjects that there is a program for.
    pub(super) fn subjects(&self, wanted: &[Subject]) -> Vec<Subject> {
        let is_there = |subject: &&Subject| self.of(**subject).is_ok();
        wanted.iter().filter(is_there).copied().collect()
    }

    /// What each says of its version.
    pub(super) fn versions(&self) -> Result<Vec<String>> {
        let first_line = |program: &Path, flag: &str| -> Result<String> {
            let text = testbed::output(Command::new(program).arg(flag))?;
            Ok(text.lines().next().unwrap_or_default().to_owned())
        };
        let dns_ctl = std::iter::once(&self.dns_ctl).chain(&self.against);
        let dns_ctl = dns_ctl.map(|program| first_line(program, "--version"));
        let coredns = self.coredns.iter();
        dns_ctl
            .chain(coredns.map(|program| first_line(program, "-version")))
            .collect()
    }

    fn of(&self, subject: Subject) -> Result<&Path> {
        let program = match subject {
            Subject::DnsCtl | Subject::AllEndpoints => Some(&self.dns_ctl),
            Subject::Against => self.against.as_ref(),
            Subject::CoreDns => self.coredns.as_ref(),
        };
        let program = program.with_context(|| format!("no program for {}", subject.label()))?;
        Ok(program)
    }
}

/// The node, its pod, and an API server with a population; everything ends when dropped.
#[derive(Debug)]
pub(super) struct Bed {
    /// What the API server holds.
    pub(super) population: Population,
    /// The API server.
    pub(super) api: ApiStub,
    programs: Programs,
    folder: Scratch,
    bpffs: Bpffs,
    topology: Topology,
}

impl Bed {
    /// Makes the namespaces, and fills the API server.
    pub(super) fn build(programs: &Programs, population: Population) -> Result<Self> {
        let plan = Topology::plan().pod(POD).service_ip(DNS_CTL.ip());
        let topology = plan.service_ip(COREDNS.ip()).build()?;
        let api = topology.node.run(ApiStub::start)??;
        api.create_all(population.objects())?;
        // A server that has been up for long remembers none of this.
        api.compact();
        let folder = Scratch::new("bench")?;
        let kubeconfig = folder.path().join("kubeconfig");
        api.write_kubeconfig(&kubeconfig)?;
        folder.write("Corefile", &corefile(&kubeconfig))?;
        Ok(Self {
            population,
            api,
            programs: programs.clone(),
            folder,
            bpffs: Bpffs::mount()?,
            topology,
        })
    }

    /// Where the subjects run.
    pub(super) fn node(&self) -> &Namespace {
        &self.topology.node
    }

    /// Where the questions come from.
    pub(super) fn pod(&self) -> &Namespace {
        &self.topology.pod(POD).namespace
    }

    /// The folder given with `--bpffs`.
    pub(super) fn maps(&self) -> PathBuf {
        self.bpffs.path().join("kxdns")
    }

    /// Starts a subject, and does not wait.
    pub(super) fn spawn(&self, subject: Subject) -> Result<Child> {
        let mut command = self.node().command(self.programs.of(subject)?);
        if subject == Subject::CoreDns {
            command
                .arg("-conf")
                .arg(self.folder.path().join("Corefile"));
            return Child::spawn(subject.label(), &mut command);
        }
        let all_endpoints = subject == Subject::AllEndpoints;
        let names = self.population.names(all_endpoints).max(DEFAULT_MAX_NAMES);
        command.args(["run", "--interface", "pod-client", "--on-exit", "remove"]);
        command.args(["--lameduck", "0", "--upstream", UPSTREAM]);
        command.args(["--service-ip", &DNS_CTL.ip().to_string()]);
        command.args(["--listen", &DNS_CTL.to_string()]);
        command.args(["--metrics-listen", &DNS_CTL_METRICS.to_string()]);
        command.args(["--max-names", &names.to_string()]);
        if all_endpoints {
            command.args(["--endpoints", "all"]);
        }
        command
            .arg("--kubeconfig")
            .arg(self.folder.path().join("kubeconfig"));
        command.arg("--bpffs").arg(self.maps());
        remove_settings(&mut command);
        Child::spawn(subject.label(), &mut command)
    }

    /// Queries that the kernel has answered so far.
    pub(super) fn hits(&self) -> Result<u64> {
        let map = pins::open(&self.maps(), map_name::OUTCOMES)?;
        let map = OutcomeMap::try_from(aya::maps::Map::from_map_data(map)?)?;
        Ok(Outcomes::read(&map)?.hits().map(|(_, count)| count).sum())
    }
}

/// Ends a subject, and makes sure that it ends as it should.
pub(super) fn stop(subject: Subject, child: Child) -> Result<()> {
    let status = child.stop()?;
    ensure!(status.success(), "{} ended with {status}", subject.label());
    Ok(())
}

/// CoreDNS as kubeadm sets it up, but for what has no part in this, and without a cache, which would give a name's
/// old address for up to 30 seconds.
fn corefile(kubeconfig: &Path) -> String {
    format!(
        ".:53 {{
    bind {host}
    errors
    ready {COREDNS_READY}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig} {CONTEXT}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    forward . {UPSTREAM}
    loadbalance
}}
",
        host = COREDNS.ip(),
        kubeconfig = kubeconfig.display(),
    )
}
