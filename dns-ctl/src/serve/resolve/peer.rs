//! An upstream as it is asked: over UDP and, where the answer is truncated, over TCP; or over TLS.
//!
//! Here one try is made and judged; which upstream is tried, and for how long, is decided in
//! `failover`.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use super::{
    failure::Failure,
    health::{Health, Outage},
    link::{Channel, Link},
    message::{Layout, Malformed},
    probe::{self, LoopWatch},
    query::{Query, is_truncated, rcode},
    question::Question,
};
use crate::{
    metrics::{label::UpstreamFailure, resolver::UpstreamMetrics},
    serve::upstream::Upstream,
};

/// For how long an upstream that does not know EDNS is asked without it.
const WITHOUT_EDNS: Duration = Duration::from_mins(5);

/// An upstream and what is known of it.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) upstream: Upstream,
    pub(super) metrics: UpstreamMetrics,
    link: Arc<dyn Link>,
    health: Mutex<Health>,
    /// Until when to ask without EDNS.
    plain_until: Mutex<Option<Instant>>,
    /// Whether this is an address of this very server.
    is_own: AtomicBool,
    pub(super) loops: Mutex<LoopWatch>,
}

/// An upstream's readable reply.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) message: Vec<u8>,
    pub(super) layout: Layout,
}

impl Reply {
    /// The header's part of the response code.
    pub(super) fn rcode(&self) -> u8 {
        rcode(&self.message)
    }

    /// Whether the sender does not know EDNS (RFC 6891, section 7).
    fn denies_edns(&self) -> bool {
        matches!(self.rcode(), 1 | 4) && self.layout.opt.is_none()
    }
}

impl Peer {
    pub(super) fn new(upstream: Upstream, link: Arc<dyn Link>, metrics: UpstreamMetrics) -> Self {
        metrics.set_up(true);
        Self {
            upstream,
            metrics,
            link,
            health: Mutex::default(),
            plain_until: Mutex::default(),
            is_own: AtomicBool::new(false),
            loops: Mutex::default(),
        }
    }

    /// Asks `question`, and remembers whether there was an answer before `deadline`.
    pub(super) async fn ask(
        self: &Arc<Self>,
        question: &Question,
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        let asked = Instant::now();
        self.metrics.asked();
        let result = self.exchange(question, deadline).await;
        match &result {
            Ok(reply) => {
                self.metrics.answered(asked.elapsed());
                if let Some(label) = refusal(reply.rcode()) {
                    self.metrics.failed(label);
                }
                self.has_answered();
            }
            Err(failure) => {
                self.metrics.failed(failure.label());
                match failure {
                    Failure::Local(_) => {
                        tracing::warn!(upstream = %self.upstream, "the upstream was not asked: {failure}");
                    }
                    _ => self.has_failed(failure),
                }
            }
        }
        result
    }

    /// Asks `question` without any consequence.
    pub(super) async fn exchange(
        &self,
        question: &Question,
        deadline: Instant,
    ) -> Result<Reply, Failure> {
        timeout_at(deadline, self.with_or_without_edns(question))
            .await
            .unwrap_or(Err(Failure::Timeout))
    }

    async fn with_or_without_edns(&self, question: &Question) -> Result<Reply, Failure> {
        if self.is_plain() {
            return self.converse(&Query::new(question, false)).await;
        }
        let reply = self.converse(&Query::new(question, true)).await?;
        if !reply.denies_edns() {
            return Ok(reply);
        }
        let plain = self.converse(&Query::new(question, false)).await?;
        if !plain.denies_edns() {
            let until = Instant::now() + WITHOUT_EDNS;
            *lock(&self.plain_until) = Some(until);
        }
        Ok(plain)
    }

    async fn converse(&self, query: &Query) -> Result<Reply, Failure> {
        let mut message = Vec::new();
        let mut channel = Channel::Stream;
        if self.upstream.server_name().is_none() {
            message = self.link.ask(query, Channel::Datagram).await?;
            if !is_truncated(&message) {
                channel = Channel::Datagram;
            }
        }
        if channel == Channel::Stream {
            message = self.link.ask(query, Channel::Stream).await?;
            if is_truncated(&message) {
                return Err(Malformed::Truncated.into());
            }
        }
        let layout = Layout::read(&message)?;
        if layout.opt.is_some_and(|code| code != 0) {
            return Err(Failure::Edns);
        }
        Ok(Reply { message, layout })
    }

    /// Whether it may be asked at all: not if its answers would have to come from this server.
    pub(super) fn is_usable(&self) -> bool {
        !self.is_own.load(Ordering::Relaxed) && !lock(&self.loops).is_looping()
    }

    /// Whether it is asked only for want of a better one.
    pub(super) fn is_down(&self) -> bool {
        lock(&self.health).is_down()
    }

    pub(super) fn is_in(&self, outage: Outage) -> bool {
        lock(&self.health).is_in(outage)
    }

    /// States whether this is an address of this very server.
    pub(super) fn set_own(&self, is_own: bool) {
        let was_own = self.is_own.swap(is_own, Ordering::Relaxed);
        if is_own && !was_own {
            tracing::error!(
                upstream = %self.upstream,
                "this upstream is an address of this DNS server itself and is not asked: give another \
                 with --upstream, --stub-domain or the ConfigMap, or take it out of --resolv-conf"
            );
        }
        self.tell_looping();
    }

    /// Tells the metric whether the upstream leads back here.
    pub(super) fn tell_looping(&self) {
        self.metrics.set_looping(!self.is_usable());
    }

    pub(super) fn has_answered(&self) {
        if lock(&self.health).succeed() {
            self.metrics.set_up(true);
            tracing::info!(upstream = %self.upstream, "the upstream answers again");
        }
    }

    fn has_failed(self: &Arc<Self>, failure: &Failure) {
        tracing::debug!(upstream = %self.upstream, error = %failure, "a try failed");
        let outage = lock(&self.health).fail();
        if let Some(outage) = outage {
            self.metrics.set_up(false);
            tracing::warn!(
                upstream = %self.upstream,
                "the upstream is down and is asked last until it answers again: {failure}"
            );
            tokio::spawn(probe::recover(Arc::downgrade(self), outage));
        }
    }

    fn is_plain(&self) -> bool {
        let mut until = lock(&self.plain_until);
        if until.is_some_and(|until| until <= Instant::now()) {
            *until = None;
        }
        until.is_some()
    }
}

/// The metric label of a code that says nothing of the name.
const fn refusal(rcode: u8) -> Option<UpstreamFailure> {
    match rcode {
        1 => Some(UpstreamFailure::FormErr),
        2 => Some(UpstreamFailure::ServFail),
        4 => Some(UpstreamFailure::NotImp),
        5 => Some(UpstreamFailure::Refused),
        _ => None,
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
