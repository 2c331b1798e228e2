//! The kernel object: loaded into the kernel, its maps typed and filled with the configuration.

use std::{io, net::IpAddr};

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray},
    programs::{ProgramError, SchedClassifier, Xdp},
};
use caps::{CapSet, Capability};
use dns_common::{
    entry::Entry,
    maps::{Attachment, Config, Counters, ServiceKey, map_name},
    state::State,
    zones::Zones,
};

/// The object that `dns-ebpf` was compiled to, embedded when this crate was built.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("KXDNS_EBPF_OBJECT"));

/// Name of the XDP program in the object.
pub const XDP_PROGRAM: &str = "kxdns_xdp";
/// Name of the tc program in the object.
pub const TC_PROGRAM: &str = "kxdns_tc";

/// How often the programs' log is read.
#[cfg(feature = "kernel-log")]
const LOG_INTERVAL: std::time::Duration = std::time::Duration::from_millis(50);

/// The map `CONFIG`; values are words, for which aya needs no unsafe promise, here and below.
pub type ConfigMap<T> = Array<T, [u64; size_of::<Config>() / 8]>;
/// The map `STATE`.
pub type StateMap<T> = Array<T, [u64; size_of::<State>() / 8]>;
/// The map `ZONES`.
pub type ZonesMap<T> = Array<T, [u64; size_of::<Zones>() / 8]>;
/// The map `SERVICES`.
pub type ServiceMap<T> = HashMap<T, [u32; size_of::<ServiceKey>() / 4], u8>;
/// The map `NAMES`.
pub type NamesMap<T> = HashMap<T, u64, [u64; size_of::<Entry>() / 8]>;
/// The map `OUTCOMES`.
pub type OutcomeMap<T> = PerCpuArray<T, Counters>;
/// The map `ATTACHED`.
pub type AttachedMap<T> = HashMap<T, u32, [u32; size_of::<Attachment>() / 4]>;

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
        "loading the kernel programs needs {}, which this process does not have; run it as root, give it these capabilities, or use --hook off", .0.join(" and ")
    )]
    Capabilities(Vec<&'static str>),
    /// The kernel does not let this process load programs, whatever its capabilities.
    #[error(
        "the kernel does not let this process load programs (a security module or a seccomp filter may forbid bpf(2)); allow it, or use --hook off"
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

/// The maps that the programs share with userspace.
pub struct KernelMaps {
    /// The configuration.
    pub config: ConfigMap<MapData>,
    /// What may be denied.
    pub state: StateMap<MapData>,
    /// The zones in which names are denied.
    pub zones: ZonesMap<MapData>,
    /// The addresses at which clients reach DNS.
    pub services: ServiceMap<MapData>,
    /// The names.
    pub names: NamesMap<MapData>,
    /// What became of packets.
    pub outcomes: OutcomeMap<MapData>,
    /// Where programs are attached.
    pub attached: AttachedMap<MapData>,
}

impl Kernel {
    /// Loads the object with room for `max_names` names.
    pub fn load(object: &[u8], max_names: u32) -> Result<Self, KernelError> {
        if object.is_empty() {
            return Err(KernelError::NoObject);
        }
        let missing = missing_capabilities(has_capability);
        if !missing.is_empty() {
            return Err(KernelError::Capabilities(missing));
        }
        let ebpf = EbpfLoader::new()
            .map_max_entries(map_name::NAMES, max_names)
            .load(object)
            .map_err(|error| load_error(&error))?;
        let mut kernel = Self { ebpf };
        kernel
            .xdp()?
            .load()
            .map_err(|error| program_error(&error))?;
        kernel.tc()?.load().map_err(|error| program_error(&error))?;
        Ok(kernel)
    }

    /// The maps of the contract with their names, for as long as they are not taken.
    pub fn maps(&self) -> impl Iterator<Item = (&'static str, &Map)> {
        map_name::ALL
            .into_iter()
            .filter_map(|name| self.ebpf.map(name).map(|map| (name, map)))
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

impl KernelMaps {
    /// Writes the zones and the configuration; from then on packets are looked at.
    pub fn configure(&mut self, config: Config, zones: &Zones) -> Result<(), KernelError> {
        let zones: [u64; size_of::<Zones>() / 8] = bytemuck::cast(*zones);
        self.zones
            .set(0, zones, 0)
            .map_err(access(map_name::ZONES))?;
        let config: [u64; size_of::<Config>() / 8] = bytemuck::cast(config);
        self.config
            .set(0, config, 0)
            .map_err(access(map_name::CONFIG))
    }
}

/// The key of an address and port in the map `SERVICES`.
#[must_use]
pub fn service_key(address: IpAddr, port: u16) -> ServiceKey {
    let port = port.to_be_bytes();
    match address {
        IpAddr::V4(address) => ServiceKey::ipv4(address.octets(), port),
        IpAddr::V6(address) => ServiceKey::ipv6(address.octets(), port),
    }
}

/// The capabilities that loading and attaching need and that `has` denies.
fn missing_capabilities(has: impl Fn(Capability) -> bool) -> Vec<&'static str> {
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
fn has_capability(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Effective, capability).unwrap_or(true)
}

/// Wraps a map's error with the map's name.
pub(crate) fn access(name: &'static str) -> impl FnOnce(MapError) -> KernelError {
    move |source| KernelError::Access {
        name,
        source: Box::new(source),
    }
}

fn take<M: TryFrom<Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<M, KernelError> {
    let map = ebpf.take_map(name).ok_or(KernelError::Misfit(name))?;
    M::try_from(map).map_err(|_| KernelError::Misfit(name))
}

fn load_error(error: &EbpfError) -> KernelError {
    match error {
        EbpfError::MapError(MapError::CreateError { io_error, .. }) if is_denied(io_error) => {
            KernelError::Forbidden
        }
        EbpfError::ProgramError(error) => program_error(error),
        _ => KernelError::Unfit(chain(error)),
    }
}

fn program_error(error: &ProgramError) -> KernelError {
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
