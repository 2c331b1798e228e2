//! What kxdns counts: typed metrics in, Prometheus text out.
//!
//! Only this module knows the metrics' names. Labels take their values from the closed lists in
//! [`label`], those of [`probe`] from the configuration; a queried name is never one of them.

pub mod format;
pub mod http;
pub mod interfaces;
pub mod kernel;
pub mod label;
pub mod liveness;
pub mod probe;
mod process;
pub mod resolver;
pub mod snapshot;
pub mod source;

use std::{
    sync::{Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use crate::{version::VERSION, zone::object::Event};
use label::{Area, Forwarded, QueryType, Rcode, SourceKind, Transport};
use process::ProcessCollector;
use resolver::{ResolverMetrics, UpstreamFamilies, UpstreamMetrics};
use source::{ListMetrics, SourceMetrics};

/// Upper bounds of the server's latency buckets, in seconds: from an answer of its own to the last upstream's.
const LATENCY_BUCKETS: [f64; 10] = [
    0.000_02, 0.000_05, 0.000_1, 0.000_5, 0.002, 0.01, 0.05, 0.2, 1.0, 5.0,
];
/// Upper bounds of the buckets for how long an event takes to have effect, in seconds: 5 ms is the target, and has
/// a bound of its own, so that the share of events within it can be told.
pub(crate) const PROGRAMMING_BUCKETS: [f64; 11] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0,
];

/// Octets that a page mostly has.
const PAGE: usize = 32 << 10;

/// Every metric of the controller.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    /// Metrics whose names are not kxdns's own.
    conventional: Registry,
    requests: Family<RequestLabels, Counter>,
    forwarded: Family<ForwardedLabels, Counter>,
    latency: Family<AreaLabels, Histogram, fn() -> Histogram>,
    programming: Histogram,
    malformed: Counter,
    resolver: ResolverMetrics,
    upstreams: UpstreamFamilies,
    source: SourceMetrics,
    connections: Gauge,
    synced: Gauge,
    sync_duration: Gauge<f64, AtomicU64>,
    services: Gauge,
}

