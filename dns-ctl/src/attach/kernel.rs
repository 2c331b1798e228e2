//! The kernel object: loaded into the kernel, its maps typed and filled with the configuration.

use std::{io, path::Path, thread};

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{Map, MapError},
    programs::{Program, ProgramError, SchedClassifier, Xdp},
    util::KernelVersion,
};
use caps::{CapSet, Capability};
use dns_common::maps::map_name;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

use super::maps::KernelMaps;

/// The object that `dns-ebpf` was compiled to, embedded when this crate was built.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("KXDNS_EBPF_OBJECT"));

/// Name of the XDP program in the object.
pub const XDP_PROGRAM: &str = "kxdns_xdp";
/// Name of the tc program in the object.
pub const TC_PROGRAM: &str = "kxdns_tc";

/// How often the programs' log is read.
#[cfg(feature = "kernel-log")]
const LOG_INTERVAL: std::time::Duration = std::time::Duration::from_millis(50);

/// Why the kernel programs can't be had.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// This binary has no object in it.
    #[error(
        "this dns-ctl was built without the kernel programs; build it after `cargo xtask build-ebpf`, or run it with --hook off"
    )]
    NoObject,
    /// The process lacks capabilities.
    #[error(
        "loading the kernel programs needs {}, which this process does not have; run it as root, give it these capabilities (a pod: securityContext.capabilities.add), or use --hook off", .0.join(" and ")
    )]
    Capabilities(Vec<&'static str>),
    /// The kernel does not let this process load programs, whatever its capabilities.
    #[error(
        "the kernel does not let this process load programs (a security module or a seccomp filter may forbid bpf(2); before Linux 5.11, RLIMIT_MEMLOCK may be too low, which takes CAP_SYS_RESOURCE to raise); allow it (a pod: another seccompProfile or seLinuxOptions), or use --hook off"
    )]
    Forbidden,
    /// The kernel can't run the programs.
    #[error(
        "this kernel can't run the programs (Linux 5.8 or later is needed); use --hook off to answer in userspace only: {0}"
    )]
    Unfit(String),
    /// A map or program is missing or of another kind: object and controller don't belong together.
    #[error("the kernel object has no fitting `{0}`; build dns-ctl anew")]
    Misfit(&'static str),
    /// The kernel does not tell the time that the programs go by.
    #[error("the kernel does not tell its time, without which its answers are not granted: {0}")]
    Clock(String),
    /// A map can't be read or written.
    #[error("can't use the map `{name}`: {source}")]
    Access {
        /// The map.
        name: &'static str,
        /// What aya says.
        source: Box<MapError>,
    },
}

/// The programs, loaded and verified.
pub struct Kernel {
    ebpf: Ebpf,
}

/// Lets maps take as much memory as they need: before Linux 5.11 it counts against the process's limit of locked memory.
fn raise_memory_limit() {
    if KernelVersion::current().is_ok_and(|version| version >= KernelVersion::new(5, 11, 0)) {
        return;
    }
    // More than its upper limit only a process with CAP_SYS_RESOURCE may have.
    let raised = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY).or_else(|_| {
        let (_, most) = getrlimit(Resource::RLIMIT_MEMLOCK)?;
        setrlimit(Resource::RLIMIT_MEMLOCK, most, most)
    });
    if let Err(error) = raised {
        tracing::debug!(%error, "the limit of locked memory stays as it is");
    }
}

/// What maps have room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Names.
    pub names: u32,
    /// Clients whose queries are counted, if there is a limit; else one, the fewest that a map can have.
    pub clients: u32,
}

impl From<u32> for Room {
    /// Room for so many names, and for programs without a limit.
    fn from(names: u32) -> Self {
        Self { names, clients: 1 }
    }
}

impl Kernel {
    /// Loads the object with maps of its own.
    pub fn load(object: &[u8], room: impl Into<Room>) -> Result<Self, KernelError> {
        Self::load_with(object, room.into(), None)
    }

    /// Loads the object with the maps that are pinned in `folder`, where those that are missing are made.
    pub fn load_pinned(
        object: &[u8],
        room: impl Into<Room>,
        folder: &Path,
    ) -> Result<Self, KernelError> {
        Self::load_with(object, room.into(), Some(folder))
    }

    fn load_with(object: &[u8], room: Room, folder: Option<&Path>) -> Result<Self, KernelError> {
        check_loadable(object)?;
        raise_memory_limit();
        let mut loader = EbpfLoader::new();
        loader.map_max_entries(map_name::NAMES, room.names);
        loader.map_max_entries(map_name::BUCKETS, room.clients);
        if let Some(folder) = folder {
            for name in map_name::ALL {
                loader.map_pin_path(name, folder.join(name));
            }
        }
        let ebpf = loader.load(object).map_err(|error| load_error(&error))?;
        let mut kernel = Self { ebpf };
        kernel.verify()?;
        Ok(kernel)
    }

