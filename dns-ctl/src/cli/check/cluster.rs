//! Where objects come from: the API server and what it allows, or manifests.

use std::{path::Path, sync::Arc, time::Duration};

use futures::future::join_all;
use kube::Client;
use tokio::{runtime::Handle, time::timeout};

use super::report::{Finding, Verdict};
use crate::{
    config::{Config, Source},
    kube::{
        ConfigMapData, Wanted,
        access::{self, Listing, Refusal},
        client::{self, ConnectError},
        manifests::Manifests,
    },
};

const API: &str = "api";
const RBAC: &str = "rbac";
const MANIFESTS: &str = "manifests";
/// How long the API server may take for one answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);
/// Problems of manifests that have a line of their own.
const LINES: usize = 5;

/// A source that can be read.
pub(super) enum Reached {
    /// The API server.
    Api(Client),
    /// Manifests, read once.
    Manifests(Box<Manifests>),
}

/// What `run` would ask for.
pub(super) fn wanted(config: &Config) -> Wanted {
    Wanted {
        namespace_selector: config.selectors.namespaces.clone(),
        service_selector: config.selectors.services.clone(),
        config_map: config.resolving.config_map.clone(),
        ..Wanted::from(&config.policy)
    }
}

/// Opens the source; it is `None` if it can't be read.
pub(super) async fn source(config: Arc<Config>) -> (Vec<Finding>, Option<Reached>) {
    match &config.source {
        Source::Manifests(path) => {
            let (path, wanted) = (path.clone(), wanted(&config));
            let opened = tokio::task::spawn_blocking(move || manifests(&path, wanted));
            let late = || (vec![unread(&config)], None);
            match timeout(PATIENCE, opened).await {
                Ok(Ok(result)) => result,
                _ => late(),
            }
        }
        Source::Api { .. } => {
            let (finding, client) = api(&config).await;
            (vec![finding], client.map(Reached::Api))
        }
    }
}

fn unread(config: &Config) -> Finding {
    let place = match &config.source {
        Source::Manifests(path) => path.display().to_string(),
        Source::Api { .. } => String::new(),
    };
    Finding::fail(
        MANIFESTS,
        format!("{place} could not be read within {} s", PATIENCE.as_secs()),
        "see whether its file system hangs",
    )
}

fn manifests(path: &Path, wanted: Wanted) -> (Vec<Finding>, Option<Reached>) {
    let manifests = match Manifests::open(path, wanted) {
        Ok(manifests) => manifests,
        Err(error) => {
            let remedy = "give a YAML file, or a folder of them, that can be read";
            let finding = match error.to_string().split_once(": give") {
                Some((found, _)) => Finding::fail(MANIFESTS, found, remedy),
                None => Finding::fail(MANIFESTS, error.to_string(), remedy),
            };
            return (vec![finding], None);
        }
    };
    let problems = manifests.problems();
    let findings = judge_manifests(path, &problems);
    (findings, Some(Reached::Manifests(Box::new(manifests))))
}

fn judge_manifests(path: &Path, problems: &[impl ToString]) -> Vec<Finding> {
    if problems.is_empty() {
        let found = format!("{} can be read as it is meant", path.display());
        return vec![Finding::pass(MANIFESTS, found)];
    }
    let remedy = "put it right; the rest is served";
    let told = problems.iter().take(LINES);
    let mut findings: Vec<_> = told
        .map(|problem| Finding::warn(MANIFESTS, problem.to_string(), remedy))
        .collect();
    if let more @ 1.. = problems.len().saturating_sub(LINES) {
        let found = format!("and {more} more");
        findings.push(Finding::warn(MANIFESTS, found, "as above"));
    }
    findings
}

async fn api(config: &Config) -> (Finding, Option<Client>) {
    let Source::Api {
        kubeconfig,
        context,
    } = config.source.clone()
    else {
        return (Finding::pass(API, "not needed"), None);
    };
    // A kubeconfig may have a program run for its credentials, which holds up its thread.
    let runtime = Handle::current();
    let connecting = tokio::task::spawn_blocking(move || {
        runtime.block_on(client::connect(kubeconfig.as_deref(), context.as_deref()))
    });
    let client = match timeout(PATIENCE, connecting).await {
        Ok(Ok(Ok(client))) => client,
        Ok(Ok(Err(error))) => return (judge_connect(&error), None),
        Ok(Err(_)) | Err(_) => {
            let found = format!(
                "there were no credentials for the API server within {} s",
                PATIENCE.as_secs()
            );
            let remedy = "see what holds up the program that the kubeconfig names";
            return (Finding::fail(API, found, remedy), None);
        }
    };
    let version = timeout(PATIENCE, access::version(&client)).await;
    let finding = judge_version(version.map_err(|_| PATIENCE));
    let client = (finding.result == Verdict::Pass).then_some(client);
    (finding, client)
}

