//! One upstream: EDNS or not, truncation, and what can't be read.

use std::sync::atomic::AtomicUsize;

use hickory_proto::op::{Message, ResponseCode};

use super::*;
use crate::serve::resolve::{
    failover::TRY,
    tests::{
        messages::{NAME, address, code, question, read, reply},
        network::Scripted,
    },
};

const UP: &str = "192.0.2.53";

async fn ask(peer: &Arc<Peer>) -> Result<Reply, Failure> {
    peer.ask(&question(NAME), Instant::now() + TRY).await
}

fn has_edns(query: &[u8]) -> bool {
    Message::from_vec(query).unwrap().edns.is_some()
}

#[tokio::test(start_paused = true)]
async fn a_truncated_answer_is_fetched_over_a_connection() {
    let network = Scripted::default();
    network.set(UP, |query, channel| async move {
        let mut message = address(&query, 60, 7);
        if channel == Channel::Datagram {
            // What is in a truncated answer need not even be whole.
            message[2] |= 0x02;
            message.truncate(message.len() - 15);
        }
        Ok(message)
    });
    let reply = ask(&network.peer(UP)).await.unwrap();
    assert_eq!(reply.layout.records.len(), 1);
    assert_eq!(network.queries(UP), 2);

    network.replies(UP, |query| {
        let mut message = address(query, 60, 7);
        message[2] |= 0x02;
        message
    });
    let failure = ask(&network.peer(UP)).await.unwrap_err();
    assert_eq!(failure, Malformed::Truncated.into());
}

#[tokio::test(start_paused = true)]
async fn over_tls_there_are_no_datagrams() {
    let network = Scripted::default();
    let up = "tls://192.0.2.53#dns.example";
    network.set(up, |query, channel| async move {
        assert_eq!(channel, Channel::Stream);
        Ok(address(&query, 60, 7))
    });
    assert!(ask(&network.peer(up)).await.is_ok());
    assert_eq!(network.queries(up), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_without_edns_is_asked_without_it_for_a_while() {
    for rcode in [ResponseCode::FormErr, ResponseCode::NotImp] {
        let network = Scripted::default();
        network.replies(UP, move |query| {
            if has_edns(query) {
                // It does not know what an OPT record is, so it sends none.
                let mut refusal = reply(query, rcode);
                refusal.edns = None;
                refusal.to_vec().unwrap()
            } else {
                address(query, 60, 7)
            }
        });
        let peer = network.peer(UP);
        for queries in [2, 3, 4] {
            assert_eq!(ask(&peer).await.unwrap().layout.records.len(), 1);
            assert_eq!(network.queries(UP), queries);
        }
        tokio::time::sleep(WITHOUT_EDNS).await;
        assert!(ask(&peer).await.is_ok());
        assert_eq!(network.queries(UP), 6);
    }
}

#[tokio::test(start_paused = true)]
async fn who_knows_edns_or_refuses_both_ways_is_taken_at_its_word() {
    let plain_too = Arc::new(AtomicUsize::new(0));
    let network = Scripted::default();
    network.replies(UP, |query| code(query, ResponseCode::FormErr));
    let peer = network.peer(UP);
    assert_eq!(ask(&peer).await.unwrap().rcode(), 1);
    assert_eq!(
        network.queries(UP),
        1,
        "its OPT record shows that it knows EDNS"
    );

    let count = Arc::clone(&plain_too);
    network.replies(UP, move |query| {
        count.fetch_add(usize::from(!has_edns(query)), Ordering::Relaxed);
        let mut refusal = reply(query, ResponseCode::FormErr);
        refusal.edns = None;
        refusal.to_vec().unwrap()
    });
    for _ in 0..2 {
        assert_eq!(ask(&peer).await.unwrap().rcode(), 1);
    }
    // Both times with EDNS first: it is the query that it does not like.
    assert_eq!(network.queries(UP), 5);
    assert_eq!(plain_too.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_a_failure() {
    let mut bad_version = read(&reply(
        Query::new(&question(NAME), true).as_bytes(),
        ResponseCode::NoError,
    ))
    .message;
    // The upper bits of the code in the OPT record: BADVERS.
    let at = bad_version.len() - 6;
    bad_version[at] = 1;
    for (case, damage, failure) in [
        ("record cut", None, Failure::Malformed(Malformed::Cut)),
        ("BADVERS", Some(bad_version), Failure::Edns),
    ] {
        let network = Scripted::default();
        network.replies(UP, move |query| {
            damage.clone().unwrap_or_else(|| {
                let mut message = address(query, 60, 1);
                message.truncate(message.len() - 12);
                message
            })
        });
        let peer = network.peer(UP);
        assert_eq!(ask(&peer).await.unwrap_err(), failure, "{case}");
        assert!(!peer.is_down());
        assert_eq!(ask(&peer).await.unwrap_err(), failure, "{case}");
        assert!(peer.is_down());
    }
}

#[tokio::test(start_paused = true)]
async fn silence_ends_with_the_time() {
    let network = Scripted::default();
    network.is_silent(UP);
    let asked = Instant::now();
    assert_eq!(ask(&network.peer(UP)).await.unwrap_err(), Failure::Timeout);
    assert_eq!(asked.elapsed(), TRY);
}

#[tokio::test(start_paused = true)]
async fn a_host_without_sockets_does_not_blame_the_upstream() {
    let network = Scripted::default();
    network.set(UP, |_, _| async {
        Err(std::io::Error::from_raw_os_error(nix::libc::EMFILE).into())
    });
    let peer = network.peer(UP);
    for _ in 0..5 {
        assert!(matches!(ask(&peer).await, Err(Failure::Local(_))));
    }
    assert!(!peer.is_down());
}
