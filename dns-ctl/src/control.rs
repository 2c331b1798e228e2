//! The one task that owns the zone and the kernel's maps: takes events, publishes what they lead to.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use aya::maps::MapData;
use dns_common::{hash::HashKeys, maps::map_name};
use tokio::{sync::mpsc, time::timeout};

use crate::{
    attach::kernel::{KernelError, ServiceMap, access, service_key},
    metrics::{Metrics, http::Readiness, kernel::Fill, liveness::Pulse},
    serve::resolve::Resolver,
    table::{
        Table,
        render::Rendering,
        writer::{Denial, NameMap, change},
    },
    zone::{
        Policy, Touched, Zone,
        name::{Domain, text},
        object::Arrived,
        store::Store,
    },
};

/// How long this task may take over one batch of events before it counts as dead.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// How often it shows that it is alive.
const BEAT: Duration = Duration::from_secs(5);
/// Whether the processor loads words in the program's order, on which the epoch relies that goes with a denied
/// name (docs/datapath.md). BPF has no instruction for the others that older kernels know.
pub const LOADS_IN_ORDER: bool = cfg!(target_arch = "x86_64");
/// Names left out of the kernel's map that a log line shows.
const SHOWN: usize = 5;
/// Most events that are applied before their result is published.
const BATCH: usize = 4096;
/// The port of DNS (RFC 1035, section 4.2).
pub const DNS_PORT: u16 = 53;

/// The kernel's maps, as far as this task writes them.
pub struct KernelSide {
    /// The map of names.
    pub names: NameMap,
    /// The rows it holds.
    pub table: Table,
    /// Secret of the maps.
    pub keys: HashKeys,
    /// The map of service addresses.
    pub services: ServiceMap<MapData>,
    /// Names that the map has room for.
    pub max_names: u32,
    /// Whether the kernel may deny names and types.
    pub negative: bool,
    /// How full the map of names is, for the metrics.
    pub fill: Arc<Fill>,
    /// Addresses given by the operator; empty: those of the cluster's DNS Service.
    pub fixed_addresses: Vec<IpAddr>,
}

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
    /// The kernel's maps, unless nothing is answered in the kernel.
    pub kernel: Option<KernelSide>,
    /// Shows that the task is alive.
    pub pulse: Pulse,
    /// Where progress is counted.
    pub metrics: Arc<Metrics>,
    /// Where the first sync is told.
    pub readiness: Arc<Readiness>,
}

impl Control {
    /// Takes events until every source is gone.
    pub async fn run(mut self, mut events: mpsc::Receiver<Arrived>) {
        let started = Instant::now();
        let mut store = Store::new(self.policy.clone());
        let mut batch: Vec<Arrived> = Vec::new();
        let mut arrivals = Vec::new();
        let mut was_synced = false;
        loop {
            self.pulse.beat();
            match timeout(BEAT, events.recv_many(&mut batch, BATCH)).await {
                Ok(0) => return,
                // No news is no reason to seem dead; but what was refused may be possible now.
                Err(_) if !self.is_unsettled() => continue,
                Ok(_) | Err(_) => {}
            }
            for Arrived { event, at } in batch.drain(..) {
                arrivals.push(at);
                store.apply(event);
            }
            // Thousands of map updates would hold up the queries that this thread has to serve.
            tokio::task::block_in_place(|| self.publish(&mut store));
            for arrival in arrivals.drain(..) {
                self.metrics.programmed(arrival.elapsed());
            }
            if store.zone().synced() && !was_synced {
                was_synced = true;
                tracing::info!(
                    services = store.services(),
                    names = self.kernel.as_ref().map_or(0, |kernel| kernel.table.held().len()),
                    after = ?started.elapsed(),
                    "synced"
                );
                self.warn_without_addresses(store.zone());
            }
        }
    }

    fn is_unsettled(&self) -> bool {
        self.kernel
            .as_ref()
            .is_some_and(|kernel| kernel.table.is_unsettled())
    }

