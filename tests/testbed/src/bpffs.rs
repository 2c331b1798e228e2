//! A BPF file system of its own, unmounted when dropped.

use std::path::Path;

use anyhow::{Context as _, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::Scratch;

/// A mounted BPF file system in which a program under test pins its maps and links.
#[derive(Debug)]
pub struct Bpffs {
    scratch: Scratch,
}

impl Bpffs {
    /// Mounts one on a temporary folder; needs root.
    pub fn mount() -> Result<Self> {
        let scratch = Scratch::new("bpffs")?;
        mount(
            Some("bpf"),
            scratch.path(),
            Some("bpf"),
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
            Some("mode=0700"),
        )
        .with_context(|| {
            format!(
                "can't mount a BPF file system on {}",
                scratch.path().display()
            )
        })?;
        Ok(Self { scratch })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.scratch.path()
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        // Detached, it goes away with its last user; the folder goes with `scratch`.
        let _ = umount2(self.scratch.path(), MntFlags::MNT_DETACH);
    }
}
