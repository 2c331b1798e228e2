//! The folder on bpffs in which maps, programs and links outlive the process; one process at a time has it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use aya::pin::PinError as AyaPinError;
use dns_common::maps::ABI_VERSION;
use nix::{
    fcntl::{Flock, FlockArg, OFlag},
    sys::statfs::{BPF_FS_MAGIC, statfs},
    unistd::geteuid,
};

use super::{
    layout::{self, LINKS, LinkFile, MapsFolder, Start},
    pins::PinError,
};

/// How long a start waits for an instance that is just stopping, or for a `status` that looks at the folder.
const PATIENCE: Duration = Duration::from_millis(500);
/// Nobody else may see or change what is answered.
const MODE: u32 = 0o700;

/// The folder, claimed by this process: no other instance can have it until this is dropped.
///
/// Until it is told that the start has [succeeded](Self::started), dropping it removes what this process has
/// put there: a start that fails leaves nothing behind.
#[derive(Debug)]
pub struct PinFolder {
    path: PathBuf,
    /// The maps in use.
    maps: MapsFolder,
    start: Start,
    keep: bool,
    _lock: Flock<File>,
}

impl PinFolder {
    /// Claims the folder, which is made if it is not there, and decides on the maps to use.
    ///
    /// `fits` says whether the maps in a folder can be used as they are.
    pub fn claim(path: &Path, fits: impl Fn(&Path) -> bool) -> Result<Self, PinError> {
        check_bpffs(path)?;
        if path.exists() {
            // Before the lock, which another user may hold.
            check_owner(path)?;
        }
        let lock = lock_exclusively(path)?;
        check_owner(path)?;
        let folders = contents(path)?;
        let start = layout::start(&folders, ABI_VERSION, |folder| {
            fits(&path.join(folder.to_string()))
        });
        let claimed = Self {
            path: path.to_owned(),
            maps: MapsFolder {
                version: ABI_VERSION,
                next: start == Start::Beside,
            },
            start,
            keep: matches!(start, Start::Adopt | Start::AdoptNext),
            _lock: lock,
        };
        claimed.prepare(&folders)?;
        Ok(claimed)
    }

    /// Claims the folder to remove it; `None` if there is none.
    pub fn claim_for_removal(path: &Path) -> Result<Option<Self>, PinError> {
        if !path.exists() {
            return Ok(None);
        }
        check_bpffs(path)?;
        let lock = lock_exclusively(path)?;
        check_owner(path)?;
        contents(path)?;
        Ok(Some(Self {
            path: path.to_owned(),
            maps: MapsFolder {
                version: ABI_VERSION,
                next: false,
            },
            start: Start::Adopt,
            keep: true,
            _lock: lock,
        }))
    }

    /// Makes the folders that this start uses, and removes those that nobody does.
    fn prepare(&self, folders: &[MapsFolder]) -> Result<(), PinError> {
        let own = |next| MapsFolder {
            version: ABI_VERSION,
            next,
        };
        match self.start {
            Start::AdoptNext => self.rename(own(true), own(false))?,
            Start::Adopt | Start::Fresh => {
                for &folder in folders {
                    if self.start == Start::Fresh || folder != own(false) {
                        self.remove(folder)?;
                    }
                }
            }
            Start::Beside => {
                for &folder in folders.iter().filter(|folder| folder.next) {
                    self.remove(folder)?;
                }
            }
        }
        make_folder(&self.maps())?;
        make_folder(&self.links())
    }

    /// Which maps are used.
    #[must_use]
    pub const fn start(&self) -> Start {
        self.start
    }

    /// Where maps and programs are.
    #[must_use]
    pub fn maps(&self) -> PathBuf {
        self.path.join(self.maps.to_string())
    }

    /// Where links are.
    #[must_use]
    pub fn links(&self) -> PathBuf {
        self.path.join(LINKS)
    }

    /// The start has succeeded: from now on what is in use stays. Maps that are still to be filled do not.
    pub fn started(&mut self) {
        self.keep = self.start != Start::Beside;
    }

    /// Pins a program beside the maps, in place of the one of the instance before.
    pub fn pin_program(
        &self,
        name: &str,
        pin: impl FnOnce(&Path) -> Result<(), AyaPinError>,
    ) -> Result<(), PinError> {
        let path = self.maps().join(name);
        let new = self.maps().join(format!("{name}_next"));
        remove_file(&new)?;
        pin(&new).map_err(|source| PinError::Pin {
            path: path.clone(),
            source: Box::new(source),
        })?;
        fs::rename(&new, &path).map_err(io_error(&path))
    }

    /// Makes the maps that were filled beside the others the only ones; no link may hold an older program.
    pub fn settle(&mut self) -> Result<(), PinError> {
        if self.start != Start::Beside {
            return Ok(());
        }
        for folder in contents(&self.path)? {
            if folder != self.maps {
                self.remove(folder)?;
            }
        }
        let own = MapsFolder {
            next: false,
            ..self.maps
        };
        self.rename(self.maps, own)?;
        self.maps = own;
        self.start = Start::Adopt;
        self.keep = true;
        Ok(())
    }

