//! `dns-ctl man` and `dns-ctl completions`, judged by the programs that read them, where these are installed.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};
use testbed::{Scratch, output, program_with};

fn dns_ctl() -> Result<Command> {
    let mut command = Command::new(program_with("dns-ctl", "dns-ctl", None)?);
    testbed::remove_settings(&mut command);
    Ok(command)
}

fn is_installed(program: &str) -> bool {
    let found = Command::new("which").arg(program).output();
    found.is_ok_and(|output| output.status.success())
}

#[test]
fn man_shows_each_page_without_a_warning() -> Result<()> {
    let folder = Scratch::new("man")?;
    let pages = folder.path().join("new/man1");
    output(dns_ctl()?.arg("man").arg(&pages))?;
    let mut names: Vec<_> = fs::read_dir(&pages)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    names.sort();
    assert!(
        names.iter().any(|path| path.ends_with("dns-ctl.1")),
        "{names:?}"
    );
    assert!(
        names.iter().any(|path| path.ends_with("dns-ctl-run.1")),
        "{names:?}"
    );
    if !is_installed("man") {
        return Ok(());
    }
    for page in &names {
        let shown = Command::new("man")
            .args(["--warnings", "-l"])
            .arg(page)
            .env("MANWIDTH", "100")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .output()?;
        let warnings = String::from_utf8_lossy(&shown.stderr);
        assert!(
            shown.status.success() && warnings.is_empty(),
            "{}: {warnings}",
            page.display()
        );
        let text = String::from_utf8_lossy(&shown.stdout);
        assert!(text.contains("EXIT STATUS"), "{}: {text}", page.display());
    }
    Ok(())
}

#[test]
fn shells_take_their_completions() -> Result<()> {
    for (shell, check) in [
        ("bash", &["-n"][..]),
        ("zsh", &["-n"]),
        ("fish", &["--no-execute"]),
    ] {
        let script = output(dns_ctl()?.args(["completions", shell]))?;
        assert!(
            script.contains("--kernel-negative") || script.contains("kernel-negative"),
            "{shell}"
        );
        if !is_installed(shell) {
            continue;
        }
        let mut child = Command::new(shell)
            .args(check)
            .args(["/dev/stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child
            .stdin
            .take()
            .context("no input")?
            .write_all(script.as_bytes())?;
        let judged = child.wait_with_output()?;
        assert!(
            judged.status.success() && judged.stderr.is_empty(),
            "{shell}: {judged:?}"
        );
    }
    let unknown = dns_ctl()?.args(["completions", "dcl"]).output()?;
    assert_eq!(unknown.status.code(), Some(2));
    Ok(())
}
