//! The kernel part of a running instance: programs loaded, maps taken over or made, interfaces attached.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use aya::maps::MapData;
use bytemuck::Zeroable as _;
use dns_common::{
    hash::HashKeys,
    headers::Dns,
    limit::Limit,
    maps::{ABI_VERSION, Config as MapConfig, MAX_BUCKETS},
    record::Templates,
    zones::{ZoneError, Zones},
};
use rand::TryRng as _;
use tokio::{
    sync::oneshot,
    task::{JoinError, JoinHandle},
};
use tokio_util::sync::CancellationToken;

use crate::{
    args::OnExit,
    attach::{
        attacher::{Attacher, Wish},
        clock::Clock,
        counters::Outcomes,
        folder::{PinFolder, check_bpffs},
        interfaces::Interfaces,
        kernel::{Kernel, OBJECT, Room, TC_PROGRAM, XDP_PROGRAM},
        layout::Start,
        links::Netlink,
        maps::{self, KernelMaps, NamesMap, SharedConfig, StateMap, ZonesMap, set_zones},
        offload::Offload,
        watch::LinkWatch,
    },
    config::{Config, KernelConfig},
    control::kernel::{Addresses, Inherited, KernelSide, LOADS_IN_ORDER, monotonic},
    metrics::{
        Metrics,
        interfaces::InterfaceMetrics,
        kernel::{Fill, KernelCollector},
    },
    snapshot::{Scope, Surroundings},
    table::{
        self, Table,
        writer::{Denial, Lease, NameMap},
    },
    zone::{DNS_PORT, PodNames},
};

/// Octets of an element of the map of names: the kernel's part, key and value, rounded up by its allocator.
const ELEMENT: u64 = 512;
/// Octets of a bucket of the map of names; there are as many as the next power of two of its room.
const BUCKET: u64 = 16;
const MIB: u64 = 1 << 20;

/// The kernel programs of a running instance.
pub(super) struct KernelPart {
    task: JoinHandle<Interfaces>,
    stop: CancellationToken,
    on_exit: OnExit,
}

impl KernelPart {
    /// Checks what can be checked of a start without leaving anything behind or in the way.
    pub(super) async fn check(kernel_config: &KernelConfig) -> anyhow::Result<()> {
        check_bpffs(&kernel_config.bpffs)?;
        let links = Netlink::open()?.links().await?;
        kernel_config.interfaces.among(&links)?;
        drop(Kernel::load(OBJECT, 1)?);
        Ok(())
    }

    /// Loads the programs, fills in the configuration, attaches to the interfaces, and goes on doing that;
    /// nothing if the kernel is to answer nothing.
    ///
    /// What an instance before has left answers all the time. If this fails, all is as it was.
    pub(super) async fn start(
        config: &Config,
        listen: &[SocketAddr],
        metrics: &Metrics,
    ) -> anyhow::Result<Option<(Self, KernelSide)>> {
        let Some(kernel_config) = &config.kernel else {
            return Ok(None);
        };
        let watch = LinkWatch::open()?;
        let netlink = Netlink::open()?;
        // Before anything is made.
        kernel_config.interfaces.among(&netlink.links().await?)?;
        let max_names = kernel_config.max_names;
        let folder = PinFolder::claim(&kernel_config.bpffs, |folder| maps::fit(folder, max_names))?;
        let (kernel, maps) = load(&folder, kernel_config)?;
        let clock = Clock::load(OBJECT)?;
        tell_start(&folder, kernel_config);
        let shared = SharedConfig::read(maps.config)?;
        let interface_metrics = InterfaceMetrics::default();
        metrics.register(Box::new(interface_metrics.clone()));

        let wish = Wish {
            hook: kernel_config.hook,
            order: kernel_config.tcx_order,
        };
        let attacher = Attacher::open(
            netlink.clone(),
            kernel,
            maps.attached,
            folder.links(),
            wish,
            folder.start() == Start::Beside,
        )?;
        let offload = Offload::open(shared.clone())?;
        let start = folder.start();
        let interfaces = Interfaces::new(
            netlink,
            watch,
            kernel_config.interfaces.clone(),
            attacher,
            offload,
            folder,
            interface_metrics,
        );
        let interfaces = interfaces.start().await?;
        // Only now: what an instance before has left is as it was if this one does not get so far.
        let limit = kernel_config
            .rate
            .map_or_else(Limit::default, |rate| rate.by(clock.ticks_per_second()));
        let maps_to_fill = (maps.names, maps.state, maps.zones);
        let (names, inherited) =
            take_over(start, config, kernel_config, limit, &shared, maps_to_fill)?;
        let fill = Arc::new(Fill::default());
        fill.inherit(names.count()?, &names.state());
        let outcomes = maps.outcomes;
        metrics.register(Box::new(KernelCollector {
            outcomes: Box::new(move || Outcomes::read(&outcomes)),
            fill: Arc::clone(&fill),
            capacity: max_names,
            lease: kernel_config.lease,
        }));
        let (filled_sender, filled) = oneshot::channel();
        let stop = CancellationToken::new();
        let part = Self {
            task: tokio::spawn(interfaces.run(filled, stop.clone())),
            stop,
            on_exit: kernel_config.on_exit,
        };
        let side = KernelSide {
            table: Table::default(),
            keys: shared.get().keys,
            names,
            services: maps.services,
            config: shared,
            max_names,
            negative: kernel_config.negative,
            lease: kernel_config.lease,
            clock,
            renewed: None,
            fill,
            addresses: Addresses {
                fixed: config.service_ips.clone(),
                listen: listen.to_vec(),
                endpoints: kernel_config.answer_endpoints,
            },
            left_out_addresses: 0,
            inherited,
            filled: Some(filled_sender),
        };
        Ok(Some((part, side)))
    }

