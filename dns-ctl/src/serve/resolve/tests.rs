//! The resolver as a whole, with upstreams in memory and on a paused clock.

pub(super) mod messages;
pub(super) mod network;
mod routing;
mod sockets;

use hickory_proto::{
    op::ResponseCode,
    rr::{RData, rdata::A},
};
use tokio::{task::JoinSet, time::sleep};

use self::{
    messages::{NAME, code, denial, question},
    network::Scripted,
};
use super::*;

/// The only upstream of most tests.
const UP: &str = "192.0.2.53";

pub(super) const LIMITS: Limits = Limits {
    cache_size: 100,
    max_ttl: 3600,
    max_negative_ttl: 1800,
    stale: Duration::from_hours(1),
    prefetch: 3,
    timeout: Duration::from_millis(4500),
    concurrency: 8,
};

pub(super) fn routes(upstreams: &[&str]) -> Routes {
    Routes {
        upstreams: upstreams.iter().map(|text| text.parse().unwrap()).collect(),
        ..Routes::default()
    }
}

/// The last octet of the first address.
pub(super) fn last_octet(response: &Response) -> Option<u8> {
    let message = response.to_message().unwrap();
    message.answers.iter().find_map(|record| match record.data {
        RData::A(A(address)) => Some(address.octets()[3]),
        _ => None,
    })
}

fn ttl(response: &Response) -> u32 {
    response.to_message().unwrap().answers[0].ttl
}

fn has_line(metrics: &Metrics, line: &str) {
    let page = metrics.render();
    assert!(page.lines().any(|got| got == line), "{line}\nin\n{page}");
}

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

