//! Upstreams on loopback sockets that are dead, slow or lie, and what comes of it.

mod tls;
mod upstream;

use tokio::time::{advance, pause, resume, timeout};

use self::upstream::{Does, Upstream, dead};
use super::*;

/// A good upstream still has half of the time when a silent one was asked before it.
const LIMITS: Limits = Limits {
    timeout: Duration::from_secs(3),
    concurrency: 64,
    ..super::LIMITS
};

/// All that an upstream can do wrong.
const WRONGS: [Does; 14] = [
    Does::StaySilent,
    Does::Echo,
    Does::WrongId,
    Does::WrongName,
    Does::WrongType,
    Does::OtherPort,
    Does::CompressionLoop,
    Does::LyingCount,
    Does::Oversized,
    Does::TruncatedThenGarbage,
    Does::TruncatedThenOtherQuestion,
    Does::TruncatedThenTruncated,
    Does::TruncatedThenClose,
    Does::ServFail,
];

fn resolver(upstreams: &[&str]) -> Arc<Resolver> {
    Resolver::new(LIMITS, routes(upstreams), Arc::new(Metrics::new()))
}

/// The outcome; waiting for ever fails the test.
async fn resolved(resolver: &Arc<Resolver>) -> Outcome {
    timeout(Duration::from_secs(20), resolver.resolve(&question(NAME)))
        .await
        .expect("the resolver limits the time")
}

#[tokio::test]
async fn another_upstream_has_the_right_answer() {
    let good = Upstream::start(Does::Answer(2)).await;
    let mut cases = JoinSet::new();
    for wrong in WRONGS {
        let good = good.address.clone();
        cases.spawn(async move {
            let bad = Upstream::start(wrong).await;
            let resolver = resolver(&[&bad.address, &good]);
            let response = resolved(&resolver).await.unwrap();
            assert_eq!(last_octet(&response), Some(2), "{wrong:?}");
            assert!(bad.queries() >= 1, "{wrong:?}");
        });
    }
    cases.spawn(async move {
        let resolver = resolver(&[&dead().await, &good.address]);
        assert_eq!(last_octet(&resolved(&resolver).await.unwrap()), Some(2));
    });
    cases.join_all().await;
}

#[tokio::test]
async fn alone_it_costs_the_answer_but_not_the_time() {
    let mut cases = JoinSet::new();
    for wrong in WRONGS {
        cases.spawn(async move {
            let bad = Upstream::start(wrong).await;
            match resolved(&resolver(&[&bad.address])).await {
                Ok(response) => {
                    assert_eq!(response.rcode(), ResponseCode::ServFail, "{wrong:?}");
                    assert!(matches!(wrong, Does::ServFail), "{wrong:?}");
                }
                Err(cause) => assert_eq!(cause, Cause::Unreachable, "{wrong:?}"),
            }
        });
    }
    cases.spawn(async move {
        let cause = resolved(&resolver(&[&dead().await])).await.unwrap_err();
        assert_eq!(cause, Cause::Unreachable);
    });
    cases.join_all().await;
}

#[tokio::test]
async fn what_was_known_is_given_stale() {
    let mut known = Vec::new();
    for wrong in WRONGS {
        let upstream = Upstream::start(Does::Answer(1)).await;
        let resolver = resolver(&[&upstream.address]);
        assert_eq!(last_octet(&resolved(&resolver).await.unwrap()), Some(1));
        upstream.now(wrong);
        known.push((wrong, upstream, resolver));
    }
    pause();
    advance(Duration::from_secs(61)).await;
    resume();
    let mut cases = JoinSet::new();
    for (wrong, upstream, resolver) in known {
        cases.spawn(async move {
            let response = resolved(&resolver).await.unwrap();
            assert_eq!(last_octet(&response), Some(1), "{wrong:?}");
            assert!(response.is_stale(), "{wrong:?}");
            assert!(upstream.queries() >= 2, "{wrong:?}");
        });
    }
    cases.join_all().await;
}

#[tokio::test]
async fn forged_datagrams_before_the_real_one_are_passed_over() {
    let upstream = Upstream::start(Does::AnswerAmongLies(1)).await;
    let resolver = resolver(&[&upstream.address]);
    assert_eq!(last_octet(&resolved(&resolver).await.unwrap()), Some(1));
    assert_eq!(upstream.queries(), 1);
}

#[tokio::test]
async fn what_does_not_fit_a_datagram_comes_over_tcp() {
    for does in [Does::TruncatedThenAnswer(3), Does::OversizedThenAnswer(3)] {
        let upstream = Upstream::start(does).await;
        let resolver = resolver(&[&upstream.address]);
        assert_eq!(last_octet(&resolved(&resolver).await.unwrap()), Some(3));
    }
}

#[tokio::test]
async fn one_connection_carries_many_queries_whose_answers_come_in_any_order() {
    let upstream = Upstream::start(Does::TruncatedThenAnswer(3)).await;
    upstream.hold_back(20);
    let resolver = resolver(&[&upstream.address]);
    let mut clients = JoinSet::new();
    for number in 0..20 {
        let resolver = Arc::clone(&resolver);
        clients.spawn(async move {
            let name = format!("n{number}.example.");
            let response = resolver.resolve(&question(&name)).await.unwrap();
            let message = response.to_message().unwrap();
            assert_eq!(message.answers[0].name.to_ascii(), name);
        });
    }
    clients.join_all().await;
    assert_eq!(upstream.connections(), 1);
    // It is still there for the next one.
    upstream.hold_back(1);
    resolved(&resolver).await.unwrap();
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_opened_again() {
    let upstream = Upstream::start(Does::TruncatedThenAnswerAndClose(3)).await;
    let resolver = resolver(&[&upstream.address]);
    for number in 0..5 {
        let name = format!("n{number}.example.");
        let response = resolver.resolve(&question(&name)).await.unwrap();
        assert_eq!(last_octet(&response), Some(3));
    }
    assert_eq!(upstream.connections(), 5);
}
