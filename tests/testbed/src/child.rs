//! A running program that is ended when dropped, and whose words are kept for error messages.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read},
    os::unix::process::CommandExt as _,
    process::{self, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// How long a program may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// How often conditions are looked at.
const POLL: Duration = Duration::from_millis(5);
/// How many lines are kept.
const KEPT_LINES: usize = 10_000;

/// A running program.
///
/// It has a process group of its own: Ctrl-C at the terminal reaches this process, which ends the child in order.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: process::Child,
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Child {
    /// Starts a program; `name` is what messages call it.
    pub fn spawn(name: &str, command: &mut Command) -> Result<Self> {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("can't start {name}"))?;
        let lines = Arc::default();
        if let Some(stdout) = process.stdout.take() {
            keep_lines(stdout, &lines);
        }
        if let Some(stderr) = process.stderr.take() {
            keep_lines(stderr, &lines);
        }
        Ok(Self {
            name: name.to_owned(),
            process,
            lines,
        })
    }

    /// The program's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What the program has written so far, standard output and error as they came.
    #[must_use]
    pub fn output(&self) -> String {
        let lines: Vec<_> = locked(&self.lines).iter().cloned().collect();
        lines.join("\n")
    }

    /// Waits until the program has written a line that contains `text`, and gives that line.
    pub fn wait_for_line(&mut self, text: &str, timeout: Duration) -> Result<String> {
        let lines = Arc::clone(&self.lines);
        self.wait_for(&format!("a line with `{text}`"), timeout, || {
            Ok(locked(&lines)
                .iter()
                .find(|line| line.contains(text))
                .cloned())
        })
    }

    /// Waits until `condition` gives a value; an error if the program ends first, or the time is over.
    ///
    /// `what` completes the sentence "waiting for ...". An error of `condition` means "not yet"; the last one is told.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        timeout: Duration,
        mut condition: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + timeout;
        loop {
            // Looked at before the condition, which may have become true by the program's last words.
            let ended = self.process.try_wait()?;
            let last_error = match condition() {
                Ok(Some(value)) => return Ok(value),
                Ok(None) => None,
                Err(error) => Some(error),
            };
            let why = match ended {
                Some(status) => {
                    // Its last words may still be on their way through the pipe.
                    thread::sleep(10 * POLL);
                    format!("{} ended ({status})", self.name)
                }
                None if Instant::now() >= deadline => {
                    format!("{} took more than {timeout:?}", self.name)
                }
                None => {
                    thread::sleep(POLL);
                    continue;
                }
            };
            let detail = last_error.map_or_else(String::new, |error| format!(" (last: {error:#})"));
            bail!(
                "{why}, waiting for {what}{detail}; it said:\n{}",
                self.output()
            );
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.raw_pid()?, signal)
            .with_context(|| format!("can't send {signal} to {}", self.name))
    }

    /// Its status, if it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.process.try_wait()?)
    }

    /// Waits until the program ends by itself, or by a signal already sent.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + timeout;
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait()? {
                // Its last words may still be on their way through the pipe.
                thread::sleep(10 * POLL);
                return Ok(status);
            }
            thread::sleep(POLL);
        }
        bail!(
            "{} has not ended after {timeout:?}; it said:\n{}",
            self.name,
            self.output()
        )
    }

    /// Ends the program: SIGTERM, and SIGKILL if it has not ended within five seconds.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.end()
    }

    fn end(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.process.try_wait()? {
            return Ok(status);
        }
        self.signal(Signal::SIGTERM)?;
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            thread::sleep(POLL);
        }
        self.process.kill()?;
        Ok(self.process.wait()?)
    }

    fn raw_pid(&self) -> Result<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.process.id())?))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // An error here means that the process is gone already.
        let _ = self.end();
    }
}

/// Reads lines on a thread, which ends with the stream.
fn keep_lines(stream: impl Read + Send + 'static, lines: &Arc<Mutex<VecDeque<String>>>) {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while let Ok(1..) = stream.read_until(b'\n', &mut line) {
            let mut lines = locked(&lines);
            if lines.len() == KEPT_LINES {
                lines.pop_front();
            }
            lines.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
            line.clear();
        }
    });
}

/// The lines, also after a thread has panicked: each line is whole.
fn locked(lines: &Mutex<VecDeque<String>>) -> MutexGuard<'_, VecDeque<String>> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        Child::spawn("script", Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn waits_for_a_line_and_ends_the_program() {
        let mut child = shell("echo starting; echo ready >&2; exec sleep 100");
        let line = child
            .wait_for_line("ready", Duration::from_secs(10))
            .unwrap();
        assert_eq!(line, "ready");

        let start = Instant::now();
        let status = child.stop().unwrap();
        assert!(!status.success());
        assert!(start.elapsed() < GRACE, "SIGTERM was not enough");
    }

    #[test]
    fn early_end_is_told_with_the_programs_words() {
        let mut child = shell("echo no such interface >&2; exit 2");
        let error = child
            .wait_for_line("ready", Duration::from_secs(10))
            .unwrap_err()
            .to_string();
        assert!(error.contains("script ended (exit status: 2)"), "{error}");
        assert!(error.ends_with("no such interface"), "{error}");
    }

    #[test]
    fn time_is_bounded() {
        let mut child = shell("exec sleep 100");
        let error = child
            .wait_for::<()>("the impossible", Duration::from_millis(20), || bail!("no"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("waiting for the impossible (last: no)"),
            "{error}"
        );
    }

    #[test]
    fn drop_ends_the_program() {
        let child = shell("exec sleep 100");
        let pid = Pid::from_raw(i32::try_from(child.pid()).unwrap());
        drop(child);
        assert!(kill(pid, None).is_err(), "the program still runs");
    }
}
