//! What is sent to upstreams in the background: to those that are down, and to find loops.
//!
//! While all upstreams answer, nothing is sent but one query to each when the configuration is read.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use hickory_proto::rr::RecordType;
use tokio::time::{Instant, sleep};

use super::{
    failover::TRY,
    health::{Outage, pause},
    peer::{Peer, lock},
    question::Question,
};

/// How long an upstream that leads back here is left alone before it is looked at again.
const LOOP_RECHECK: Duration = Duration::from_secs(30);
/// The last label of a probe's name; nobody else uses it, since it is no top-level domain.
const LOOP_LABEL: &[u8] = b"\x0akxdns-loop\x00";
/// Two labels of 16 hexadecimal digits before it.
const LOOP_NAME: usize = 2 * 17 + LOOP_LABEL.len();

/// Whether an upstream leads back to this server, by the names that were sent to it.
///
/// A name holds 128 random bits and goes to one upstream only. Who sends it back has it from there: a
/// client can't make one up.
#[derive(Debug, Default)]
pub(super) struct LoopWatch {
    /// What was sent last, in wire form.
    name: Vec<u8>,
    /// Whether that has come back.
    seen: bool,
    looping: bool,
}

/// What it means that a name has come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sighting {
    /// It is not the name sent.
    Other,
    /// The upstream is known to lead back here.
    Known,
    /// The upstream leads back here, which was not known.
    New,
}

impl LoopWatch {
    /// Whether the upstream must not be asked.
    pub(super) const fn is_looping(&self) -> bool {
        self.looping
    }

    /// A name to send from now on.
    fn begin(&mut self, secret: [u64; 2]) -> &[u8] {
        self.name.clear();
        for half in secret {
            self.name.push(16);
            self.name
                .extend_from_slice(format!("{half:016x}").as_bytes());
        }
        self.name.extend_from_slice(LOOP_LABEL);
        self.seen = false;
        &self.name
    }

    fn see(&mut self, name: &[u8]) -> Sighting {
        if name != self.name {
            return Sighting::Other;
        }
        self.seen = true;
        if std::mem::replace(&mut self.looping, true) {
            Sighting::Known
        } else {
            Sighting::New
        }
    }

    /// The name sent last had time to come back; returns whether the loop is gone.
    const fn end(&mut self) -> bool {
        self.looping = self.seen;
        !self.looping
    }
}

/// Whether `name` has the form of a probe's name.
pub(super) fn looks_like_probe(name: &[u8]) -> bool {
    name.len() == LOOP_NAME && name.ends_with(LOOP_LABEL)
}

/// Whether `name` was sent to `peer` to find out whether it comes back; `peer` is not asked any more then.
pub(super) fn is_probe_of(peer: &Arc<Peer>, name: &[u8]) -> bool {
    let sighting = lock(&peer.loops).see(name);
    if sighting == Sighting::New {
        peer.tell_looping();
        tracing::error!(
            upstream = %peer.upstream,
            "this upstream asks this DNS server in turn and is not asked any more: give one that does \
             not with --upstream, --stub-domain or the ConfigMap, or set its own upstreams to others"
        );
        tokio::spawn(watch_loop(Arc::downgrade(peer)));
    }
    sighting != Sighting::Other
}

/// Sends a name that comes back if the upstream leads here.
pub(super) async fn look_for_loop(peer: Arc<Peer>) {
    let question = {
        let mut watch = lock(&peer.loops);
        Question::internal(watch.begin(rand::random()), RecordType::HINFO)
    };
    // What the answer is does not matter: a name that comes back is seen by whoever receives it.
    let _ = peer.exchange(&question, Instant::now() + TRY).await;
}

/// Looks again and again whether a loop is gone.
async fn watch_loop(peer: Weak<Peer>) {
    loop {
        sleep(LOOP_RECHECK).await;
        let Some(peer) = peer.upgrade() else {
            return;
        };
        look_for_loop(Arc::clone(&peer)).await;
        if lock(&peer.loops).end() {
            peer.tell_looping();
            tracing::info!(upstream = %peer.upstream, "the upstream does not ask this server any more");
            return;
        }
    }
}

/// Asks an upstream that is down until it answers, or the outage is over for another reason.
pub(super) async fn recover(peer: Weak<Peer>, outage: Outage) {
    // Every resolver can answer this, or at least refuse.
    let question = Question::internal(b"\0", RecordType::NS);
    for tried in 0.. {
        sleep(pause(tried, rand::random())).await;
        let Some(peer) = peer.upgrade() else {
            return;
        };
        if !peer.is_in(outage) {
            return;
        }
        if peer.exchange(&question, Instant::now() + TRY).await.is_ok() {
            peer.has_answered();
            return;
        }
    }
}
