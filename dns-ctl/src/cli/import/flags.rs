//! The flags of `dns-ctl run` that a configuration comes to, each said by one line only.

use std::net::SocketAddr;

use super::{account::Fate, server::Server, token::Place};
use crate::zone::name::Domain;

/// Single-valued flags, in the order in which they are written.
const ORDER: &[&str] = &[
    "--kubeconfig",
    "--context",
    "--pods",
    "--endpoints",
    "--namespace-selector",
    "--service-selector",
    "--ignore-empty-services",
    "--ttl",
    "--resolv-conf",
    "--upstream-concurrency",
    "--upstream-timeout",
    "--cache-size",
    "--cache-max-ttl",
    "--cache-max-negative-ttl",
    "--prefetch",
    "--serve-stale",
    "--metrics-listen",
    "--lameduck",
    "--log-level",
];

/// The listen address of `--mode serve` unless told otherwise.
const DEFAULT_LISTEN: &str = "0.0.0.0:53";

/// What has been said so far.
#[derive(Debug, Default)]
pub(super) struct Flags {
    /// `--cluster-domain`.
    pub(super) domains: Vec<Domain>,
    /// `--namespace`.
    pub(super) namespaces: Vec<String>,
    /// `--listen`.
    pub(super) listen: Vec<SocketAddr>,
    /// `--upstream`, and the line that says so.
    pub(super) upstreams: Option<(Vec<Server>, Place)>,
    /// `--stub-domain`, and the line that says so.
    pub(super) stubs: Vec<(Domain, Vec<Server>, Place)>,
    single: Vec<Single>,
}

/// A flag with one value; empty for a switch.
#[derive(Debug)]
struct Single {
    flag: &'static str,
    value: String,
    place: Place,
}

impl Flags {
    /// Sets a flag of [`ORDER`] unless another line has given it another value.
    pub(super) fn set(&mut self, flag: &'static str, value: &str, place: &Place) -> Fate {
        debug_assert!(ORDER.contains(&flag), "{flag} would not be written");
        match self.single.iter().find(|single| single.flag == flag) {
            Some(known) if known.value != value => Fate::Missing(format!(
                "{flag} is for all names, and {} by {}",
                known.value, known.place
            )),
            Some(_) => Fate::Carried(written(flag, value)),
            None => {
                self.single.push(Single {
                    flag,
                    value: value.to_owned(),
                    place: place.clone(),
                });
                Fate::Carried(written(flag, value))
            }
        }
    }

    /// Sets several flags for one line: what was carried over, and what another line says otherwise.
    pub(super) fn set_all(&mut self, values: &[(&'static str, String)], place: &Place) -> Fate {
        let (mut carried, mut problems) = (Vec::new(), Vec::new());
        for (flag, value) in values {
            match self.set(flag, value, place) {
                Fate::Carried(text) => carried.push(text),
                Fate::BuiltIn(text) | Fate::Missing(text) => problems.push(text),
            }
        }
        Fate::carried_but(carried.join(" "), &problems)
    }

    /// Whether a line has set the flag.
    pub(super) fn has(&self, flag: &str) -> bool {
        self.single.iter().any(|single| single.flag == flag)
    }

    /// The arguments of `dns-ctl` that say all this: `run` and the flags.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["run".to_owned()];
        let mut push = |flag: &str, value: String| {
            // A value such as `-1` would be taken for a flag.
            if value.starts_with('-') {
                arguments.push(format!("{flag}={value}"));
                return;
            }
            arguments.push(flag.to_owned());
            if !value.is_empty() {
                arguments.push(value);
            }
        };
        for domain in &self.domains {
            push("--cluster-domain", domain.to_string());
        }
        for namespace in &self.namespaces {
            push("--namespace", namespace.clone());
        }
        for address in self.listen_if_not_default() {
            push("--listen", address.to_string());
        }
        for server in self.upstreams.iter().flat_map(|(servers, _)| servers) {
            push("--upstream", server.to_string());
        }
        for (domain, servers, _) in &self.stubs {
            let servers: Vec<_> = servers.iter().map(ToString::to_string).collect();
            push("--stub-domain", format!("{domain}={}", servers.join(",")));
        }
        for flag in ORDER {
            for single in self.single.iter().filter(|single| single.flag == *flag) {
                push(flag, single.value.clone());
            }
        }
        arguments
    }

    fn listen_if_not_default(&self) -> &[SocketAddr] {
        match self.listen.as_slice() {
            [only] if only.to_string() == DEFAULT_LISTEN => &[],
            listen => listen,
        }
    }
}

fn written(flag: &str, value: &str) -> String {
    if value.is_empty() {
        flag.to_owned()
    } else {
        format!("{flag} {value}")
    }
}
