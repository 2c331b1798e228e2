//! Counts the tests that a run of cargo reports, while its output is passed on.

use std::{
    fmt,
    io::{BufRead as _, BufReader},
    ops::AddAssign,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::{terminal, workspace};

/// How many tests did what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    /// Runs `cargo test`, shows its output, and adds its tests; an error if it fails.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<()> {
        if terminal::is_colourful() {
            // The test programs write to a pipe, and would leave out their colours.
            command.args(["--", "--color", "always"]);
        }
        let shown = workspace::announce(command);
        let mut process = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("can't start `{shown}`"))?;
        if let Some(stdout) = process.stdout.take() {
            for line in BufReader::new(stdout).lines() {
                let line = line.context("the tests' output can't be read")?;
                println!("{line}");
                if let Some(tally) = Self::read(&line) {
                    *self += tally;
                }
            }
        }
        let status = process.wait()?;
        ensure!(status.success(), "`{shown}` failed ({status})");
        Ok(())
    }

    /// Reads the line in which a test program sums up: `test result: ok. 3 passed; 0 failed; ...`.
    fn read(line: &str) -> Option<Self> {
        let (_, line) = line.split_once("test result: ")?;
        let count = |what: &str| {
            line.split([';', '.'])
                .find_map(|part| part.trim().strip_suffix(what)?.trim().parse().ok())
        };
        Some(Self {
            passed: count("passed")?,
            failed: count("failed")?,
            ignored: count("ignored")?,
        })
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed; {} failed; {} ignored",
            self.passed, self.failed, self.ignored
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_test_programs_are_read() {
        let plain = "test result: FAILED. 15 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.18s";
        let colour = "test result: \x1b[32mok\x1b[m. 15 passed; 1 failed; 2 ignored; 0 measured";
        let expected = Tally {
            passed: 15,
            failed: 1,
            ignored: 2,
        };
        assert_eq!(Tally::read(plain), Some(expected));
        assert_eq!(Tally::read(colour), Some(expected));
        assert_eq!(Tally::read("test steps::tests::all ... ok"), None);
    }
}
