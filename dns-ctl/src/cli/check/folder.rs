//! The folders that `run` writes to: the one for pinned maps, and the one for its state.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::{
    sys::{
        statfs::{BPF_FS_MAGIC, statfs},
        statvfs::{FsFlags, statvfs},
    },
    unistd::{AccessFlags, eaccess},
};

use super::report::{Finding, Verdict};
use crate::attach::{
    folder::{check_owner, contents},
    pins::PinError,
};

const BPFFS: &str = "bpffs";
const STATE: &str = "state-dir";
/// Less free space than this may not do for the state of a large cluster.
const LITTLE: u64 = 64 << 20;

/// A folder as it is, or the one above it in which it would be made.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// The folder asked for.
    path: PathBuf,
    /// What is there of it: itself, or the one above.
    existing: Option<PathBuf>,
    is_folder: bool,
    is_bpffs: bool,
    is_read_only: bool,
    /// What the system says if this process may not write there.
    denied: Option<String>,
    /// Octets free.
    free: Option<u64>,
    /// Things in the folder asked for, if it is there.
    entries: usize,
}

impl Place {
    /// Looks at `path`, or at the nearest of as many `levels` that is there.
    fn look(path: &Path, levels: usize) -> Self {
        let above = path.ancestors().take(levels).map(|folder| {
            // The folder above a plain name is this one.
            if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            }
        });
        let existing = above.into_iter().find(|folder| folder.exists());
        let about = existing.and_then(|folder| statfs(folder).ok());
        let space = existing.and_then(|folder| statvfs(folder).ok());
        let write = AccessFlags::W_OK | AccessFlags::X_OK;
        let denied = existing.and_then(|folder| eaccess(folder, write).err());
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        Self {
            path: path.to_owned(),
            existing: existing.map(Path::to_owned),
            is_folder: existing.is_some_and(Path::is_dir),
            is_bpffs: about.is_some_and(|about| about.filesystem_type() == BPF_FS_MAGIC),
            is_read_only: space.is_some_and(|space| space.flags().contains(FsFlags::ST_RDONLY)),
            denied: denied.map(|error| error.desc().to_owned()),
            free: space.map(|space| space.blocks_available() * space.fragment_size()),
            entries: entries.count(),
        }
    }

    /// Why nothing can be written here, and what to do about it.
    fn obstacle(&self) -> Option<(String, String)> {
        let (path, existing) = (self.path.display(), self.existing.as_ref()?);
        let existing = existing.display();
        if !self.is_folder {
            let found = format!("{existing} is not a folder");
            return Some((found, "name a folder".to_owned()));
        }
        if self.is_read_only {
            return Some((
                format!("the file system of {path} is mounted read-only"),
                "mount it for writing; a container's volume must not have readOnly".to_owned(),
            ));
        }
        let denied = self.denied.as_ref()?;
        Some((
            format!("this process may not write to {existing}: {denied}"),
            "run it as the owner of that folder, or name another".to_owned(),
        ))
    }
}

/// Looks at the folder for pinned maps.
pub(super) fn bpffs(path: &Path) -> Vec<Finding> {
    let place = Place::look(path, 2);
    let foreign = check_owner(path).and_then(|()| contents(path)).err();
    vec![judge_bpffs(
        &place,
        foreign
            .as_ref()
            .filter(|_| place.existing.as_deref() == Some(path)),
    )]
}

fn judge_bpffs(place: &Place, foreign: Option<&PinError>) -> Finding {
    let path = place.path.display();
    if !place.is_bpffs {
        let sentence = PinError::NotBpffs(place.path.clone()).to_string();
        return Finding::told(BPFFS, Verdict::Fail, &sentence, "");
    }
    if let Some((found, remedy)) = place.obstacle() {
        return Finding::fail(BPFFS, found, remedy);
    }
    if let Some(error) = foreign {
        return Finding::told(BPFFS, Verdict::Fail, &error.to_string(), "");
    }
    Finding::pass(
        BPFFS,
        if place.entries > 0 {
            format!("{path} has maps of a dns-ctl in it, and can be written")
        } else {
            format!("{path} is on a BPF file system, and can be written")
        },
    )
}