    /// Waits until the task that looks after the interfaces ends, which it does only by a fault.
    pub(super) async fn ended(&mut self) -> Result<(), JoinError> {
        (&mut self.task).await.map(drop)
    }

    /// Looks after the interfaces no longer, and takes the programs off if they are not to stay: for another
    /// instance that takes over they do.
    pub(super) async fn stop(self, is_taken_over: bool) -> anyhow::Result<()> {
        // An end that has been seen before can't be waited for again; one on the word to stop comes at any time.
        anyhow::ensure!(
            !self.task.is_finished(),
            "nobody looks after the interfaces"
        );
        self.stop.cancel();
        let interfaces = self
            .task
            .await
            .context("nobody looks after the interfaces")?;
        match self.on_exit {
            OnExit::Remove if !is_taken_over => interfaces.remove().await,
            OnExit::Keep | OnExit::Remove => Ok(()),
        }
    }
}

/// Loads the programs with the maps of the folder, and pins them there.
fn load(folder: &PinFolder, config: &KernelConfig) -> anyhow::Result<(Kernel, KernelMaps)> {
    let room = Room {
        names: config.max_names,
        clients: config.rate.map_or(1, |_| MAX_BUCKETS),
    };
    let mut kernel = Kernel::load_pinned(OBJECT, room, &folder.maps())?;
    #[cfg(feature = "kernel-log")]
    kernel.show_log()?;
    let xdp = kernel.xdp()?;
    folder.pin_program(XDP_PROGRAM, |path| xdp.pin(path))?;
    let tc = kernel.tc()?;
    folder.pin_program(TC_PROGRAM, |path| tc.pin(path))?;
    let maps = kernel.take_maps()?;
    Ok((kernel, maps))
}

/// Writes the zones and the configuration, and says what the maps hold already.
///
/// If either is another than the maps were filled for, nothing is denied until they are filled anew.
fn take_over(
    start: Start,
    config: &Config,
    kernel_config: &KernelConfig,
    limit: Limit,
    shared: &SharedConfig,
    (names, state, mut zones_map): (NamesMap<MapData>, StateMap<MapData>, ZonesMap<MapData>),
) -> anyhow::Result<(NameMap, Inherited)> {
    let inherits = matches!(start, Start::Adopt | Start::AdoptNext);
    let held = if inherits {
        shared.get()
    } else {
        MapConfig {
            ports: MapConfig::port_bit(DNS_PORT),
            keys: random_keys()?,
            ..MapConfig::zeroed()
        }
    };
    let now = u64::try_from(monotonic()?.as_nanos()).unwrap_or(u64::MAX);
    let mut names = NameMap::open(names, state, held.keys, now)?;
    // Maps that were made, but never filled, hold nothing that could be newer than a snapshot.
    let holds = inherits && !names.is_empty()?;
    let scope = Scope::of(config, &Surroundings::read()).digest(&config.domains);
    let inherited = match (holds, now < names.state().until) {
        (false, _) => Inherited::Nothing,
        (true, true) if held.scope == scope => Inherited::Current,
        (true, false) => Inherited::Expired,
        (true, true) => {
            // Of another cluster, or of another choice of names, for all that is known.
            names.renew(Lease::OVER)?;
            Inherited::Expired
        }
    };
    let negative = kernel_config.negative.into();
    let zones = zones(config)?;
    if held.negative != negative || maps::zones(&zones_map)? != zones {
        let serial = names.state().serial;
        names.publish(Denial::default(), u32::try_from(serial).unwrap_or(0))?;
        set_zones(&mut zones_map, &zones)?;
    }
    shared.change(|config_in_use| {
        *config_in_use = MapConfig {
            version: ABI_VERSION,
            // As the server has it, or the cluster's DNS behind.
            recursion: Dns::RA.into(),
            negative,
            limit,
            templates: Templates::new(config.ttl),
            scope,
            // What is known of the interfaces by now.
            offload: config_in_use.offload,
            ..held
        };
    })?;
    Ok((names, inherited))
}

/// The zones in which names are denied.
fn zones(config: &Config) -> anyhow::Result<Zones> {
    let by_rule = config.policy.pods == PodNames::Insecure;
    table::zones(&config.domains, by_rule).map_err(|ZoneError| {
        anyhow::anyhow!("the kernel programs have no place for the cluster domains")
    })
}

/// Says with which maps this starts, and what they take.
fn tell_start(folder: &PinFolder, config: &KernelConfig) {
    let path = config.bpffs.display();
    match folder.start() {
        Start::Fresh => tracing::info!(%path, "new maps"),
        Start::Adopt | Start::AdoptNext => {
            tracing::info!(%path, "the maps of the dns-ctl before go on answering");
        }
        Start::Beside => tracing::info!(
            %path,
            "the maps of the dns-ctl before do not fit; they go on answering until new ones are filled"
        ),
    }
    let names = u64::from(config.max_names);
    let now = names.next_power_of_two() * BUCKET;
    let most = now + names * ELEMENT;
    tracing::info!(
        max_names = names,
        "the kernel has room for {names} names, which takes {} MiB, and {} MiB once it is full",
        now.div_ceil(MIB),
        most.div_ceil(MIB)
    );
    if config.negative && !LOADS_IN_ORDER {
        tracing::info!("on this processor the kernel denies no names; the server does");
    }
}

/// Keys that no tenant knows: names that collide under them can't be chosen.
fn random_keys() -> anyhow::Result<HashKeys> {
    let mut keys = HashKeys::zeroed();
    rand::rngs::SysRng
        .try_fill_bytes(bytemuck::bytes_of_mut(&mut keys))
        .context("the system gives no random numbers")?;
    Ok(keys)
}
