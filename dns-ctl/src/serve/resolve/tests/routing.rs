//! Which upstreams are asked: stub domains, changes of the routes, loops, outages.

use std::sync::OnceLock;

use super::*;
use crate::serve::upstream::StubDomain;

const GENERAL: &str = "192.0.2.1";
const STUB: &str = "192.0.2.2";
const INNER: &str = "192.0.2.3";

fn stubs(stubs: &[&str], upstreams: &[&str]) -> Routes {
    let stubs = stubs.iter().map(|text| text.parse::<StubDomain>().unwrap());
    Routes {
        stubs: stubs.collect(),
        ..routes(upstreams)
    }
}

/// Who answers for `name`, by the last octet.
async fn who(resolver: &Arc<Resolver>, name: &str) -> Option<u8> {
    last_octet(&resolver.resolve(&question(name)).await.ok()?)
}

fn three() -> Scripted {
    let network = Scripted::default();
    network.answers(GENERAL, 60, 1);
    network.answers(STUB, 60, 2);
    network.answers(INNER, 60, 3);
    network
}

#[tokio::test(start_paused = true)]
async fn the_longest_stub_domain_wins() {
    let routes = stubs(
        &["Acme.example=192.0.2.2", "inner.acme.example=192.0.2.3"],
        &[GENERAL],
    );
    let (resolver, _) = three().resolver(LIMITS, routes);
    for (name, last) in [
        ("acme.example.", 2),
        ("www.ACME.example.", 2),
        ("inner.acme.example.", 3),
        ("a.b.inner.acme.example.", 3),
        ("notacme.example.", 1),
        ("example.", 1),
        (".", 1),
    ] {
        assert_eq!(who(&resolver, name).await, Some(last), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stub_domain_that_fails_is_not_asked_for_elsewhere() {
    let network = three();
    network.refuses(STUB);
    let (resolver, _) = network.resolver(LIMITS, stubs(&["acme.example=192.0.2.2"], &[GENERAL]));
    let cause = resolver.resolve(&question("www.acme.example.")).await;
    assert_eq!(cause.unwrap_err(), Cause::Unreachable);
    assert_eq!(network.queries(GENERAL), 0);

    let (resolver, _) = network.resolver(LIMITS, stubs(&["acme.example=192.0.2.2"], &[]));
    assert!(resolver.has_upstreams());
    let cause = resolver.resolve(&question("www.example.")).await;
    assert_eq!(cause.unwrap_err(), Cause::NoUpstream);
    let (resolver, _) = network.resolver(LIMITS, Routes::default());
    assert!(!resolver.has_upstreams());
}

#[tokio::test(start_paused = true)]
async fn new_routes_drop_what_others_answered_and_nothing_else() {
    let network = three();
    let (resolver, metrics) =
        network.resolver(LIMITS, stubs(&["acme.example=192.0.2.2"], &[GENERAL]));
    let (outside, inside) = (question("www.example."), question("www.acme.example."));
    resolver.resolve(&outside).await.unwrap();
    resolver.resolve(&inside).await.unwrap();
    has_line(
        &metrics,
        r#"kxdns_server_upstream_up{upstream="192.0.2.2:53"} 1"#,
    );

    resolver.set_routes(stubs(&["acme.example=192.0.2.3"], &[GENERAL]));
    assert!(resolver.cached(&outside).is_some());
    assert!(resolver.cached(&inside).is_none());
    assert_eq!(who(&resolver, "www.acme.example.").await, Some(3));
    assert!(!metrics.render().contains("192.0.2.2"));
    has_line(
        &metrics,
        r#"kxdns_server_upstream_up{upstream="192.0.2.3:53"} 1"#,
    );

    // A stub domain that goes gives its names back.
    resolver.set_routes(stubs(&[], &[GENERAL]));
    assert!(resolver.cached(&outside).is_some());
    assert_eq!(who(&resolver, "www.acme.example.").await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_after_a_change_is_given_but_not_kept() {
    let network = three();
    network.answers_after(GENERAL, Duration::from_secs(1), 60, 1);
    let (resolver, _) = network.resolver(LIMITS, routes(&[GENERAL]));
    let asker = Arc::clone(&resolver);
    let first = tokio::spawn(async move { who(&asker, "www.example.").await });
    sleep(Duration::from_millis(500)).await;
    resolver.set_routes(routes(&[STUB]));
    // Who asks now does not wait for the old server's word.
    assert_eq!(who(&resolver, "www.example.").await, Some(2));
    assert_eq!(first.await.unwrap(), Some(1));
    assert_eq!(
        last_octet(&resolver.cached(&question("www.example.")).unwrap()),
        Some(2)
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_in_the_background_while_all_is_well() {
    let network = three();
    let (resolver, _) = network.resolver(LIMITS, stubs(&["acme.example=192.0.2.2"], &[GENERAL]));
    who(&resolver, "www.example.").await;
    seconds(86_400).await;
    // One name each shows whether the upstream leads back here.
    assert_eq!((network.probes(GENERAL), network.probes(STUB)), (1, 1));
    assert_eq!(network.queries(GENERAL), 1);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_down_is_probed_until_it_answers() {
    let network = three();
    network.is_silent(GENERAL);
    let (resolver, metrics) = network.resolver(LIMITS, routes(&[GENERAL, STUB]));
    for name in ["a.example.", "b.example."] {
        assert_eq!(who(&resolver, name).await, Some(2));
    }
    has_line(
        &metrics,
        r#"kxdns_server_upstream_up{upstream="192.0.2.1:53"} 0"#,
    );
    // From now on clients don't wait for it.
    let asked = Instant::now();
    assert_eq!(who(&resolver, "c.example.").await, Some(2));
    assert_eq!(asked.elapsed(), Duration::ZERO);
    assert_eq!(network.queries(GENERAL), 2);

    let probes = network.probes(GENERAL);
    seconds(60).await;
    let probes = network.probes(GENERAL) - probes;
    // 1, 2, 4, 8, then 10 seconds, less jitter, and two seconds for each in vain.
    assert!((6..=8).contains(&probes), "{probes}");
    network.answers(GENERAL, 60, 1);
    // A probe may be under way in vain; the next one comes at most ten seconds after it.
    seconds(13).await;
    has_line(
        &metrics,
        r#"kxdns_server_upstream_up{upstream="192.0.2.1:53"} 1"#,
    );
    assert_eq!(who(&resolver, "d.example.").await, Some(1));
    let probes = network.probes(GENERAL);
    seconds(600).await;
    assert_eq!(network.probes(GENERAL), probes);
    has_line(
        &metrics,
        r#"kxdns_server_upstream_failures_total{upstream="192.0.2.1:53",reason="timeout"} 2"#,
    );
}

#[tokio::test(start_paused = true)]
async fn an_upstream_at_an_own_address_is_never_asked() {
    let network = three();
    let own: Vec<SocketAddr> = vec![
        "10.96.0.10:53".parse().unwrap(),
        "0.0.0.0:5300".parse().unwrap(),
    ];
    let (resolver, metrics) = network.resolver(LIMITS, routes(&["10.96.0.10", "127.0.0.1:5300"]));
    resolver.set_own_addresses(own);
    let cause = resolver.resolve(&question(NAME)).await.unwrap_err();
    assert_eq!(cause, Cause::Loop);
    has_line(
        &metrics,
        r#"kxdns_server_upstream_looping{upstream="10.96.0.10:53"} 1"#,
    );
    has_line(
        &metrics,
        r#"kxdns_server_upstream_looping{upstream="127.0.0.1:5300"} 1"#,
    );
    has_line(
        &metrics,
        r#"kxdns_server_forwarded_total{outcome="loop"} 1"#,
    );

    // Known before the routes are, it is not even probed.
    resolver.set_routes(routes(&["10.96.0.10", GENERAL]));
    assert_eq!(who(&resolver, NAME).await, Some(1));
    assert_eq!(network.queries("10.96.0.10"), 0);
    // The Service has got another address.
    network.answers("10.96.0.10", 60, 9);
    resolver.set_own_addresses(Vec::new());
    assert_eq!(who(&resolver, "other.example.").await, Some(9));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_asks_back_is_found_out() {
    let network = three();
    let back: Arc<OnceLock<Arc<Resolver>>> = Arc::default();
    let leads_back = Arc::clone(&back);
    network.set(GENERAL, move |query, _| {
        let back = Arc::clone(&leads_back);
        async move {
            // On the way through the other server.
            sleep(Duration::from_millis(5)).await;
            let question = Question::read(&query, false).unwrap();
            let rcode = match back.get() {
                Some(resolver) if resolver.is_own_probe(question.name()) => ResponseCode::Refused,
                _ => ResponseCode::ServFail,
            };
            Ok(code(&query, rcode))
        }
    });
    let (resolver, metrics) = network.resolver(LIMITS, routes(&[GENERAL, STUB]));
    back.set(Arc::clone(&resolver)).unwrap();
    sleep(Duration::from_millis(10)).await;
    has_line(
        &metrics,
        r#"kxdns_server_upstream_looping{upstream="192.0.2.1:53"} 1"#,
    );
    has_line(
        &metrics,
        r#"kxdns_server_upstream_looping{upstream="192.0.2.2:53"} 0"#,
    );
    assert_eq!(who(&resolver, "a.example.").await, Some(2));
    assert_eq!(network.queries(GENERAL), 0);
    // As long as it asks back it is looked at every 30 seconds.
    seconds(300).await;
    assert!((9..=11).contains(&network.probes(GENERAL)));
    assert_eq!(who(&resolver, "b.example.").await, Some(2));
    // Somebody has given it other upstreams.
    network.answers(GENERAL, 60, 1);
    seconds(35).await;
    has_line(
        &metrics,
        r#"kxdns_server_upstream_looping{upstream="192.0.2.1:53"} 0"#,
    );
    assert_eq!(who(&resolver, "c.example.").await, Some(1));
    let probes = network.probes(GENERAL);
    seconds(300).await;
    assert_eq!(network.probes(GENERAL), probes);
}

#[tokio::test(start_paused = true)]
async fn nobody_can_make_up_a_probes_name() {
    let (resolver, metrics) = three().resolver(LIMITS, routes(&[GENERAL]));
    let zeros = [
        &b"\x10"[..],
        &[b'0'; 16],
        b"\x10",
        &[b'0'; 16],
        b"\x0akxdns-loop\0",
    ]
    .concat();
    for name in [&zeros[..], b"\x0akxdns-loop\0", b"\0", b""] {
        assert!(!resolver.is_own_probe(name));
    }
    has_line(
        &metrics,
        r#"kxdns_server_upstream_looping{upstream="192.0.2.1:53"} 0"#,
    );
}
