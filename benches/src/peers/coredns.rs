//! CoreDNS as kubeadm sets it up, and as one would who wants it fast.

use std::{net::SocketAddr, path::Path, process::Command};

use api_stub::CONTEXT;
use serde::Serialize;

use super::TTL;

/// Answers that the tuned one keeps of either sort.
const CACHE: u32 = 65_536;

/// How CoreDNS is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tuning {
    /// The Corefile of kubeadm, without `health`, `loop` and `reload`, which have no part in answering.
    Stock,
    /// Nothing that answering does not need, a cache with room for every name, the garbage collected more seldom.
    Tuned,
}

/// What CoreDNS is to do, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup<'a> {
    /// How.
    pub(crate) tuning: Tuning,
    /// Where it answers.
    pub(crate) listen: SocketAddr,
    /// Where it says that it is ready.
    pub(crate) ready: SocketAddr,
    /// Where its metrics are; the tuned one has none.
    pub(crate) metrics: SocketAddr,
    /// How to reach the API server.
    pub(crate) kubeconfig: &'a Path,
    /// Who is asked for names outside the cluster.
    pub(crate) upstream: SocketAddr,
}

impl Tuning {
    /// Settings of Go's runtime; `GOMAXPROCS` is the number of processors anyway.
    pub(crate) fn apply(self, command: &mut Command) {
        for name in ["GOGC", "GOMAXPROCS", "GOMEMLIMIT"] {
            command.env_remove(name);
        }
        if self == Self::Tuned {
            command.env("GOGC", "800");
        }
    }
}

/// The Corefile.
///
/// The cache is for the cluster's names too, as it is with the kubeadm that brings CoreDNS 1.11.1; newer ones except
/// them, which is slower. `multisocket` came with 1.12, so that this version can't be told to use more than one socket.
pub(crate) fn corefile(setup: &Setup<'_>) -> String {
    let Setup {
        tuning,
        listen,
        ready,
        metrics,
        kubeconfig,
        upstream,
    } = setup;
    let (pods, more) = match tuning {
        Tuning::Stock => (
            "pods insecure",
            format!("prometheus {metrics}\n    cache {TTL}\n    loadbalance"),
        ),
        Tuning::Tuned => (
            "pods disabled",
            format!(
                "cache {{\n        success {CACHE} {TTL}\n        denial {CACHE} {TTL}\n    }}"
            ),
        ),
    };
    format!(
        ".:{port} {{
    bind {host}
    errors
    ready {ready}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig} {CONTEXT}
        {pods}
        fallthrough in-addr.arpa ip6.arpa
        ttl {TTL}
    }}
    forward . {upstream} {{
        max_concurrent 1000
    }}
    {more}
}}
",
        port = listen.port(),
        host = listen.ip(),
        kubeconfig = kubeconfig.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(tuning: Tuning) -> String {
        let at = |port| SocketAddr::from(([10, 96, 0, 10], port));
        corefile(&Setup {
            tuning,
            listen: at(53),
            ready: at(8181),
            metrics: at(9153),
            kubeconfig: Path::new("/x/kubeconfig"),
            upstream: at(5300),
        })
    }

    #[test]
    fn the_tuned_one_has_a_larger_cache_and_no_metrics() {
        let stock = text(Tuning::Stock);
        for line in [
            "    cache 30\n",
            "    loadbalance\n",
            "    prometheus 10.96.0.10:9153\n",
        ] {
            assert!(stock.contains(line), "{stock}");
        }
        let tuned = text(Tuning::Tuned);
        assert!(tuned.contains("        success 65536 30\n"), "{tuned}");
        assert!(!tuned.contains("prometheus"), "{tuned}");
    }
}
