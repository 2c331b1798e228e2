//! Who answered: counters of the kernel, of dns-ctl's server and of the upstream, before and after a query.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// What `dns-ctl status --output json` says, as far as it is shown here.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    /// The interfaces it is attached to.
    pub(super) interfaces: Vec<Interface>,
    /// How many names the kernel map holds.
    pub(super) entries: u64,
    /// How many it has room for.
    pub(super) capacity: u64,
    /// Queries the kernel has answered, by kind.
    pub(super) hits: BTreeMap<String, u64>,
    /// Packets the kernel has passed on, by reason.
    pub(super) misses: BTreeMap<String, u64>,
}

/// An interface with a program.
#[derive(Debug, Deserialize)]
pub(super) struct Interface {
    /// Its name.
    pub(super) name: String,
    /// The hook in use.
    pub(super) hook: String,
}

/// How many queries each part has seen since it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counters {
    /// Answered in the kernel.
    pub(super) kernel: u64,
    /// Received by dns-ctl's server.
    pub(super) server: u64,
    /// Sent on by it.
    pub(super) forwarded: u64,
    /// Received by the upstream stub, by the stub's own count.
    pub(super) upstream: u64,
}

impl Counters {
    /// Takes the figures out of the status, the metrics page, and the stub's count.
    pub(super) fn read(status: &Status, metrics: &str, upstream: u64) -> Result<Self> {
        let metric = |name| {
            // A counter with labels is not there before its first event.
            let value = testbed::sum(metrics, name).unwrap_or(0.0);
            whole(value).with_context(|| format!("{name} is {value}"))
        };
        Ok(Self {
            kernel: status.hits.values().sum(),
            server: metric("kxdns_server_requests_total")?,
            forwarded: metric("kxdns_server_forwarded_total")?,
            upstream,
        })
    }
}

/// Who answered how many queries between two looks at the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Delta {
    /// Answered in the kernel.
    pub(super) kernel: u64,
    /// Answered by dns-ctl's server out of its own knowledge.
    pub(super) userspace: u64,
    /// Seen by the upstream stub.
    pub(super) upstream: u64,
}

impl Delta {
    /// What has changed.
    pub(super) fn between(before: &Counters, after: &Counters) -> Self {
        let server = after.server.saturating_sub(before.server);
        let forwarded = after.forwarded.saturating_sub(before.forwarded);
        Self {
            kernel: after.kernel.saturating_sub(before.kernel),
            userspace: server.saturating_sub(forwarded),
            upstream: after.upstream.saturating_sub(before.upstream),
        }
    }
}

impl fmt::Display for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = [
            ("kernel", self.kernel),
            ("userspace", self.userspace),
            ("upstream", self.upstream),
        ]
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .collect();
        match parts.as_slice() {
            [] => f.write_str("nobody"),
            // The usual case, one query: no figure needed.
            [(name, 1)] => f.write_str(name),
            parts => {
                let parts: Vec<_> = parts
                    .iter()
                    .map(|(name, count)| format!("{name} {count}"))
                    .collect();
                f.write_str(&parts.join(", "))
            }
        }
    }
}

/// A figure of the text format as what it is, a count.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole, positive, and small enough to be exact"
)]
fn whole(value: f64) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (value.fract() == 0.0 && (0.0..EXACT).contains(&value)).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = r#"{"running":true,"interfaces":[{"name":"pod-frontend","ifindex":3,"hook":"tcx"}],
        "entries":12,"capacity":131072,"hits":{"a":5,"aaaa":1},"misses":{"unknown_name":3}}"#;
    const METRICS: &str = "kxdns_server_requests_total{proto=\"udp\"} 4\nkxdns_server_requests_total{proto=\"tcp\"} 1\n";

    #[test]
    fn counters_come_from_all_three_parts() {
        let status = serde_json::from_str(STATUS).unwrap();
        assert_eq!(
            Counters::read(&status, METRICS, 2).unwrap(),
            Counters {
                kernel: 6,
                server: 5,
                forwarded: 0,
                upstream: 2
            }
        );
        assert!(Counters::read(&status, "kxdns_server_requests_total 0.5", 2).is_err());
    }

    #[test]
    fn delta_says_who_answered() {
        let before = Counters {
            kernel: 1,
            server: 2,
            forwarded: 3,
            upstream: 4,
        };
        for (kernel, server, forwarded, upstream, expected) in [
            (2, 2, 3, 4, "kernel"),
            (3, 2, 3, 4, "kernel 2"),
            (2, 3, 3, 4, "kernel 1, userspace 1"),
            (1, 3, 4, 5, "upstream"),
            (1, 2, 3, 4, "nobody"),
        ] {
            let after = Counters {
                kernel,
                server,
                forwarded,
                upstream,
            };
            assert_eq!(Delta::between(&before, &after).to_string(), expected);
        }
    }
}
