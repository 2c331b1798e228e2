//! What kxdns counts: typed metrics in, Prometheus text out.
//!
//! Only this module knows the metrics' names. Labels take their values from the closed lists in
//! [`label`], those of [`probe`] from the configuration; a queried name is never one of them.

pub mod http;
pub mod interfaces;
pub mod kernel;
pub mod label;
pub mod liveness;
pub mod probe;
pub mod resolver;
pub mod snapshot;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

use crate::{
    version::VERSION,
    zone::object::{Change, Event},
};
use label::{Area, Forwarded, QueryType, Rcode, SourceEvent, SourceKind, Transport};
use resolver::{ResolverMetrics, UpstreamFamilies, UpstreamMetrics};

/// Upper bounds of the server's latency buckets, in seconds: from an answer of its own to the last upstream's.
const LATENCY_BUCKETS: [f64; 10] = [
    0.000_02, 0.000_05, 0.000_1, 0.000_5, 0.002, 0.01, 0.05, 0.2, 1.0, 5.0,
];
/// Upper bounds of the buckets for how long an event takes to have effect, in seconds.
pub(crate) const PROGRAMMING_BUCKETS: [f64; 9] =
    [0.000_1, 0.000_5, 0.002, 0.01, 0.05, 0.2, 1.0, 5.0, 20.0];

/// Every metric of the controller.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    forwarded: Family<ForwardedLabels, Counter>,
    latency: Family<AreaLabels, Histogram, fn() -> Histogram>,
    programming: Histogram,
    malformed: Counter,
    resolver: ResolverMetrics,
    upstreams: UpstreamFamilies,
    source_events: Family<EventLabels, Counter>,
    source_errors: Family<KindLabels, Counter>,
    source_invalid: Family<KindLabels, Gauge>,
    synced: Gauge,
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

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    kind: &'static str,
    event: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
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
        let metrics = Self {
            requests: Family::default(),
            forwarded: Family::default(),
            latency: Family::new_with_constructor(|| Histogram::new(LATENCY_BUCKETS)),
            programming: Histogram::new(PROGRAMMING_BUCKETS),
            malformed: Counter::default(),
            resolver: ResolverMetrics::register(&mut registry),
            upstreams: UpstreamFamilies::register(&mut registry),
            source_events: Family::default(),
            source_errors: Family::default(),
            source_invalid: Family::default(),
            synced: Gauge::default(),
            services: Gauge::default(),
            registry: Mutex::default(),
        };
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
            "Time from an event's arrival to the moment when server and kernel answer by it",
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
            "source_events",
            "Events from the API server or the manifests",
            metrics.source_events.clone(),
        );
        registry.register(
            "source_errors",
            "Errors of the API server or in manifests",
            metrics.source_errors.clone(),
        );
        registry.register(
            "source_invalid_objects",
            "Objects, or faults of manifests, that are left out until they are put right; up to 1000 a list",
            metrics.source_invalid.clone(),
        );
        registry.register(
            "synced",
            "1 once every watched kind has been listed completely",
            metrics.synced.clone(),
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
        let mut page = String::new();
        // Writing to a `String` fails only if a collector does; what it wrote before still holds.
        if text::encode(&mut page, &registry).is_err() {
            tracing::warn!("a metrics collector failed; the metrics page is incomplete");
        }
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

    /// Counts an event of a source.
    pub fn source_event(&self, event: &Event) {
        let (kind, step) = match event {
            Event::Service(change) => (SourceKind::Service, step(change)),
            Event::Namespace(change) => (SourceKind::Namespace, step(change)),
            Event::EndpointSlice(_, change) => (SourceKind::EndpointSlice, step(change)),
            Event::Pod(change) => (SourceKind::Pod, step(change)),
        };
        self.source_events
            .get_or_create(&EventLabels {
                kind: kind.as_str(),
                event: step.as_str(),
            })
            .inc();
    }

    /// Counts an error of a source.
    pub fn source_error(&self, kind: SourceKind) {
        self.source_errors
            .get_or_create(&KindLabels {
                kind: kind.as_str(),
            })
            .inc();
    }

    /// States that one list of a source has `now` invalid objects where it had `before`.
    ///
    /// A kind may come in several lists, so it is the difference that counts.
    pub fn source_invalid(&self, kind: SourceKind, before: usize, now: usize) {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.source_invalid
            .get_or_create(&KindLabels {
                kind: kind.as_str(),
            })
            .inc_by(count(now) - count(before));
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

const fn step<T>(change: &Change<T>) -> SourceEvent {
    match change {
        Change::Init => SourceEvent::Init,
        Change::InitApply(_) => SourceEvent::InitApply,
        Change::InitDone => SourceEvent::InitDone,
        Change::Apply(_) => SourceEvent::Apply,
        Change::Delete(_) => SourceEvent::Delete,
    }
}

#[cfg(test)]
mod tests;
