//! The live screen on a real terminal, which is tmux's: drawn, resized, and gone without a trace.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use kxdns_tests::node::{Node, PATIENCE, dns_ctl};
use testbed::{Scratch, output};

use super::{
    load::{BUSY, Load},
    node,
};

/// A terminal with a shell in it that runs `dns-ctl top`, and then tells how that ended.
struct Terminal {
    folder: Scratch,
}

impl Terminal {
    fn start(node: &Node, columns: u32, rows: u32) -> Result<Self> {
        let folder = Scratch::new("tmux")?;
        let mut command = dns_ctl(&node.bed.node)?;
        command.arg("top").arg("--bpffs").arg(node.folder());
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<_> = words
            .map(|word| format!("'{}'", word.to_string_lossy()))
            .collect();
        let script = format!(
            "echo before; {} 2>{}; echo ended with $?; stty -a; sleep 600\n",
            words.join(" "),
            folder.path().join("errors").display()
        );
        folder.write("run.sh", &script)?;
        let terminal = Self { folder };
        let shell = format!("sh {}", terminal.folder.path().join("run.sh").display());
        terminal.tmux(&[
            "new-session",
            "-d",
            "-x",
            &columns.to_string(),
            "-y",
            &rows.to_string(),
            &shell,
        ])?;
        Ok(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Result<String> {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S")
            .arg(self.folder.path().join("socket"))
            .args(["-f", "/dev/null"]);
        // As a user who has no terminal at all would start it.
        output(
            tmux.args(arguments)
                .env_remove("TMUX")
                .env("TERM", "xterm-256color"),
        )
    }

    fn screen(&self) -> Result<String> {
        self.tmux(&["capture-pane", "-p"])
    }

    fn told(&self, what: &str) -> Result<String> {
        Ok(self
            .tmux(&["display-message", "-p", what])?
            .trim()
            .to_owned())
    }

    fn press(&self, key: &str) -> Result<()> {
        self.tmux(&["send-keys", key]).map(drop)
    }

    /// Waits until the screen is as it should be.
    fn wait_for(&self, what: &str, is_so: impl Fn(&str) -> bool) -> Result<String> {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let screen = self.screen()?;
            if is_so(&screen) {
                return Ok(screen);
            }
            if std::time::Instant::now() > deadline {
                let errors = std::fs::read_to_string(self.folder.path().join("errors"));
                bail!("no {what}:\n{screen}\n{errors:?}");
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// Waits until the program has ended, and checks that the terminal is as it was.
    fn wait_for_end(&self) -> Result<()> {
        let screen = self.wait_for("end", |screen| {
            screen.contains("ended with") && screen.contains("icanon")
        })?;
        ensure!(screen.contains("ended with 0"), "{screen}");
        ensure!(
            screen.contains("before"),
            "what was there before is there again:\n{screen}"
        );
        ensure!(
            !screen.contains("queries/s"),
            "the screen is gone:\n{screen}"
        );
        let words: Vec<_> = screen.split([' ', ';', '\n']).collect();
        for word in ["icanon", "echo", "isig", "opost"] {
            ensure!(words.contains(&word), "{word} is not on:\n{screen}");
        }
        ensure!(
            self.told("#{alternate_on} #{cursor_flag}")? == "0 1",
            "another screen, or no cursor"
        );
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _gone = self.tmux(&["kill-server"]);
    }
}

#[test]
fn the_screen_shows_the_load_and_obeys_keys() -> Result<()> {
    let (_folder, node) = node(&[])?;
    let load = Load::start(&node)?;
    let terminal = Terminal::start(&node, 100, 30)?;
    let screen = terminal.wait_for("figures", |screen| screen.contains(BUSY))?;
    for words in [
        "answered in the kernel",
        "hit a",
        "miss outside_zones",
        "pod-client",
        &node.bed.pod("client").ipv4.to_string(),
        "over TCP",
        "q quit",
    ] {
        assert!(screen.contains(words), "{words}:\n{screen}");
    }
    assert_eq!(
        terminal.told("#{alternate_on}")?,
        "1",
        "on a screen of its own"
    );
    terminal.press("n")?;
    terminal.wait_for("hidden names", |screen| {
        !screen.contains(BUSY) && screen.contains("show names")
    })?;
    terminal.press("n")?;
    terminal.press("s")?;
    let by_passed_on = |screen: &str| {
        let (outside, busy) = (screen.find("www.example.com."), screen.find(BUSY));
        outside.is_some() && busy.is_some() && outside < busy
    };
    terminal.wait_for("other order", by_passed_on)?;
    terminal.press("p")?;
    terminal.wait_for("pause", |screen| screen.contains("PAUSED"))?;
    terminal.press("p")?;
    terminal.wait_for("end of the pause", |screen| !screen.contains("PAUSED"))?;
    terminal.tmux(&["resize-window", "-x", "60", "-y", "14"])?;
    terminal.wait_for("small screen", |screen| {
        screen.lines().count() <= 14 && screen.contains("q quit") && screen.contains("queries/s")
    })?;
    // Too small for anything: it has to bear it.
    terminal.tmux(&["resize-window", "-x", "3", "-y", "2"])?;
    terminal.tmux(&["resize-window", "-x", "100", "-y", "30"])?;
    terminal.wait_for("large screen", |screen| screen.contains(BUSY))?;
    terminal.press("q")?;
    terminal.wait_for_end()?;
    load.stop().map(drop)
}

#[test]
fn the_terminal_is_as_it_was_whatever_ends_it() -> Result<()> {
    let (_folder, node) = node(&[])?;
    for end in ["C-c", "Escape", "TERM", "HUP"] {
        let terminal = Terminal::start(&node, 90, 25)?;
        terminal.wait_for("figures", |screen| screen.contains("queries/s"))?;
        if end.len() > 3 && end.chars().all(char::is_uppercase) || end == "HUP" {
            let shell = terminal.told("#{pane_pid}")?;
            let children = output(Command::new("pgrep").args(["-P", &shell]))?;
            let child = children.trim();
            output(Command::new("kill").args(["-s", end, child]))
                .context("can't send it a signal")?;
        } else {
            terminal.press(end)?;
        }
        terminal
            .wait_for_end()
            .with_context(|| format!("after {end}"))?;
    }
    Ok(())
}