/// A reply of the userspace server, as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// How the request came in.
    pub transport: Transport,
    /// Whether the question is about the cluster.
    pub area: Area,
    /// The type asked for.
    pub query_type: QueryType,
    /// The response code sent.
    pub rcode: Rcode,
    /// How long after the request's arrival.
    pub after: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    transport: &'static str,
    zone: &'static str,
    r#type: &'static str,
    rcode: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AreaLabels {
    zone: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ForwardedLabels {
    outcome: &'static str,
}

/// A connection of a client; it is counted until this is dropped.
#[derive(Debug)]
pub struct Connection(Gauge);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("kxdns");
        let mut conventional = Registry::default();
        conventional.register_collector(Box::new(ProcessCollector));
        let metrics = Self {
            requests: Family::default(),
            forwarded: Family::default(),
            latency: Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS)),
            programming: Histogram::new(PROGRAMMING_BUCKETS),
            malformed: Counter::default(),
            resolver: ResolverMetrics::register(&mut registry),
            upstreams: UpstreamFamilies::register(&mut registry),
            source: SourceMetrics::register(&mut registry),
            connections: Gauge::default(),
            synced: Gauge::default(),
            sync_duration: Gauge::default(),
            services: Gauge::default(),
            registry: Mutex::default(),
            conventional,
        };
        for outcome in Forwarded::ALL {
            let outcome = outcome.as_str();
            drop(
                metrics
                    .forwarded
                    .get_or_create(&ForwardedLabels { outcome }),
            );
        }
        registry.register(
            "server_requests",
            "Requests answered by the userspace server",
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "server_latency",
            "Time from a request's arrival to its reply",
            Unit::Seconds,
            metrics.latency.clone(),
        );
        registry.register_with_unit(
            "programming_latency",
            "Time from the moment when a change was read from the API server or a manifest until server and kernel answered by it; the first lists do not count",
            Unit::Seconds,
            metrics.programming.clone(),
        );
        registry.register(
            "server_forwarded",
            "Queries passed to the upstreams, by what became of them",
            metrics.forwarded.clone(),
        );
        registry.register(
            "server_malformed",
            "Messages that are not a readable DNS request",
            metrics.malformed.clone(),
        );
        registry.register(
            "server_connections",
            "Connections of clients over TCP that are open",
            metrics.connections.clone(),
        );
        registry.register(
            "synced",
            "1 once every kind that is followed has been listed completely, and is programmed",
            metrics.synced.clone(),
        );
        registry.register_with_unit(
            "sync_duration",
            "Time from the start until everything was known and programmed; 0 before",
            Unit::Seconds,
            metrics.sync_duration.clone(),
        );
        registry.register("services", "Services known", metrics.services.clone());
        registry.register(
            "build",
            "The running version",
            Info::new([("version", VERSION)]),
        );
        Self {
            registry: Mutex::new(registry),
            ..metrics
        }
    }

    /// Adds metrics that are read when asked for, such as the kernel program's counters.
    ///
    /// The collector's names get the prefix `kxdns_`.
    pub fn register(&self, collector: Box<dyn Collector>) {
        self.registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .register_collector(collector);
    }

    /// All metrics in the `OpenMetrics` text format.
    #[must_use]
    pub fn render(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut page = String::with_capacity(PAGE);
        // Writing to a `String` fails only if a collector does; what it wrote before still holds.
        for registry in [&*registry, &self.conventional] {
            if text::encode_registry(&mut page, registry).is_err() {
                tracing::warn!("a metrics collector failed; the metrics page is incomplete");
            }
        }
        let _infallible = text::encode_eof(&mut page);
        page
    }

    /// Counts a reply of the userspace server.
    pub fn replied(&self, reply: Reply) {
        self.requests
            .get_or_create(&RequestLabels {
                transport: reply.transport.as_str(),
                zone: reply.area.as_str(),
                r#type: reply.query_type.as_str(),
                rcode: reply.rcode.as_str(),
            })
            .inc();
        self.latency
            .get_or_create(&AreaLabels {
                zone: reply.area.as_str(),
            })
            .observe(reply.after.as_secs_f64());
    }

    /// Counts a message that is not a readable request.
    pub fn malformed(&self) {
        self.malformed.inc();
    }

    /// Counts a query that was passed to the upstreams.
    pub fn forwarded(&self, outcome: Forwarded) {
        self.forwarded
            .get_or_create(&ForwardedLabels {
                outcome: outcome.as_str(),
            })
            .inc();
    }

    /// What the resolver counts.
    #[must_use]
    pub fn resolver(&self) -> ResolverMetrics {
        self.resolver.clone()
    }

    /// What is counted of `upstream`, which is the text of its configuration.
    #[must_use]
    pub fn upstream(&self, upstream: &str) -> UpstreamMetrics {
        self.upstreams.of(upstream)
    }

    /// Takes an upstream that is no longer configured off the page.
    pub fn forget_upstream(&self, upstream: &str) {
        self.upstreams.forget(upstream);
    }

    /// A list of objects of this kind that is followed from now on.
    #[must_use]
    pub fn list(&self, kind: SourceKind) -> ListMetrics {
        self.source.list(kind)
    }

    /// Counts an event of a source.
    pub fn source_event(&self, event: &Event) {
        self.source.event(event);
    }

    /// Counts an error of a source.
    pub fn source_error(&self, kind: SourceKind) {
        self.source.error(kind);
    }

    /// States that one list of a source has `now` invalid objects where it had `before`.
    ///
    /// A kind may come in several lists, so it is the difference that counts.
    pub fn source_invalid(&self, kind: SourceKind, before: usize, now: usize) {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.source.invalid(kind, count(now) - count(before));
    }

    /// Counts a connection of a client, until the result is dropped.
    #[must_use]
    pub fn connected(&self) -> Connection {
        self.connections.inc();
        Connection(self.connections.clone())
    }

    /// States how long after the start everything was known and programmed.
    pub fn synced_after(&self, duration: Duration) {
        self.sync_duration.set(duration.as_secs_f64());
    }

    /// Records how long after its arrival an event took effect.
    pub fn programmed(&self, after: Duration) {
        self.programming.observe(after.as_secs_f64());
    }

    /// States what the zone was made of when it was last published.
    pub fn published(&self, synced: bool, services: usize) {
        self.synced.set(i64::from(synced));
        self.services
            .set(i64::try_from(services).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests;
