//! The one task that owns the zone and the kernel's maps: takes events, publishes what they lead to.

pub mod kernel;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    memory,
    metrics::{Metrics, http::Readiness, liveness::Pulse},
    serve::resolve::Resolver,
    snapshot::Memory,
    zone::{DNS_PORT, Policy, Zone, name::Domain, object::Arrived, store::Store},
};
use kernel::{Inherited, KernelSide};

/// How long this task may take over one batch of events before it counts as dead.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// How often it shows that it is alive.
const BEAT: Duration = Duration::from_secs(5);
/// How long the API server may take to tell all before what was known earlier is served instead.
const WAIT: Duration = Duration::from_secs(5);
/// Most events that are applied before their result is published.
const BATCH: usize = 4096;
/// Names and addresses that change at once from which on it pays to give back the memory that this took.
const MANY: usize = 1000;

/// Tells the resolver whom it must not ask.
pub struct OwnAddresses {
    /// The resolver.
    pub resolver: Arc<Resolver>,
    /// The addresses that are always its own.
    pub listen: Vec<SocketAddr>,
}

/// What the task needs to publish.
pub struct Control {
    /// Where the server reads the zone.
    pub zone: Arc<ArcSwap<Zone>>,
    /// Which names the zone has.
    pub policy: Policy,
    /// The cluster domains.
    pub domains: Vec<Domain>,
    /// Told at which addresses this server is reached; `None` if it is not the cluster's DNS.
    pub own_addresses: Option<OwnAddresses>,
    /// The kernel's maps, unless nothing is answered in the kernel, or they are still awaited.
    pub kernel: Option<KernelSide>,
    /// Brings the kernel's maps: programs take their time to be loaded, in which the server answers already.
    pub awaited: Option<oneshot::Receiver<KernelSide>>,
    /// What is kept on disk of the cluster, if anything.
    pub memory: Option<Memory>,
    /// Whether that may still be recalled, if the source is slow.
    pub may_recall: bool,
    /// Shows that the task is alive.
    pub pulse: Pulse,
    /// Where progress is counted.
    pub metrics: Arc<Metrics>,
    /// Where the first sync is told.
    pub readiness: Arc<Readiness>,
}

/// What is known of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Not all yet.
    Part,
    /// What was known when the snapshot was written.
    Earlier,
    /// All there is.
    Now,
}

impl Control {
    /// Takes events until every source is gone, or until `stop`.
    pub async fn run(mut self, mut events: mpsc::Receiver<Arrived>, stop: CancellationToken) {
        let started = Instant::now();
        let mut store = Store::new(self.policy.clone());
        let mut batch: Vec<Arrived> = Vec::new();
        let mut arrivals = Vec::new();
        let mut known = Known::Part;
        loop {
            self.pulse.beat();
            if let Some(kernel) = &mut self.kernel {
                kernel.renew_in_time();
            }
            let mut has_come = false;
            let received = tokio::select! {
                () = stop.cancelled() => break,
                side = come(&mut self.awaited) => match side {
                    Ok(side) => {
                        self.kernel = Some(side);
                        self.awaited = None;
                        has_come = true;
                        Ok(1)
                    }
                    // The programs can't be loaded: the whole process ends.
                    Err(_) => break,
                },
                received = timeout(BEAT, events.recv_many(&mut batch, BATCH)) => received,
            };
            if received == Ok(0) {
                break;
            }
            if let Some(memory) = &mut self.memory
                && !batch.is_empty()
            {
                memory.keeper.changed();
            }
            let has_news = !batch.is_empty();
            for Arrived { event, at } in batch.drain(..) {
                // What the first lists bring takes effect as a whole.
                if store.zone().synced() && event.takes_effect() {
                    arrivals.push(at);
                }
                store.apply(event);
            }
            if self.may_recall
                && self.awaited.is_none()
                && !store.zone().synced()
                && started.elapsed() >= WAIT
            {
                // Once: what can't be used now can't be used later.
                self.may_recall = false;
                let recalled = tokio::task::block_in_place(|| {
                    let earlier = self.memory.as_ref()?.recall(&self.policy)?;
                    self.publish_earlier(earlier);
                    Some(())
                });
                if recalled.is_some() {
                    known = Known::Earlier;
                }
            }
            // No news is no reason to seem dead; but what was refused may be possible now.
            if has_news || self.is_unsettled() || has_come {
                // Thousands of map updates would hold up the queries that this thread has to serve.
                tokio::task::block_in_place(|| self.publish(&mut store, known));
            }
            if self.awaited.is_some() {
                continue;
            }
            for arrival in arrivals.drain(..) {
                self.metrics.programmed(arrival.elapsed());
            }
            if store.zone().synced() && known != Known::Now {
                known = Known::Now;
                self.may_recall = false;
                self.tell_synced(&store, started.elapsed());
            }
            if let Some(memory) = &mut self.memory {
                tokio::task::block_in_place(|| memory.keeper.maybe_write(&store, Instant::now()));
            }
        }
        // The lease that the next instance finds is a whole one.
        if let Some(kernel) = &mut self.kernel {
            kernel.renew();
        }
        if let Some(memory) = self.memory.take() {
            memory.keeper.finish(&store).await;
        }
    }

