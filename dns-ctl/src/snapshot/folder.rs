//! The folder of the snapshot: one file, replaced as a whole or not at all.

use std::{
    fmt, fs,
    fs::{DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use nix::fcntl::OFlag;

use super::{
    format::{self, FormatError, Found},
    scope::Scope,
};
use crate::zone::object::Event;

/// The snapshot's name in the folder.
pub const SNAPSHOT: &str = "snapshot";
/// The name of the last one that could not be used.
pub const SET_ASIDE: &str = "snapshot.corrupt";
/// Around the random part of a new file's name, until it is whole.
const UNFINISHED: (&str, &str) = ("snapshot.", ".unfinished");
/// Most octets of a snapshot: 100,000 Services with 500,000 endpoints take a quarter of it.
pub const MAX_OCTETS: u64 = 256 << 20;

/// A folder in which a snapshot can be kept.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// What a snapshot gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Complete lists of all that was known.
    pub events: Vec<Event>,
    /// When it was written.
    pub written: SystemTime,
}

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It is not there, and can't be made.
    #[error(
        "the folder {} can't be made: {source}; make it, or the one above it, or give another --state-dir",
        path.display()
    )]
    NotMade {
        /// The folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Something else has its name.
    #[error("{} is not a folder; give another --state-dir", .0.display())]
    NotAFolder(PathBuf),
    /// It is there, but of no use.
    #[error(
        "nothing can be kept in the folder {}: {source}; let this process read and write it, or give another \
         --state-dir",
        path.display()
    )]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Why a snapshot can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The kernel does not give it; it stays where it is.
    #[error("the snapshot {} can't be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is not what was once written.
    #[error("the snapshot {} is not used: {reason}; it was set aside as {}", path.display(), aside.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: Corrupt,
        /// Where it is now.
        aside: PathBuf,
    },
    /// It is not what was once written, and stays where it is.
    #[error("the snapshot {} is not used: {reason}; it can't be set aside: {source}", path.display())]
    Stuck {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: Corrupt,
        /// What the kernel said.
        source: io::Error,
    },
}

/// What is wrong with a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum Corrupt {
    /// A link, a pipe, a folder.
    #[error("it is not a regular file")]
    NotAFile,
    /// No snapshot is so large.
    #[error("it has more than {MAX_OCTETS} octets")]
    TooLarge,
    /// What is in it.
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// Where a snapshot's way to the disk has ended.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {source}")]
pub struct WriteError {
    /// The step that failed.
    pub step: Step,
    /// What the kernel said.
    pub source: io::Error,
}

/// The steps of a snapshot's way to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new file is made.
    Make,
    /// It is filled.
    Fill,
    /// It is on the disk.
    Sync,
    /// It takes the old one's name.
    Rename,
    /// That, too, is on the disk.
    SyncFolder,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Make => "a new file can't be made",
            Self::Fill => "the new file can't be written",
            Self::Sync => "the new file can't be brought to the disk",
            Self::Rename => "the new file can't take the old one's place",
            Self::SyncFolder => "the folder can't be brought to the disk",
        })
    }
}

impl Restored {
    /// How old it is at `now`; a clock that was ahead when it was written makes it no younger than new.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.written).unwrap_or_default()
    }
}

