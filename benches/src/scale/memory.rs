//! What a process and its maps take of the memory.

use std::{fs, os::fd::AsFd as _, os::fd::AsRawFd as _, path::Path};

use anyhow::{Context as _, Result};
use aya::maps::MapData;
use dns_common::maps::map_name;
use dns_ctl::attach::pins;

/// Octets in a KiB.
const KIB: f64 = 1024.0;

/// The memory of a process, in octets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Memory {
    /// What is resident.
    pub(super) resident: f64,
    /// The most that ever was.
    pub(super) peak: f64,
    /// What is resident, pages shared with other processes in part.
    pub(super) proportional: f64,
}

impl Memory {
    /// The memory of a process now.
    pub(super) fn of(pid: u32) -> Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            fs::read_to_string(&path).with_context(|| format!("can't read {path}"))
        };
        let (status, rollup) = (read("status")?, read("smaps_rollup")?);
        let of = |text: &str, name: &str| {
            field(text, name).with_context(|| format!("process {pid} tells no {name}"))
        };
        Ok(Self {
            resident: of(&status, "VmRSS:")? * KIB,
            peak: of(&status, "VmHWM:")? * KIB,
            proportional: of(&rollup, "Pss:")? * KIB,
        })
    }
}

/// What the pinned maps of an instance take, in octets, as the kernel tells it of each.
pub(super) fn maps(folder: &Path) -> Result<f64> {
    let folder = pins::maps_folder(folder);
    let mut sum = 0.0;
    for name in map_name::ALL {
        let map = MapData::from_pin(folder.join(name))?;
        let path = format!("/proc/self/fdinfo/{}", map.fd().as_fd().as_raw_fd());
        let info = fs::read_to_string(&path).with_context(|| format!("can't read {path}"))?;
        sum += field(&info, "memlock:").context("a map tells no memlock")?;
    }
    Ok(sum)
}

/// The number after a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory() {
        let memory = Memory::of(std::process::id()).unwrap();
        assert!(memory.peak >= memory.resident && memory.resident > 0.0);
        assert!(memory.proportional > 0.0);
    }

    #[test]
    fn fields_are_found() {
        let text = "VmPeak:\t 9 kB\nVmRSS:\t    8652 kB\nmemlock:\t4096\n";
        assert_eq!(field(text, "VmRSS:"), Some(8652.0));
        assert_eq!(field(text, "memlock:"), Some(4096.0));
        assert_eq!(field(text, "Pss:"), None);
    }
}
