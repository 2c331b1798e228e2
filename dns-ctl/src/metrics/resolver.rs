//! What the resolver counts: its cache, those who wait, and each upstream.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::label::{CacheLookup, UpstreamFailure};

/// Upper bounds of the latency buckets, in seconds: from a cache next door to the last retry.
const LATENCY_BUCKETS: [f64; 11] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 2.0,
];

/// The resolver's metrics without those of its upstreams. Clones count together.
#[derive(Clone, Debug)]
pub struct ResolverMetrics {
    /// What the cache counts.
    pub cache: CacheMetrics,
    waiting: Gauge,
}

/// What the cache counts. Clones count together.
#[derive(Clone, Debug)]
pub struct CacheMetrics {
    /// In the order of [`CacheLookup::ALL`].
    lookups: Arc<[Counter]>,
    evictions: Counter,
    prefetches: Counter,
    entries: Gauge,
    fill: Gauge,
    capacity: Gauge,
}

/// What is counted of one upstream. Keeps on counting, unseen, when the upstream is forgotten.
#[derive(Debug)]
pub struct UpstreamMetrics {
    requests: Counter,
    latency: Histogram,
    /// In the order of [`UpstreamFailure::ALL`].
    failures: Vec<Counter>,
    up: Gauge,
    looping: Gauge,
}

/// A query that waits for upstreams; it is counted until this is dropped.
#[derive(Debug)]
pub struct Waiting(Gauge);

/// The metrics of all upstreams, by their configured addresses.
#[derive(Clone, Debug)]
pub(super) struct UpstreamFamilies {
    requests: Family<UpstreamLabels, Counter>,
    latency: Family<UpstreamLabels, Histogram, fn() -> Histogram>,
    failures: Family<FailureLabels, Counter>,
    up: Family<UpstreamLabels, Gauge>,
    looping: Family<UpstreamLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookupLabels {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabels {
    upstream: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    upstream: String,
    reason: &'static str,
}

impl ResolverMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let lookups = Family::<LookupLabels, Counter>::default();
        let metrics = Self {
            cache: CacheMetrics {
                lookups: CacheLookup::ALL
                    .iter()
                    .map(|lookup| {
                        lookups.get_or_create_owned(&LookupLabels {
                            result: lookup.as_str(),
                        })
                    })
                    .collect(),
                evictions: Counter::default(),
                prefetches: Counter::default(),
                entries: Gauge::default(),
                fill: Gauge::default(),
                capacity: Gauge::default(),
            },
            waiting: Gauge::default(),
        };
        registry.register(
            "cache_lookups",
            "Queries for names outside the cluster, by what the cache had for them",
            lookups,
        );
        registry.register(
            "cache_evictions",
            "Answers dropped from the cache to make room",
            metrics.cache.evictions.clone(),
        );
        registry.register(
            "cache_prefetches",
            "Answers asked for again before they expired",
            metrics.cache.prefetches.clone(),
        );
        registry.register(
            "cache_entries",
            "Answers in the cache, fresh or expired",
            metrics.cache.entries.clone(),
        );
        registry.register(
            "cache_units",
            "Room taken in the cache: an answer takes one unit for each 512 octets it has or begins",
            metrics.cache.fill.clone(),
        );
        registry.register(
            "cache_units_capacity",
            "Units that the cache has room for (--cache-size)",
            metrics.cache.capacity.clone(),
        );
        registry.register(
            "server_waiting",
            "Queries that wait for upstreams",
            metrics.waiting.clone(),
        );
        metrics
    }

    /// Counts a query that waits, until the result is dropped.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        self.waiting.inc();
        Waiting(self.waiting.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl CacheMetrics {
    /// Counts a look into the cache.
    pub fn looked_up(&self, lookup: CacheLookup) {
        self.lookups[lookup as usize].inc();
    }

    /// Counts answers that had to make room.
    pub fn evicted(&self, answers: usize) {
        self.evictions.inc_by(answers.try_into().unwrap_or(0));
    }

    /// Counts an answer that is asked for before it expires.
    pub fn prefetched(&self) {
        self.prefetches.inc();
    }

    /// States how many answers there are, and how many units of the cache's room they take.
    pub fn holds(&self, answers: usize, units: u64) {
        self.entries.set(answers.try_into().unwrap_or(i64::MAX));
        self.fill.set(units.try_into().unwrap_or(i64::MAX));
    }

    /// States how many units there is room for.
    pub fn has_room_for(&self, units: usize) {
        self.capacity.set(units.try_into().unwrap_or(i64::MAX));
    }
}

impl UpstreamMetrics {
    /// Counts a try.
    pub fn asked(&self) {
        self.requests.inc();
    }

    /// Records how long the upstream took to answer.
    pub fn answered(&self, after: Duration) {
        self.latency.observe(after.as_secs_f64());
    }

    /// Counts a try that came to nothing.
    pub fn failed(&self, reason: UpstreamFailure) {
        self.failures[reason as usize].inc();
    }

    /// States whether the upstream answers.
    pub fn set_up(&self, is_up: bool) {
        self.up.set(is_up.into());
    }

    /// States whether the upstream leads back to this server.
    pub fn set_looping(&self, is_looping: bool) {
        self.looping.set(is_looping.into());
    }
}

impl UpstreamFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            requests: Family::default(),
            latency: Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS)),
            failures: Family::default(),
            up: Family::default(),
            looping: Family::default(),
        };
        registry.register(
            "server_upstream_requests",
            "Tries at an upstream, answered or not",
            families.requests.clone(),
        );
        registry.register_with_unit(
            "server_upstream_latency",
            "Time until an upstream answered",
            Unit::Seconds,
            families.latency.clone(),
        );
        registry.register(
            "server_upstream_failures",
            "Tries at an upstream that brought no answer, by reason",
            families.failures.clone(),
        );
        registry.register(
            "server_upstream_up",
            "0 while an upstream does not answer and is asked last",
            families.up.clone(),
        );
        registry.register(
            "server_upstream_looping",
            "1 while an upstream leads back to this server and is not asked",
            families.looping.clone(),
        );
        families
    }

    pub(super) fn of(&self, upstream: &str) -> UpstreamMetrics {
        let labels = upstream_labels(upstream);
        UpstreamMetrics {
            requests: self.requests.get_or_create_owned(&labels),
            latency: self.latency.get_or_create_owned(&labels),
            failures: UpstreamFailure::ALL
                .iter()
                .map(|reason| {
                    self.failures
                        .get_or_create_owned(&failure_labels(upstream, *reason))
                })
                .collect(),
            up: self.up.get_or_create_owned(&labels),
            looping: self.looping.get_or_create_owned(&labels),
        }
    }

    pub(super) fn forget(&self, upstream: &str) {
        let labels = upstream_labels(upstream);
        self.requests.remove(&labels);
        self.latency.remove(&labels);
        self.up.remove(&labels);
        self.looping.remove(&labels);
        for reason in UpstreamFailure::ALL {
            self.failures.remove(&failure_labels(upstream, *reason));
        }
    }
}

fn upstream_labels(upstream: &str) -> UpstreamLabels {
    UpstreamLabels {
        upstream: upstream.to_owned(),
    }
}

fn failure_labels(upstream: &str, reason: UpstreamFailure) -> FailureLabels {
    FailureLabels {
        upstream: upstream.to_owned(),
        reason: reason.as_str(),
    }
}
