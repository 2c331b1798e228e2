//! Pods' interfaces, made in the ways in which container network plugins make them.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use aya::programs::{SchedClassifier, TcAttachType};
use dns_ctl::attach::kernel::TC_PROGRAM;
use kxdns_tests::node::{ANSWER, PATIENCE, SERVICE, SERVICE_IP};
use testbed::{Namespace, Received, udp_query};

use crate::shell::{Shell, batch};

/// The bridge of [`Way::Bridge`], in the node's namespace.
pub(crate) const BRIDGE: &str = "bridge";

/// How a pair comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// On the node, the other end in the pod from the start.
    Direct,
    /// In the pod, and the node's end moved out of it.
    MovedOut,
    /// On the node under another name, and renamed.
    Renamed,
    /// On the node, the other end moved into the pod later.
    MovedIn,
    /// As a port of a bridge, which it leaves again.
    Bridge,
    /// Directly, then down and up again.
    DownUp,
}

impl Way {
    /// All ways, in turn.
    pub(crate) fn of(number: usize) -> Self {
        let all = [
            Self::Direct,
            Self::MovedOut,
            Self::Renamed,
            Self::MovedIn,
            Self::Bridge,
            Self::DownUp,
        ];
        all[number % all.len()]
    }
}

/// A pod with one interface; both gone when dropped, with the namespace.
pub(crate) struct Pod {
    /// The pod's own namespace.
    pub(crate) namespace: Namespace,
    /// The node's end.
    pub(crate) interface: String,
    number: u16,
}

impl Pod {
    /// A pod without an interface.
    pub(crate) fn new(number: u16) -> Result<Self> {
        Ok(Self {
            namespace: Namespace::new(&format!("churn-{number}"))?,
            interface: format!("churn{number}"),
            number,
        })
    }

    /// Makes the interface, and waits until the program is on it; gives how long that took from the moment at
    /// which it was the node's end of a pod's pair.
    ///
    /// To be called on a thread in the node's namespace; `node` is a shell there.
    pub(crate) fn connect(&self, node: &mut Shell, here: &Namespace, way: Way) -> Result<Duration> {
        let (name, pod) = (&self.interface, self.namespace.name());
        let direct = |name: &str| format!("link add {name} type veth peer name eth0 netns {pod}");
        let took = match way {
            Way::Direct | Way::Bridge | Way::DownUp => {
                node.say(&direct(name))?;
                watch(name, None)?
            }
            Way::MovedOut => {
                let mut inside = Shell::open(&self.namespace)?;
                inside.say(&format!(
                    "link add eth0 type veth peer name {name}\nlink set {name} netns {}",
                    here.name()
                ))?;
                inside.finish()?;
                watch(name, None)?
            }
            Way::Renamed => {
                let first = format!("tmp{}", self.number);
                // At once: it may have another name before dns-ctl has heard of the first.
                node.say(&format!("{}\nlink set {first} name {name}", direct(&first)))?;
                watch(name, None)?
            }
            Way::MovedIn => {
                let other = format!("peer{}", self.number);
                node.say(&format!(
                    "link add {name} type veth peer name {other}\nlink set {other} netns {pod} name eth0"
                ))?;
                // The kernel does not tell the node that the other end has moved before anything else changes.
                self.namespace.run(|| wait_for("eth0", |_| true))??;
                let start = Instant::now();
                node.say(&format!("link set {name} up"))?;
                watch(name, Some(start))?
            }
        };
        match way {
            Way::Bridge => node.say(&format!(
                "link set {name} master {BRIDGE} up\nlink set {name} nomaster"
            ))?,
            Way::DownUp => node.say(&format!(
                "link set {name} up\nlink set {name} down\nlink set {name} up"
            ))?,
            _ => node.say(&format!("link set {name} up"))?,
        }
        Ok(took)
    }

    /// Gives the pod's end an address and a way to the DNS service, which leads nowhere but to the program.
    pub(crate) fn configure(&self) -> Result<()> {
        let [high, low] = self.number.to_be_bytes();
        let address = Ipv4Addr::new(10, 245, high, low);
        let commands = format!(
            "addr add {address}/32 dev eth0\nlink set eth0 up\nroute add {SERVICE_IP} dev eth0\n\
             neigh add {SERVICE_IP} lladdr 02:00:00:00:00:01 dev eth0"
        );
        batch(&self.namespace, &commands)?;
        // The kernel lets packets out a moment after both ends are up.
        let deadline = Instant::now() + PATIENCE;
        while !self.namespace.ip("link show eth0")?.contains("state UP") {
            ensure!(Instant::now() < deadline, "{} stays down", self.interface);
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Asks from the pod: nobody but the program can answer.
    pub(crate) fn ask(&self, query: &[u8]) -> Result<Received> {
        udp_query(&self.namespace, SERVICE, query, ANSWER)?
            .with_context(|| format!("no answer by {}", self.interface))
    }
}

/// Whether the interface has the program, and only once; an error if it does not exist.
pub(crate) fn has_program(interface: &str) -> Result<bool> {
    let (_, programs) = SchedClassifier::query_tcx(interface, TcAttachType::Ingress)?;
    let own = programs
        .iter()
        .filter(|program| program.name_as_str() == Some(TC_PROGRAM))
        .count();
    ensure!(own <= 1, "{interface} has the program {own} times");
    Ok(own == 1)
}

/// The time from `start`, or from when the interface is first seen, until the program is on it.
fn watch(interface: &str, start: Option<Instant>) -> Result<Duration> {
    let start = match start {
        Some(start) => start,
        None => wait_for(interface, |_| true)?,
    };
    let end = wait_for(interface, |has_program| has_program)?;
    Ok(end - start)
}

/// Looks again and again, as fast as can be, until it is there and as it should be.
fn wait_for(interface: &str, mut is_good: impl FnMut(bool) -> bool) -> Result<Instant> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // An error means that it is not there yet.
        if has_program(interface).is_ok_and(&mut is_good) {
            return Ok(Instant::now());
        }
        ensure!(
            Instant::now() < deadline,
            "{interface} has no program after {PATIENCE:?}"
        );
        std::thread::yield_now();
    }
}