impl Folder {
    /// Makes the folder unless it is there, sees that it can be used, and clears what a killed writer has left.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        make(path)?;
        let folder = Self {
            path: path.to_owned(),
        };
        let usable = folder
            .remove_unfinished()
            .and_then(|()| folder.unfinished()?.close());
        match usable {
            Ok(()) => Ok(folder),
            Err(source) => Err(FolderError::Unusable {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Removes what is kept in a folder, and the folder if that leaves it empty; gives the files.
    pub fn remove(path: &Path) -> Result<Vec<PathBuf>, FolderError> {
        let unusable = |source| FolderError::Unusable {
            path: path.to_owned(),
            source,
        };
        if !path.exists() {
            return Ok(Vec::new());
        }
        let folder = Self {
            path: path.to_owned(),
        };
        folder.remove_unfinished().map_err(unusable)?;
        let mut removed = Vec::new();
        for file in [folder.file(), path.join(SET_ASIDE)] {
            match fs::remove_file(&file) {
                Ok(()) => removed.push(file),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(unusable(error)),
            }
        }
        // One that holds something else stays.
        let _kept = fs::remove_dir(path);
        Ok(removed)
    }

    /// The file of the snapshot.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.path.join(SNAPSHOT)
    }

    /// The snapshot, if there is one of this scope.
    ///
    /// One of another scope or release stays where it is until the next one takes its place.
    pub fn load(&self, scope: &Scope) -> Result<Option<Restored>, LoadError> {
        let path = self.file();
        let reason = match read(&path) {
            Ok(Ok(octets)) => match format::decode(&octets, scope.as_str()) {
                Ok(found) => return Ok(restored(found, &path, scope)),
                Err(error) => error.into(),
            },
            Ok(Err(reason)) => reason,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LoadError::Unreadable { path, source }),
        };
        let aside = self.path.join(SET_ASIDE);
        Err(match fs::rename(&path, &aside) {
            Ok(()) => LoadError::Corrupt {
                path,
                reason,
                aside,
            },
            Err(source) => LoadError::Stuck {
                path,
                reason,
                source,
            },
        })
    }

    /// Puts a new snapshot in the old one's place; until that is done, the old one is whole.
    pub fn write(&self, parts: &[&[u8]]) -> Result<(), WriteError> {
        self.write_by_steps(parts, |_| Ok(()))
    }

    /// Does so, asking before each step whether to take it.
    fn write_by_steps(
        &self,
        parts: &[&[u8]],
        mut before: impl FnMut(Step) -> io::Result<()>,
    ) -> Result<(), WriteError> {
        let failed = |step| move |source| WriteError { step, source };
        // The file goes when it is dropped, unless it has been given its lasting name.
        let mut file = before(Step::Make)
            .and_then(|()| self.unfinished())
            .map_err(failed(Step::Make))?;
        before(Step::Fill)
            .and_then(|()| fill(file.as_file_mut(), parts))
            .map_err(failed(Step::Fill))?;
        before(Step::Sync)
            .and_then(|()| file.as_file().sync_all())
            .map_err(failed(Step::Sync))?;
        before(Step::Rename)
            .and_then(|()| file.persist(self.file()).map_err(|failed| failed.error))
            .map_err(failed(Step::Rename))?;
        before(Step::SyncFolder)
            .and_then(|()| sync_folder(&self.path))
            .map_err(failed(Step::SyncFolder))
    }

    /// A new file that nobody else has, for this user alone.
    fn unfinished(&self) -> io::Result<tempfile::NamedTempFile> {
        let (prefix, suffix) = UNFINISHED;
        let mut new = OpenOptions::new();
        new.write(true).create_new(true).mode(0o600);
        // Opened here, as the errors of `tempfile_in` name the file: each would read like a new one.
        tempfile::Builder::new()
            .prefix(prefix)
            .suffix(suffix)
            .make_in(&self.path, |path| new.open(path))
    }

    fn remove_unfinished(&self) -> io::Result<()> {
        let (prefix, suffix) = UNFINISHED;
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            if name.starts_with(prefix.as_bytes()) && name.ends_with(suffix.as_bytes()) {
                match fs::remove_file(entry.path()) {
                    // Another process may have finished it.
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    Ok(()) | Err(_) => {}
                }
            }
        }
        Ok(())
    }
}

/// Makes the folder, but not those above it: a path with a mistake should not come into being.
fn make(path: &Path) -> Result<(), FolderError> {
    let made = match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return if path.is_dir() {
                Ok(())
            } else {
                Err(FolderError::NotAFolder(path.to_owned()))
            };
        }
        Ok(()) => match path.parent() {
            Some(above) if above != Path::new("") => sync_folder(above),
            _ => sync_folder(Path::new(".")),
        },
        Err(error) => Err(error),
    };
    made.map_err(|source| FolderError::NotMade {
        path: path.to_owned(),
        source,
    })
}

fn restored(found: Found, path: &Path, scope: &Scope) -> Option<Restored> {
    let file = path.display();
    match found {
        Found::Snapshot(decoded) => Some(Restored {
            events: decoded.contents.into_events(),
            written: decoded.written,
        }),
        Found::OtherVersion(version) => {
            tracing::info!(
                version,
                known = format::VERSION,
                "the snapshot {file} is of a form that this release does not know; it is not used, and the next \
                 one takes its place"
            );
            None
        }
        Found::OtherScope(other) => {
            tracing::info!(
                of = other,
                wanted = %scope,
                "the snapshot {file} was made with other flags; it is not used, and the next one takes its place"
            );
            None
        }
    }
}

/// The octets of a file, if it is one and not too large.
fn read(path: &Path) -> io::Result<Result<Vec<u8>, Corrupt>> {
    let is = fs::symlink_metadata(path)?;
    if !is.is_file() {
        return Ok(Err(Corrupt::NotAFile));
    }
    let mut octets = Vec::new();
    if is.len() <= MAX_OCTETS {
        // Should it have become a link or a pipe: neither followed nor waited for.
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits())
            .open(path)?;
        file.take(MAX_OCTETS + 1).read_to_end(&mut octets)?;
        if octets.len() as u64 <= MAX_OCTETS {
            return Ok(Ok(octets));
        }
    }
    Ok(Err(Corrupt::TooLarge))
}

fn fill(file: &mut File, parts: &[&[u8]]) -> io::Result<()> {
    // What would not be read back must not replace what would.
    if parts.iter().map(|part| part.len() as u64).sum::<u64>() > MAX_OCTETS {
        return Err(io::Error::other(format!(
            "it would have more than {MAX_OCTETS} octets"
        )));
    }
    parts.iter().try_for_each(|part| file.write_all(part))
}

/// Brings the names in a folder to the disk, where the file system knows how.
fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

#[cfg(test)]
mod tests;
