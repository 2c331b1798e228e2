//! What a process has cost so far: processor time and memory.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use nix::{time::ClockId, unistd::Pid};

/// The processor time of all threads, ended ones included, in user mode and in the kernel.
///
/// The process's clock is that of `/proc/PID/stat`, in nanoseconds instead of hundredths of a second.
pub(super) fn processor_time(pid: u32) -> Result<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(i32::try_from(pid)?));
    let time = clock.and_then(ClockId::now);
    let time = time.with_context(|| format!("process {pid} has no clock; has it ended?"))?;
    Ok(time.into())
}

/// The memory that is resident, in kibibytes.
pub(super) fn resident(pid: u32) -> Result<u32> {
    let file = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&file).with_context(|| format!("can't read {file}"))?;
    parse_resident(&status).with_context(|| format!("{file} has no line VmRSS in kB"))
}

fn parse_resident(status: &str) -> Option<u32> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
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
        assert!(resident(pid).unwrap() > 0);
    }

    #[test]
    fn resident_memory_is_found_among_the_rest() {
        let status = "Name:\tx\nVmHWM:\t    9000 kB\nVmRSS:\t    8652 kB\nRssAnon:\t 1 kB\n";
        assert_eq!(parse_resident(status), Some(8652));
        assert_eq!(parse_resident("Name:\tx\n"), None);
    }
}
