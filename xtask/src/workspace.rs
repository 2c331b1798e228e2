//! Where the workspace and its build output are, and the cargo that builds it.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::terminal;

/// The workspace this program was built from.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder of the root Cargo.toml.
    pub(crate) root: PathBuf,
    /// The folder of all build output.
    pub(crate) target_dir: PathBuf,
}

impl Workspace {
    /// Finds both from where this program is and comes from.
    pub(crate) fn find() -> Result<Self> {
        // Cargo says where the package is now; the path it was compiled at is for running the program directly.
        let package = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = package
            .parent()
            .context("xtask is not inside a workspace")?
            .to_owned();
        // However the folder was chosen (configuration, environment, option), this program is in its `debug`.
        let program = env::current_exe().context("can't tell where this program is")?;
        let target_dir = program
            .ancestors()
            .nth(2)
            .context("this program is not in a target folder")?
            .to_owned();
        Ok(Self { root, target_dir })
    }

    /// A cargo command in the workspace, with the build output where this program is.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(program);
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target_dir)
            .args(arguments);
        command
    }
}

/// Runs a command with its output shown, after saying what is run; an error if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = announce(command);
    let status = command
        .status()
        .with_context(|| format!("can't start `{shown}`"))?;
    ensure!(status.success(), "`{shown}` failed ({status})");
    Ok(())
}

/// Says what is run, and gives that for error messages.
pub(crate) fn announce(command: &Command) -> String {
    let shown = shown(command);
    println!("{}", terminal::dim(&format!("$ {shown}")));
    shown
}

/// The command as a person would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name();
    program
        .into_iter()
        .chain(command.get_args())
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspace_is_found() {
        // A test program is one folder deeper than xtask itself, so only the root can be checked here.
        let workspace = Workspace::find().unwrap();
        assert!(workspace.root.join("rust-toolchain.toml").is_file());
    }

    #[test]
    fn commands_are_shown_without_the_programs_folder() {
        assert_eq!(
            shown(Command::new("/usr/bin/cargo").args(["test", "-p", "x"])),
            "cargo test -p x"
        );
    }
}
