//! `cargo xtask chart`: the Helm chart rendered for each case, checked, and the plain manifests made from it.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{
    prerequisites::{self, Purpose},
    tally::Tally,
    workspace::{self, Workspace},
};

/// What the renderer needs of Python's registry.
const REQUIREMENTS: &str = "deploy/requirements.txt";
/// The committed manifests.
const MANIFESTS: &str = "deploy/manifests";
/// The test program that reads what was rendered.
const TESTS: &str = "test --package deploy-tests --features rendered";

/// Renders, checks, and compares the manifests, or writes them anew; runs the tests of what was rendered.
pub(crate) fn run(workspace: &Workspace, write: bool) -> Result<()> {
    let mut tally = Tally::default();
    let outcome = test(workspace, write, &mut tally);
    println!("{tally}");
    outcome
}

/// Does so, and counts the tests.
pub(crate) fn test(workspace: &Workspace, write: bool, tally: &mut Tally) -> Result<()> {
    prerequisites::ensure(workspace, Purpose::Chart)?;
    let requirements = fs::read_to_string(workspace.root.join(REQUIREMENTS))?;
    let tools = prerequisites::environment(workspace, "chart", &requirements)?;
    let output = workspace.target_dir.join("chart");
    render(workspace, &tools.join("bin/python"), &output)?;
    manifests(
        &output.join("manifests"),
        &workspace.root.join(MANIFESTS),
        write,
    )?;
    let mut tests = workspace.cargo(&TESTS.split(' ').collect::<Vec<_>>());
    tally.run(tests.env("KXDNS_RENDERED", &output))
}

/// Renders each case into `output`, which holds nothing else afterwards.
fn render(workspace: &Workspace, python: &Path, output: &Path) -> Result<()> {
    if output.exists() {
        fs::remove_dir_all(output)?;
    }
    fs::create_dir_all(output.join("manifests"))?;
    let mut render = Command::new(python);
    render
        .current_dir(&workspace.root)
        .args([
            "deploy/render.py",
            "deploy/chart",
            "deploy/cases",
            "deploy/refused.yaml",
        ])
        .arg(output);
    workspace::run(&mut render)
}

/// Has the committed manifests be those made from the chart.
fn manifests(made: &Path, committed: &Path, write: bool) -> Result<()> {
    let mut stale = Vec::new();
    let mut expected = Vec::new();
    for entry in fs::read_dir(made)? {
        let entry = entry?;
        expected.push(entry.file_name());
        let target = committed.join(entry.file_name());
        let text = fs::read_to_string(entry.path())?;
        if fs::read_to_string(&target).is_ok_and(|old| old == text) {
            continue;
        }
        if write {
            fs::write(&target, text)
                .with_context(|| format!("can't write {}", target.display()))?;
        } else {
            stale.push(entry.file_name().display().to_string());
        }
    }
    for entry in fs::read_dir(committed)? {
        let name = entry?.file_name();
        if !expected.contains(&name) {
            stale.push(name.display().to_string());
        }
    }
    ensure!(
        stale.is_empty(),
        "{MANIFESTS} is not what the chart makes ({}): run `cargo xtask chart --write`, and commit",
        stale.join(", ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use testbed::Scratch;

    use super::*;

    #[test]
    fn manifests_are_compared_and_written() {
        let (made, committed) = (Scratch::new("made").unwrap(), Scratch::new("kept").unwrap());
        let check = |write| manifests(made.path(), committed.path(), write);
        made.write("a.yaml", "a: 1\n").unwrap();
        let error = check(false).unwrap_err().to_string();
        assert!(
            error.contains("a.yaml") && error.contains("--write"),
            "{error}"
        );
        check(true).unwrap();
        check(false).unwrap();
        made.write("a.yaml", "a: 2\n").unwrap();
        assert!(check(false).is_err());
        check(true).unwrap();
        committed.write("old.yaml", "").unwrap();
        let error = check(true).unwrap_err().to_string();
        assert!(error.contains("old.yaml"), "{error}");
    }
}
