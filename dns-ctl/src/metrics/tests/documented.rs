//! The page of metrics against docs/metrics.md: each is there, with its type, labels and meaning, and no other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use super::super::{
    format::Format,
    interfaces::InterfaceMetrics,
    kernel::{Fill, KernelCollector},
    label::{Area, Forwarded, QueryType, Rcode, SourceKind, Transport},
    probe::ProbeMetrics,
    snapshot::SnapshotMetrics,
    *,
};
use crate::{
    attach::{counters::Outcomes, rung::Rung},
    zone::object::{Change, Event, ObjectKey},
};

/// The page that tells of them.
const DOCUMENT: &str = include_str!("../../../../docs/metrics.md");

/// A metric: type, labels, meaning.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    kind: String,
    labels: BTreeSet<String>,
    meaning: String,
}

/// A page with every metric and every label that there is.
fn page() -> String {
    let metrics = Metrics::new();
    metrics.register(Box::new(KernelCollector {
        outcomes: Box::new(|| Ok(Outcomes::zero())),
        fill: Arc::new(Fill::default()),
        capacity: 1,
        lease: Duration::from_mins(10),
    }));
    let interfaces = InterfaceMetrics::default();
    interfaces.interfaces(Rung::ALL[0], 1);
    interfaces.attached_after(Duration::from_millis(1));
    metrics.register(Box::new(interfaces));
    metrics.register(Box::new(SnapshotMetrics::default()));
    let probe = ProbeMetrics::default();
    probe.record(&"a.test".parse().unwrap(), true, Duration::from_millis(1));
    metrics.register(Box::new(probe));
    let list = metrics.list(SourceKind::Service);
    list.heard();
    metrics.source_event(&Event::Service(Change::Delete(ObjectKey::new("a", "b"))));
    metrics.forwarded(Forwarded::Answered);
    let upstream = metrics.upstream("10.0.0.53:53");
    upstream.answered(Duration::from_millis(3));
    metrics.replied(Reply {
        transport: Transport::Udp,
        area: Area::Cluster,
        query_type: QueryType::Aaaa,
        rcode: Rcode::NoError,
        after: Duration::from_millis(1),
    });
    Format::Classic.of(metrics.render())
}

/// The metrics of a page; parts of a histogram belong to it.
fn read(page: &str) -> BTreeMap<String, Told> {
    let mut all: BTreeMap<String, Told> = BTreeMap::new();
    let mut current = String::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, meaning) = rest.split_once(' ').unwrap();
            name.clone_into(&mut current);
            let told = all.entry(current.clone()).or_default();
            // The library adds a full stop to some.
            told.meaning = format!("{}.", meaning.trim_end_matches('.'));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let kind = rest.split_once(' ').unwrap().1;
            kind.clone_into(&mut all.get_mut(&current).unwrap().kind);
        } else if let Some((_, rest)) = line.split_once('{') {
            let labels = rest.rsplit_once('}').unwrap().0;
            let names = labels.split("\",").filter_map(|pair| pair.split_once('='));
            let told = all.get_mut(&current).unwrap();
            told.labels.extend(
                names
                    .map(|(name, _)| name.to_owned())
                    .filter(|name| name != "le"),
            );
        }
    }
    all
}

/// The rows of the tables in the document.
fn documented() -> BTreeMap<String, Told> {
    let rows = DOCUMENT.lines().filter_map(|line| {
        let mut columns = line.strip_prefix("| `")?.strip_suffix(" |")?.split(" | ");
        let name = columns.next()?.trim_end_matches('`');
        let kind = columns.next()?;
        let labels = columns.next()?;
        let meaning = columns.collect::<Vec<_>>().join(" | ");
        let is_metric = name.starts_with("kxdns_") || name.starts_with("process_");
        let told = Told {
            kind: kind.to_owned(),
            labels: labels
                .split(", ")
                .map(|label| label.trim_matches('`').to_owned())
                .filter(|label| !label.is_empty())
                .collect(),
            meaning,
        };
        is_metric.then(|| (name.to_owned(), told))
    });
    rows.collect()
}

#[test]
fn the_document_has_every_metric_with_its_type_labels_and_meaning() {
    let (page, documented) = (read(&page()), documented());
    let mut wrong = String::new();
    for (name, told) in &page {
        if documented.get(name) != Some(told) {
            let labels: Vec<_> = told
                .labels
                .iter()
                .map(|label| format!("`{label}`"))
                .collect();
            writeln!(
                wrong,
                "| `{name}` | {} | {} | {} |",
                told.kind,
                labels.join(", "),
                told.meaning
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "docs/metrics.md should have\n{wrong}");
    let unknown: Vec<_> = documented
        .keys()
        .filter(|name| !page.contains_key(*name))
        .collect();
    assert!(
        unknown.is_empty(),
        "docs/metrics.md has too many: {unknown:?}"
    );
}

#[test]
fn values_of_labels_in_the_document_are_those_of_the_closed_lists() {
    let mut wrong = String::new();
    for (label, values) in [
        ("transport", values(Transport::ALL, Transport::as_str)),
        ("zone", values(Area::ALL, Area::as_str)),
        ("type", values(QueryType::ALL, QueryType::as_str)),
        ("rcode", values(Rcode::ALL, Rcode::as_str)),
        ("outcome", values(Forwarded::ALL, Forwarded::as_str)),
        ("kind", values(SourceKind::ALL, SourceKind::as_str)),
        (
            "event",
            values(label::SourceEvent::ALL, label::SourceEvent::as_str),
        ),
        (
            "reason` of a failure of an upstream",
            values(label::UpstreamFailure::ALL, label::UpstreamFailure::as_str),
        ),
        (
            "result` of a look into the cache",
            values(label::CacheLookup::ALL, label::CacheLookup::as_str),
        ),
        ("hook` of an interface", values(&Rung::ALL, Rung::name)),
    ] {
        let label = match label.split_once('`') {
            Some((label, of)) => format!("`{label}`{of}"),
            None => format!("`{label}`"),
        };
        let row = format!("| {label} | {} |\n", values.join(", "));
        if !DOCUMENT.contains(&row) {
            wrong.push_str(&row);
        }
    }
    assert!(wrong.is_empty(), "docs/metrics.md should have\n{wrong}");
}

fn values<T: Copy>(all: &[T], text: impl Fn(T) -> &'static str) -> Vec<String> {
    all.iter().map(|&it| format!("`{}`", text(it))).collect()
}