    /// Removes everything, and the folder; gives what was removed.
    pub fn remove_all(mut self) -> Result<Vec<PathBuf>, PinError> {
        self.keep = true;
        let mut removed = Vec::new();
        for link in links(&self.links())? {
            let path = self.links().join(link.to_string());
            remove_file(&path)?;
            removed.push(path);
        }
        for folder in contents(&self.path)? {
            let path = self.path.join(folder.to_string());
            let entries = fs::read_dir(&path).map_err(io_error(&path))?;
            removed.extend(entries.flatten().map(|entry| entry.path()));
            self.remove(folder)?;
        }
        for path in [self.links(), self.path.clone()] {
            match fs::remove_dir(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_error(&path)(error));
                }
                _ => {}
            }
        }
        removed.sort();
        Ok(removed)
    }

    fn remove(&self, folder: MapsFolder) -> Result<(), PinError> {
        let path = self.path.join(folder.to_string());
        fs::remove_dir_all(&path).map_err(io_error(&path))
    }

    fn rename(&self, from: MapsFolder, to: MapsFolder) -> Result<(), PinError> {
        let to = self.path.join(to.to_string());
        fs::rename(self.path.join(from.to_string()), &to).map_err(io_error(&to))
    }

    /// Removes what this start has put there.
    fn undo(&self) -> Result<(), PinError> {
        self.remove(self.maps)?;
        if self.start == Start::Fresh {
            for link in links(&self.links())? {
                remove_file(&self.links().join(link.to_string()))?;
            }
        }
        // Folders that hold something stay.
        let _kept = fs::remove_dir(self.links());
        let _kept = fs::remove_dir(&self.path);
        Ok(())
    }
}

impl Drop for PinFolder {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = self.undo()
        {
            tracing::warn!("something is left behind: {error}");
        }
    }
}

/// Checks that the folder is, or would be, on a writable bpffs.
pub fn check_bpffs(path: &Path) -> Result<(), PinError> {
    // The folder is made if need be, but not those around it.
    let existing = path.ancestors().take(2).find(|folder| folder.exists());
    let on_bpffs = existing
        .and_then(|folder| statfs(folder).ok())
        .is_some_and(|about| about.filesystem_type() == BPF_FS_MAGIC);
    if on_bpffs {
        Ok(())
    } else {
        Err(PinError::NotBpffs(path.to_owned()))
    }
}

/// Checks that everything in the folder is this user's: in a folder that everybody may write to, anybody can
/// be there first.
pub fn check_owner(path: &Path) -> Result<(), PinError> {
    let user = geteuid().as_raw();
    let about = fs::symlink_metadata(path).map_err(io_error(path))?;
    if about.uid() != user {
        return Err(PinError::OtherOwner {
            path: path.to_owned(),
            owner: about.uid(),
            user,
        });
    }
    if !about.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(io_error(path))? {
        check_owner(&entry.map_err(io_error(path))?.path())?;
    }
    Ok(())
}

/// The folders of maps in the pin folder, in order.
///
/// # Errors
/// [`PinError::Foreign`] if there is anything else but links.
pub fn contents(path: &Path) -> Result<Vec<MapsFolder>, PinError> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(path).map_err(io_error(path))? {
        let entry = entry.map_err(io_error(path))?;
        let name = entry.file_name();
        if name == LINKS {
            links(&entry.path())?;
            continue;
        }
        let folder = name.to_str().and_then(|name| name.parse().ok());
        folders.push(folder.ok_or_else(|| PinError::Foreign(entry.path()))?);
    }
    folders.sort();
    Ok(folders)
}

/// The links in their folder, in order; none if there is no such folder.
///
/// # Errors
/// [`PinError::Foreign`] if there is anything else.
pub fn links(path: &Path) -> Result<Vec<LinkFile>, PinError> {
    let mut links = Vec::new();
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(links),
        result => result.map_err(io_error(path))?,
    };
    for entry in entries {
        let entry = entry.map_err(io_error(path))?;
        let name = entry.file_name();
        let link = name.to_str().and_then(|name| name.parse().ok());
        links.push(link.ok_or_else(|| PinError::Foreign(entry.path()))?);
    }
    links.sort();
    Ok(links)
}

/// The version of maps in the folder that are of another one than this program's.
pub(super) fn other_version(path: &Path) -> Option<u64> {
    let folders = contents(path).ok()?;
    let mut others = folders
        .into_iter()
        .filter(|folder| !folder.next && folder.version != ABI_VERSION);
    others.next_back().map(|folder| folder.version)
}

/// Removes a file; one that is not there is no error.
pub(super) fn remove_file(path: &Path) -> Result<(), PinError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path)(error)),
        _ => Ok(()),
    }
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

/// Makes a folder if it is not there.
fn make_folder(path: &Path) -> Result<(), PinError> {
    match DirBuilder::new().mode(MODE).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(io_error(path)(error)),
        _ => Ok(()),
    }
}

/// Makes the folder if it is not there, and locks it.
fn lock_exclusively(path: &Path) -> Result<Flock<File>, PinError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        make_folder(path)?;
        let file = match open_folder(path) {
            // An instance that stops has just removed the folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            result => result.map_err(io_error(path))?,
        };
        let inode = file.metadata().map_err(io_error(path))?.ino();
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

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> PinError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::ReadOnlyFilesystem => PinError::ReadOnly(path),
        _ => PinError::Io { path, source },
    }
}
