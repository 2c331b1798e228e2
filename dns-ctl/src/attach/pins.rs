//! The folder on bpffs where the maps and programs of a running instance can be found.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use aya::{
    maps::{Map, MapData, MapError},
    programs::ProgramError,
};
use nix::{
    fcntl::{Flock, FlockArg, OFlag},
    sys::statfs::{BPF_FS_MAGIC, statfs},
};

/// How long a start waits for an instance that is just stopping, or for a `status` that looks at the folder.
const PATIENCE: Duration = Duration::from_millis(500);

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The folder is not on a bpffs.
    #[error(
        "{0} is not on a BPF file system; mount one with `mount -t bpf bpf /sys/fs/bpf`, or name a folder on one with --bpffs"
    )]
    NotBpffs(PathBuf),
    /// Another instance uses the folder.
    #[error("another dns-ctl runs with --bpffs {0}; stop it, or give this one another folder")]
    InUse(PathBuf),
    /// The file system refused.
    #[error("can't use {path} for pinned maps: {source}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A map or program can't be pinned.
    #[error("can't pin anything at {path}: {source}")]
    Pin {
        /// Where.
        path: PathBuf,
        /// What aya says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No running instance has pinned the map here.
    #[error(
        "no dns-ctl has its maps in {0}; is it running, with this --bpffs, and do you have the rights to see them?"
    )]
    NoInstance(PathBuf),
    /// A map can't be opened.
    #[error("can't open the map at {path}: {source}")]
    Open {
        /// Where.
        path: PathBuf,
        /// What aya says.
        source: Box<MapError>,
    },
    /// The instance that has its maps here has not pinned its programs.
    #[error(
        "the dns-ctl that has its maps in {0} shows no programs there: it is just starting, or of an older version"
    )]
    NoProgram(PathBuf),
    /// A program can't be opened.
    #[error("can't open the program at {path}: {source}")]
    OpenProgram {
        /// Where.
        path: PathBuf,
        /// What aya says.
        source: Box<ProgramError>,
    },
}

/// The folder, claimed by this process: no other instance can have it until this is dropped.
///
/// Dropping it removes what was pinned, and the folder.
#[derive(Debug)]
pub struct PinFolder {
    path: PathBuf,
    pinned: Vec<PathBuf>,
    _lock: Flock<File>,
}

impl PinFolder {
    /// Claims the folder, which is made if it is not there.
    pub fn claim(path: &Path) -> Result<Self, PinError> {
        // The folder is made if need be, but not those around it: only what was made is removed.
        let existing = path.ancestors().take(2).find(|folder| folder.exists());
        let on_bpffs = existing
            .and_then(|folder| statfs(folder).ok())
            .is_some_and(|about| about.filesystem_type() == BPF_FS_MAGIC);
        if !on_bpffs {
            return Err(PinError::NotBpffs(path.to_owned()));
        }
        let lock = lock_exclusively(path)?;
        Ok(Self {
            path: path.to_owned(),
            pinned: Vec::new(),
            _lock: lock,
        })
    }

    /// Pins a map under its name, in place of one that an instance left behind when it was killed.
    pub fn pin(&mut self, name: &str, map: &Map) -> Result<(), PinError> {
        self.pin_with(name, |path| map.pin(path))
    }

    /// Has `pin` pin a program or map under its name, likewise.
    pub fn pin_with(
        &mut self,
        name: &str,
        pin: impl FnOnce(&Path) -> Result<(), aya::pin::PinError>,
    ) -> Result<(), PinError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(PinError::Io { path, source });
            }
            _ => {}
        }
        pin(&path).map_err(|source| PinError::Pin {
            path: path.clone(),
            source: Box::new(source),
        })?;
        self.pinned.push(path);
        Ok(())
    }
}

impl Drop for PinFolder {
    fn drop(&mut self) {
        for path in self.pinned.drain(..) {
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!("can't remove {}: {error}", path.display());
            }
        }
        // A folder that holds something else stays.
        let _kept = fs::remove_dir(&self.path);
    }
}

/// Opens a map that a running instance has pinned.
pub fn open(folder: &Path, name: &str) -> Result<MapData, PinError> {
    let path = folder.join(name);
    if !path.exists() {
        return Err(PinError::NoInstance(folder.to_owned()));
    }
    MapData::from_pin(&path).map_err(|source| PinError::Open {
        path,
        source: Box::new(source),
    })
}

/// Has `open` open a program that a running instance has pinned.
pub fn open_program<P>(
    folder: &Path,
    name: &str,
    open: impl FnOnce(&Path) -> Result<P, ProgramError>,
) -> Result<P, PinError> {
    let path = folder.join(name);
    if !path.exists() {
        return Err(PinError::NoProgram(folder.to_owned()));
    }
    open(&path).map_err(|source| PinError::OpenProgram {
        path,
        source: Box::new(source),
    })
}

/// Whether an instance has claimed the folder; one that was killed leaves its maps and programs, but no claim.
#[must_use]
pub fn is_claimed(folder: &Path) -> bool {
    open_folder(folder).is_ok_and(|file| Flock::lock(file, FlockArg::LockSharedNonblock).is_err())
}

fn open_folder(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_DIRECTORY.bits())
        .open(path)
}

/// Makes the folder if it is not there, and locks it.
fn lock_exclusively(path: &Path) -> Result<Flock<File>, PinError> {
    let io_error = |source| PinError::Io {
        path: path.to_owned(),
        source,
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(io_error(error));
            }
            _ => {}
        }
        let file = match open_folder(path) {
            // An instance that stops has just removed the folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            result => result.map_err(io_error)?,
        };
        let inode = file.metadata().map_err(io_error)?.ino();
        if let Ok(lock) = Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            // The lock may be that of a folder that has been removed in between.
            if fs::metadata(path).is_ok_and(|now| now.ino() == inode) {
                return Ok(lock);
            }
        }
        if Instant::now() > deadline {
            return Err(PinError::InUse(path.to_owned()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
