//! What a running instance says of itself, read out of its report.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::instance::report::Heard;

/// The running instance, as it sees itself. Times are ages in seconds.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Live {
    /// Its version and process.
    pub(super) who: String,
    /// Whether clients may be sent here.
    pub(super) ready: bool,
    /// Why not.
    pub(super) missing: Vec<String>,
    /// How long ago it was started.
    pub(super) started_seconds: Option<u64>,
    /// Whether the whole cluster is known.
    pub(super) synced: bool,
    /// How old the snapshot is that is served for want of something newer.
    pub(super) snapshot_seconds: Option<u64>,
    /// What is followed.
    pub(super) sources: Vec<Source>,
    /// Interfaces that should have a program and have none.
    pub(super) interfaces_without: u64,
    /// Names that the kernel's map has no place for.
    pub(super) names_left_out: u64,
    /// What the server has done.
    pub(super) server: Server,
    /// Where it asks for names outside the cluster.
    pub(super) upstreams: Vec<Upstream>,
}

/// A kind of objects that is followed.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Source {
    pub(super) kind: String,
    /// Whether all are known.
    pub(super) listed: bool,
    /// How long ago the source last said anything about the kind.
    pub(super) heard_seconds: Option<u64>,
    /// How long ago an object last changed.
    pub(super) changed_seconds: Option<u64>,
    /// Errors so far.
    pub(super) errors: u64,
    /// Objects that can't be served.
    pub(super) invalid: u64,
}

/// What the server has done since it was started.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Server {
    pub(super) answers: u64,
    pub(super) servfail: u64,
    /// Messages that were no readable request.
    pub(super) malformed: u64,
    /// Queries that wait for upstreams now.
    pub(super) waiting: u64,
}

/// An upstream.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Upstream {
    /// As it is configured.
    pub(super) address: String,
    pub(super) up: bool,
    /// Whether it leads back here.
    pub(super) looping: bool,
    pub(super) tries: u64,
    pub(super) failures: u64,
}

/// The samples of a page of metrics.
struct Samples<'p>(Vec<Sample<'p>>);

struct Sample<'p> {
    name: &'p str,
    labels: BTreeMap<&'p str, &'p str>,
    value: f64,
}

impl Live {
    /// Reads a report that was made `now`, in seconds since 1970.
    pub(super) fn read(heard: &Heard, now: u64) -> Self {
        let samples = Samples::read(&heard.metrics);
        let age = |moment: u64| (moment != 0).then(|| now.saturating_sub(moment));
        let kinds = samples.values_of("kxdns_source_listed", "kind");
        let upstreams = samples.values_of("kxdns_server_upstream_up", "upstream");
        Self {
            who: heard.who.clone(),
            ready: heard.missing.is_empty(),
            missing: heard.missing.clone(),
            started_seconds: age(samples.sum("process_start_time_seconds", &[])),
            synced: samples.sum("kxdns_synced", &[]) == 1,
            snapshot_seconds: (samples.sum("kxdns_zone_restored", &[]) == 1)
                .then(|| samples.sum("kxdns_zone_restored_age_seconds", &[])),
            sources: kinds
                .into_iter()
                .map(|kind| samples.source(kind, age))
                .collect(),
            interfaces_without: samples.sum("kxdns_kernel_interfaces_without", &[]),
            names_left_out: samples.sum("kxdns_kernel_names_left_out", &[]),
            server: Server {
                answers: samples.sum("kxdns_server_requests_total", &[]),
                servfail: samples.sum("kxdns_server_requests_total", &[("rcode", "SERVFAIL")]),
                malformed: samples.sum("kxdns_server_malformed_total", &[]),
                waiting: samples.sum("kxdns_server_waiting", &[]),
            },
            upstreams: upstreams
                .into_iter()
                .map(|it| samples.upstream(it))
                .collect(),
        }
    }
}

impl<'p> Samples<'p> {
    fn read(page: &'p str) -> Self {
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        Self(lines.filter_map(Sample::read).collect())
    }