fn judge_connect(error: &ConnectError) -> Finding {
    let remedy = "give a kubeconfig that works with --kubeconfig, or manifests with --manifests";
    let sentence = error.to_string();
    match error {
        ConnectError::Missing(_) | ConnectError::Nowhere(_) => {
            Finding::told(API, Verdict::Fail, &sentence, remedy)
        }
        _ => Finding::fail(API, sentence, remedy),
    }
}

fn judge_version(version: Result<Result<Option<String>, Refusal>, Duration>) -> Finding {
    match version {
        Ok(Ok(Some(version))) => {
            Finding::pass(API, format!("the API server answers: Kubernetes {version}"))
        }
        Ok(Ok(None)) => Finding::pass(API, "the API server answers; its version is not shown"),
        Ok(Err(refusal)) => Finding::fail(API, refusal.found, refusal.remedy),
        Err(patience) => Finding::fail(
            API,
            format!(
                "the API server has not answered within {} s",
                patience.as_secs()
            ),
            "check its address, and the routes and network policies on the way to it",
        ),
    }
}

/// Tries every list and watch of `run`.
pub(super) async fn rbac(reached: Option<&Reached>, wanted: Wanted) -> Vec<Finding> {
    let client = match reached {
        Some(Reached::Api(client)) => client,
        Some(Reached::Manifests(_)) => return Vec::new(),
        None => return vec![not_looked_at(RBAC)],
    };
    let listings = access::listings(&wanted);
    let tried = listings.iter().map(|listing| async move {
        let result = timeout(PATIENCE, access::try_listing(client, listing)).await;
        judge_listing(listing, result.ok())
    });
    let mut findings: Vec<Finding> = Vec::new();
    // Two lists of one kind come to the same.
    for finding in join_all(tried).await {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings
}

fn judge_listing(listing: &Listing, result: Option<Result<(), Refusal>>) -> Finding {
    let scope = listing.scope();
    match result {
        Some(Ok(())) => Finding::pass(RBAC, format!("{scope}: list and watch are allowed")),
        Some(Err(refusal)) => Finding::fail(RBAC, refusal.found, refusal.remedy),
        None => Finding::fail(
            RBAC,
            format!("{scope}: no list and watch within {} s", PATIENCE.as_secs()),
            "see whether the API server is overloaded",
        ),
    }
}

/// Nothing is known, since the source can't be read.
pub(super) fn not_looked_at(check: &'static str) -> Finding {
    Finding::warn(
        check,
        "not looked at, since there is nothing to ask",
        "see what fails of api or manifests",
    )
}

/// What the ConfigMap of `--config-map` holds, if it can be read.
pub(super) async fn config_map(reached: Option<&Reached>, wanted: &Wanted) -> ConfigMapData {
    let key = wanted.config_map.as_ref()?;
    match reached? {
        Reached::Manifests(manifests) => manifests.config_map(),
        Reached::Api(client) => {
            // What is refused here is told among the rights.
            let asked = access::config_map(client, key);
            timeout(PATIENCE, asked).await.ok()?.ok()?
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal() -> Refusal {
        Refusal {
            found: "found".to_owned(),
            remedy: "remedy".to_owned(),
        }
    }

    #[test]
    fn an_api_server_is_judged_by_its_answer() {
        for (version, result, words) in [
            (
                Ok(Ok(Some("v1.33.0".to_owned()))),
                Verdict::Pass,
                "Kubernetes v1.33.0",
            ),
            (Ok(Ok(None)), Verdict::Pass, "not shown"),
            (Ok(Err(refusal())), Verdict::Fail, "found"),
            (Err(PATIENCE), Verdict::Fail, "within 4 s"),
        ] {
            let finding = judge_version(version);
            assert_eq!(finding.result, result, "{finding:?}");
            assert!(finding.found.contains(words), "{finding:?}");
        }
    }

    #[test]
    fn each_list_has_its_line() {
        let listings = access::listings(&Wanted::default());
        let services = &listings[1];
        for (result, verdict, words) in [
            (
                Some(Ok(())),
                Verdict::Pass,
                "services in all namespaces: list and watch are allowed",
            ),
            (Some(Err(refusal())), Verdict::Fail, "found"),
            (None, Verdict::Fail, "services in all namespaces: no list"),
        ] {
            let finding = judge_listing(services, result);
            assert_eq!(finding.result, verdict, "{finding:?}");
            assert!(finding.found.starts_with(words), "{finding:?}");
        }
    }

    #[tokio::test]
    async fn without_a_source_rights_are_not_looked_at() {
        let findings = rbac(None, Wanted::default()).await;
        assert_eq!(findings, [not_looked_at(RBAC)]);
    }

    #[test]
    fn mistakes_in_manifests_are_warnings_and_bounded() {
        let judged = |problems: &[&str]| judge_manifests(Path::new("/m"), problems);
        assert_eq!(judged(&[])[0].result, Verdict::Pass);
        assert_eq!(judged(&["a", "b"]).len(), 2);
        let many = judged(&["a"; LINES + 3]);
        assert_eq!(many.len(), LINES + 1);
        assert_eq!(many[LINES].found, "and 3 more");
        assert!(many.iter().all(|one| one.result == Verdict::Warn));
    }
}
