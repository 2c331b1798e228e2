//! What kxdns counts: typed metrics in, Prometheus text out.
//!
//! Only this module knows the metrics' names. Labels take their values from the closed lists in
//! [`label`]; a queried name is never one of them.

pub mod http;
pub mod kernel;
pub mod label;

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

use crate::zone::object::{Change, Event};
use label::{Area, Forwarded, QueryType, Rcode, SourceEvent, SourceKind, Transport};

/// Upper bounds of the latency buckets, in seconds: from a cache next door to the last retry.
const LATENCY_BUCKETS: [f64; 11] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 2.0,
];

/// Every metric of the controller.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    forwarded: Family<ForwardedLabels, Counter>,
    malformed: Counter,
    upstream_latency: Histogram,
    source_events: Family<EventLabels, Counter>,
    source_errors: Family<KindLabels, Counter>,
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
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    transport: &'static str,
    zone: &'static str,
    r#type: &'static str,
    rcode: &'static str,
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
            malformed: Counter::default(),
            upstream_latency: Histogram::new(LATENCY_BUCKETS),
            source_events: Family::default(),
            source_errors: Family::default(),
            synced: Gauge::default(),
            services: Gauge::default(),
            registry: Mutex::default(),
        };
        registry.register(
            "server_requests",
            "Requests answered by the userspace server",
            metrics.requests.clone(),
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
        registry.register_with_unit(
            "server_upstream_latency",
            "Time until an upstream answered",
            Unit::Seconds,
            metrics.upstream_latency.clone(),
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
            "synced",
            "1 once every watched kind has been listed completely",
            metrics.synced.clone(),
        );
        registry.register("services", "Services known", metrics.services.clone());
        registry.register(
            "build",
            "The running version",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
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

    /// Records how long an upstream took to answer.
    pub fn upstream_answered(&self, after: Duration) {
        self.upstream_latency.observe(after.as_secs_f64());
    }

    /// Counts an event of a source.
    pub fn source_event(&self, event: &Event) {
        let (kind, step) = match event {
            Event::Service(change) => (SourceKind::Service, step(change)),
            Event::Namespace(change) => (SourceKind::Namespace, step(change)),
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
mod tests {
    use prometheus_client::{
        encoding::{DescriptorEncoder, EncodeMetric},
        metrics::counter::ConstCounter,
    };

    use super::*;
    use crate::zone::object::ObjectKey;

    #[derive(Debug)]
    struct Kernel;

    impl Collector for Kernel {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
            let hits = ConstCounter::new(7_u64);
            let metric = encoder.encode_descriptor(
                "kernel_outcomes",
                "Packets by outcome",
                None,
                hits.metric_type(),
            )?;
            hits.encode(metric)
        }
    }

    #[test]
    fn the_page_has_the_documented_names() {
        let metrics = Metrics::new();
        metrics.replied(Reply {
            transport: Transport::Udp,
            area: Area::Cluster,
            query_type: QueryType::Aaaa,
            rcode: Rcode::NoError,
        });
        metrics.forwarded(Forwarded::Unreachable);
        metrics.malformed();
        metrics.upstream_answered(Duration::from_millis(3));
        metrics.source_event(&Event::Service(Change::Delete(ObjectKey::new("a", "b"))));
        metrics.source_error(SourceKind::Namespace);
        metrics.published(true, 3);
        metrics.register(Box::new(Kernel));

        let page = metrics.render();
        for line in [
            r#"kxdns_server_requests_total{transport="udp",zone="cluster",type="AAAA",rcode="NOERROR"} 1"#,
            r#"kxdns_server_forwarded_total{outcome="unreachable"} 1"#,
            "kxdns_server_malformed_total 1",
            "kxdns_server_upstream_latency_seconds_count 1",
            r#"kxdns_source_events_total{kind="service",event="delete"} 1"#,
            r#"kxdns_source_errors_total{kind="namespace"} 1"#,
            "kxdns_synced 1",
            "kxdns_services 3",
            &format!(
                r#"kxdns_build_info{{version="{}"}} 1"#,
                env!("CARGO_PKG_VERSION")
            ),
            "kxdns_kernel_outcomes_total 7",
            "# EOF",
        ] {
            assert!(page.lines().any(|got| got == line), "{line}\nin\n{page}");
        }
    }
}
