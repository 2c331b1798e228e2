//! What probes found, as metrics; their names come from the configuration, so there is a closed list of them.

use std::{fmt, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
    registry::Unit,
};

use super::LATENCY_BUCKETS;
use crate::zone::name::Domain;

/// The metrics of all probes; clones share them.
#[derive(Clone, Debug)]
pub struct ProbeMetrics {
    success: Family<ProbeLabels, Gauge>,
    duration: Family<ProbeLabels, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProbeLabels {
    probe: String,
}

impl Default for ProbeMetrics {
    fn default() -> Self {
        Self {
            success: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS)),
        }
    }
}

impl ProbeMetrics {
    /// Counts a result that took so long.
    pub fn record(&self, probe: &Domain, success: bool, took: Duration) {
        let labels = ProbeLabels {
            probe: probe.to_string(),
        };
        self.success.get_or_create(&labels).set(i64::from(success));
        self.duration
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }
}

impl Collector for ProbeMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let success = encoder.encode_descriptor(
            "probe_success",
            "1 if the name was resolved when last tried",
            None,
            self.success.metric_type(),
        )?;
        self.success.encode(success)?;
        let duration = encoder.encode_descriptor(
            "probe_duration",
            "Time until a name was resolved, or given up",
            Some(&Unit::Seconds),
            self.duration.metric_type(),
        )?;
        self.duration.encode(duration)
    }
}