fn one(upstream: &Scripted, limits: Limits) -> (Arc<Resolver>, Arc<Metrics>) {
    upstream.resolver(limits, routes(&[UP]))
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_as_long_as_its_ttl_says() {
    let network = Scripted::default();
    network.answers(UP, 60, 1);
    let (resolver, metrics) = one(&network, LIMITS);
    let question = question(NAME);
    assert!(resolver.cached(&question).is_none());
    assert_eq!(ttl(&resolver.resolve(&question).await.unwrap()), 60);

    seconds(10).await;
    let kept = resolver.cached(&question).unwrap();
    assert_eq!((ttl(&kept), last_octet(&kept)), (50, Some(1)));
    assert_eq!(ttl(&resolver.resolve(&question).await.unwrap()), 50);
    assert_eq!(network.queries(UP), 1);

    seconds(50).await;
    assert!(resolver.cached(&question).is_none());
    assert_eq!(ttl(&resolver.resolve(&question).await.unwrap()), 60);
    assert_eq!(network.queries(UP), 2);
    has_line(&metrics, r#"kxdns_cache_lookups_total{result="hit"} 2"#);
    has_line(&metrics, r#"kxdns_cache_lookups_total{result="miss"} 2"#);
    has_line(&metrics, "kxdns_cache_entries 1");
    has_line(
        &metrics,
        r#"kxdns_server_forwarded_total{outcome="answered"} 2"#,
    );
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_kept_is_not() {
    let network = Scripted::default();
    let (resolver, _) = one(&network, LIMITS);
    let flags = Flags::default();
    let query =
        hickory_proto::op::Query::query(messages::name(NAME), hickory_proto::rr::RecordType::A);
    let iterative = Question::new(&query, flags);
    for (case, ttl, question) in [("TTL 0", 0, question(NAME)), ("no RD", 60, iterative)] {
        network.answers(UP, ttl, 1);
        let before = network.queries(UP);
        for _ in 0..2 {
            assert_eq!(
                last_octet(&resolver.resolve(&question).await.unwrap()),
                Some(1)
            );
            assert!(resolver.cached(&question).is_none(), "{case}");
        }
        assert_eq!(network.queries(UP) - before, 2, "{case}");
    }
    // A failure is kept for a second, so that a name that fails does not keep the upstreams busy.
    network.replies(UP, |query| code(query, ResponseCode::ServFail));
    let failing = question("failing.example.com.");
    let first = resolver.resolve(&failing).await.unwrap();
    assert_eq!(first.rcode(), ResponseCode::ServFail);
    assert!(resolver.cached(&failing).is_some());
    seconds(1).await;
    assert!(resolver.cached(&failing).is_none());
}

#[tokio::test(start_paused = true)]
async fn without_a_cache_everything_is_asked() {
    let network = Scripted::default();
    network.answers(UP, 60, 1);
    let limits = Limits {
        cache_size: 0,
        ..LIMITS
    };
    let (resolver, _) = one(&network, limits);
    for asked in 1..4 {
        resolver.resolve(&question(NAME)).await.unwrap();
        assert_eq!(network.queries(UP), asked);
    }
}

#[tokio::test(start_paused = true)]
async fn equal_questions_share_one_query() {
    let network = Scripted::default();
    network.answers_after(UP, Duration::from_secs(1), 0, 7);
    let (resolver, _) = one(&network, LIMITS);
    let mut clients = JoinSet::new();
    for name in ["a.example.", "A.EXAMPLE.", "a.Example.", "b.example."] {
        for _ in 0..2 {
            let resolver = Arc::clone(&resolver);
            clients.spawn(async move { resolver.resolve(&question(name)).await.unwrap() });
        }
    }
    while let Some(response) = clients.join_next().await {
        assert_eq!(last_octet(&response.unwrap()), Some(7));
    }
    assert_eq!(network.queries(UP), 2);
}

#[tokio::test(start_paused = true)]
async fn too_many_are_turned_away_at_once() {
    let network = Scripted::default();
    network.is_silent(UP);
    let limits = Limits {
        concurrency: 2,
        ..LIMITS
    };
    let (resolver, metrics) = one(&network, limits);
    let started = Instant::now();
    let mut clients = JoinSet::new();
    // The same name counts as well: each client that waits takes memory.
    for name in ["a.example.", "a.example.", "b.example.", "a.example."] {
        let resolver = Arc::clone(&resolver);
        clients.spawn(async move {
            let cause = resolver.resolve(&question(name)).await.unwrap_err();
            (cause, started.elapsed())
        });
    }
    tokio::task::yield_now().await;
    has_line(&metrics, "kxdns_server_waiting 2");
    let mut causes: Vec<_> = clients.join_all().await;
    causes.sort_by_key(|(_, after)| *after);
    assert_eq!(causes[0], (Cause::Overload, Duration::ZERO));
    assert_eq!(causes[1], (Cause::Overload, Duration::ZERO));
    assert_eq!(causes[2].0, Cause::Unreachable);
    assert_eq!(causes[3].0, Cause::Unreachable);
    assert!(causes[3].1 <= LIMITS.timeout, "{causes:?}");
    has_line(
        &metrics,
        r#"kxdns_server_forwarded_total{outcome="overload"} 2"#,
    );
    has_line(&metrics, "kxdns_server_waiting 0");
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_given_while_no_upstream_answers() {
    let network = Scripted::default();
    network.answers(UP, 60, 1);
    let (resolver, metrics) = one(&network, LIMITS);
    let question = question(NAME);
    resolver.resolve(&question).await.unwrap();
    seconds(61).await;

    // Silence: the client waits for 1.8 seconds, not to the end.
    network.is_silent(UP);
    let asked = Instant::now();
    let stale = resolver.resolve(&question).await.unwrap();
    assert_eq!((stale.is_stale(), ttl(&stale)), (true, 30));
    assert_eq!(asked.elapsed(), CLIENT_PATIENCE);
    // The query goes on and fails; for 30 seconds from then on nobody waits, and nothing is asked.
    seconds(5).await;
    let queries = network.queries(UP);
    for _ in 0..20 {
        let asked = Instant::now();
        assert!(resolver.resolve(&question).await.unwrap().is_stale());
        assert_eq!(asked.elapsed(), Duration::ZERO);
        seconds(1).await;
    }
    assert_eq!(network.queries(UP), queries);
    // Then it is tried again, and a fresh answer is to be had.
    seconds(30).await;
    network.answers(UP, 60, 2);
    let fresh = resolver.resolve(&question).await.unwrap();
    assert_eq!((fresh.is_stale(), last_octet(&fresh)), (false, Some(2)));
    has_line(&metrics, r#"kxdns_cache_lookups_total{result="stale"} 21"#);
    has_line(
        &metrics,
        r#"kxdns_server_forwarded_total{outcome="stale"} 1"#,
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_comes_late_for_its_client_but_renews_the_cache() {
    let network = Scripted::default();
    network.answers(UP, 60, 1);
    let (resolver, _) = one(&network, LIMITS);
    let question = question(NAME);
    resolver.resolve(&question).await.unwrap();
    seconds(61).await;
    network.answers_after(UP, Duration::from_millis(1900), 60, 2);
    assert!(resolver.resolve(&question).await.unwrap().is_stale());
    sleep(Duration::from_millis(200)).await;
    assert_eq!(last_octet(&resolver.cached(&question).unwrap()), Some(2));
    assert_eq!(network.queries(UP), 2);
}

#[tokio::test(start_paused = true)]
async fn what_upstreams_say_decides_about_a_stale_answer() {
    for (case, reply, is_stale) in [
        ("SERVFAIL", ResponseCode::ServFail, true),
        ("REFUSED", ResponseCode::Refused, true),
        ("NXDOMAIN", ResponseCode::NXDomain, false),
    ] {
        let network = Scripted::default();
        network.answers(UP, 60, 1);
        let (resolver, _) = one(&network, LIMITS);
        let question = question(NAME);
        resolver.resolve(&question).await.unwrap();
        seconds(61).await;
        network.replies(UP, move |query| match reply {
            ResponseCode::NXDomain => denial(query, 60),
            reply => code(query, reply),
        });
        let queries = network.queries(UP);
        for _ in 0..2 {
            let response = resolver.resolve(&question).await.unwrap();
            assert_eq!(response.is_stale(), is_stale, "{case}");
        }
        assert_eq!(network.queries(UP) - queries, 1, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_denial_expires_and_is_given_stale_too() {
    let network = Scripted::default();
    network.replies(UP, |query| denial(query, 9000));
    let (resolver, _) = one(&network, LIMITS);
    let question = question(NAME);
    resolver.resolve(&question).await.unwrap();
    seconds(1799).await;
    assert!(resolver.cached(&question).is_some());
    seconds(2).await;
    network.refuses(UP);
    let stale = resolver.resolve(&question).await.unwrap();
    assert_eq!(
        (stale.rcode(), stale.is_stale()),
        (ResponseCode::NXDomain, true)
    );
    // Not for ever.
    seconds(3600).await;
    assert_eq!(
        resolver.resolve(&question).await.unwrap_err(),
        Cause::Unreachable
    );
}

#[tokio::test(start_paused = true)]
async fn overload_is_no_reason_to_withhold_a_stale_answer() {
    let network = Scripted::default();
    network.answers(UP, 60, 1);
    let limits = Limits {
        concurrency: 1,
        ..LIMITS
    };
    let (resolver, _) = one(&network, limits);
    resolver.resolve(&question(NAME)).await.unwrap();
    seconds(61).await;
    network.is_silent(UP);
    let other = Arc::clone(&resolver);
    let waiting = tokio::spawn(async move { other.resolve(&question("b.example.")).await });
    tokio::task::yield_now().await;
    assert!(resolver.resolve(&question(NAME)).await.unwrap().is_stale());
    assert_eq!(waiting.await.unwrap().unwrap_err(), Cause::Unreachable);
    // Nobody was asked for it, so nothing has failed: the next one asks.
    network.answers(UP, 60, 2);
    assert_eq!(
        last_octet(&resolver.resolve(&question(NAME)).await.unwrap()),
        Some(2)
    );
}

#[tokio::test(start_paused = true)]
async fn answers_in_demand_are_renewed_before_they_expire() {
    let network = Scripted::default();
    network.answers(UP, 100, 1);
    let (resolver, metrics) = one(&network, LIMITS);
    let (wanted, other) = (question(NAME), question("other.example.com."));
    resolver.resolve(&wanted).await.unwrap();
    resolver.resolve(&other).await.unwrap();
    for _ in 0..2 {
        resolver.cached(&wanted).unwrap();
    }
    resolver.cached(&other).unwrap();
    seconds(89).await;
    network.answers_after(UP, Duration::from_secs(1), 100, 2);
    resolver.cached(&wanted).unwrap();
    assert_eq!(network.queries(UP), 2, "too early");
    seconds(1).await;
    for _ in 0..5 {
        assert_eq!(last_octet(&resolver.cached(&wanted).unwrap()), Some(1));
        resolver.cached(&other).unwrap();
        // The query is sent by a task of its own.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    }
    // Five uses of the other one in its last tenth suffice as well.
    assert_eq!(network.queries(UP), 4);
    seconds(2).await;
    let renewed = resolver.cached(&wanted).unwrap();
    assert_eq!((last_octet(&renewed), ttl(&renewed)), (Some(2), 99));
    has_line(&metrics, "kxdns_cache_prefetches_total 2");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_does_no_harm() {
    let network = Scripted::default();
    network.answers(UP, 100, 1);
    let (resolver, _) = one(&network, LIMITS);
    let question = question(NAME);
    resolver.resolve(&question).await.unwrap();
    seconds(95).await;
    network.replies(UP, |query| code(query, ResponseCode::ServFail));
    for _ in 0..10 {
        assert_eq!(last_octet(&resolver.cached(&question).unwrap()), Some(1));
        tokio::task::yield_now().await;
    }
    assert_eq!(network.queries(UP), 2);
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_by_the_size_of_answers_as_well() {
    let network = Scripted::default();
    // Forty addresses make more than 512 octets.
    network.replies(UP, |query| {
        let mut reply = messages::reply(query, ResponseCode::NoError);
        let owner = reply.queries[0].name.to_ascii();
        reply.answers = (0..40).map(|last| messages::a(&owner, 60, last)).collect();
        reply.to_vec().unwrap()
    });
    let (resolver, metrics) = one(&network, LIMITS);
    for number in 0..200 {
        let name = format!("n{number}.example.");
        resolver.resolve(&question(&name)).await.unwrap();
    }
    has_line(&metrics, "kxdns_cache_entries 50");
    has_line(&metrics, "kxdns_cache_evictions_total 150");
}
