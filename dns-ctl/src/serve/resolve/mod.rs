//! Answers for names outside the cluster: from the cache, or from the upstreams.
//!
//! ```text
//! question -> cache        fresh, or soon to be renewed: the answer
//!          -> flight       the same question is under way: its outcome
//!          -> routes       the stub domain's upstreams, or the general ones
//!          -> failover     in order, those that are down last, each for its share of the time
//!          -> peer         with and without EDNS; UDP, then TCP; TLS
//!          -> link, stream octets to and from sockets
//!          -> message      the reply is read through; stored, lifetime: what is kept, and how long
//!          -> response     the client's reply, a patched copy
//! ```
//!
//! `question`, `message`, `lifetime`, `stored`, `response`, `query` and `health` are functions of their
//! arguments; only `link`, `stream` and `tls` touch sockets. Names are looked at here, and never logged.

mod cache;
mod failover;
mod failure;
mod flight;
mod health;
mod lifetime;
mod link;
mod message;
mod peer;
mod probe;
mod query;
pub mod question;
pub mod reach;
pub mod response;
mod routes;
mod stored;
mod stream;
pub mod tls;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use self::{
    cache::{Cache, Found},
    flight::{Boarding, Flight, Flights, Outcome, Ticket},
    lifetime::TtlLimits,
    link::{Network, Sockets},
    peer::{Reply, lock},
    response::Age,
    routes::{Group, Table, same},
    stored::Stored,
    tls::{Roots, Tls},
};
pub use self::{
    question::{Flags, Question},
    response::{Client, Response},
};
use super::{
    answer::Cause,
    upstream::{Routes, leads_to},
};
use crate::metrics::{
    Metrics,
    label::{CacheLookup, Forwarded},
    resolver::ResolverMetrics,
};

/// How long a client waits before it gets an expired answer (RFC 8767, section 5).
const CLIENT_PATIENCE: Duration = Duration::from_millis(1800);

/// What a resolver may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Answers that are kept; one of more than 512 octets counts for several. 0: none is.
    pub cache_size: usize,
    /// Longest time for which an answer is kept, in seconds.
    pub max_ttl: u32,
    /// Longest time for which a denial is kept, in seconds.
    pub max_negative_ttl: u32,
    /// For how long an expired answer is given while no upstream answers (RFC 8767). 0: never.
    pub stale: Duration,
    /// Uses after which an answer is renewed shortly before it expires. 0: never.
    pub prefetch: u32,
    /// How long a query may wait for upstreams, all tries together.
    pub timeout: Duration,
    /// Queries that may wait for upstreams at a time, and questions that may be under way.
    pub concurrency: usize,
}

/// Answers questions by asking upstreams, and keeps what they say.
#[derive(Debug)]
pub struct Resolver {
    limits: Limits,
    network: Box<dyn Network>,
    cache: Cache,
    flights: Arc<Flights>,
    /// Places for those who wait, of whom several may wait for one flight.
    waiting: Semaphore,
    table: ArcSwap<Table>,
    /// Held while the table is changed.
    setup: Mutex<Setup>,
    families: Arc<Metrics>,
    metrics: ResolverMetrics,
}

/// What the table was made of.
#[derive(Debug, Default)]
struct Setup {
    routes: Routes,
    own: Vec<SocketAddr>,
}

impl Resolver {
    /// Asks the upstreams of `routes`; certificates are checked against the system's roots.
    ///
    /// Has to be called within a Tokio runtime.
    pub fn new(limits: Limits, routes: Routes, metrics: Arc<Metrics>) -> Arc<Self> {
        Self::with_roots(limits, routes, metrics, Roots::System)
    }

    /// As [`Self::new`], with roots of the caller's own for certificates.
    pub fn with_roots(
        limits: Limits,
        routes: Routes,
        metrics: Arc<Metrics>,
        roots: Roots,
    ) -> Arc<Self> {
        let sockets = Sockets::new(Tls::new(roots));
        Self::over(Box::new(sockets), limits, routes, metrics)
    }

