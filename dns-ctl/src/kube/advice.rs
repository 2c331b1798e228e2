//! Says what went wrong between the API server and a watch, and what to do about it.

use std::{error::Error, fmt::Write as _, time::Duration};

use kube::{core::Status, runtime::watcher};

use super::list_watch::Failure;

/// What a watch asks the API server for, in the terms of its access rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The API group; empty for the core.
    pub(super) group: &'static str,
    /// The plural, as in URLs and rules.
    pub(super) resource: &'static str,
    /// The only namespace that is asked for.
    pub(super) namespace: Option<String>,
}

/// Whether the API server only says that the watch has to begin anew.
pub(super) fn is_expiry(error: &watcher::Error) -> bool {
    status(error).is_some_and(|status| status.code == 410)
}

/// When the API server says to come back.
pub(super) fn retry_after(error: &watcher::Error) -> Option<Duration> {
    let seconds = status(error)?.details.as_ref()?.retry_after_seconds;
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

/// What happened and what to do about it.
pub(super) fn advice(target: &Target, failure: &Failure) -> String {
    let resource = target.resource;
    match failure {
        Failure::Refused(error) => refusal(target, error),
        Failure::Brief => format!(
            "the API server, or a proxy before it, ends the watch of {resource} as soon as it begins, trying again"
        ),
        Failure::Silent => format!(
            "the API server gives no answer to a request for {resource}, trying again (check its load, and \
             whether a firewall drops packets silently)"
        ),
    }
}

fn refusal(target: &Target, error: &watcher::Error) -> String {
    let resource = target.resource;
    match status(error) {
        Some(status) if status.code == 403 => format!(
            "the API server forbids listing or watching {resource}: {} ({})",
            rule(target),
            status.message
        ),
        Some(status) if status.code == 401 => format!(
            "the API server does not accept the credentials: renew the token or the kubeconfig ({})",
            status.message
        ),
        Some(status) => format!(
            "the API server can't give {resource} now, trying again: {} {}",
            status.code, status.message
        ),
        None => format!(
            "can't read {resource} from the API server, trying again (check its address, certificate \
             and network policies): {}",
            chain(error)
        ),
    }
}

/// The rule that lets this identity read what is asked for.
pub(super) fn rule(target: &Target) -> String {
    let Target {
        group,
        resource,
        namespace,
    } = target;
    let role = match namespace {
        Some(namespace) => format!("Role in the namespace {namespace}"),
        None => "ClusterRole".to_owned(),
    };
    format!(
        "bind a {role} with the rule apiGroups [\"{group}\"], resources [{resource}], verbs [list, watch] to \
         this identity"
    )
}

fn status(error: &watcher::Error) -> Option<&Status> {
    match error {
        watcher::Error::WatchError(status)
        | watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status),
        _ => None,
    }
}

/// The error and its causes in one line, each said once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            let _ = write!(text, ": {part}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::response::StatusDetails;

    use super::*;

    fn refused(code: u16) -> watcher::Error {
        let status = Status {
            code,
            message: "told so".to_owned(),
            ..Status::default()
        };
        watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status)))
    }

    fn target(group: &'static str, resource: &'static str, namespace: Option<&str>) -> Target {
        Target {
            group,
            resource,
            namespace: namespace.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn it_says_what_to_do() {
        let services = target("", "services", None);
        let slices = target("discovery.k8s.io", "endpointslices", None);
        let config_maps = target("", "configmaps", Some("kube-system"));
        for (target, error, parts) in [
            (
                &services,
                refused(403),
                [
                    "bind a ClusterRole",
                    "apiGroups [\"\"], resources [services], verbs [list, watch]",
                ],
            ),
            (
                &slices,
                refused(403),
                [
                    "bind a ClusterRole",
                    "apiGroups [\"discovery.k8s.io\"], resources [endpointslices], verbs",
                ],
            ),
            (
                &config_maps,
                refused(403),
                [
                    "bind a Role in the namespace kube-system",
                    "resources [configmaps]",
                ],
            ),
            (&services, refused(401), ["credentials", "told so"]),
            (&services, refused(500), ["trying again", "500"]),
            (
                &services,
                watcher::Error::NoResourceVersion,
                ["trying again", "resourceVersion"],
            ),
        ] {
            let text = advice(target, &Failure::Refused(error));
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
        }
    }

    #[test]
    fn silence_and_watches_that_end_at_once_are_told() {
        let services = target("", "services", None);
        for (failure, part) in [
            (
                Failure::Brief,
                "ends the watch of services as soon as it begins",
            ),
            (Failure::Silent, "no answer to a request for services"),
        ] {
            let text = advice(&services, &failure);
            assert!(
                text.contains(part) && text.contains("trying again"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_api_server_may_say_when_to_come_back() {
        for (seconds, expected) in [(0, None), (3, Some(Duration::from_secs(3)))] {
            let status = Status {
                code: 429,
                details: Some(StatusDetails {
                    name: String::new(),
                    group: String::new(),
                    kind: String::new(),
                    uid: String::new(),
                    causes: Vec::new(),
                    retry_after_seconds: seconds,
                }),
                ..Status::default()
            };
            let error = watcher::Error::WatchStartFailed(kube::Error::Api(Box::new(status)));
            assert_eq!(retry_after(&error), expected);
        }
        assert_eq!(retry_after(&refused(429)), None);
        assert_eq!(retry_after(&watcher::Error::NoResourceVersion), None);
    }

    #[test]
    fn an_expired_watch_is_no_error() {
        assert!(is_expiry(&refused(410)));
        assert!(!is_expiry(&refused(500)));
        assert!(!is_expiry(&watcher::Error::NoResourceVersion));
    }
}