/// Looks at the folder for the state.
pub(super) fn state(path: &Path) -> Vec<Finding> {
    vec![judge_state(&Place::look(path, 2))]
}

fn judge_state(place: &Place) -> Finding {
    let path = place.path.display();
    if place.existing.is_none() {
        let found = format!("neither {path} nor the folder above it is there");
        let remedy = "make it, or the one above it, or name another with --state-dir";
        return Finding::fail(STATE, found, remedy);
    }
    if let Some((found, remedy)) = place.obstacle() {
        return Finding::fail(STATE, found, remedy);
    }
    let mib = place.free.map(|free| free >> 20);
    match (place.free, mib) {
        (Some(free), Some(mib)) if free < LITTLE => Finding::warn(
            STATE,
            format!("{path} has only {mib} MiB free"),
            "make room there, or name a folder with more with --state-dir",
        ),
        (_, Some(mib)) => {
            Finding::pass(STATE, format!("{path} can be written; {mib} MiB are free"))
        }
        _ => Finding::pass(STATE, format!("{path} can be written")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Place {
        Place {
            path: "/sys/fs/bpf/kxdns".into(),
            existing: Some("/sys/fs/bpf".into()),
            is_folder: true,
            is_bpffs: true,
            is_read_only: false,
            denied: None,
            free: Some(LITTLE),
            entries: 0,
        }
    }

    #[test]
    fn folders_for_maps_are_judged() {
        let foreign = PinError::Foreign("/sys/fs/bpf/kxdns/x".into());
        let used = || Place {
            entries: 1,
            ..good()
        };
        let elsewhere = Place {
            is_bpffs: false,
            ..good()
        };
        let read_only = Place {
            is_read_only: true,
            denied: Some("Read-only".to_owned()),
            ..good()
        };
        let denied = Place {
            denied: Some("Permission denied".to_owned()),
            ..good()
        };
        let file = Place {
            is_folder: false,
            ..good()
        };
        for (place, foreign, result, words) in [
            (good(), None, Verdict::Pass, "can be written"),
            (used(), None, Verdict::Pass, "maps of a dns-ctl"),
            (
                used(),
                Some(&foreign),
                Verdict::Fail,
                "kxdns/x is not of dns-ctl",
            ),
            (elsewhere, None, Verdict::Fail, "not on a BPF file system"),
            (read_only, None, Verdict::Fail, "mounted read-only"),
            (
                denied,
                None,
                Verdict::Fail,
                "/sys/fs/bpf: Permission denied",
            ),
            (file, None, Verdict::Fail, "not a folder"),
        ] {
            let finding = judge_bpffs(&place, foreign);
            assert_eq!(finding.result, result, "{finding:?}");
            assert!(finding.found.contains(words), "{finding:?}");
            let remedy = finding.remedy.as_deref();
            assert_eq!(remedy.is_none(), result == Verdict::Pass);
            assert_ne!(remedy, Some(""));
        }
    }

    #[test]
    fn folders_for_state_are_judged() {
        let free = |free| Place {
            free: Some(free),
            is_bpffs: false,
            ..good()
        };
        let nowhere = Place {
            existing: None,
            ..good()
        };
        assert_eq!(judge_state(&free(LITTLE)).result, Verdict::Pass);
        assert_eq!(judge_state(&free(LITTLE - 1)).result, Verdict::Warn);
        assert_eq!(judge_state(&nowhere).result, Verdict::Fail);
        let full = Place {
            is_read_only: true,
            ..free(0)
        };
        assert_eq!(judge_state(&full).result, Verdict::Fail);
    }

    #[test]
    fn a_place_is_seen_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a").join("b").join("c");
        let place = Place::look(&deep, usize::MAX);
        assert_eq!(place.existing.as_deref(), Some(folder.path()));
        assert!(place.is_folder && !place.is_bpffs && !place.is_read_only);
        assert_eq!(Place::look(&deep, 2).existing, None);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(!Place::look(&file.join("x"), 2).is_folder);
        assert_eq!(Place::look(folder.path(), 1).entries, 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(
            Place::look(Path::new("no-such-folder"), 2)
                .existing
                .as_deref(),
            Some(Path::new("."))
        );
    }
}
