//! The kernel's side of the metrics: counters read from the maps when asked for.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use aya::maps::MapData;
use dns_common::{Outcome, state::State};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use crate::{
    attach::{clock::denials_until, counters::Outcomes, maps::OutcomeMap},
    control::kernel::left_until,
};

/// How full the kernel's map of names is.
#[derive(Debug, Default)]
pub struct Fill {
    held: AtomicU64,
    left_out: AtomicU64,
    denies: AtomicBool,
    until: AtomicU64,
    denials_until: AtomicU64,
}

impl Fill {
    /// States what an instance before has left in the maps: so many names, and how they stand.
    pub fn inherit(&self, names: usize, state: &State) {
        self.set(names, 0, state.epoch != 0);
        self.set_lease(state);
    }

    /// States until when the kernel answers and denies.
    pub fn set_lease(&self, state: &State) {
        self.until.store(state.until, Relaxed);
        self.denials_until.store(denials_until(state), Relaxed);
    }

    /// Whether names that are not held are denied at this moment.
    fn denies(&self) -> bool {
        let left = left_until(self.denials_until.load(Relaxed));
        self.denies.load(Relaxed) && left.is_ok_and(|left| !left.is_zero())
    }

    /// For how long the kernel would go on answering without this process.
    fn lease_left(&self) -> Duration {
        left_until(self.until.load(Relaxed)).unwrap_or_default()
    }

    /// States the names held, those that there is no place for, and whether any other name is denied.
    pub fn set(&self, held: usize, left_out: usize, denies: bool) {
        self.held.store(held as u64, Relaxed);
        self.left_out.store(left_out as u64, Relaxed);
        self.denies.store(denies, Relaxed);
    }
}

/// Reads the kernel's counters for the metrics page.
pub struct KernelCollector {
    /// The counters.
    pub outcomes: OutcomeMap<MapData>,
    /// How full the map of names is.
    pub fill: Arc<Fill>,
    /// Names that the map has room for.
    pub capacity: u32,
}

impl Collector for KernelCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let outcomes = Outcomes::read(&self.outcomes).map_err(|error| {
            tracing::warn!("{error}");
            fmt::Error
        })?;
        let zero = ConstCounter::new(0_u64);
        let mut family = encoder.encode_descriptor(
            "kernel_packets",
            "Packets seen by the kernel programs, by hook, whether they were answered, and the kind of answer or the reason to pass them on",
            None,
            zero.metric_type(),
        )?;
        for (hook, outcome, count) in outcomes.iter() {
            let (result, reason) = match outcome {
                Outcome::Hit(hit) => ("hit", hit.label()),
                Outcome::Miss(miss) => ("miss", miss.label()),
            };
            let labels = [
                ("hook", hook.label()),
                ("result", result),
                ("reason", reason),
            ];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        let gauges = [
            (
                "kernel_names",
                "Names held in the kernel",
                self.fill.held.load(Relaxed),
            ),
            (
                "kernel_names_left_out",
                "Names answered in userspace because the kernel's map has no place for them",
                self.fill.left_out.load(Relaxed),
            ),
            (
                "kernel_denies_names",
                "Whether the kernel denies names of the cluster domains that it does not hold (1), or leaves that to userspace (0)",
                self.fill.denies().into(),
            ),
            (
                "kernel_names_capacity",
                "Names that the kernel's map has room for",
                u64::from(self.capacity),
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        let lease = ConstGauge::new(self.fill.lease_left().as_secs_f64());
        let metric = encoder.encode_descriptor(
            "kernel_lease",
            "For how long the kernel would go on answering without this process",
            Some(&Unit::Seconds),
            lease.metric_type(),
        )?;
        lease.encode(metric)
    }
}

impl fmt::Debug for KernelCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelCollector").finish_non_exhaustive()
    }
}
