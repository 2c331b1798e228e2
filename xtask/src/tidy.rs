//! `cargo xtask tidy`: the rules of this workspace that no compiler checks.

mod logs;
mod outcomes;

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use testbed::output;

use crate::{terminal, workspace::Workspace};

/// The longest source file one still reads with pleasure.
const LONGEST: usize = 400;
/// Files that may be longer, and why.
const MAY_BE_LONG: &[(&str, &str)] = &[];
/// Files that are not text, and why: paths, or folders with a slash at the end.
const MAY_BE_BINARY: &[(&str, &str)] = &[
    ("fuzz/corpus/", "inputs of the fuzz targets are packets"),
    ("fuzz/crashes/", "inputs of the fuzz targets are packets"),
];
/// Where the README has to name both commands: what a visitor sees without scrolling.
const README_OPENING: usize = 40;
const README_COMMANDS: [&str; 2] = ["cargo xtask demo", "cargo xtask test"];
const LICENSES: [&str; 3] = ["LICENSE-APACHE", "LICENSE-GPL2", "LICENSE-MIT"];

/// Checks all files that are, or could be, in the repository.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let files = files(&workspace.root)?;
    let mut faults = Vec::new();
    let mut fields = logs::Fields::default();
    for name in &files {
        let content =
            fs::read(workspace.root.join(name)).with_context(|| format!("can't read {name}"))?;
        fields.add(name, &String::from_utf8_lossy(&content));
        faults.extend(
            faults_of(name, &content)
                .into_iter()
                .map(|fault| format!("{name}: {fault}")),
        );
    }
    faults.extend(faults_of_the_whole(&files));
    let page = fs::read_to_string(workspace.root.join(logs::PAGE)).unwrap_or_default();
    let of_page = fields.faults(&page).into_iter();
    faults.extend(of_page.map(|fault| format!("{}: {fault}", logs::PAGE)));
    for fault in &faults {
        println!("{} {fault}", terminal::red("untidy:"));
    }
    ensure!(
        faults.is_empty(),
        "{} of the rules are broken",
        faults.len()
    );
    println!("tidy: {} files", files.len());
    Ok(())
}

/// The files git tracks, and the new ones it does not ignore.
fn files(root: &Path) -> Result<Vec<String>> {
    let listed = output(
        Command::new("git")
            .current_dir(root)
            // In a container the checkout may belong to another user; listing its files does no harm.
            .args(["-c", "safe.directory=*"])
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ]),
    )
    .context("the files are listed by git")?;
    Ok(listed
        .split_terminator('\0')
        // A file that is deleted, but not yet in a commit, is still listed.
        .filter(|name| root.join(name).is_file())
        .map(str::to_owned)
        .collect())
}

/// What is wrong with one file.
fn faults_of(name: &str, content: &[u8]) -> Vec<String> {
    let Ok(text) = str::from_utf8(content) else {
        return if is_listed(MAY_BE_BINARY, name) {
            Vec::new()
        } else {
            vec!["is not text; what can be built is built, not committed".to_owned()]
        };
    };
    let mut faults = Vec::new();
    if Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "rs")
    {
        if !text.starts_with("//! ") {
            faults.push("its first line does not say what it is for (`//! ...`)".to_owned());
        }
        let lines = text.lines().count();
        if lines > LONGEST && !is_listed(MAY_BE_LONG, name) {
            faults.push(format!("has {lines} lines, more than {LONGEST}: split it"));
        }
    }
    if name == "README.md" {
        let opening: Vec<_> = text.lines().take(README_OPENING).collect();
        for command in README_COMMANDS {
            if !opening.iter().any(|line| line.contains(command)) {
                faults.push(format!(
                    "does not name `{command}` in its first {README_OPENING} lines"
                ));
            }
        }
    }
    if name == outcomes::PAGE {
        faults.extend(outcomes::faults(text));
    }
    faults
}

/// What is missing.
fn faults_of_the_whole(files: &[String]) -> Vec<String> {
    LICENSES
        .into_iter()
        .chain(["README.md", outcomes::PAGE])
        .filter(|name| !files.iter().any(|file| file == name))
        .map(|name| format!("{name} is missing"))
        .collect()
}

/// Whether a list names a file or a folder it is in.
fn is_listed(list: &[(&str, &str)], name: &str) -> bool {
    list.iter()
        .any(|(entry, _)| name == *entry || (entry.ends_with('/') && name.starts_with(entry)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_its_breach() {
        let long = format!("//! Long.\n{}", "\n".repeat(LONGEST));
        for (name, content, expected) in [
            ("a.rs", "//! Does one thing.\n".as_bytes(), 0),
            ("a.rs", b"fn main() {}\n", 1),
            ("a.rs", long.as_bytes(), 1),
            ("a.txt", long.as_bytes(), 0),
            ("a.o", b"\x7fELF\xff", 1),
            (
                "README.md",
                b"# kxdns\n\n    cargo xtask demo\n    cargo xtask test\n",
                0,
            ),
            ("README.md", b"# kxdns\n", 2),
            (outcomes::PAGE, b"# The data path\n", 3),
        ] {
            assert_eq!(faults_of(name, content).len(), expected, "{name}");
        }
    }

    #[test]
    fn missing_files_are_named() {
        let files =
            ["LICENSE-APACHE", "LICENSE-MIT", "README.md", outcomes::PAGE].map(str::to_owned);
        assert_eq!(faults_of_the_whole(&files), ["LICENSE-GPL2 is missing"]);
    }

    #[test]
    fn lists_name_files_and_folders() {
        let list = [("a/b.bin", "a file"), ("corpus/", "a folder")];
        for (name, expected) in [
            ("a/b.bin", true),
            ("corpus/x/y", true),
            ("a/c.bin", false),
            ("corpus2/x", false),
        ] {
            assert_eq!(is_listed(&list, name), expected, "{name}");
        }
    }
}
