//! One `ip` for many commands: what is measured begins when a command is written, not when a process starts.

use std::{
    io::Write as _,
    process::{Child, ChildStdin, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use testbed::Namespace;

/// A running `ip -batch`, which carries out each line as it comes, and ends at the first that fails.
pub(crate) struct Shell {
    process: Child,
    lines: Option<ChildStdin>,
}

impl Shell {
    /// One that works in this namespace.
    pub(crate) fn open(namespace: &Namespace) -> Result<Self> {
        let mut command = namespace.command("ip");
        command.args(["-batch", "-"]);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let lines = process.stdin.take();
        Ok(Self { process, lines })
    }

    /// Has commands, one a line, carried out soon.
    pub(crate) fn say(&mut self, commands: &str) -> Result<()> {
        let lines = self.lines.as_mut().context("this shell is open")?;
        lines
            .write_all(format!("{}\n", commands.trim_end()).as_bytes())
            .context("ip has ended; it said why on standard error")
    }

    /// Waits until all of it is done.
    pub(crate) fn finish(mut self) -> Result<()> {
        drop(self.lines.take());
        let status = self.process.wait()?;
        ensure!(status.success(), "a command of ip has failed ({status})");
        Ok(())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.lines.take());
        // It ends with its input; an error means that it has been waited for already.
        let _ = self.process.wait();
    }
}

/// Carries these commands out in a namespace.
pub(crate) fn batch(namespace: &Namespace, commands: &str) -> Result<()> {
    let mut shell = Shell::open(namespace)?;
    shell.say(commands)?;
    shell.finish()
}
