//! What is told of the snapshot on the disk, and whether it is what is served.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{
        counter::{ConstCounter, Counter},
        gauge::ConstGauge,
    },
    registry::Unit,
};

/// The metrics of the snapshot; clones share them.
#[derive(Clone, Debug, Default)]
pub struct SnapshotMetrics(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// In seconds since 1970; 0: no snapshot is known of.
    written: AtomicU64,
    octets: AtomicU64,
    errors: Counter,
    /// When what is served was written, while it is a snapshot.
    served: Mutex<Option<SystemTime>>,
}

impl SnapshotMetrics {
    /// A snapshot of this moment and size is on the disk.
    pub fn written(&self, at: SystemTime, octets: usize) {
        self.0.written.store(seconds(at), Relaxed);
        self.0.octets.store(octets as u64, Relaxed);
    }

    /// A snapshot could not be written.
    pub fn failed(&self) {
        self.0.errors.inc();
    }

    /// From now on, a snapshot of that moment is served, or (`None`) what the source says.
    pub fn serves(&self, snapshot: Option<SystemTime>) {
        if let Some(at) = snapshot {
            self.0.written.store(seconds(at), Relaxed);
        }
        let served = &self.0.served;
        *served.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    fn served(&self) -> Option<SystemTime> {
        let served = &self.0.served;
        *served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for SnapshotMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let served = self.served();
        let age = served.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
        let gauges = [
            (
                "snapshot_written_timestamp",
                "When the snapshot on the disk was written; 0 if none is known of",
                Some(&Unit::Seconds),
                self.0.written.load(Relaxed),
            ),
            (
                "snapshot_size",
                "Size of the snapshot last written; 0 before the first",
                Some(&Unit::Bytes),
                self.0.octets.load(Relaxed),
            ),
            (
                "zone_restored",
                "1 while what is served comes from the snapshot, as the source has not yet told everything",
                None,
                u64::from(served.is_some()),
            ),
            (
                "zone_restored_age",
                "Age of the snapshot that is served; 0 if none is",
                Some(&Unit::Seconds),
                age.map_or(0, |age| age.as_secs()),
            ),
        ];
        for (name, help, unit, value) in gauges {
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, unit, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        let errors = ConstCounter::new(self.0.errors.get());
        let metric = encoder.encode_descriptor(
            "snapshot_write_errors",
            "Times that the snapshot could not be written",
            None,
            errors.metric_type(),
        )?;
        errors.encode(metric)
    }
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::Metrics;

    fn page(metrics: &Metrics) -> String {
        let page = metrics.render();
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        let own = lines.filter(|line| line.contains("snapshot") || line.contains("restored"));
        own.flat_map(|line| [line, "\n"]).collect()
    }

    #[test]
    fn the_page_tells_what_is_on_the_disk_and_what_is_served() {
        let metrics = Metrics::new();
        let snapshot = SnapshotMetrics::default();
        metrics.register(Box::new(snapshot.clone()));
        let none = "\
kxdns_snapshot_written_timestamp_seconds 0
kxdns_snapshot_size_bytes 0
kxdns_zone_restored 0
kxdns_zone_restored_age_seconds 0
kxdns_snapshot_write_errors_total 0
";
        assert_eq!(page(&metrics), none);

        // A clock that was ahead: its age is not less than nothing.
        let ahead = UNIX_EPOCH + Duration::from_hours(27_500_000);
        snapshot.serves(Some(ahead));
        let restored = page(&metrics);
        for line in [
            "kxdns_snapshot_written_timestamp_seconds 99000000000\n",
            "kxdns_zone_restored 1\n",
            "kxdns_zone_restored_age_seconds 0\n",
        ] {
            assert!(restored.contains(line), "{line}\nin\n{restored}");
        }
        snapshot.serves(Some(UNIX_EPOCH));
        assert!(!page(&metrics).contains("kxdns_zone_restored_age_seconds 0\n"));

        snapshot.failed();
        snapshot.written(UNIX_EPOCH + Duration::from_secs(7), 5);
        snapshot.serves(None);
        let live = none
            .replace("timestamp_seconds 0", "timestamp_seconds 7")
            .replace("bytes 0", "bytes 5")
            .replace("total 0", "total 1");
        assert_eq!(page(&metrics), live);
    }
}
