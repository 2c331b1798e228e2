//! A network in memory: each upstream is a function from queries to replies, on a clock that can be paused.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;

use super::messages::address;
use crate::{
    metrics::Metrics,
    serve::{
        resolve::{
            Limits, Resolver,
            failure::Failure,
            link::{Channel, Link, Network},
            peer::Peer,
            query::Query,
        },
        upstream::{Routes, Upstream},
    },
};

type Behaviour =
    Arc<dyn Fn(Vec<u8>, Channel) -> BoxFuture<'static, Result<Vec<u8>, Failure>> + Send + Sync>;

/// Upstreams and how they behave; clones are the same network.
#[derive(Clone, Default)]
pub(in crate::serve::resolve) struct Scripted(Arc<Mutex<HashMap<Upstream, Arc<Script>>>>);

#[derive(Default)]
struct Script {
    behaviour: Mutex<Option<Behaviour>>,
    queries: AtomicUsize,
    probes: AtomicUsize,
}

impl Scripted {
    /// From now on `upstream` does with each query what `behaviour` says.
    pub(in crate::serve::resolve) fn set<F>(
        &self,
        upstream: &str,
        behaviour: impl Fn(Vec<u8>, Channel) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<Vec<u8>, Failure>> + Send + 'static,
    {
        let behaviour: Behaviour =
            Arc::new(move |query, channel| Box::pin(behaviour(query, channel)));
        let script = self.script(&upstream.parse().unwrap());
        *script.behaviour.lock().unwrap() = Some(behaviour);
    }

    /// `upstream` answers with the address 192.0.2.`last` for `ttl` seconds.
    pub(in crate::serve::resolve) fn answers(&self, upstream: &str, ttl: u32, last: u8) {
        self.replies(upstream, move |query| address(query, ttl, last));
    }

    /// `upstream` answers at once with what `reply` makes of a query.
    pub(in crate::serve::resolve) fn replies(
        &self,
        upstream: &str,
        reply: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
    ) {
        self.set(upstream, move |query, _| {
            std::future::ready(Ok(reply(&query)))
        });
    }

    /// `upstream` can't be reached.
    pub(in crate::serve::resolve) fn refuses(&self, upstream: &str) {
        self.set(upstream, |_, _| {
            std::future::ready(Err(Failure::Connect("refused".to_owned())))
        });
    }

    /// `upstream` answers as [`Self::answers`], but only after a while.
    pub(in crate::serve::resolve) fn answers_after(
        &self,
        upstream: &str,
        pause: Duration,
        ttl: u32,
        last: u8,
    ) {
        self.set(upstream, move |query, _| async move {
            tokio::time::sleep(pause).await;
            Ok(address(&query, ttl, last))
        });
    }

    /// `upstream` takes everything and says nothing.
    pub(in crate::serve::resolve) fn is_silent(&self, upstream: &str) {
        self.set(upstream, |_, _| std::future::pending());
    }

    /// How many queries `upstream` got, without those that look for loops or life.
    pub(in crate::serve::resolve) fn queries(&self, upstream: &str) -> usize {
        self.script(&upstream.parse().unwrap())
            .queries
            .load(Ordering::Relaxed)
    }

    /// How many queries `upstream` got that look for loops or life.
    pub(in crate::serve::resolve) fn probes(&self, upstream: &str) -> usize {
        self.script(&upstream.parse().unwrap())
            .probes
            .load(Ordering::Relaxed)
    }

    /// A resolver for this network.
    pub(in crate::serve::resolve) fn resolver(
        &self,
        limits: Limits,
        routes: Routes,
    ) -> (Arc<Resolver>, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new());
        let network = Box::new(self.clone());
        let resolver = Resolver::over(network, limits, routes, Arc::clone(&metrics));
        (resolver, metrics)
    }

    /// An upstream of this network by itself.
    pub(in crate::serve::resolve) fn peer(&self, upstream: &str) -> Arc<Peer> {
        let upstream: Upstream = upstream.parse().unwrap();
        let metrics = Metrics::new().upstream(&upstream.to_string());
        Arc::new(Peer::new(upstream.clone(), self.link(&upstream), metrics))
    }

    fn script(&self, upstream: &Upstream) -> Arc<Script> {
        let mut scripts = self.0.lock().unwrap();
        Arc::clone(scripts.entry(upstream.clone()).or_default())
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl Network for Scripted {
    fn link(&self, upstream: &Upstream) -> Arc<dyn Link> {
        self.script(upstream)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

impl Link for Script {
    fn ask<'l>(
        &'l self,
        query: &'l Query,
        channel: Channel,
    ) -> BoxFuture<'l, Result<Vec<u8>, Failure>> {
        let bytes = query.under(0x5678).as_bytes().to_vec();
        // `. NS`, or a name that ends in the label of loops.
        let is_probe = bytes[12] == 0 || bytes.windows(10).any(|part| part == b"kxdns-loop");
        if is_probe {
            &self.probes
        } else {
            &self.queries
        }
        .fetch_add(1, Ordering::Relaxed);
        let behaviour = self.behaviour.lock().unwrap().clone();
        match behaviour {
            Some(behaviour) => behaviour(bytes, channel),
            None => Box::pin(std::future::pending()),
        }
    }
}
