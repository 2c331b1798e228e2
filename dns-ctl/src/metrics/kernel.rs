//! The kernel's side of the metrics: counters read from the maps when asked for.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use dns_common::{maps::MAX_SERVICES, state::State};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};

use crate::{
    attach::{clock::denials_until, counters::Outcomes, kernel::KernelError},
    control::kernel::left_until,
};

/// What the kernel's maps hold, and until when it holds.
#[derive(Debug, Default)]
pub struct Fill {
    held: AtomicU64,
    left_out: AtomicU64,
    addresses: AtomicU64,
    addresses_left_out: AtomicU64,
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

    /// States at how many addresses and ports queries are answered, and for how many there is no room.
    pub fn set_addresses(&self, held: usize, left_out: usize) {
        self.addresses.store(held as u64, Relaxed);
        self.addresses_left_out.store(left_out as u64, Relaxed);
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
    /// Reads the counters.
    pub outcomes: Box<dyn Fn() -> Result<Outcomes, KernelError> + Send + Sync>,
    /// What the maps hold.
    pub fill: Arc<Fill>,
    /// Names that the map has room for.
    pub capacity: u32,
    /// How long a lease is when it is granted.
    pub lease: Duration,
}

impl KernelCollector {
    /// The counters; `None` if they can't be read, which does not keep the other metrics from being told.
    fn outcomes(&self) -> Option<Outcomes> {
        (self.outcomes)()
            .inspect_err(|error| tracing::warn!("the kernel's counters can't be read: {error}"))
            .ok()
    }

    /// Gauges without a unit: name, help, value.
    fn gauges(&self, is_readable: bool) -> [(&'static str, &'static str, u64); 8] {
        let fill = &self.fill;
        [
            (
                "kernel_counters_readable",
                "Whether the kernel's counters could be read for this page (1), or are missing on it (0)",
                is_readable.into(),
            ),
            (
                "kernel_names",
                "Names held in the kernel",
                fill.held.load(Relaxed),
            ),
            (
                "kernel_names_left_out",
                "Names answered in userspace because the kernel's map has no place for them",
                fill.left_out.load(Relaxed),
            ),
            (
                "kernel_denies_names",
                "Whether the kernel denies names of the cluster domains that it does not hold (1), or leaves that to userspace (0)",
                fill.denies().into(),
            ),
            (
                "kernel_names_capacity",
                "Names that the kernel's map has room for",
                self.capacity.into(),
            ),
            (
                "kernel_service_addresses",
                "Addresses and ports at which the kernel answers",
                fill.addresses.load(Relaxed),
            ),
            (
                "kernel_service_addresses_left_out",
                "Addresses and ports at which the kernel should answer, but has no place for",
                fill.addresses_left_out.load(Relaxed),
            ),
            (
                "kernel_service_addresses_capacity",
                "Addresses and ports that the kernel's map has room for",
                MAX_SERVICES.into(),
            ),
        ]
    }
}

impl Collector for KernelCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let outcomes = self.outcomes();
        let is_readable = outcomes.is_some();
        if let Some(outcomes) = outcomes {
            encode_outcomes(&outcomes, &mut encoder)?;
        }
        for (name, help, value) in self.gauges(is_readable) {
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        for (name, help, value) in [
            (
                "kernel_lease",
                "For how long the kernel would go on answering without this process",
                self.fill.lease_left(),
            ),
            (
                "kernel_lease_granted",
                "How long a lease is when it is renewed (--lease)",
                self.lease,
            ),
        ] {
            let gauge = ConstGauge::new(value.as_secs_f64());
            let unit = Some(&Unit::Seconds);
            let metric = encoder.encode_descriptor(name, help, unit, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

fn encode_outcomes(
    outcomes: &Outcomes,
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), fmt::Error> {
    let zero = ConstCounter::new(0_u64);
    let mut family = encoder.encode_descriptor(
        "kernel_packets",
        "Packets seen by the kernel programs, by hook, what was done with them (hit: answered, miss: passed on, drop), and the kind of answer or the reason",
        None,
        zero.metric_type(),
    )?;
    for (hook, outcome, count) in outcomes.iter() {
        let (result, reason) = outcome.labels();
        let labels = [
            ("hook", hook.label()),
            ("result", result),
            ("reason", reason),
        ];
        ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

impl fmt::Debug for KernelCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelCollector").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use aya::maps::MapError;

    use super::*;
    use crate::{attach::maps::access, metrics::Metrics};

    fn collector(counters: fn() -> Result<Outcomes, KernelError>) -> Metrics {
        let fill = Fill::default();
        fill.set(3, 1, true);
        fill.set_addresses(2, 0);
        let metrics = Metrics::new();
        metrics.register(Box::new(KernelCollector {
            outcomes: Box::new(counters),
            fill: Arc::new(fill),
            capacity: 24,
            lease: Duration::from_mins(10),
        }));
        metrics
    }

    #[test]
    fn counters_that_can_not_be_read_leave_the_rest_of_the_page_as_it_is() {
        let readable = collector(|| Ok(Outcomes::default())).render();
        let broken = collector(|| Err(access("OUTCOMES")(MapError::KeyNotFound))).render();
        for line in [
            "kxdns_kernel_names 3",
            "kxdns_kernel_names_left_out 1",
            "kxdns_kernel_names_capacity 24",
            "kxdns_kernel_service_addresses 2",
            "kxdns_kernel_lease_granted_seconds 600.0",
            "# EOF",
        ] {
            for page in [&readable, &broken] {
                assert!(page.lines().any(|got| got == line), "{line}\nin\n{page}");
            }
        }
        assert!(readable.contains("kxdns_kernel_counters_readable 1\n"));
        assert!(broken.contains("kxdns_kernel_counters_readable 0\n"));
        assert!(broken.contains("process_start_time_seconds "));
    }
}