    fn over(
        network: Box<dyn Network>,
        limits: Limits,
        routes: Routes,
        families: Arc<Metrics>,
    ) -> Arc<Self> {
        let metrics = families.resolver();
        let cache = Cache::new(
            limits.cache_size,
            limits.stale,
            limits.prefetch,
            metrics.cache.clone(),
        );
        let resolver = Arc::new(Self {
            limits,
            network,
            cache,
            flights: Flights::new(limits.concurrency),
            waiting: Semaphore::new(limits.concurrency),
            table: ArcSwap::default(),
            setup: Mutex::default(),
            families,
            metrics,
        });
        resolver.set_routes(routes);
        resolver
    }

    /// Asks other upstreams from now on.
    ///
    /// Answers about names whose upstreams are others now are dropped; what is known of upstreams that
    /// stay is kept. Each is sent a query that shows whether it leads back to this server.
    pub fn set_routes(&self, routes: Routes) {
        let mut setup = lock(&self.setup);
        if setup.routes == routes {
            return;
        }
        let old = self.table.load_full();
        let new = Table::new(&routes, &old, &setup.own, &*self.network, &self.families);
        let new = Arc::new(new);
        self.table.store(Arc::clone(&new));
        self.flights.forget();
        self.cache
            .forget(|name| !same(old.find(name), new.find(name)));
        let peers = new.peers();
        for upstream in old.peers().keys() {
            if !peers.contains_key(upstream) {
                self.families.forget_upstream(&upstream.to_string());
            }
        }
        for peer in peers.into_values().filter(|peer| peer.is_usable()) {
            tokio::spawn(probe::look_for_loop(peer));
        }
        setup.routes = routes;
    }

    /// States at which addresses this server is reached, so that it does not ask itself.
    pub fn set_own_addresses(&self, own: Vec<SocketAddr>) {
        let mut setup = lock(&self.setup);
        for (upstream, peer) in self.table.load().peers() {
            peer.set_own(own.iter().any(|own| leads_to(&upstream, *own, |_| false)));
        }
        setup.own = own;
    }

    /// Whether there is any upstream, for all names or for a stub domain.
    #[must_use]
    pub fn has_upstreams(&self) -> bool {
        !self.table.load().is_empty()
    }

    /// Whether `name` (wire form, lower-case) was sent by this resolver to find out whether it comes
    /// back. It has, so the upstream it was sent to is not asked any more; such a query needs no answer.
    #[must_use]
    pub fn is_own_probe(&self, name: &[u8]) -> bool {
        probe::looks_like_probe(name)
            && self
                .table
                .load()
                .peers()
                .values()
                .any(|peer| probe::is_probe_of(peer, name))
    }

    /// The answer to `question` if it is kept and fresh.
    #[must_use]
    pub fn cached(self: &Arc<Self>, question: &Question) -> Option<Response> {
        if !question.flags().recursion_desired {
            return None;
        }
        let response = match self.cache.find(question, Instant::now()) {
            Found::Fresh(response) => response,
            Found::Expiring(response) => {
                self.renew(question);
                response
            }
            Found::Stale(_) | Found::Nothing => return None,
        };
        self.metrics.cache.looked_up(CacheLookup::Hit);
        Some(response)
    }

    /// The answer to `question`, from the cache or from the upstreams.
    pub async fn resolve(self: &Arc<Self>, question: &Question) -> Result<Response, Cause> {
        if let Some(response) = self.cached(question) {
            return Ok(response);
        }
        let stale = match self.stale(question) {
            Some(stale) if !stale.is_due => {
                self.metrics.cache.looked_up(CacheLookup::Stale);
                return Ok(stale.response);
            }
            stale => stale.map(|stale| stale.response),
        };
        let result = self.wait(question, stale.is_some()).await;
        let is_answer = result.as_ref().is_ok_and(|response| !response.is_failure());
        let (lookup, forwarded, result) = match (result, stale) {
            (_, Some(stale)) if !is_answer => (CacheLookup::Stale, Forwarded::Stale, Ok(stale)),
            (Ok(response), _) if is_answer => {
                (CacheLookup::Miss, Forwarded::Answered, Ok(response))
            }
            (Ok(refusal), _) => (CacheLookup::Miss, Forwarded::Failed, Ok(refusal)),
            (Err(cause), _) => (CacheLookup::Miss, label(cause), Err(cause)),
        };
        self.metrics.cache.looked_up(lookup);
        self.families.forwarded(forwarded);
        result
    }

