//! What answering costs: the server's processor time, that of kernel programs, and all that the machine did.

use std::{
    fs,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use aya::{
    programs::loaded_programs,
    sys::{Stats, enable_stats},
};
use nix::unistd::{SysconfVar, sysconf};

use crate::process::processor_time;

/// The kernel keeps the time that programs run as long as this lives; reading the clock costs each run some 50 ns.
#[derive(Debug)]
pub(super) struct ProgramTimes(#[expect(dead_code, reason = "it counts while it is open")] OwnedFd);

impl ProgramTimes {
    /// From now on.
    pub(super) fn keep() -> Result<Self> {
        let stats = enable_stats(Stats::RunTime);
        stats.map(Self).context("can't have programs timed")
    }
}

/// A reading of all clocks; the difference of two is what was spent between them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    at: Instant,
    idle: Idle,
    process: Duration,
    programs: Duration,
}

/// Processor time that was spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spent {
    /// By the server's process, user mode and kernel.
    pub(super) process: Duration,
    /// By the subject's kernel programs.
    pub(super) programs: Duration,
    /// By the whole machine: the server, the client, and the kernel between them.
    pub(super) machine: Duration,
}

/// For how long the machine's processors had nothing to do, all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Idle {
    /// Processors.
    processors: u32,
    /// Time that they idled, or that the hypervisor took.
    time: Duration,
}

impl Reading {
    /// Now, of a server's process, if there is one, and the programs of these ids.
    pub(super) fn take(process: Option<u32>, programs: &[u32]) -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("can't read /proc/stat")?;
        let second = sysconf(SysconfVar::CLK_TCK)?.context("the kernel tells no clock tick")?;
        let idle = idle(&stat, u32::try_from(second)?);
        Ok(Self {
            at: Instant::now(),
            idle: idle.context("/proc/stat is not as expected")?,
            process: process.map_or(Ok(Duration::ZERO), processor_time)?,
            programs: run_time(programs)?,
        })
    }

    /// What was spent since an earlier one.
    pub(super) fn since(&self, before: &Self) -> Spent {
        let all = (self.at - before.at) * self.idle.processors;
        Spent {
            process: self.process.saturating_sub(before.process),
            programs: self.programs.saturating_sub(before.programs),
            machine: all.saturating_sub(self.idle.time.saturating_sub(before.idle.time)),
        }
    }
}

/// How long these programs have run.
fn run_time(ids: &[u32]) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    if !ids.is_empty() {
        for program in loaded_programs() {
            let program = program?;
            if ids.contains(&program.id()) {
                sum += program.run_time();
            }
        }
    }
    Ok(sum)
}

/// The programs that use a map.
pub(super) fn programs_of(map: u32) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    for program in loaded_programs() {
        let program = program?;
        if program.map_ids()?.is_some_and(|maps| maps.contains(&map)) {
            ids.push(program.id());
        }
    }
    Ok(ids)
}

/// Reads /proc/stat, whose unit is a `second`-th of a second.
///
/// Idle time is kept by the clock, when a processor falls asleep and wakes up; the other columns are of who was met at
/// each tick, which misses what is always over before the next one.
fn idle(stat: &str, second: u32) -> Option<Idle> {
    const IDLE: usize = 3;
    const IO_WAIT: usize = 4;
    const STOLEN: usize = 7;
    let mut lines = stat.lines();
    let all = lines.next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = all
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    let idle = ticks.get(IDLE)? + ticks.get(IO_WAIT)? + ticks.get(STOLEN)?;
    let processors = lines.take_while(|line| line.starts_with("cpu")).count();
    Some(Idle {
        processors: u32::try_from(processors).ok()?,
        time: Duration::from_secs(idle) / second,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "\
cpu  100 0 200 3000 40 5 6 70 0 0
cpu0 50 0 100 1500 20 5 3 35 0 0
cpu1 50 0 100 1500 20 0 3 35 0 0
intr 1 2 3
";

    #[test]
    fn idle_time_is_that_of_all_processors() {
        let read = idle(STAT, 100).unwrap();
        assert_eq!(read.processors, 2);
        assert_eq!(read.time, Duration::from_millis(31_100));
        assert_eq!(idle("intr 1 2 3\n", 100), None);
        assert_eq!(idle("cpu  1 2\n", 100), None);
    }

    #[test]
    fn a_machine_is_busy_while_it_does_not_idle() {
        let at = Instant::now();
        let reading = |after: u64, idle: u64| Reading {
            at: at + Duration::from_millis(after),
            idle: Idle {
                processors: 2,
                time: Duration::from_millis(idle),
            },
            process: Duration::from_millis(after / 10),
            programs: Duration::from_millis(after / 100),
        };
        let spent = reading(1000, 10_500).since(&reading(0, 10_000));
        assert_eq!(spent.machine, Duration::from_millis(1500));
        assert_eq!(spent.process, Duration::from_millis(100));
        assert_eq!(spent.programs, Duration::from_millis(10));
    }

    #[test]
    fn this_process_is_read() {
        let reading = || Reading::take(Some(std::process::id()), &[]).unwrap();
        let before = reading();
        while reading().since(&before).process.is_zero() {}
    }
}
