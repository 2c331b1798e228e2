//! The kernel's maps, as far as the task that owns the zone writes them.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use aya::maps::MapData;
use dns_common::{hash::HashKeys, maps::map_name};
use nix::{
    errno::Errno,
    time::{ClockId, clock_gettime},
};
use tokio::sync::oneshot;

use crate::{
    attach::{
        clock::Clock,
        kernel::KernelError,
        maps::{ServiceMap, SharedConfig, access, service_key},
    },
    metrics::kernel::Fill,
    table::{
        Table,
        addresses::{ports_mask, wanted_services},
        render::{Rendering, Wanted},
        writer::{Denial, Lease, NameMap, Report, change, reconcile},
    },
    zone::{
        Touched, Zone,
        name::{Domain, text},
    },
};

/// Whether the processor loads words in the program's order, on which the epoch relies that goes with a denied
/// name (docs/datapath.md). BPF has no instruction for the others that older kernels know.
pub const LOADS_IN_ORDER: bool = cfg!(target_arch = "x86_64");
/// Names left out of the kernel's map that a log line shows.
const SHOWN: usize = 5;
/// How old a lease is at least before another is granted, unless much has changed.
const RENEWAL: Duration = Duration::from_secs(1);
/// How long the kernel denies names without this task: an ordinary restart takes seconds, and a name that is made
/// while there is no `dns-ctl` must not be denied for the whole lease. An address that is no longer right is old; a
/// denial that is no longer right keeps what is new from working at all.
const DENIALS: Duration = Duration::from_mins(1);

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
    /// The configuration; this task writes the ports.
    pub config: SharedConfig,
    /// Names that the map has room for.
    pub max_names: u32,
    /// Whether the kernel may deny names and types.
    pub negative: bool,
    /// How long the kernel answers after this task has last shown that it is alive.
    pub lease: Duration,
    /// The clock by which it ends.
    pub clock: Clock,
    /// When it was renewed last.
    pub renewed: Option<Instant>,
    /// What the maps hold, for the metrics.
    pub fill: Arc<Fill>,
    /// The addresses that are answered for.
    pub addresses: Addresses,
    /// Addresses that there was no room for.
    pub left_out_addresses: usize,
    /// What the maps hold that this process has not written.
    pub inherited: Inherited,
    /// Told once the maps hold all names.
    pub filled: Option<oneshot::Sender<()>>,
}

/// The addresses that are answered for, as the operator wants them.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// Given ones; empty: those of the cluster's DNS Service.
    pub fixed: Vec<IpAddr>,
    /// Where the server listens.
    pub listen: Vec<SocketAddr>,
    /// Whether the endpoints of the DNS Service are among them.
    pub endpoints: bool,
}

/// What the maps hold that an instance before has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inherited {
    /// Nothing, or nothing any more.
    Nothing,
    /// What holds, as far as was known before: it answers until all is known anew.
    Current,
    /// What nobody has kept for longer than the lease: it does not answer.
    Expired,
}

impl KernelSide {
    /// Renews the lease, unless that was done a moment ago: batches of events can follow close upon each other.
    pub fn renew_in_time(&mut self) {
        if self.renewed.is_none_or(|last| last.elapsed() >= RENEWAL) {
            self.renew();
        }
    }

    /// Has the kernel go on answering for the length of the lease; without it, it passes every query on in
    /// the end.
    ///
    /// What has expired is not taken up again before the cluster is known.
    pub fn renew(&mut self) {
        if self.inherited == Inherited::Expired {
            return;
        }
        match self.grant() {
            Ok(()) => self.renewed = Some(Instant::now()),
            Err(error) => {
                tracing::error!("{error:#}; the kernel stops answering when its lease ends");
            }
        }
    }

    fn grant(&mut self) -> anyhow::Result<()> {
        let until = monotonic().context("the system tells no time")? + self.lease;
        let now = self.clock.ticks()?;
        let after = |length| now.saturating_add(self.clock.ticks_per(length));
        let lease = Lease {
            ticks: after(self.lease),
            until: u64::try_from(until.as_nanos()).unwrap_or(u64::MAX),
            denials: match self.inherited {
                // Nobody knows what has been made since the instance before.
                Inherited::Current => self.names.state().denials,
                _ => after(self.lease.min(DENIALS)),
            },
        };
        self.names.renew(lease)?;
        self.fill.set_lease(&self.names.state());
        Ok(())
    }

