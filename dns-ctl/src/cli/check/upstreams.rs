//! Whether the upstreams that would be asked answer.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures::future::join_all;

use super::report::{Finding, Verdict};
use crate::{
    args::Mode,
    config::Config,
    kube::ConfigMapData,
    serve::{
        resolve::reach::reach,
        settings::{Settings, watch::is_local},
        upstream::{Upstream, check_not_own},
    },
    zone::DNS_PORT,
};

const UPSTREAMS: &str = "upstreams";
/// How long an upstream may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What has become of an upstream that would be asked.
type Asked = (Upstream, Result<Duration, Silence>);

/// Why an upstream gives nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Silence {
    /// It is the cluster's DNS, which this would be.
    Own,
    /// It does not answer.
    Failed(String),
}

/// Asks every upstream; `dns` are the addresses of the cluster's DNS Service.
pub(super) async fn upstreams(
    config: &Config,
    config_map: ConfigMapData,
    dns: &[IpAddr],
) -> Vec<Finding> {
    let mut settings = match Settings::new(config.given(), is_local) {
        Ok(settings) => settings,
        Err(error) => {
            return vec![Finding::told(
                UPSTREAMS,
                Verdict::Fail,
                &error.to_string(),
                "give another server with --upstream",
            )];
        }
    };
    let mut problems = Vec::new();
    if let Some(file) = settings.resolv_conf() {
        let read = fs::read_to_string(file);
        problems.extend(settings.take_resolv_conf(read));
    }
    if config.resolving.config_map.is_some() {
        problems.extend(settings.take_config_map(config_map.as_ref()));
    }
    let remedy = "put it right; what is good of it is used";
    let mut findings: Vec<_> = problems
        .into_iter()
        .map(|problem| Finding::warn(UPSTREAMS, problem, remedy))
        .collect();
    let own: Vec<_> = match config.mode {
        Mode::Serve => dns
            .iter()
            .map(|&ip| SocketAddr::new(ip, DNS_PORT))
            .collect(),
        Mode::Accelerate => Vec::new(),
    };
    let routes = settings.routes();
    let mut groups = vec![(None, routes.upstreams)];
    let stubs = routes.stubs.into_iter();
    groups.extend(stubs.map(|stub| (Some(stub.domain.to_string()), stub.upstreams)));
    let own = own.as_slice();
    let asked = groups.into_iter().map(|(domain, upstreams)| async move {
        let asked = join_all(upstreams.into_iter().map(|upstream| ask(upstream, own))).await;
        judge(domain.as_deref(), &asked)
    });
    findings.extend(join_all(asked).await.into_iter().flatten());
    findings
}

async fn ask(upstream: Upstream, own: &[SocketAddr]) -> Asked {
    let result = if check_not_own(std::slice::from_ref(&upstream), own, |_| false).is_err() {
        Err(Silence::Own)
    } else {
        reach(&upstream, PATIENCE).await.map_err(Silence::Failed)
    };
    (upstream, result)
}

/// Judges those that are asked for a stub domain, or else for all names outside the cluster.
fn judge(domain: Option<&str>, asked: &[Asked]) -> Vec<Finding> {
    let names = match domain {
        Some(domain) => format!("names in {domain}"),
        None => "names outside the cluster".to_owned(),
    };
    if asked.is_empty() {
        return vec![Finding::warn(
            UPSTREAMS,
            format!("no upstream is known: {names} get SERVFAIL"),
            "give --upstream, or a --resolv-conf that names some",
        )];
    }
    let severity = if asked.iter().any(|(_, result)| result.is_ok()) {
        Verdict::Warn
    } else {
        Verdict::Fail
    };
    let purpose = match domain {
        Some(domain) => format!(" for {domain}"),
        None => String::new(),
    };
    let finding = |(upstream, result): &Asked| match result {
        Ok(time) => Finding::pass(
            UPSTREAMS,
            format!("{upstream}{purpose} answers in {}", milliseconds(*time)),
        ),
        Err(Silence::Own) => Finding::bad(
            UPSTREAMS,
            severity,
            format!(
                "{upstream}{purpose} is the cluster's DNS Service, which leads back here: it is not asked"
            ),
            "give the node's own upstreams with --upstream or --resolv-conf; in a pod, dnsPolicy: Default gives them",
        ),
        Err(Silence::Failed(reason)) => Finding::bad(
            UPSTREAMS,
            severity,
            format!("{upstream}{purpose} does not answer: {reason}"),
            "check that it runs, and the routes and firewalls on the way, or give another",
        ),
    };
    asked.iter().map(finding).collect()
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(results: &[Result<u64, Silence>]) -> Vec<Asked> {
        let one = |result: &Result<u64, Silence>| {
            let upstream = "192.0.2.1:53".parse().unwrap();
            (upstream, result.clone().map(Duration::from_millis))
        };
        results.iter().map(one).collect()
    }

    #[test]
    fn silence_is_a_failure_only_if_nobody_answers() {
        let silent = || Err(Silence::Failed("no answer in time".to_owned()));
        let results = |results: &[Result<u64, Silence>]| -> Vec<Verdict> {
            let findings = judge(None, &asked(results));
            findings.iter().map(|finding| finding.result).collect()
        };
        assert_eq!(results(&[Ok(1), Ok(2)]), [Verdict::Pass; 2]);
        assert_eq!(results(&[silent(), Ok(2)]), [Verdict::Warn, Verdict::Pass]);
        assert_eq!(results(&[silent(), Err(Silence::Own)]), [Verdict::Fail; 2]);
        assert_eq!(results(&[]), [Verdict::Warn]);
    }

    #[test]
    fn findings_name_upstream_and_domain() {
        let found = |domain, result| judge(domain, &asked(&[result]))[0].found.clone();
        assert_eq!(found(None, Ok(12)), "192.0.2.1:53 answers in 12.0 ms");
        assert_eq!(
            found(Some("acme.local"), Err(Silence::Failed("why".to_owned()))),
            "192.0.2.1:53 for acme.local does not answer: why"
        );
        assert!(found(None, Err(Silence::Own)).contains("leads back here"));
    }

    #[tokio::test]
    async fn the_clusters_own_dns_is_not_asked() {
        let own = ["192.0.2.1:53".parse().unwrap()];
        let (_, result) = ask("192.0.2.1".parse().unwrap(), &own).await;
        assert_eq!(result, Err(Silence::Own));
    }
}
