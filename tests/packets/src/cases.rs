//! The table: a packet of each kind, and what has to become of it.

mod answers;
mod edns;
mod links;
mod lookup;
mod matrix;
mod network;
mod question;
mod sizes;

use dns_common::{Hit, Miss, Outcome};

/// A packet and what has to become of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is special about it.
    pub name: String,
    /// The packet from its Ethernet header on.
    pub frame: Vec<u8>,
    /// What has to become of it, with the maps of [`crate::fixture`].
    pub outcome: Outcome,
}

impl Case {
    /// Whether the packet is a whole datagram for the cluster's DNS, whatever its payload is: then it falls under lease and
    /// limit. Reasons are in the order in which they are found out.
    #[must_use]
    pub fn is_for_dns(&self) -> bool {
        match self.outcome {
            // May be said of the headers, and of the message.
            Outcome::Miss(Miss::Truncated) => crate::oracle::open(&self.frame).is_ok(),
            Outcome::Miss(miss) => miss as u32 > Miss::RateLimited as u32,
            Outcome::Hit(_) | Outcome::Dropped(_) => true,
        }
    }
}

const NGINX: &str = "nginx.default.svc.cluster.local";

/// The whole table; every outcome but those that depend on the maps' state ([`Miss::NotConfigured`],
/// [`Miss::LeaseExpired`], [`Miss::NegativeOff`], [`Miss::Incomplete`], those of a limit) or on the packet's memory
/// ([`Miss::NoRoom`]) is in it.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = answers::single();
    cases.extend(answers::other_types());
    cases.extend(answers::negative());
    cases.extend(links::hits());
    cases.extend(edns::hits());
    cases.extend(edns::forms());
    cases.extend(sizes::sizes());
    cases.extend(network::link());
    cases.extend(network::ipv4());
    cases.extend(network::ipv6());
    cases.extend(network::transport());
    cases.extend(question::header());
    cases.extend(question::question());
    cases.extend(edns::records());
    cases.extend(edns::options());
    cases.extend(lookup::zones());
    cases.extend(lookup::entries());
    cases.extend(matrix::matrix());
    cases
}

fn hit(name: impl Into<String>, frame: Vec<u8>, hit: Hit) -> Case {
    Case {
        name: name.into(),
        frame,
        outcome: Outcome::Hit(hit),
    }
}

fn miss(name: impl Into<String>, frame: Vec<u8>, miss: Miss) -> Case {
    Case {
        name: name.into(),
        frame,
        outcome: Outcome::Miss(miss),
    }
}