    /// Brings the maps up to date with the zone.
    pub fn publish(&mut self, domains: &[Domain], zone: &Zone, touched: &Touched) {
        let left_out = self.table.left_out().len();
        let wanted = self.wanted(domains, zone, touched);
        let report = change(&mut self.table, &mut self.names, wanted);
        self.settle(zone, &report, left_out);
    }

    /// Makes the maps hold what the zone has and nothing else, whoever has filled them; `touched` is all of it.
    pub fn replace(&mut self, domains: &[Domain], zone: &Zone, touched: &Touched) {
        let wanted = self.wanted(domains, zone, touched);
        let report = reconcile(&mut self.table, &mut self.names, wanted);
        tracing::debug!(changes = report.done, "the maps are as they should be");
        self.settle(zone, &report, 0);
        self.inherited = Inherited::Nothing;
        self.renew();
    }

    /// Tells those who wait for it that the maps hold all names.
    pub fn tell_filled(&mut self) {
        if let Some(filled) = self.filled.take() {
            // The programs that are put in place then go by this lease.
            self.renew_in_time();
            // Nobody waits while this process stops.
            let _told = filled.send(());
        }
    }

    fn wanted(&self, domains: &[Domain], zone: &Zone, touched: &Touched) -> Vec<Wanted> {
        let rendering = Rendering {
            domains,
            negative: self.negative,
            keys: &self.keys,
        };
        rendering.wanted(zone, touched).collect()
    }

    /// States what may be denied, and what is answered for.
    fn settle(&mut self, zone: &Zone, report: &Report, left_out: usize) {
        let denial = Denial {
            names: self.negative && zone.synced() && self.table.is_complete() && LOADS_IN_ORDER,
            types: self.negative && zone.synced(),
        };
        let published = self.names.publish(denial, zone.serial());
        if let Some(error) = report.error.as_ref().or(published.as_ref().err()) {
            tracing::error!("{error}; the userspace server answers instead");
        }
        self.tell_left_out(left_out);
        self.fill.set(
            self.table.held().len(),
            self.table.left_out().len(),
            denial.names,
        );
        if let Err(error) = self.set_addresses(zone) {
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

    /// Has the kernel answer what is sent to these addresses, and nothing else.
    fn set_addresses(&mut self, zone: &Zone) -> Result<(), KernelError> {
        let Addresses {
            fixed,
            listen,
            endpoints,
        } = &self.addresses;
        let wanted = wanted_services(fixed, zone, listen, *endpoints);
        if wanted.left_out > 0 && self.left_out_addresses == 0 {
            tracing::warn!(
                addresses = wanted.left_out,
                "the kernel has no room for all addresses of DNS endpoints; what is sent to the others is passed on"
            );
        }
        self.left_out_addresses = wanted.left_out;
        let sockets = wanted.sockets.len();
        let keys: BTreeSet<[u32; 5]> = wanted
            .sockets
            .iter()
            .map(|socket| bytemuck::cast(service_key(socket.ip(), socket.port())))
            .collect();
        let held: BTreeSet<[u32; 5]> = self
            .services
            .keys()
            .collect::<Result<_, _>>()
            .map_err(access(map_name::SERVICES))?;
        // This first: what is no longer wanted must go, even if a removal fails.
        let ports = ports_mask(&wanted.sockets);
        let key = |socket: SocketAddrV4| service_key((*socket.ip()).into(), socket.port()).usual();
        let usual = wanted.usual.and_then(key).unwrap_or(0);
        self.config
            .change(|config| (config.ports, config.usual) = (ports, usual))?;
        // Then removals: an address that is no longer DNS must go, even if there is no room for a new one.
        for key in held.difference(&keys) {
            let removed = self.services.remove(key);
            removed.map_err(access(map_name::SERVICES))?;
        }
        for key in keys.difference(&held) {
            let added = self.services.insert(*key, 1, 0);
            added.map_err(access(map_name::SERVICES))?;
        }
        self.fill.set_addresses(sockets, wanted.left_out);
        Ok(())
    }
}

/// How much time is left until this moment, in nanoseconds of the monotonic clock.
pub fn left_until(moment: u64) -> Result<Duration, Errno> {
    Ok(Duration::from_nanos(moment).saturating_sub(monotonic()?))
}

/// Time since the machine started, without what it was suspended.
pub fn monotonic() -> Result<Duration, Errno> {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from)
}
