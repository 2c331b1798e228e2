//! Who is asked when the first one fails.

use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::ResponseCode;

use super::*;
use crate::serve::resolve::tests::{
    messages::{NAME, address, code, denial, question},
    network::Scripted,
};

const A: &str = "192.0.2.1";
const B: &str = "192.0.2.2";
const C: &str = "192.0.2.3";
const ALL: Duration = Duration::from_millis(4500);

fn peers(network: &Scripted, upstreams: &[&str]) -> Vec<Arc<Peer>> {
    upstreams.iter().map(|text| network.peer(text)).collect()
}

async fn asked(peers: &[Arc<Peer>]) -> (Result<Reply, Cause>, Duration) {
    let start = Instant::now();
    let result = ask(peers, &question(NAME), ALL).await;
    (result, start.elapsed())
}

/// What an upstream does with a query.
#[derive(Clone, Copy, Debug)]
enum Does {
    Answers,
    Denies,
    Says(ResponseCode),
    Refuses,
    StaysSilent,
}

fn set(network: &Scripted, upstream: &str, does: Does) {
    match does {
        Does::Answers => network.answers(upstream, 60, 1),
        Does::Denies => network.replies(upstream, |query| denial(query, 60)),
        Does::Says(rcode) => network.replies(upstream, move |query| code(query, rcode)),
        Does::Refuses => network.refuses(upstream),
        Does::StaysSilent => network.is_silent(upstream),
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_that_knows_answers_and_the_best_word_counts() {
    use Does::{Answers, Denies, Refuses, Says, StaysSilent};
    use ResponseCode as Code;
    // What the three do, the outcome, and how many queries each got.
    for (does, outcome, queries) in [
        ([Answers, Answers, Answers], Ok(0), [1, 0, 0]),
        ([Refuses, Answers, Answers], Ok(0), [1, 1, 0]),
        ([StaysSilent, Answers, Answers], Ok(0), [1, 1, 0]),
        (
            [Says(Code::ServFail), Says(Code::Refused), Answers],
            Ok(0),
            [1, 1, 1],
        ),
        ([Denies, Answers, Answers], Ok(3), [1, 0, 0]),
        (
            [
                Says(Code::Refused),
                Says(Code::ServFail),
                Says(Code::NotImp),
            ],
            Ok(2),
            [1, 1, 1],
        ),
        (
            [Says(Code::NotImp), Says(Code::Refused), Refuses],
            Ok(5),
            [1, 1, 1],
        ),
        // Once more: a datagram may have been lost. But not to wait for a word that is there.
        ([Refuses, Refuses, Says(Code::ServFail)], Ok(2), [1, 1, 1]),
        (
            [StaysSilent, Refuses, Says(Code::ServFail)],
            Ok(2),
            [1, 1, 1],
        ),
        (
            [Refuses, Refuses, Refuses],
            Err(Cause::Unreachable),
            [1, 1, 1],
        ),
    ] {
        let network = Scripted::default();
        for (upstream, does) in [A, B, C].into_iter().zip(does) {
            set(&network, upstream, does);
        }
        let (result, took) = asked(&peers(&network, &[A, B, C])).await;
        assert_eq!(result.map(|reply| reply.rcode()), outcome, "{does:?}");
        assert_eq!([A, B, C].map(|up| network.queries(up)), queries, "{does:?}");
        assert!(took <= ALL, "{does:?}");
    }
    assert_eq!(asked(&[]).await.0.unwrap_err(), Cause::NoUpstream);
}

#[tokio::test(start_paused = true)]
async fn everyone_gets_a_fair_share_of_the_time() {
    for (upstreams, rounds) in [(&[A][..], 3), (&[A, B], 4), (&[A, B, C], 3)] {
        let network = Scripted::default();
        let (result, took) = asked(&peers(&network, upstreams)).await;
        assert_eq!(result.unwrap_err(), Cause::Unreachable);
        assert!(took <= ALL, "{took:?}");
        let queries: usize = upstreams.iter().map(|up| network.queries(up)).sum();
        assert!(queries >= upstreams.len() && queries <= rounds, "{queries}");
        for upstream in upstreams {
            assert!(network.queries(upstream) >= 1);
        }
    }
    assert_eq!(share(ALL, 1), TRY);
    assert_eq!(share(ALL, 3), Duration::from_millis(1500));
}

#[tokio::test(start_paused = true)]
async fn a_lost_datagram_does_not_cost_the_answer() {
    let network = Scripted::default();
    let tries = AtomicUsize::new(0);
    network.set(A, move |query, _| {
        let is_lost = tries.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            if is_lost {
                std::future::pending::<()>().await;
            }
            Ok(address(&query, 60, 1))
        }
    });
    let (result, took) = asked(&peers(&network, &[A])).await;
    assert!(result.is_ok());
    assert_eq!(took, TRY);
}

#[tokio::test(start_paused = true)]
async fn those_that_are_down_are_asked_only_if_nobody_says_anything() {
    let network = Scripted::default();
    for up in [A, B, C] {
        network.refuses(up);
    }
    let peers = peers(&network, &[A, B, C]);
    for _ in 0..2 {
        assert!(asked(&peers).await.0.is_err());
    }
    assert!(peers.iter().all(|peer| peer.is_down()));
    // All are down: all are asked.
    network.answers(C, 60, 3);
    assert!(asked(&peers).await.0.is_ok());
    assert_eq!([A, B, C].map(|up| network.queries(up)), [3, 3, 3]);
    // One is up: its word counts, even if it is a refusal.
    network.replies(C, |query| code(query, ResponseCode::ServFail));
    assert_eq!(asked(&peers).await.0.unwrap().rcode(), 2);
    assert_eq!([A, B, C].map(|up| network.queries(up)), [3, 3, 4]);
    // It falls silent: the others are tried, one of which has come back unnoticed.
    network.refuses(C);
    network.answers(B, 60, 2);
    assert!(asked(&peers).await.0.is_ok());
    assert_eq!([A, B, C].map(|up| network.queries(up)), [4, 4, 5]);
}

#[test]
fn servfail_is_the_best_word() {
    let mut codes = [1, 4, 5, 2];
    codes.sort_by_key(|rcode| rank(*rcode));
    assert_eq!(codes, [2, 5, 4, 1]);
}
