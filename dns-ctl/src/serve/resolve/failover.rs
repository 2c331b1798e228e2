//! Which upstream is asked, for how long, and whose word counts.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    failure::Failure,
    lifetime::is_failure,
    peer::{Peer, Reply},
    question::Question,
};
use crate::serve::answer::Cause;

/// How long one upstream may take.
pub(super) const TRY: Duration = Duration::from_secs(2);
/// A try shorter than this is not worth a query.
const SHORTEST_TRY: Duration = Duration::from_millis(10);

/// Asks `peers` in their order until one has an answer, for `within` at most.
///
/// Those that are down are asked only if no other one says anything. Who was silent is asked once more
/// if there is time left: a datagram may have been lost. If all of them fail to answer the question,
/// the best of their words is passed on.
pub(super) async fn ask(
    peers: &[Arc<Peer>],
    question: &Question,
    within: Duration,
) -> Result<Reply, Cause> {
    if peers.is_empty() {
        return Err(Cause::NoUpstream);
    }
    let usable: Vec<_> = peers.iter().filter(|peer| peer.is_usable()).collect();
    if usable.is_empty() {
        return Err(Cause::Loop);
    }
    let (up, down): (Vec<_>, Vec<_>) = usable.into_iter().partition(|peer| !peer.is_down());
    let mut tries = Tries {
        question,
        end: Instant::now() + within,
        refusal: None,
    };
    let mut silent = Vec::new();
    for round in [up, down] {
        let (answer, unheard) = tries.round(round).await;
        if let Some(reply) = answer.or_else(|| tries.refusal.take()) {
            return Ok(reply);
        }
        silent.extend(unheard);
    }
    let (answer, _) = tries.round(silent).await;
    answer.or(tries.refusal).ok_or(Cause::Unreachable)
}

/// The tries for one question.
struct Tries<'q> {
    question: &'q Question,
    end: Instant,
    /// The best word of those who can't answer.
    refusal: Option<Reply>,
}

impl Tries<'_> {
    /// Asks each of `peers` once: the answer, if there is one, and who was silent.
    async fn round<'p>(
        &mut self,
        peers: Vec<&'p Arc<Peer>>,
    ) -> (Option<Reply>, Vec<&'p Arc<Peer>>) {
        let mut silent = Vec::new();
        let mut left = u32::try_from(peers.len()).unwrap_or(u32::MAX);
        for peer in peers {
            let now = Instant::now();
            let share = share(self.end.saturating_duration_since(now), left);
            if share < SHORTEST_TRY {
                break;
            }
            left -= 1;
            match peer.ask(self.question, now + share).await {
                Ok(reply) if !is_failure(reply.rcode()) => return (Some(reply), silent),
                Ok(reply) => self.refuse(reply),
                Err(Failure::Timeout) => silent.push(peer),
                Err(_) => {}
            }
        }
        (None, silent)
    }

    fn refuse(&mut self, reply: Reply) {
        let better = self
            .refusal
            .as_ref()
            .is_none_or(|best| rank(reply.rcode()) < rank(best.rcode()));
        if better {
            self.refusal = Some(reply);
        }
    }
}

/// An upstream's part of the time that is left for `tries` of them.
fn share(left: Duration, tries: u32) -> Duration {
    (left / tries.max(1)).min(TRY)
}

/// SERVFAIL is the word that makes clients ask elsewhere; FORMERR speaks of our query, not of theirs.
const fn rank(rcode: u8) -> u8 {
    match rcode {
        2 => 0,
        5 => 1,
        4 => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests;
