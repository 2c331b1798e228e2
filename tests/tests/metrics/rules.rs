//! The alerts: valid, fired when they should be and only then, and told with what an operator needs.

use std::{collections::HashSet, fs, path::Path};

use anyhow::{Result, ensure};
use testbed::Scratch;

use crate::{
    files::{rules, text},
    prometheus::promtool,
};

/// The tests for promtool.
const TESTS: &str = include_str!("alerts_test.yaml");

#[test]
fn alerts_fire_when_they_should_and_only_then() -> Result<()> {
    let folder = Scratch::new("rules")?;
    let rules = folder.write("alerts.yaml", &text("alerts.yaml")?)?;
    let tests = folder.write("alerts_test.yaml", TESTS)?;
    promtool(&["check", "rules", &rules.to_string_lossy()], "")?;
    promtool(&["test", "rules", &tests.to_string_lossy()], "").map(drop)
}

#[test]
fn each_alert_is_tested_and_says_what_to_do() -> Result<()> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let operations = fs::read_to_string(page).ok();
    let mut names = HashSet::new();
    for rule in rules()?.into_iter().filter(|rule| rule.is_alert) {
        let (name, value) = (rule.name, rule.value);
        let text = |path: &str| value.pointer(path).and_then(|it| it.as_str()).unwrap_or("");
        ensure!(names.insert(name.clone()), "{name} is there twice");
        ensure!(name.starts_with("Kxdns"), "{name}");
        ensure!(
            TESTS.contains(&format!("{{alertname=\"{name}\"}}")),
            "{name} is not tested"
        );
        ensure!(!text("/for").is_empty(), "{name} has no `for`");
        let severity = text("/labels/severity");
        ensure!(
            ["critical", "warning", "info"].contains(&severity),
            "{name}: {severity}"
        );
        for annotation in ["/annotations/summary", "/annotations/description"] {
            ensure!(text(annotation).ends_with('.'), "{name}: {annotation}");
        }
        let anchor = name.to_lowercase();
        let runbook = text("/annotations/runbook_url");
        ensure!(
            runbook == format!("docs/operations.md#{anchor}"),
            "{name}: {runbook}"
        );
        if let Some(operations) = &operations {
            let heading =
                |line: &str| line.starts_with('#') && line.trim_start_matches(['#', ' ']) == name;
            ensure!(
                operations.lines().any(heading),
                "docs/operations.md has no heading `{name}`"
            );
        }
    }
    ensure!(names.len() > 20, "{names:?}");
    Ok(())
}
