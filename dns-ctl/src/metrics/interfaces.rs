//! The interfaces with programs, as metrics.

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
    registry::Unit,
};

use super::PROGRAMMING_BUCKETS;
use crate::attach::rung::Rung;

/// The metrics of the interfaces; clones share them.
#[derive(Clone, Debug)]
pub struct InterfaceMetrics {
    attached: Family<HookLabels, Gauge>,
    without: Gauge,
    delay: Arc<Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HookLabels {
    hook: &'static str,
}

impl Default for InterfaceMetrics {
    fn default() -> Self {
        Self {
            attached: Family::default(),
            without: Gauge::default(),
            delay: Arc::new(Histogram::new(PROGRAMMING_BUCKETS)),
        }
    }
}

impl InterfaceMetrics {
    /// States how many interfaces have the program at this rung.
    pub fn interfaces(&self, rung: Rung, number: usize) {
        let labels = HookLabels { hook: rung.name() };
        let gauge = self.attached.get_or_create(&labels);
        gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// States how many interfaces should have a program and have none.
    pub fn without(&self, number: usize) {
        self.without.set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// Counts an interface that had its program so long after the kernel's word of it was taken up.
    pub fn attached_after(&self, delay: Duration) {
        self.delay.observe(delay.as_secs_f64());
    }
}

impl Collector for InterfaceMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let attached = encoder.encode_descriptor(
            "kernel_interfaces",
            "Interfaces whose queries are answered in the kernel, by hook",
            None,
            self.attached.metric_type(),
        )?;
        self.attached.encode(attached)?;
        let without = encoder.encode_descriptor(
            "kernel_interfaces_without",
            "Interfaces whose queries should be answered in the kernel, but to which no program could be attached",
            None,
            self.without.metric_type(),
        )?;
        self.without.encode(without)?;
        let delay = encoder.encode_descriptor(
            "kernel_attach_delay",
            "Time from the moment when the word of an interface was taken up until it had its program",
            Some(&Unit::Seconds),
            self.delay.metric_type(),
        )?;
        self.delay.encode(delay)
    }
}
