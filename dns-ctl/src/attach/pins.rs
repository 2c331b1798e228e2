//! What an instance has pinned, for those who look at it; and why a pin folder can't be used.

use std::{
    io,
    path::{Path, PathBuf},
};

use aya::{
    maps::{MapData, MapError},
    programs::ProgramError,
};
use dns_common::maps::ABI_VERSION;

use super::{folder, layout::MapsFolder};

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
    /// The file system is mounted read-only.
    #[error(
        "the BPF file system of {0} is mounted read-only; mount it with `mount -o remount,rw`, or name a folder on another with --bpffs"
    )]
    ReadOnly(PathBuf),
    /// There is something that dns-ctl has not put there.
    #[error("{0} is not of dns-ctl; name a folder with --bpffs that nothing else uses")]
    Foreign(PathBuf),
    /// Another user has put it there, who could have filled the maps with anything.
    #[error(
        "{path} belongs to user {owner}, not to the user {user} that this process runs as; remove it, or name another folder with --bpffs"
    )]
    OtherOwner {
        /// The folder or file.
        path: PathBuf,
        /// Its owner's number.
        owner: u32,
        /// This process's.
        user: u32,
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
    /// The maps are of another version.
    #[error(
        "the maps in {folder} are of version {version}, this dns-ctl reads version {ABI_VERSION}: use the dns-ctl that runs"
    )]
    OtherVersion {
        /// The pin folder.
        folder: PathBuf,
        /// The version found there.
        version: u64,
    },
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

/// Where an instance of this version pins its maps and programs.
#[must_use]
pub fn maps_folder(folder: &Path) -> PathBuf {
    let own = MapsFolder {
        version: ABI_VERSION,
        next: false,
    };
    folder.join(own.to_string())
}

/// Opens a map that a running instance has pinned.
pub fn open(folder: &Path, name: &str) -> Result<MapData, PinError> {
    let path = maps_folder(folder).join(name);
    if !path.exists() {
        let folder = folder.to_owned();
        return Err(match folder::other_version(&folder) {
            Some(version) => PinError::OtherVersion { folder, version },
            None => PinError::NoInstance(folder),
        });
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
    let path = maps_folder(folder).join(name);
    if !path.exists() {
        return Err(PinError::NoProgram(folder.to_owned()));
    }
    open(&path).map_err(|source| PinError::OpenProgram {
        path,
        source: Box::new(source),
    })
}
