//! What a process has cost so far: processor time and memory.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use nix::{time::ClockId, unistd::Pid};
use serde::Serialize;

/// The processor time of all threads, ended ones included, in user mode and in the kernel.
///
/// The process's clock is that of `/proc/PID/stat`, in nanoseconds instead of hundredths of a second.
pub(crate) fn processor_time(pid: u32) -> Result<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(i32::try_from(pid)?));
    let time = clock.and_then(ClockId::now);
    let time = time.with_context(|| format!("process {pid} has no clock; has it ended?"))?;
    Ok(time.into())
}

/// A process's memory, in kibibytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Memory {
    /// What is resident now.
    pub(crate) resident: u32,
    /// The most that has been.
    pub(crate) peak: u32,
}

/// The memory of a process.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let file = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&file).with_context(|| format!("can't read {file}"))?;
    parse_memory(&status).with_context(|| format!("{file} has no VmRSS and VmHWM in kB"))
}

fn parse_memory(status: &str) -> Option<Memory> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    Some(Memory {
        resident: field("VmRSS:")?,
        peak: field("VmHWM:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_time_and_memory() {
        let pid = std::process::id();
        let before = processor_time(pid).unwrap();
        let mut sum = 0_u64;
        while processor_time(pid).unwrap() == before {
            sum = std::hint::black_box(sum + 1);
        }
        let memory = memory(pid).unwrap();
        assert!(memory.resident > 0 && memory.peak > 0);
    }

    #[test]
    fn memory_is_found_among_the_rest() {
        let status = "Name:\tx\nVmHWM:\t    9000 kB\nVmRSS:\t    8652 kB\nRssAnon:\t 1 kB\n";
        let memory = Memory {
            resident: 8652,
            peak: 9000,
        };
        assert_eq!(parse_memory(status), Some(memory));
        assert_eq!(parse_memory("Name:\tx\nVmRSS:\t 1 kB\n"), None);
    }
}
