//! Runs a program to its end; a failure becomes an error that carries what the program said.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// What the program wrote to standard output; an error if it can't be started or fails.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = shown(command);
    let output = command
        .output()
        .with_context(|| format!("can't start `{shown}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` failed ({}): {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as a person would type it (without quoting: it is for reading).
pub(crate) fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs `ip` with arguments given as one line, split at blanks.
pub(crate) fn ip(arguments: &str) -> Result<String> {
    output(Command::new("ip").args(arguments.split_whitespace()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_carries_the_command_and_its_words() {
        let error = output(Command::new("sh").args(["-c", "echo no such thing >&2; exit 3"]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("`sh -c"), "{error}");
        assert!(
            error.ends_with("(exit status: 3): no such thing"),
            "{error}"
        );
    }

    #[test]
    fn success_gives_standard_output() {
        assert_eq!(output(Command::new("echo").arg("here")).unwrap(), "here\n");
    }
}
