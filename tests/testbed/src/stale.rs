//! Names that tell whose they are, and removal of what processes killed outright left behind.

use std::{
    env, fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    process,
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering},
    },
};

use nix::{
    mount::{MntFlags, umount2},
    sys::signal::{Signal, kill},
    unistd::{Pid, geteuid},
};

use crate::output::ip;

/// Where `ip netns` keeps its namespaces.
pub(crate) const NETNS_FOLDER: &str = "/run/netns";

/// A name no other value of this or another process has: `kxdns-<pid>-<label>-<n>`.
pub(crate) fn unique_name(label: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("kxdns-{}-{label}-{count}", process::id())
}

/// Removes, once per process, what processes that no longer run have left: namespaces with the programs in them,
/// mounts, temporary folders.
pub(crate) fn remove_once() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        for name in stale_names(Path::new(NETNS_FOLDER)) {
            remove_namespace(&name);
        }
        for name in stale_names(&env::temp_dir()) {
            remove_folder(&env::temp_dir().join(name));
        }
    });
}

/// Ends the programs in a namespace and removes it; failures leave it to the next attempt.
fn remove_namespace(name: &str) {
    for pid in ip(&format!("netns pids {name}"))
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.trim().parse().ok())
    {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let _ = ip(&format!("netns del {name}"));
}

/// Removes a folder and what is mounted on it, if it is a folder of this user.
fn remove_folder(path: &Path) {
    let ours = fs::symlink_metadata(path)
        .is_ok_and(|meta| meta.is_dir() && meta.uid() == geteuid().as_raw());
    if ours {
        let _ = umount2(path, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir_all(path);
    }
}

/// The entries of a folder that belong to processes that no longer run.
fn stale_names(folder: &Path) -> Vec<String> {
    // No folder, nothing stale.
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| owner(name).is_some_and(|pid| !is_running(pid)))
        .collect()
}

/// The process a name made by [`unique_name`] belongs to.
fn owner(name: &str) -> Option<u32> {
    let (pid, rest) = name.strip_prefix("kxdns-")?.split_once('-')?;
    let (label, count) = rest.rsplit_once('-')?;
    let ours = !label.is_empty() && count.parse::<usize>().is_ok();
    ours.then(|| pid.parse().ok()).flatten()
}

fn is_running(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_name_their_owner() {
        let (first, second) = (unique_name("pod-a"), unique_name("pod-a"));
        assert_ne!(first, second);
        assert_eq!(owner(&first), Some(process::id()));
        assert!(is_running(process::id()));
    }

    #[test]
    fn names_of_others_have_no_owner() {
        for name in [
            "kxdns",
            "kxdns-12",
            "kxdns-node-0",
            "cni-12-node-0",
            "kxdns-12-node",
            "kxdns-12--0",
        ] {
            assert_eq!(owner(name), None, "{name}");
        }
        assert_eq!(owner("kxdns-12-node-0"), Some(12));
    }
}