    /// Has the kernel verify both programs at the same time: that is most of what a start in a small cluster takes.
    fn verify(&mut self) -> Result<(), KernelError> {
        let (mut xdp, mut tc) = (None, None);
        for (name, program) in self.ebpf.programs_mut() {
            match (name, program) {
                (XDP_PROGRAM, Program::Xdp(program)) => xdp = Some(program),
                (TC_PROGRAM, Program::SchedClassifier(program)) => tc = Some(program),
                _ => {}
            }
        }
        let xdp = xdp.ok_or(KernelError::Misfit(XDP_PROGRAM))?;
        let tc = tc.ok_or(KernelError::Misfit(TC_PROGRAM))?;
        let (beside, tc) = thread::scope(|scope| {
            let beside = thread::Builder::new().spawn_scoped(scope, || xdp.load());
            let tc = tc.load();
            (beside.map(thread::ScopedJoinHandle::join), tc)
        });
        let xdp = match beside {
            Ok(loaded) => loaded.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // There may be no more threads for this process: then one after the other.
            Err(_) => xdp.load(),
        };
        xdp.and(tc).map_err(|error| program_error(&error))
    }

    /// The maps, to be read and written; the programs keep theirs.
    pub fn take_maps(&mut self) -> Result<KernelMaps, KernelError> {
        Ok(KernelMaps {
            config: take(&mut self.ebpf, map_name::CONFIG)?,
            state: take(&mut self.ebpf, map_name::STATE)?,
            zones: take(&mut self.ebpf, map_name::ZONES)?,
            services: take(&mut self.ebpf, map_name::SERVICES)?,
            names: take(&mut self.ebpf, map_name::NAMES)?,
            outcomes: take(&mut self.ebpf, map_name::OUTCOMES)?,
            watch: take(&mut self.ebpf, map_name::WATCH)?,
            samples: take(&mut self.ebpf, map_name::SAMPLES)?,
            attached: take(&mut self.ebpf, map_name::ATTACHED)?,
        })
    }

    /// Shows what the programs log, until the runtime ends.
    #[cfg(feature = "kernel-log")]
    pub fn show_log(&mut self) -> anyhow::Result<()> {
        let mut log = aya_log::EbpfLogger::init(&mut self.ebpf)?;
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(LOG_INTERVAL);
            loop {
                tick.tick().await;
                log.flush();
            }
        });
        Ok(())
    }

    /// The XDP program.
    pub fn xdp(&mut self) -> Result<&mut Xdp, KernelError> {
        self.ebpf
            .program_mut(XDP_PROGRAM)
            .and_then(|program| program.try_into().ok())
            .ok_or(KernelError::Misfit(XDP_PROGRAM))
    }

    /// The tc program.
    pub fn tc(&mut self) -> Result<&mut SchedClassifier, KernelError> {
        self.ebpf
            .program_mut(TC_PROGRAM)
            .and_then(|program| program.try_into().ok())
            .ok_or(KernelError::Misfit(TC_PROGRAM))
    }
}

/// Checks what would make each attempt to load the object fail.
pub(super) fn check_loadable(object: &[u8]) -> Result<(), KernelError> {
    if object.is_empty() {
        return Err(KernelError::NoObject);
    }
    let missing = missing_capabilities(has_capability);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(KernelError::Capabilities(missing))
    }
}

/// The capabilities that loading and attaching need and that `has` denies.
pub(crate) fn missing_capabilities(has: impl Fn(Capability) -> bool) -> Vec<&'static str> {
    // CAP_SYS_ADMIN stands for the two that were split from it in Linux 5.8.
    let admin = has(Capability::CAP_SYS_ADMIN);
    let needed = [
        ("CAP_BPF", admin || has(Capability::CAP_BPF)),
        ("CAP_PERFMON", admin || has(Capability::CAP_PERFMON)),
        ("CAP_NET_ADMIN", has(Capability::CAP_NET_ADMIN)),
    ];
    needed
        .into_iter()
        .filter(|(_, has)| !has)
        .map(|(name, _)| name)
        .collect()
}

/// Whether this process has the capability; if that can't be told, the kernel will tell.
pub(crate) fn has_capability(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Effective, capability).unwrap_or(true)
}

fn take<M: TryFrom<Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<M, KernelError> {
    let map = ebpf.take_map(name).ok_or(KernelError::Misfit(name))?;
    M::try_from(map).map_err(|_| KernelError::Misfit(name))
}

pub(super) fn load_error(error: &EbpfError) -> KernelError {
    match error {
        EbpfError::MapError(MapError::CreateError { io_error, .. }) if is_denied(io_error) => {
            KernelError::Forbidden
        }
        EbpfError::ProgramError(error) => program_error(error),
        _ => KernelError::Unfit(chain(error)),
    }
}

pub(super) fn program_error(error: &ProgramError) -> KernelError {
    match error {
        ProgramError::LoadError { io_error, .. } if io_error.raw_os_error() == Some(EPERM) => {
            KernelError::Forbidden
        }
        error => KernelError::Unfit(chain(error)),
    }
}

/// The verifier says EACCES of a program that it refuses; EPERM is about the process.
const EPERM: i32 = nix::errno::Errno::EPERM as i32;

fn is_denied(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_capabilities_are_named() {
        let missing = |had: &[Capability]| missing_capabilities(|one| had.contains(&one));
        assert_eq!(missing(&[]), ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"]);
        assert_eq!(missing(&[Capability::CAP_SYS_ADMIN]), ["CAP_NET_ADMIN"]);
        let least = [
            Capability::CAP_BPF,
            Capability::CAP_PERFMON,
            Capability::CAP_NET_ADMIN,
        ];
        assert_eq!(missing(&least), [""; 0]);
        assert_eq!(missing(&least[..2]), ["CAP_NET_ADMIN"]);
    }
}
