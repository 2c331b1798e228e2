//! What the process takes of its machine, by the names that Prometheus' client libraries have for it.

use std::fmt;

use procfs::process::{LimitValue, Process};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

/// Reads `/proc/self` for the metrics page.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProcessCollector;

/// What is told of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Figures {
    cpu: f64,
    resident: u64,
    size: u64,
    files: u64,
    most_files: u64,
    threads: u64,
    started: f64,
}

impl Figures {
    fn read() -> procfs::ProcResult<Self> {
        let process = Process::myself()?;
        let stat = process.stat()?;
        let ticks = to_seconds(procfs::ticks_per_second());
        let most_files = match process.limits()?.max_open_files.soft_limit {
            LimitValue::Value(most) => most,
            LimitValue::Unlimited => u64::MAX,
        };
        Ok(Self {
            cpu: to_seconds(stat.utime + stat.stime) / ticks,
            resident: stat.rss * procfs::page_size(),
            size: stat.vsize,
            files: u64::try_from(process.fd_count()?).unwrap_or(u64::MAX),
            most_files,
            threads: u64::try_from(stat.num_threads).unwrap_or(0),
            started: to_seconds(procfs::boot_time_secs()?) + to_seconds(stat.starttime) / ticks,
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "2^53 ticks are more than a million years"
)]
const fn to_seconds(number: u64) -> f64 {
    number as f64
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let figures = match Figures::read() {
            Ok(figures) => figures,
            Err(error) => {
                // A sandbox without /proc: the other metrics are there.
                tracing::debug!(%error, "/proc does not tell about this process");
                return Ok(());
            }
        };
        let cpu = ConstCounter::new(figures.cpu);
        let metric = encoder.encode_descriptor(
            "process_cpu",
            "Processor time spent in this process and for it in the kernel",
            Some(&Unit::Seconds),
            cpu.metric_type(),
        )?;
        cpu.encode(metric)?;
        let started = ConstGauge::new(figures.started);
        let metric = encoder.encode_descriptor(
            "process_start_time",
            "When this process was started, in seconds since 1970",
            Some(&Unit::Seconds),
            started.metric_type(),
        )?;
        started.encode(metric)?;
        for (name, help, unit, value) in [
            (
                "process_resident_memory",
                "Memory of this process that is in use",
                Some(&Unit::Bytes),
                figures.resident,
            ),
            (
                "process_virtual_memory",
                "Address space of this process",
                Some(&Unit::Bytes),
                figures.size,
            ),
            (
                "process_open_fds",
                "Files and sockets that this process has open",
                None,
                figures.files,
            ),
            (
                "process_max_fds",
                "Files and sockets that this process may have open",
                None,
                figures.most_files,
            ),
            (
                "process_threads",
                "Threads of this process",
                None,
                figures.threads,
            ),
        ] {
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, unit, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_figures_are_those_of_this_process() {
        let held: Vec<_> = (0..10)
            .map(|_| std::fs::File::open("/dev/null").unwrap())
            .collect();
        let figures = Figures::read().unwrap();
        let listed = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
        assert!(figures.files > 10 && figures.files <= listed + 10);
        assert!(figures.files < figures.most_files);
        drop(held);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let age = now.as_secs_f64() - figures.started;
        assert!((-2.0..86_400.0).contains(&age), "started {age} s ago");
        assert!(figures.resident > 1 << 20 && figures.resident < figures.size);
        assert!(figures.cpu >= 0.0 && figures.threads >= 1);
    }
}
