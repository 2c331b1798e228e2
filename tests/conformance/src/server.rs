//! The two servers, each with an address of its own on the loopback interface.

use std::{env, fmt::Write as _, net::SocketAddr, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use api_stub::peer::{CoreDns, Setup};
use testbed::{Child, Scratch};

use crate::{
    ask, loopback,
    plan::ClusterPlan,
    question::{Kind, Question, Transport},
};
use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RecordType},
};

/// Names a dns-ctl program to test instead of building this workspace's.
const PROGRAM_VARIABLE: &str = "KXDNS_CONFORMANCE_PROGRAM";
/// How long a server may take to start, and to follow a change.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it is asked whether it has.
const POLL: Duration = Duration::from_millis(10);
/// Where dns-ctl tells how it is.
const METRICS_PORT: u16 = 9153;

/// A server to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The peer.
    CoreDns,
    /// Ours.
    DnsCtl,
}

/// A running server; it ends when dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it answers, UDP and TCP.
    pub address: SocketAddr,
    process: Process,
}

#[derive(Debug)]
enum Process {
    CoreDns(CoreDns),
    DnsCtl { child: Child, _folder: Scratch },
}

impl Server {
    /// Starts a server as the plan's settings say, and waits until it has listed all objects.
    pub fn start(
        subject: Subject,
        plan: &ClusterPlan,
        kubeconfig: &str,
        upstream: SocketAddr,
    ) -> Result<Self> {
        let address = loopback::own_address();
        let process = match subject {
            Subject::CoreDns => {
                let mut server = CoreDns::start_with(&Setup {
                    kubeconfig,
                    domains: &plan.settings.domains,
                    options: &plan.settings.corefile(),
                    address: Some(address),
                    upstream: Some(upstream),
                })?;
                server.wait_ready(PATIENCE)?;
                Process::CoreDns(server)
            }
            Subject::DnsCtl => dns_ctl(plan, kubeconfig, address, upstream)?,
        };
        Ok(Self { address, process })
    }

    /// Waits until all these names exist for it.
    pub fn wait_for(&self, names: &[String]) -> Result<()> {
        let question = |name: &String| {
            Ok(Question {
                kind: Kind::Fixed,
                name: Name::from_ascii(name)?,
                record_type: RecordType::A,
                transport: Transport::Tcp,
            })
        };
        let questions = names.iter().map(question).collect::<Result<Vec<_>>>()?;
        let mut last = None;
        let met = api_stub::wait_until(PATIENCE, || {
            // A server may say that it is ready before it listens.
            let answers = ask::over_tcp(self.address, &questions);
            let exist = answers
                .as_ref()
                .is_ok_and(|answers| answers.iter().all(|it| it.rcode == ResponseCode::NoError));
            last = Some(answers);
            exist.then_some(())
        });
        met.with_context(|| {
            let mut told = String::new();
            match last {
                Some(Ok(answers)) => {
                    for (name, answer) in names.iter().zip(answers) {
                        let _ = writeln!(told, "{name}: {answer}");
                    }
                }
                other => drop(write!(told, "{other:?}")),
            }
            format!(
                "the server has not followed the cluster after {PATIENCE:?}: {told}\nit said:\n{}",
                self.log()
            )
        })
    }

    /// What it has printed.
    #[must_use]
    pub fn log(&self) -> String {
        match &self.process {
            Process::CoreDns(server) => server.log(),
            Process::DnsCtl { child, .. } => child.output(),
        }
    }
}

fn dns_ctl(
    plan: &ClusterPlan,
    kubeconfig: &str,
    address: SocketAddr,
    upstream: SocketAddr,
) -> Result<Process> {
    let folder = Scratch::new("conformance")?;
    let kubeconfig = folder.write("kubeconfig", kubeconfig)?;
    let metrics = SocketAddr::new(address.ip(), METRICS_PORT);
    let program = match env::var_os(PROGRAM_VARIABLE) {
        Some(named) => named.into(),
        None => testbed::program("dns-ctl")?,
    };
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let is_setting = name.to_str().is_some_and(|name| name.starts_with("KXDNS_"));
        if is_setting || name == "KUBECONFIG" {
            command.env_remove(name);
        }
    }
    command
        .args(["run", "--hook=off", "--cache-size=0"])
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .arg(format!("--listen={address}"))
        .arg(format!("--metrics-listen={metrics}"))
        .arg(format!("--upstream={upstream}"))
        .args(plan.settings.flags());
    let mut child = Child::spawn("dns-ctl", &mut command)?;
    child.wait_for("readiness", PATIENCE, || {
        let reply = testbed::get_here(metrics, "/readyz", POLL * 100)?;
        ensure!(reply.status == 200, "{}", reply.body);
        Ok(Some(()))
    })?;
    Ok(Process::DnsCtl {
        child,
        _folder: folder,
    })
}
