//! What is counted of the source of objects: events, errors, and how old what is known of each kind may be.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{counter::Counter, family::Family, gauge::ConstGauge, gauge::Gauge},
    registry::{Registry, Unit},
};

use super::label::{SourceEvent, SourceKind};
use crate::zone::object::{Change, Event};

/// The metrics of the source.
#[derive(Clone, Debug, Default)]
pub(super) struct SourceMetrics {
    events: Family<EventLabels, Counter>,
    errors: Family<KindLabels, Counter>,
    invalid: Family<KindLabels, Gauge>,
    lists: Lists,
}

/// One list of objects that is followed; clones are of the same list.
#[derive(Clone, Debug, Default)]
pub struct ListMetrics(Arc<ListState>);

#[derive(Debug, Default)]
struct ListState {
    listed: AtomicBool,
    /// In seconds since 1970; 0: never.
    contact: AtomicU64,
    event: AtomicU64,
}

/// All lists: a kind may come in several.
#[derive(Clone, Debug, Default)]
struct Lists(Arc<Mutex<Vec<(SourceKind, ListMetrics)>>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    kind: &'static str,
    event: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

impl KindLabels {
    const fn of(kind: SourceKind) -> Self {
        let kind = kind.as_str();
        Self { kind }
    }
}

impl ListMetrics {
    /// The source has said something, be it that nothing has changed.
    pub fn heard(&self) {
        self.0.contact.store(now(), Relaxed);
    }

    /// The list is complete.
    pub fn listed(&self) {
        self.0.listed.store(true, Relaxed);
    }

    /// An object has changed.
    pub fn changed(&self) {
        self.0.event.store(now(), Relaxed);
    }
}

impl SourceMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "source_events",
            "Events from the API server or the manifests",
            metrics.events.clone(),
        );
        registry.register(
            "source_errors",
            "Errors of the API server or in manifests",
            metrics.errors.clone(),
        );
        registry.register(
            "source_invalid_objects",
            "Objects, or faults of manifests, that are left out until they are put right; up to 1000 a list",
            metrics.invalid.clone(),
        );
        registry.register_collector(Box::new(metrics.lists.clone()));
        metrics
    }

    /// A list of this kind, which is followed from now on.
    pub(super) fn list(&self, kind: SourceKind) -> ListMetrics {
        let list = ListMetrics::default();
        self.lists.lock().push((kind, list.clone()));
        // Zero is a value, too: whoever watches a metric should see it from the start.
        drop(self.errors.get_or_create(&KindLabels::of(kind)));
        drop(self.invalid.get_or_create(&KindLabels::of(kind)));
        list
    }

    pub(super) fn event(&self, event: &Event) {
        let (kind, step) = match event {
            Event::Service(change) => (SourceKind::Service, step(change)),
            Event::Namespace(change) => (SourceKind::Namespace, step(change)),
            Event::EndpointSlice(_, change) => (SourceKind::EndpointSlice, step(change)),
            Event::Pod(change) => (SourceKind::Pod, step(change)),
        };
        let labels = EventLabels {
            kind: kind.as_str(),
            event: step.as_str(),
        };
        self.events.get_or_create(&labels).inc();
    }

    pub(super) fn error(&self, kind: SourceKind) {
        self.errors.get_or_create(&KindLabels::of(kind)).inc();
    }

    pub(super) fn invalid(&self, kind: SourceKind, difference: i64) {
        let labels = KindLabels::of(kind);
        self.invalid.get_or_create(&labels).inc_by(difference);
    }
}

impl Lists {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(SourceKind, ListMetrics)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Lists {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let lists = self.lock();
        let mut family = |name, help, unit, value: fn(&[Arc<ListState>]) -> u64| {
            let kind = ConstGauge::new(0_u64).metric_type();
            let mut family = encoder.encode_descriptor(name, help, unit, kind)?;
            for &kind in SourceKind::ALL {
                let of_kind = |(other, list): &'_ (SourceKind, ListMetrics)| {
                    (*other == kind).then(|| Arc::clone(&list.0))
                };
                let states: Vec<_> = lists.iter().filter_map(of_kind).collect();
                if !states.is_empty() {
                    let value = value(&states);
                    let labels = KindLabels::of(kind);
                    ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
                }
            }
            Ok(())
        };
        family(
            "source_listed",
            "1 once all objects of the kind are known, 0 before",
            None,
            |lists| u64::from(lists.iter().all(|list| list.listed.load(Relaxed))),
        )?;
        family(
            "source_contact_timestamp",
            "When the source last said anything about the kind, be it that nothing has changed, in seconds since 1970; 0 if never. Of several lists of a kind, the one that has been silent for longest counts",
            Some(&Unit::Seconds),
            |lists| range(lists.iter().map(|list| &list.contact)).0,
        )?;
        family(
            "source_event_timestamp",
            "When an object of the kind last changed after the first list, in seconds since 1970; 0 if never",
            Some(&Unit::Seconds),
            |lists| range(lists.iter().map(|list| &list.event)).1,
        )
    }
}

/// The earliest and the latest of these moments; 0 if there is none.
fn range<'m>(moments: impl Iterator<Item = &'m AtomicU64> + Clone) -> (u64, u64) {
    let moments = moments.map(|moment| moment.load(Relaxed));
    let earliest = moments.clone().min();
    (earliest.unwrap_or(0), moments.max().unwrap_or(0))
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

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_kind_is_as_old_as_its_oldest_list() {
        let metrics = Metrics::new();
        assert!(!metrics.render().contains("kxdns_source_listed{"));
        let slices = [
            metrics.list(SourceKind::EndpointSlice),
            metrics.list(SourceKind::EndpointSlice),
        ];
        let pods = metrics.list(SourceKind::Pod);
        let value = |name: &str, kind: &str| -> u64 {
            let begin = format!("kxdns_source_{name}{{kind=\"{kind}\"}} ");
            let page = metrics.render();
            let line = page.lines().find_map(|line| line.strip_prefix(&begin));
            line.unwrap().parse().unwrap()
        };
        let expect = |listed, contact, event| {
            assert_eq!(value("listed", "endpointslice"), listed);
            assert_eq!(
                value("contact_timestamp_seconds", "endpointslice") > 0,
                contact
            );
            assert_eq!(value("event_timestamp_seconds", "endpointslice") > 0, event);
        };
        expect(0, false, false);
        slices[0].heard();
        slices[0].listed();
        expect(0, false, false);
        slices[1].heard();
        slices[1].listed();
        expect(1, true, false);
        slices[0].changed();
        expect(1, true, true);
        pods.heard();
        assert_eq!(value("listed", "pod"), 0);
        assert!(value("contact_timestamp_seconds", "pod") > 1_700_000_000);
        assert_eq!(value("errors_total", "pod"), 0);
        assert_eq!(value("invalid_objects", "pod"), 0);
    }
}
