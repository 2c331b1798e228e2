//! Other projects' DNS servers that kxdns is measured beside, each set up as somebody would who knows it well.

pub(crate) mod coredns;
mod dnsmasq;
mod unbound;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use hickory_proto::rr::RecordType;
use serde::Serialize;
use testbed::{Child, Namespace, Scratch, interrupt};

/// How long a server may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long any one answer may take until then.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// For how long an answer may be kept, in seconds; what kubeadm's Corefile says.
const TTL: u32 = 30;

/// A server that is told its names by a file, and has no eye on an API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Peer {
    /// unbound, the names as its `local-data`
    Unbound,
    /// dnsmasq, the names in a hosts file
    Dnsmasq,
}

/// What a peer answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served<'a> {
    /// Where.
    pub(crate) listen: SocketAddr,
    /// The domain that has no names but those given, without the final dot.
    pub(crate) domain: &'a str,
    /// Whole names in it, without the final dot, each with its address; at least one.
    pub(crate) names: &'a [(String, Ipv4Addr)],
    /// Who is asked for all other names.
    pub(crate) upstream: SocketAddr,
}

/// A running peer; it ends when dropped, and then its files go.
#[derive(Debug)]
pub(crate) struct Running {
    /// The server's process: nsenter enters the namespace and becomes it.
    pub(crate) child: Child,
    _folder: Scratch,
}

impl Peer {
    /// Its name in reports.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Unbound => "unbound",
            Self::Dnsmasq => "dnsmasq",
        }
    }

    /// The program, as `cargo xtask prerequisites` has put it.
    fn program(self) -> Result<PathBuf> {
        let (package, name) = match self {
            Self::Unbound => ("unbound", "unbound"),
            Self::Dnsmasq => ("dnsmasq-base", "dnsmasq"),
        };
        let this = std::env::current_exe().context("can't tell where this program is")?;
        // One of the folders around this program is cargo's target folder.
        this.ancestors()
            .find_map(|target| testbed::find_unpacked(target, package, name))
            .with_context(|| {
                format!(
                    "there is no {name}: `cargo xtask bench` fetches Debian's package {package}"
                )
            })
    }

    /// What it says of its version.
    pub(crate) fn version(self) -> Result<String> {
        let flag = match self {
            Self::Unbound => "-V",
            Self::Dnsmasq => "--version",
        };
        let text = testbed::output(Command::new(self.program()?).arg(flag))?;
        let first = text.lines().next().unwrap_or_default();
        Ok(first.split("  ").next().unwrap_or_default().to_owned())
    }

    /// Starts it in a namespace, and waits until it answers.
    pub(crate) fn start(self, namespace: &Namespace, served: &Served<'_>) -> Result<Running> {
        let folder = Scratch::new(self.label())?;
        let mut command = namespace.command(self.program()?);
        match self {
            Self::Unbound => {
                let threads = std::thread::available_parallelism().map_or(1, usize::from);
                let text = unbound::configuration(served, threads);
                command.args(["-d", "-p", "-c"]);
                command.arg(folder.write("unbound.conf", &text)?);
            }
            Self::Dnsmasq => {
                let hosts = folder.write("hosts", &dnsmasq::hosts(served))?;
                command.args(dnsmasq::arguments(served, &hosts));
            }
        }
        let mut child = Child::spawn(self.label(), &mut command)?;
        let (name, _) = served.names.first().context("a peer needs a name")?;
        wait_for_answer(&mut child, namespace, served.listen, name)?;
        Ok(Running {
            child,
            _folder: folder,
        })
    }
}

/// Waits until a server answers for a name.
pub(crate) fn wait_for_answer(
    child: &mut Child,
    namespace: &Namespace,
    server: SocketAddr,
    name: &str,
) -> Result<()> {
    let query = testbed::query(1, name, RecordType::A)?;
    child.wait_for("an answer", START_LIMIT, || {
        if interrupt::is_there() {
            return Ok(Some(()));
        }
        let answer = testbed::udp_query(namespace, server, &query, ANSWER_LIMIT)?;
        Ok(answer.map(drop))
    })?;
    interrupt::check()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two names to be served.
    pub(super) fn with_served(check: impl FnOnce(&Served<'_>)) {
        let names = [1, 2].map(|last| {
            let name = format!("service-{last}.default.svc.cluster.local");
            (name, Ipv4Addr::new(10, 97, 0, last))
        });
        check(&Served {
            listen: SocketAddr::from(([10, 96, 0, 10], 53)),
            domain: "cluster.local",
            names: &names,
            upstream: SocketAddr::from(([127, 0, 0, 4], 5300)),
        });
    }
}