    /// The sum over the samples with these labels, as a whole number.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counters, ages and moments; what does not fit is cut off at the limit"
    )]
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let fits = |sample: &&Sample<'_>| {
            let has = |(label, value): &(&str, &str)| sample.labels.get(label) == Some(value);
            sample.name == name && labels.iter().all(has)
        };
        let samples = self.0.iter().filter(fits);
        samples.map(|sample| sample.value).sum::<f64>() as u64
    }

    /// The values of a label of a metric, in the order of the page.
    fn values_of(&self, name: &str, label: &str) -> Vec<&'p str> {
        let samples = self.0.iter().filter(|sample| sample.name == name);
        samples
            .filter_map(|sample| sample.labels.get(label).copied())
            .collect()
    }

    fn source(&self, kind: &str, age: impl Fn(u64) -> Option<u64>) -> Source {
        let sum = |name| self.sum(name, &[("kind", kind)]);
        Source {
            kind: kind.to_owned(),
            listed: sum("kxdns_source_listed") == 1,
            heard_seconds: age(sum("kxdns_source_contact_timestamp_seconds")),
            changed_seconds: age(sum("kxdns_source_event_timestamp_seconds")),
            errors: sum("kxdns_source_errors_total"),
            invalid: sum("kxdns_source_invalid_objects"),
        }
    }

    fn upstream(&self, upstream: &str) -> Upstream {
        let sum = |name| self.sum(name, &[("upstream", upstream)]);
        Upstream {
            address: upstream.to_owned(),
            up: sum("kxdns_server_upstream_up") == 1,
            looping: sum("kxdns_server_upstream_looping") == 1,
            tries: sum("kxdns_server_upstream_requests_total"),
            failures: sum("kxdns_server_upstream_failures_total"),
        }
    }
}

impl<'p> Sample<'p> {
    /// Reads a line; labels' values have no escapes, since no client chooses them.
    fn read(line: &'p str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = match series.split_once('{') {
            Some((name, rest)) => (name, rest.strip_suffix('}')?),
            None => (series, ""),
        };
        let pairs = labels
            .split("\",")
            .filter_map(|pair| pair.split_once("=\""));
        Some(Self {
            name,
            labels: pairs
                .map(|(label, value)| (label, value.trim_end_matches('"')))
                .collect(),
            value: value.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::*;
    use crate::metrics::{
        Metrics, Reply,
        label::{Area, QueryType, Rcode, SourceKind, Transport, UpstreamFailure},
    };

    #[test]
    fn a_report_tells_how_the_instance_is() {
        let metrics = Metrics::new();
        let list = metrics.list(SourceKind::Service);
        let _pods = metrics.list(SourceKind::Pod);
        list.heard();
        list.listed();
        list.changed();
        metrics.source_error(SourceKind::Pod);
        metrics.source_invalid(SourceKind::Service, 0, 2);
        metrics.published(true, 5);
        metrics.malformed();
        for rcode in [Rcode::NoError, Rcode::ServFail, Rcode::ServFail] {
            metrics.replied(Reply {
                transport: Transport::Udp,
                area: Area::Outside,
                query_type: QueryType::A,
                rcode,
                after: Duration::from_millis(1),
            });
        }
        let first = metrics.upstream("10.0.0.1:53");
        first.asked();
        first.failed(UpstreamFailure::Timeout);
        metrics
            .upstream("tls://10.0.0.2:853#dns.example")
            .set_up(true);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let heard = Heard {
            who: "version 1, process 2".to_owned(),
            missing: vec!["this process is about to stop".to_owned()],
            metrics: metrics.render(),
        };

        let live = Live::read(&heard, now.as_secs() + 100);
        assert_eq!(live.who, heard.who);
        assert!(!live.ready && live.synced && live.snapshot_seconds.is_none());
        assert!(live.started_seconds.is_some_and(|age| age >= 100));
        let source = |kind: &str| live.sources.iter().find(|it| it.kind == kind).unwrap();
        let services = source("service");
        assert!(
            services
                .heard_seconds
                .is_some_and(|age| (100..110).contains(&age))
        );
        assert!(
            services
                .changed_seconds
                .is_some_and(|age| (100..110).contains(&age))
        );
        assert!(services.listed && services.errors == 0 && services.invalid == 2);
        let pods = source("pod");
        assert!(!pods.listed && pods.errors == 1 && pods.heard_seconds.is_none());
        let server = Server {
            answers: 3,
            servfail: 2,
            malformed: 1,
            waiting: 0,
        };
        assert_eq!(live.server, server);
        let upstream = |upstream: &str, up, tries, failures| Upstream {
            address: upstream.to_owned(),
            up,
            looping: false,
            tries,
            failures,
        };
        let mut upstreams = live.upstreams;
        upstreams.sort_by(|one, other| one.address.cmp(&other.address));
        assert_eq!(
            upstreams,
            [
                upstream("10.0.0.1:53", false, 1, 1),
                upstream("tls://10.0.0.2:853#dns.example", true, 0, 0)
            ]
        );
    }
}