    /// The expired answer to `question`, if there is one.
    fn stale(&self, question: &Question) -> Option<cache::Stale> {
        if !question.flags().recursion_desired {
            return None;
        }
        match self.cache.find(question, Instant::now()) {
            Found::Stale(stale) => Some(stale),
            _ => None,
        }
    }

    /// Waits for the upstreams' word: to the end, or as long as who `has_stale` answer should.
    async fn wait(self: &Arc<Self>, question: &Question, has_stale: bool) -> Outcome {
        let Ok(_place) = self.waiting.try_acquire() else {
            return Err(Cause::Overload);
        };
        let _counted = self.metrics.waiting();
        let Some(ticket) = self.board(question, false) else {
            return Err(Cause::Overload);
        };
        if !has_stale {
            return ticket.landed().await;
        }
        // The flight goes on without this client, and renews the answer.
        timeout(CLIENT_PATIENCE, ticket.landed())
            .await
            .unwrap_or(Err(Cause::Unreachable))
    }

    /// Asks for an answer anew that is still held, unless there is more urgent work.
    fn renew(self: &Arc<Self>, question: &Question) {
        if self.flights.has_leisure() && self.board(question, true).is_some() {
            self.metrics.cache.prefetched();
        }
    }

    /// Has `question` asked, unless it is being asked; `None` if too many are.
    fn board(self: &Arc<Self>, question: &Question, is_renewal: bool) -> Option<Ticket> {
        match self.flights.board(question.key()) {
            Boarding::Joined(ticket) => Some(ticket),
            Boarding::Begun(ticket, flight) => {
                tokio::spawn(Arc::clone(self).fly(question.clone(), flight, is_renewal));
                Some(ticket)
            }
            Boarding::Full => None,
        }
    }

    /// Asks the upstreams, and keeps what they say.
    async fn fly(self: Arc<Self>, question: Question, flight: Flight, is_renewal: bool) {
        // Another flight may have landed between the look into the cache and this one's beginning.
        if !is_renewal && let Some(response) = self.landed_before(&question) {
            flight.land(Ok(response));
            return;
        }
        let table = self.table.load_full();
        let group = table.find(question.name());
        let outcome = match failover::ask(group, &question, self.limits.timeout).await {
            Ok(reply) => Ok(self.take(&question, &reply, group)),
            Err(cause) => {
                self.cache.postpone(&question, Instant::now());
                Err(cause)
            }
        };
        flight.land(outcome);
    }

    fn landed_before(&self, question: &Question) -> Option<Response> {
        if !question.flags().recursion_desired {
            return None;
        }
        match self.cache.find(question, Instant::now()) {
            Found::Fresh(response) => Some(response),
            _ => None,
        }
    }

    /// The answer of `group`, which is kept if it may be.
    fn take(&self, question: &Question, reply: &Reply, group: &Group) -> Response {
        let limits = TtlLimits {
            positive: self.limits.max_ttl,
            negative: self.limits.max_negative_ttl,
        };
        let stored = Stored::new(&reply.message, &reply.layout, question, limits);
        let stored = Arc::new(stored);
        let is_theirs = || same(group, self.table.load().find(question.name()));
        if question.flags().recursion_desired && is_theirs() {
            self.cache.keep(question, &stored, Instant::now());
            // The routes may change just now; if they do from here on, this answer is dropped with others.
            if !is_theirs() {
                self.cache.forget(|name| name == question.name());
            }
        }
        Response::new(stored, Age::FirstHand)
    }
}

/// What became of a query that has no answer.
const fn label(cause: Cause) -> Forwarded {
    match cause {
        Cause::NoUpstream => Forwarded::NoUpstream,
        Cause::Loop => Forwarded::Loop,
        Cause::Overload => Forwarded::Overload,
        Cause::Unreachable | Cause::NotReady | Cause::AliasLoop => Forwarded::Unreachable,
    }
}

#[cfg(test)]
mod tests;
