//! One network namespace with an API server, an upstream, and the two servers that are compared.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, ensure};
use api_stub::{ApiStub, CONTEXT, peer};
use hickory_proto::rr::RecordType;
use testbed::{Child, Namespace, Scratch, Upstream, interrupt, remove_settings};

use super::population::{self, Population};
use crate::dns_ctl;

/// Where dns-ctl answers.
const DNS_CTL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 53);
const DNS_CTL_METRICS: SocketAddr = SocketAddr::new(DNS_CTL.ip(), 9153);
/// Where CoreDNS answers.
const COREDNS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3)), 53);
const COREDNS_METRICS: SocketAddr = SocketAddr::new(COREDNS.ip(), 9153);
const COREDNS_READY: SocketAddr = SocketAddr::new(COREDNS.ip(), 8181);
/// Where both ask for names outside the cluster.
const UPSTREAM: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 4)), 53);
/// How many of a server's lines are shown when something is wrong.
const LAST_LINES: usize = 10;
/// How long a server may take to be ready.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long any one request may take until then.
const REQUEST_LIMIT: Duration = Duration::from_secs(2);

/// The servers and all they need; everything ends when dropped, the servers first.
#[derive(Debug)]
pub(super) struct Bed {
    /// The servers.
    pub(super) subjects: [Subject; 2],
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
    pub(super) label: &'static str,
    /// Where it answers.
    pub(super) address: SocketAddr,
    child: Child,
}

/// The programs of the servers.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    /// dns-ctl.
    pub(super) dns_ctl: PathBuf,
    /// CoreDNS.
    pub(super) coredns: PathBuf,
}

impl Programs {
    /// The programs: a given dns-ctl, or else the one built beside this program; CoreDNS as the tests have it.
    pub(super) fn find(given: Option<&Path>) -> Result<Self> {
        Ok(Self {
            dns_ctl: dns_ctl::find(given)?,
            coredns: peer::coredns()?,
        })
    }

    /// What each says of its version, dns-ctl first.
    pub(super) fn versions(&self) -> Result<[String; 2]> {
        let first_line = |program: &Path, flag| -> Result<String> {
            let text = testbed::output(Command::new(program).arg(flag))?;
            Ok(text.lines().next().unwrap_or_default().to_owned())
        };
        Ok([
            first_line(&self.dns_ctl, "--version")?,
            first_line(&self.coredns, "-version")?,
        ])
    }
}

impl Bed {
    /// Makes the namespace, fills the API server, starts both servers and waits until both answer.
    pub(super) fn start(programs: &Programs, population: Population) -> Result<Self> {
        let namespace = Namespace::new("bench")?;
        let api = namespace.run(ApiStub::start)??;
        api.create_all(population.objects())?;
        let upstream = Upstream::start(&namespace, UPSTREAM, population.upstream())?;
        let folder = Scratch::new("bench")?;
        let kubeconfig = folder.path().join("kubeconfig");
        api.write_kubeconfig(&kubeconfig)?;
        let corefile = folder.write("Corefile", &corefile(&kubeconfig))?;

        let mut dns_ctl = namespace.command(&programs.dns_ctl);
        dns_ctl.args(["run", "--hook", "off", "--kubeconfig"]);
        dns_ctl.arg(&kubeconfig);
        for (flag, address) in [
            ("--listen", DNS_CTL),
            ("--upstream", UPSTREAM),
            ("--metrics-listen", DNS_CTL_METRICS),
        ] {
            dns_ctl.args([flag, &address.to_string()]);
        }
        remove_settings(&mut dns_ctl);
        let mut coredns = namespace.command(&programs.coredns);
        coredns.arg("-conf").arg(corefile);

        let mut subjects = [
            Subject::spawn("dns-ctl", DNS_CTL, &mut dns_ctl)?,
            Subject::spawn("CoreDNS", COREDNS, &mut coredns)?,
        ];
        subjects[0].wait_until_ready(&namespace, (DNS_CTL_METRICS, "/readyz"))?;
        subjects[1].wait_until_ready(&namespace, (COREDNS_READY, "/ready"))?;
        Ok(Self {
            subjects,
            namespace,
            _upstream: upstream,
            _api: api,
            _folder: folder,
        })
    }
}

impl Subject {
    fn spawn(label: &'static str, address: SocketAddr, command: &mut Command) -> Result<Self> {
        Ok(Self {
            label,
            address,
            child: Child::spawn(label, command)?,
        })
    }

    /// Its process: nsenter enters the namespace and becomes the server.
    pub(super) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// The last lines that it has written.
    pub(super) fn last_words(&self) -> String {
        let output = self.child.output();
        let lines: Vec<_> = output.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// Waits until it says that it is ready, and answers: CoreDNS says so a moment before.
    fn wait_until_ready(
        &mut self,
        namespace: &Namespace,
        (health, path): (SocketAddr, &str),
    ) -> Result<()> {
        let query = testbed::query(1, &population::service_whole(0), RecordType::A)?;
        self.child.wait_for("readiness", START_LIMIT, || {
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
            let answer = testbed::udp_query(namespace, self.address, &query, REQUEST_LIMIT)?;
            Ok(answer.map(drop))
        })?;
        interrupt::check()
    }
}

/// CoreDNS as kubeadm sets it up, but for `health`, `loop` and `reload`, which have no part in answering.
///
/// The cache is for the cluster's names too, as CoreDNS is faster so; newer versions of kubeadm except them.
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
    prometheus {COREDNS_METRICS}
    forward . {UPSTREAM} {{
        max_concurrent 1000
    }}
    cache 30
    loadbalance
}}
",
        host = COREDNS.ip(),
        kubeconfig = kubeconfig.display(),
    )
}
