//! The dashboard and the rules that are shipped.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// A file of `deploy/chart/files`.
pub(crate) fn shipped(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy/chart/files")
        .join(name)
}

/// The text of such a file.
pub(crate) fn text(name: &str) -> Result<String> {
    let path = shipped(name);
    fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))
}

/// A rule of `alerts.yaml`: an alert, or one that is recorded.
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) is_alert: bool,
    pub(crate) value: Value,
}

/// All rules, as they are in the file.
pub(crate) fn rules() -> Result<Vec<Rule>> {
    let rules: Value = serde_saphyr::from_str(&text("alerts.yaml")?)?;
    let groups = rules["groups"].as_array().context("no groups")?;
    let rules = groups.iter().filter_map(|group| group["rules"].as_array());
    rules
        .flatten()
        .map(|rule| {
            let is_alert = rule.get("alert").is_some();
            let name = &rule[if is_alert { "alert" } else { "record" }];
            Ok(Rule {
                name: name.as_str().context("a rule without a name")?.to_owned(),
                is_alert,
                value: rule.clone(),
            })
        })
        .collect()
}

/// Every query of the dashboard's panels, with the panel's title; variables stand for everything.
pub(crate) fn dashboard_queries(rate_interval: &str) -> Result<Vec<(String, String)>> {
    let dashboard: Value = serde_json::from_str(&text("dashboard.json")?)?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let mut queries = Vec::new();
    for panel in panels {
        let title = panel["title"].as_str().context("a panel without a title")?;
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"]
                .as_str()
                .context("a target without a query")?;
            let query = query
                .replace("$job", ".*")
                .replace("$node", ".*")
                .replace("$instance", ".*")
                .replace("$__rate_interval", rate_interval);
            assert!(!query.contains('$'), "{title}: another variable: {query}");
            queries.push((title.to_owned(), query));
        }
    }
    Ok(queries)
}
