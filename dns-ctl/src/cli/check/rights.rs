//! What this process may do: load programs, attach them, listen on low ports.

use std::{fs, net::SocketAddr};

use caps::Capability;

use super::report::Finding;
use crate::{
    attach::kernel::{has_capability, missing_capabilities},
    config::Config,
};

const CAPABILITIES: &str = "capabilities";
/// The first port that anyone may listen on, unless the kernel is told otherwise.
const UNPRIVILEGED: u16 = 1024;

/// Looks at the capabilities.
pub(super) fn capabilities(config: &Config) -> Vec<Finding> {
    let asked = config.listen.iter().chain(&config.metrics_listen);
    let ports: Vec<_> = asked.map(SocketAddr::port).collect();
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(UNPRIVILEGED);
    judge(config.kernel.is_some(), &ports, first, has_capability)
}

fn judge(
    kernel: bool,
    ports: &[u16],
    first: u16,
    has: impl Fn(Capability) -> bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if kernel {
        let missing = missing_capabilities(&has);
        findings.push(if missing.is_empty() {
            Finding::pass(
                CAPABILITIES,
                "this process may load programs and attach them",
            )
        } else {
            Finding::fail(
                CAPABILITIES,
                format!(
                    "this process has not {}, which loading and attaching programs needs",
                    missing.join(" and ")
                ),
                "run it as root, give it these capabilities, or use --hook off",
            )
        });
    }
    let low = ports.iter().find(|&&port| port != 0 && port < first);
    if let Some(port) = low {
        findings.push(if has(Capability::CAP_NET_BIND_SERVICE) {
            Finding::pass(CAPABILITIES, format!("it may listen on port {port}"))
        } else {
            Finding::fail(
                CAPABILITIES,
                format!(
                    "this process has not CAP_NET_BIND_SERVICE, which listening on port {port} needs"
                ),
                format!("give it the capability, or choose ports of {first} or above"),
            )
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::report::Verdict, *};

    #[test]
    fn rights_are_judged_by_what_is_asked_for() {
        let all = |_| true;
        let none = |_| false;
        let results = |findings: Vec<Finding>| -> Vec<Verdict> {
            findings.iter().map(|finding| finding.result).collect()
        };
        assert_eq!(results(judge(true, &[53], 1024, all)), [Verdict::Pass; 2]);
        assert_eq!(results(judge(true, &[5353], 1024, all)), [Verdict::Pass]);
        assert_eq!(results(judge(true, &[53], 1024, none)), [Verdict::Fail; 2]);
        assert_eq!(results(judge(false, &[0, 53], 53, none)), []);
        assert_eq!(results(judge(false, &[53], 54, none)), [Verdict::Fail]);
        let found = &judge(true, &[], 1024, |one| one != Capability::CAP_NET_ADMIN)[0].found;
        assert!(found.contains("has not CAP_NET_ADMIN,"), "{found}");
    }
}