    /// Gives the server the new zone, then the kernel: a new name is never answered there alone.
    fn publish(&mut self, store: &mut Store) {
        let touched = store.take_touched(now());
        let zone = store.zone();
        let before = self.zone.swap(Arc::new(zone.clone()));
        if before.dns_addresses() != zone.dns_addresses()
            && let Some(own) = &self.own_addresses
        {
            own.tell(zone.dns_addresses());
        }
        if let Some(kernel) = &mut self.kernel {
            kernel.publish(&self.domains, zone, &touched);
        }
        self.metrics.published(zone.synced(), store.services());
        self.readiness.set_synced(zone.synced());
    }

    fn warn_without_addresses(&self, zone: &Zone) {
        let fixed = self.kernel.as_ref().map(|kernel| &kernel.fixed_addresses);
        if fixed.is_some_and(Vec::is_empty) && zone.dns_addresses().is_empty() {
            tracing::warn!(
                "no Service in kube-system is labelled k8s-app=kube-dns, so no address is known at which \
                 clients reach DNS, and the kernel answers nothing; label the Service, or give --service-ip"
            );
        }
    }
}

impl KernelSide {
    /// Brings the maps up to date with the zone.
    fn publish(&mut self, domains: &[Domain], zone: &Zone, touched: &Touched) {
        let rendering = Rendering {
            domains,
            negative: self.negative,
            keys: &self.keys,
        };
        let wanted = rendering.wanted(zone, touched);
        let left_out = self.table.left_out().len();
        let report = change(&mut self.table, &mut self.names, wanted);
        let denial = Denial {
            names: self.negative && zone.synced() && self.table.is_complete() && LOADS_IN_ORDER,
            types: self.negative && zone.synced(),
        };
        let published = self.names.publish(denial, zone.serial());
        if let Some(error) = report.error.or(published.err()) {
            tracing::error!("{error}; the userspace server answers instead");
        }
        self.tell_left_out(left_out);
        self.fill.set(
            self.table.held().len(),
            self.table.left_out().len(),
            denial.names,
        );
        if self.fixed_addresses.is_empty()
            && let Err(error) = set_addresses(&mut self.services, zone.dns_addresses())
        {
            tracing::error!("{error}");
        }
    }

    /// Says when the first name is left out, and when the last one has found a place.
    fn tell_left_out(&self, before: usize) {
        let left_out = self.table.left_out();
        let (names, held) = (left_out.len(), self.table.held().len());
        if before == 0 && names > 0 {
            let some: Vec<_> = left_out.take(SHOWN).map(text).collect();
            let advice = if held >= self.max_names as usize {
                "; give a larger --max-names"
            } else {
                ""
            };
            tracing::warn!(
                names,
                held,
                such_as = some.join(" "),
                "the kernel's map has no place for all names; the userspace server answers for the rest{advice}"
            );
        } else if before > 0 && names == 0 {
            tracing::info!(held, "all names have a place in the kernel's map again");
        }
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

/// Makes the map hold just these addresses, with the port of DNS.
pub fn set_addresses(
    services: &mut ServiceMap<MapData>,
    addresses: &[IpAddr],
) -> Result<(), KernelError> {
    let wanted: BTreeSet<[u32; 5]> = addresses
        .iter()
        .map(|&address| bytemuck::cast(service_key(address, DNS_PORT)))
        .collect();
    let held: BTreeSet<[u32; 5]> = services
        .keys()
        .collect::<Result<_, _>>()
        .map_err(access(map_name::SERVICES))?;
    // Removals first: an address that is no longer DNS must go, even if there is no room for a new one.
    for key in held.difference(&wanted) {
        services.remove(key).map_err(access(map_name::SERVICES))?;
    }
    for key in wanted.difference(&held) {
        services
            .insert(*key, 1, 0)
            .map_err(access(map_name::SERVICES))?;
    }
    Ok(())
}
