//! Whether the addresses that `run` listens on can be had.

use std::net::SocketAddr;

use super::{instance::Held, report::Finding, report::Verdict};
use crate::{
    config::Config,
    metrics::http,
    serve::server::{BindError, Server},
};

const LISTEN: &str = "listen";
const METRICS: &str = "metrics";

/// Binds each address, and lets it go.
pub(super) async fn listen(config: &Config, held: Held) -> Vec<Finding> {
    let mut findings: Vec<_> = config
        .listen
        .iter()
        .map(|&address| judge(address, Server::bind(&[address]).err().as_ref(), held.any()))
        .collect();
    if let Some(address) = config.metrics_listen {
        let error = http::bind(address).await.err();
        findings.push(judge_metrics(address, error.as_ref(), held.any()));
    }
    findings
}

/// Judges one address; `beside` says that another instance runs, which then most likely has it.
fn judge(address: SocketAddr, error: Option<&BindError>, beside: bool) -> Finding {
    match error {
        None => Finding::pass(LISTEN, format!("{address} is free, over UDP and TCP")),
        Some(BindError::InUse { transport, .. }) if beside => in_use(LISTEN, transport, address),
        Some(error @ BindError::Other { .. }) => {
            Finding::fail(LISTEN, error.to_string(), "choose another with --listen")
        }
        Some(error) => Finding::told(LISTEN, Verdict::Fail, &error.to_string(), ""),
    }
}

fn judge_metrics(address: SocketAddr, error: Option<&http::BindError>, beside: bool) -> Finding {
    match error {
        None => Finding::pass(METRICS, format!("{address} is free")),
        Some(error) if beside && error.source.kind() == std::io::ErrorKind::AddrInUse => {
            in_use(METRICS, "TCP", address)
        }
        Some(http::BindError { source, .. }) => Finding::fail(
            METRICS,
            format!("can't listen on {address} for metrics: {source}"),
            "choose another address with --metrics-listen",
        ),
    }
}

fn in_use(check: &'static str, transport: &str, address: SocketAddr) -> Finding {
    Finding::warn(
        check,
        format!("{transport} port of {address} is in use, most likely by the other dns-ctl here"),
        "it is free once that has stopped",
    )
}

#[cfg(test)]
mod tests {
    use std::{io, net::TcpListener};

    use super::*;

    #[test]
    fn errors_are_parted_from_their_remedies() {
        let address = "[::1]:53".parse().unwrap();
        let transport = "UDP";
        for (error, beside, result, found, remedy) in [
            (
                BindError::InUse { address, transport },
                false,
                Verdict::Fail,
                "UDP port of [::1]:53 is in use by another process",
                "stop it, or choose",
            ),
            (
                BindError::InUse { address, transport },
                true,
                Verdict::Warn,
                "by the other dns-ctl here",
                "once that has stopped",
            ),
            (
                BindError::Privileged { address, transport },
                true,
                Verdict::Fail,
                "not allowed to listen on UDP [::1]:53",
                "give the process CAP_NET_BIND_SERVICE",
            ),
            (
                BindError::Other {
                    address,
                    transport,
                    source: io::Error::other("odd"),
                },
                false,
                Verdict::Fail,
                "can't listen on UDP [::1]:53: odd",
                "--listen",
            ),
        ] {
            let finding = judge(address, Some(&error), beside);
            assert_eq!(finding.result, result, "{finding:?}");
            assert!(finding.found.ends_with(found), "{finding:?}");
            assert!(finding.remedy.unwrap().contains(remedy));
        }
    }

    #[tokio::test]
    async fn an_address_of_metrics_that_is_taken_is_seen() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = http::bind(address).await.err();
        for (beside, result) in [(false, Verdict::Fail), (true, Verdict::Warn)] {
            let finding = judge_metrics(address, error.as_ref(), beside);
            assert_eq!(finding.result, result, "{finding:?}");
        }
        assert_eq!(judge_metrics(address, None, true).result, Verdict::Pass);
    }
}