    fn is_unsettled(&self) -> bool {
        self.kernel
            .as_ref()
            .is_some_and(|kernel| kernel.table.is_unsettled())
    }

    /// Gives the server the new zone, then the kernel: a new name is never answered there alone.
    ///
    /// As long as a part of the cluster is unknown, what was known before is better than that part.
    fn publish(&mut self, store: &mut Store, known: Known) {
        let is_synced = store.zone().synced();
        if known == Known::Earlier && !is_synced {
            return;
        }
        // A snapshot may come in between: what was touched before it must not be lost then.
        let replaces = known == Known::Earlier
            || self.may_recall
            || self
                .kernel
                .as_ref()
                .is_some_and(|kernel| kernel.inherited != Inherited::Nothing);
        if self.awaited.is_some() || replaces && !is_synced {
            // What was touched is needed as a whole then.
            self.serve(store.zone());
            return;
        }
        let touched = store.take_touched(now());
        let is_large = touched.names.len() + touched.addresses.len() >= MANY;
        let zone = store.zone();
        self.serve(zone);
        if let Some(kernel) = &mut self.kernel {
            if replaces {
                kernel.replace(&self.domains, zone, &touched);
            } else {
                kernel.publish(&self.domains, zone, &touched);
            }
            if is_synced {
                kernel.tell_filled();
            }
        }
        self.metrics.published(is_synced, store.services());
        self.readiness.set_synced(is_synced);
        if is_large {
            drop(touched);
            // It takes milliseconds, in which no event has to wait.
            drop(tokio::task::spawn_blocking(memory::give_back));
        }
    }

    /// Publishes what was known earlier. What an instance before has left in the kernel is not older than
    /// that, so it stays, unless it has expired.
    fn publish_earlier(&mut self, mut earlier: Store) {
        let touched = earlier.take_touched(now());
        let zone = earlier.zone();
        self.serve(zone);
        if let Some(kernel) = &mut self.kernel {
            // New maps beside those are filled, but do not take their place before all is known anew.
            if kernel.inherited != Inherited::Current {
                kernel.replace(&self.domains, zone, &touched);
            }
        }
        self.readiness.set_synced(true);
    }

    fn serve(&self, zone: &Zone) {
        let before = self.zone.swap(Arc::new(zone.clone()));
        if before.dns_addresses() != zone.dns_addresses()
            && let Some(own) = &self.own_addresses
        {
            own.tell(zone.dns_addresses());
        }
    }

    fn tell_synced(&self, store: &Store, after: Duration) {
        let kernel = self.kernel.as_ref();
        let names = kernel.map_or(0, |kernel| kernel.table.held().len());
        tracing::info!(services = store.services(), names, ?after, "synced");
        self.metrics.synced_after(after);
        if let Some(memory) = &self.memory {
            memory.forget();
        }
        let fixed = kernel.map(|kernel| &kernel.addresses.fixed);
        if fixed.is_some_and(Vec::is_empty) && store.zone().dns_addresses().is_empty() {
            tracing::warn!(
                "no Service in kube-system is labelled k8s-app=kube-dns, so no address is known at which \
                 clients reach DNS, and the kernel answers nothing; label the Service, or give --service-ip"
            );
        }
    }
}

/// Waits for the kernel's maps; for ever if they are there, or none are to come.
async fn come(
    awaited: &mut Option<oneshot::Receiver<KernelSide>>,
) -> Result<KernelSide, oneshot::error::RecvError> {
    match awaited {
        Some(side) => side.await,
        None => std::future::pending().await,
    }
}

impl OwnAddresses {
    /// Adds the addresses of the cluster's DNS Service, which lead to this server or to another one like it.
    pub fn tell(&self, dns: &[IpAddr]) {
        let dns = dns
            .iter()
            .map(|&address| SocketAddr::new(address, DNS_PORT));
        let own = self.listen.iter().copied().chain(dns);
        self.resolver.set_own_addresses(own.collect());
    }
}

/// Seconds since 1970, as serial numbers have them: they wrap (RFC 1982).
fn now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    u32::try_from(seconds % (1 << 32)).unwrap_or(0)
}
