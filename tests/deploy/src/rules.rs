//! What the rules of a release let its identity do, as Kubernetes' RBAC reads them.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::Release;

/// One thing that one may ask of an API server, or asks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ask {
    /// The API group; empty: the core one.
    pub group: String,
    /// Such as `services`.
    pub resource: String,
    /// Where; empty: in the whole cluster.
    pub namespace: String,
    /// Which one; empty: all of them.
    pub name: String,
    /// Such as `watch`.
    pub verb: String,
}

/// One thing that is allowed: names and namespaces that are empty stand for all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant(pub Ask);

impl Grant {
    /// Whether it covers what is asked.
    #[must_use]
    pub fn covers(&self, ask: &Ask) -> bool {
        let Self(own) = self;
        let within = |own: &str, asked: &str| own.is_empty() || own == asked;
        own.group == ask.group
            && own.resource == ask.resource
            && own.verb == ask.verb
            && within(&own.namespace, &ask.namespace)
            && within(&own.name, &ask.name)
    }
}

/// All that the identity of the release's pods is allowed.
pub fn grants(release: &Release) -> Result<Vec<Grant>> {
    let account = &release.pod()?["spec"]["serviceAccountName"];
    let mut grants = Vec::new();
    for (binding_kind, role_kind) in [
        ("ClusterRoleBinding", "ClusterRole"),
        ("RoleBinding", "Role"),
    ] {
        for binding in release.of(binding_kind) {
            let namespace = text(&binding["metadata"]["namespace"]);
            let (role, subjects) = (&binding["roleRef"], &binding["subjects"]);
            ensure!(role["kind"] == role_kind, "{role} is of another kind");
            ensure!(role["apiGroup"] == "rbac.authorization.k8s.io", "{role}");
            let subject = &subjects[0];
            ensure!(subjects[1].is_null(), "{subjects}: is for one");
            ensure!(
                subject["kind"] == "ServiceAccount" && subject["name"] == *account,
                "{subject}"
            );
            let own = release.of("DaemonSet").next().context("a DaemonSet")?;
            ensure!(
                subject["namespace"] == own["metadata"]["namespace"],
                "{subject}"
            );
            let found = release.of(role_kind).find(|one| {
                one["metadata"]["name"] == role["name"]
                    && text(&one["metadata"]["namespace"]) == namespace
            });
            let found = found.with_context(|| format!("{role} is not there"))?;
            for rule in list(&found["rules"]) {
                grants.extend(expand(rule, &namespace));
            }
        }
    }
    let roles = release.of("ClusterRole").chain(release.of("Role")).count();
    let bindings = release
        .of("ClusterRoleBinding")
        .chain(release.of("RoleBinding"))
        .count();
    ensure!(roles == bindings, "a role that nobody has is a mistake");
    Ok(grants)
}

/// Each combination that a rule allows.
fn expand(rule: &Value, namespace: &str) -> Vec<Grant> {
    let names = match list(&rule["resourceNames"]) {
        [] => vec![String::new()],
        names => names.iter().map(text).collect(),
    };
    let mut grants = Vec::new();
    for group in list(&rule["apiGroups"]) {
        for resource in list(&rule["resources"]) {
            for verb in list(&rule["verbs"]) {
                for name in &names {
                    grants.push(Grant(Ask {
                        group: text(group),
                        resource: text(resource),
                        namespace: namespace.to_owned(),
                        name: name.clone(),
                        verb: text(verb),
                    }));
                }
            }
        }
    }
    grants
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask([group, resource, namespace, name, verb]: [&str; 5]) -> Ask {
        Ask {
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            verb: verb.to_owned(),
        }
    }

    #[test]
    fn a_grant_covers_what_is_within_it() {
        let all = Grant(ask(["", "services", "", "", "list"]));
        let one = Grant(ask(["", "configmaps", "dns", "stubs", "watch"]));
        for (grant, asked, expected) in [
            (&all, ["", "services", "", "", "list"], true),
            (&all, ["", "services", "shop", "a", "list"], true),
            (&all, ["", "services", "", "", "watch"], false),
            (&all, ["apps", "services", "", "", "list"], false),
            (&one, ["", "configmaps", "dns", "stubs", "watch"], true),
            (&one, ["", "configmaps", "dns", "", "watch"], false),
            (&one, ["", "configmaps", "", "stubs", "watch"], false),
            (&one, ["", "configmaps", "shop", "stubs", "watch"], false),
        ] {
            assert_eq!(grant.covers(&ask(asked)), expected, "{asked:?}");
        }
    }
}
