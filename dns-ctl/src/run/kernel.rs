//! The kernel part of a running instance: programs loaded, maps filled in, interfaces attached.

use std::{
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    sync::Arc,
};

use anyhow::Context as _;
use bytemuck::Zeroable as _;
use dns_common::{
    hash::HashKeys,
    headers::Dns,
    maps::{ABI_VERSION, Config as MapConfig},
    record::Templates,
    zones::ZoneError,
};
use rand::TryRng as _;

use crate::{
    attach::{
        attacher::Attacher,
        kernel::{Kernel, OBJECT, TC_PROGRAM, XDP_PROGRAM},
        links::Netlink,
        offload::OffloadWatch,
        pins::PinFolder,
        select::{is_named, select},
    },
    config::{Config, KernelConfig},
    control::{DNS_PORT, KernelSide, LOADS_IN_ORDER, set_addresses},
    metrics::{
        Metrics,
        kernel::{Fill, KernelCollector},
    },
    table::{self, Table, writer::NameMap},
    zone::PodNames,
};

/// Octets of an element of the map of names: the kernel's part, key and value, rounded up by its allocator.
const ELEMENT: u64 = 512;
/// Octets of a bucket of the map of names; there are as many as the next power of two of its room.
const BUCKET: u64 = 16;
const MIB: u64 = 1 << 20;

/// The kernel programs of a running instance.
pub(super) struct KernelPart {
    pub(super) attacher: Attacher,
    /// What the task that owns the maps takes over.
    pub(super) side: Option<KernelSide>,
    /// To be run as long as programs are attached.
    pub(super) offload: Option<OffloadWatch>,
    _pins: PinFolder,
    _claim: UnixDatagram,
}

impl KernelPart {
    /// Loads the programs, fills in the configuration, and attaches to the interfaces.
    pub(super) async fn start(
        kernel_config: &KernelConfig,
        config: &Config,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        let netlink = Netlink::open()?;
        let links = netlink.links().await?;
        let chosen = select(&links, &kernel_config.interfaces)?;
        if chosen.is_empty() {
            warn_without_interfaces(kernel_config);
        }
        let claim = claim_namespace()?;
        let mut pins = PinFolder::claim(&kernel_config.bpffs)?;
        let mut kernel = Kernel::load(OBJECT, kernel_config.max_names)?;
        tell_memory(kernel_config.max_names);
        if kernel_config.negative && !LOADS_IN_ORDER {
            tracing::info!("on this processor the kernel denies no names; the server does");
        }
        #[cfg(feature = "kernel-log")]
        kernel.show_log()?;
        for (name, map) in kernel.maps() {
            pins.pin(name, map)?;
        }
        let xdp = kernel.xdp()?;
        pins.pin_with(XDP_PROGRAM, |path| xdp.pin(path))?;
        let tc = kernel.tc()?;
        pins.pin_with(TC_PROGRAM, |path| tc.pin(path))?;
        let mut maps = kernel.take_maps()?;
        let keys = random_keys()?;
        set_addresses(&mut maps.services, &config.service_ips)?;
        let map_config = MapConfig {
            version: ABI_VERSION,
            ports: MapConfig::port_bit(DNS_PORT),
            offload: 0,
            // As the server has it, or the cluster's DNS behind.
            recursion: Dns::RA.into(),
            negative: kernel_config.negative.into(),
            templates: Templates::new(config.ttl),
            keys,
        };
        let by_rule = config.policy.pods == PodNames::Insecure;
        let zones = table::zones(&config.domains, by_rule).map_err(|ZoneError| {
            anyhow::anyhow!("the kernel programs have no place for the cluster domains")
        })?;
        maps.configure(map_config, &zones)?;
        let fill = Arc::new(Fill::default());
        metrics.register(Box::new(KernelCollector {
            outcomes: maps.outcomes,
            fill: Arc::clone(&fill),
            capacity: kernel_config.max_names,
        }));
        let mut attacher = Attacher::new(netlink, kernel, maps.attached);
        for link in chosen {
            match attacher.attach(kernel_config.hook, link).await {
                Ok(rung) => tracing::info!(interface = link.name, hook = %rung, "attached"),
                // One of many that a pattern matches is left alone; the others are served.
                Err(error) if !is_named(link, &kernel_config.interfaces) => {
                    tracing::warn!("{error}; its queries are not answered in the kernel");
                }
                Err(error) => {
                    attacher.detach_all().await;
                    return Err(error.into());
                }
            }
        }
        let offload = match OffloadWatch::open(attacher.tc_links(), maps.config, map_config) {
            Ok(mut watch) => {
                watch.look().await;
                Some(watch)
            }
            Err(error) => {
                tracing::warn!("checksums are settled packet by packet: {error:#}");
                None
            }
        };
        Ok(Self {
            attacher,
            offload,
            side: Some(KernelSide {
                names: NameMap::new(maps.names, maps.state, keys),
                max_names: kernel_config.max_names,
                negative: kernel_config.negative,
                table: Table::default(),
                keys,
                services: maps.services,
                fill,
                fixed_addresses: config.service_ips.clone(),
            }),
            _pins: pins,
            _claim: claim,
        })
    }
}

/// Says what the map of names takes: the kernel allots its elements as they come.
fn tell_memory(max_names: u32) {
    let now = u64::from(max_names).next_power_of_two() * BUCKET;
    let most = now + u64::from(max_names) * ELEMENT;
    tracing::info!(
        max_names,
        "the kernel has room for {max_names} names, which takes {} MiB now, and {} MiB once it is full",
        now.div_ceil(MIB),
        most.div_ceil(MIB)
    );
}

fn warn_without_interfaces(kernel: &KernelConfig) {
    if kernel.interfaces.is_empty() {
        tracing::warn!("no --interface is given, so the kernel answers nothing");
    } else {
        let patterns: Vec<_> = kernel.interfaces.iter().map(ToString::to_string).collect();
        tracing::warn!(
            "no interface matches {}, so the kernel answers nothing",
            patterns.join(" or ")
        );
    }
}

/// Makes this the one instance that has programs on interfaces of this network namespace: two would take
/// each other's for left behind. The kernel lets go of the claim when the process ends, however it does.
fn claim_namespace() -> anyhow::Result<UnixDatagram> {
    let name = SocketAddr::from_abstract_name(b"kxdns")?;
    UnixDatagram::bind_addr(&name).context(
        "another dns-ctl has programs on interfaces of this network namespace; stop it first, or use --hook off",
    )
}

/// Keys that no tenant knows: names that collide under them can't be chosen.
fn random_keys() -> anyhow::Result<HashKeys> {
    let mut keys = HashKeys::zeroed();
    rand::rngs::SysRng
        .try_fill_bytes(bytemuck::bytes_of_mut(&mut keys))
        .context("the system gives no random numbers")?;
    Ok(keys)
}
