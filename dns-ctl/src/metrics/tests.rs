//! What is counted, as the page shows it.

mod documented;

use std::time::Duration;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::counter::ConstCounter,
};

use super::{
    label::{CacheLookup, UpstreamFailure},
    *,
};
use crate::{
    version::VERSION,
    zone::object::{Change, ObjectKey},
};

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
        after: Duration::from_millis(1),
    });
    metrics.forwarded(Forwarded::Unreachable);
    metrics.malformed();
    let upstream = metrics.upstream("10.0.0.53:53");
    upstream.asked();
    upstream.answered(Duration::from_millis(3));
    upstream.failed(UpstreamFailure::Timeout);
    upstream.set_up(true);
    let resolver = metrics.resolver();
    resolver.cache.looked_up(CacheLookup::Hit);
    resolver.cache.evicted(2);
    resolver.cache.prefetched();
    resolver.cache.holds(5, 7);
    resolver.cache.has_room_for(9);
    let _waiting = resolver.waiting();
    drop(resolver.waiting());
    metrics.source_event(&Event::Service(Change::Delete(ObjectKey::new("a", "b"))));
    metrics.source_error(SourceKind::Namespace);
    metrics.source_invalid(SourceKind::EndpointSlice, 0, 3);
    metrics.source_invalid(SourceKind::EndpointSlice, 0, 1);
    metrics.source_invalid(SourceKind::EndpointSlice, 3, 1);
    metrics.published(true, 3);
    metrics.register(Box::new(Kernel));

    let page = metrics.render();
    for line in [
        r#"kxdns_server_requests_total{transport="udp",zone="cluster",type="AAAA",rcode="NOERROR"} 1"#,
        r#"kxdns_server_forwarded_total{outcome="unreachable"} 1"#,
        "kxdns_server_malformed_total 1",
        r#"kxdns_server_upstream_latency_seconds_count{upstream="10.0.0.53:53"} 1"#,
        r#"kxdns_server_upstream_failures_total{upstream="10.0.0.53:53",reason="timeout"} 1"#,
        r#"kxdns_server_upstream_failures_total{upstream="10.0.0.53:53",reason="tls"} 0"#,
        r#"kxdns_server_upstream_up{upstream="10.0.0.53:53"} 1"#,
        r#"kxdns_server_upstream_looping{upstream="10.0.0.53:53"} 0"#,
        r#"kxdns_cache_lookups_total{result="hit"} 1"#,
        r#"kxdns_cache_lookups_total{result="miss"} 0"#,
        r#"kxdns_cache_lookups_total{result="stale"} 0"#,
        "kxdns_cache_evictions_total 2",
        "kxdns_cache_prefetches_total 1",
        "kxdns_cache_entries 5",
        "kxdns_cache_units 7",
        "kxdns_cache_units_capacity 9",
        r#"kxdns_server_upstream_requests_total{upstream="10.0.0.53:53"} 1"#,
        "kxdns_server_waiting 1",
        r#"kxdns_source_events_total{kind="service",event="delete"} 1"#,
        r#"kxdns_source_errors_total{kind="namespace"} 1"#,
        r#"kxdns_source_invalid_objects{kind="endpointslice"} 2"#,
        "kxdns_synced 1",
        "kxdns_services 3",
        &format!(r#"kxdns_build_info{{version="{VERSION}"}} 1"#),
        "kxdns_kernel_outcomes_total 7",
        "# EOF",
    ] {
        assert!(page.lines().any(|got| got == line), "{line}\nin\n{page}");
    }

    metrics.forget_upstream("10.0.0.53:53");
    upstream.failed(UpstreamFailure::Timeout);
    assert!(!metrics.render().contains("10.0.0.53"));
}
