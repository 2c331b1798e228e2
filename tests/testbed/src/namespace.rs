//! A network namespace that is removed when dropped, and the ways to run something inside it.

use std::{
    ffi::OsStr,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sched::{CloneFlags, setns},
    unistd::geteuid,
};

use crate::{
    output::ip,
    pod_files::PodFiles,
    stale::{self, NETNS_FOLDER},
};

/// A network namespace of this process's own, with `lo` up.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace; `label` is part of its name, so that `ip netns` tells a person what it is.
    pub fn new(label: &str) -> Result<Self> {
        require_root()?;
        stale::remove_once();
        let name = stale::unique_name(label);
        ip(&format!("netns add {name}"))?;
        let namespace = Self { name };
        namespace.ip("link set lo up")?;
        // Addresses are usable at once, instead of after a second of asking whether another host has them.
        // Without IPv6 in the kernel the file is not there, and there is nothing to ask.
        let dad = Path::new("/proc/sys/net/ipv6/conf/default/accept_dad");
        if dad.exists() {
            namespace.run(|| std::fs::write(dad, "0"))??;
        }
        Ok(namespace)
    }

    /// The name under which `ip netns` knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for the namespace.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new(NETNS_FOLDER).join(&self.name)
    }

    /// A command that runs in this network namespace, and shares everything else.
    ///
    /// `ip netns exec` would also mount another /sys, and hide the BPF file system.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.path().display()))
            .arg("--")
            .arg(program);
        command
    }

    /// A command that runs here as in a pod: with its own resolv.conf, nsswitch.conf and hosts, seen by no other process.
    pub fn pod_command(&self, files: &PodFiles, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.command("unshare");
        command
            .args(["--mount", "--propagation", "private", "--"])
            .args(["sh", "-c", PodFiles::MOUNT_AND_EXEC, "sh"])
            .arg(files.folder())
            .arg(program);
        command
    }

    /// Runs a closure on a thread inside this namespace and gives its value.
    ///
    /// Sockets it opens stay in the namespace, wherever they are used later. A panic goes on in the caller.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let file =
            File::open(self.path()).with_context(|| format!("namespace {} is gone", self.name))?;
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                // Only this thread moves, and it ends here.
                setns(file, CloneFlags::CLONE_NEWNET)?;
                Ok(work())
            });
            match inside.join() {
                Ok(result) => result.map_err(|error: nix::Error| {
                    anyhow::Error::new(error)
                        .context(format!("can't enter namespace {}", self.name))
                }),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Runs `ip` inside, with arguments given as one line.
    pub fn ip(&self, arguments: &str) -> Result<String> {
        ip(&format!("-netns {} {arguments}", self.name))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // If it fails, the next process that makes a namespace removes it.
        let _ = ip(&format!("netns del {}", self.name));
    }
}

/// An error with the remedy, unless this process may make namespaces.
pub fn require_root() -> Result<()> {
    ensure!(
        geteuid().is_root(),
        "network namespaces need root: run it again with `sudo -E env \"PATH=$PATH\" ...`"
    );
    Ok(())
}
