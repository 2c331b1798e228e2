//! `dns-ctl run`: puts the parts together, and takes them apart when told to stop.

use std::{
    future::Future,
    net::{self, IpAddr},
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::Path,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use bytemuck::Zeroable as _;
use dns_common::{
    hash::HashKeys,
    headers::Dns,
    maps::{ABI_VERSION, Config as MapConfig, DEFAULT_MAX_NAMES},
};
use rand::TryRng as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    args::Mode,
    attach::{
        attacher::Attacher,
        kernel::{Kernel, OBJECT},
        links::Netlink,
        offload::OffloadWatch,
        pins::PinFolder,
        select::{is_named, select},
    },
    config::{Config, KernelConfig, Source},
    control::{Control, DNS_PORT, KernelSide, set_addresses},
    kube::{client, manifests::Manifests, watch},
    metrics::{
        Metrics,
        http::{self, Readiness},
        kernel::{Fill, KernelCollector},
    },
    serve::{
        answer::Authority,
        forward::Forwarder,
        server::Server,
        service::Service,
        upstream::{Upstream, check_not_own, upstreams},
    },
    table::{Table, writer::NameMap},
    zone::{Zone, object::Event},
};

/// Where the node's own name servers are told.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// How long clients' last requests may take when this process stops.
const GRACE: Duration = Duration::from_secs(5);
/// Events that may wait for the task that owns the zone; a source that is faster waits.
const EVENT_QUEUE: usize = 4096;

/// Runs until SIGTERM or SIGINT, then leaves nothing attached.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("can't wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("can't wait for SIGINT")?;
    let metrics = Arc::new(Metrics::new());
    let readiness = Arc::new(Readiness::default());
    let zone = Arc::new(ArcSwap::from_pointee(Zone::default()));
    let shutdown = CancellationToken::new();

    let (event_sender, events) = mpsc::channel(EVENT_QUEUE);
    // A kubeconfig may have a program run for its credentials, which may take its time.
    let source = tokio::select! {
        source = open_source(&config.source, event_sender, &metrics) => source?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let upstreams = find_upstreams(&config)?;
    let recursion = recursion_available(&config, &upstreams);
    let authority = Authority::new(&config.domains, config.ttl, recursion)?;
    let server = Server::bind(&config.listen)?;
    readiness.set_listening(true);
    let metrics_listener = match config.metrics_listen {
        Some(address) => Some(http::bind(address).await?),
        None => None,
    };
    let mut kernel = match &config.kernel {
        Some(kernel) => Some(KernelPart::start(kernel, &config, recursion, &metrics).await?),
        None => None,
    };

    for &address in server.addresses() {
        tracing::info!(%address, "serving DNS over UDP and TCP");
    }
    let service = Arc::new(Service {
        zone: Arc::clone(&zone),
        authority,
        forwarder: Forwarder::new(&upstreams, Arc::clone(&metrics)),
        metrics: Arc::clone(&metrics),
    });
    let mut parts = JoinSet::new();
    parts.spawn(server.run(service, shutdown.clone()));
    if let Some(listener) = metrics_listener {
        let (metrics, readiness) = (Arc::clone(&metrics), Arc::clone(&readiness));
        let until = shutdown.clone();
        parts.spawn(async move {
            if let Err(error) = http::serve(listener, metrics, readiness, until).await {
                tracing::error!("metrics are no longer served: {error}");
            }
        });
    }
    let control = Control {
        zone,
        domains: config.domains,
        ttl: config.ttl,
        kernel: kernel.as_mut().and_then(|kernel| kernel.side.take()),
        metrics,
        readiness,
    };
    let mut feeds = JoinSet::new();
    feeds.spawn(source);
    feeds.spawn(control.run(events));

    if let Some(watch) = kernel.as_mut().and_then(|kernel| kernel.offload.take()) {
        // It may end by itself: without it checksums are settled packet by packet.
        tokio::spawn(watch.run());
    }

    let result = tokio::select! {
        _ = terminate.recv() => {
            tracing::info!("SIGTERM: stopping");
            Ok(())
        }
        _ = interrupt.recv() => {
            tracing::info!("SIGINT: stopping");
            Ok(())
        }
        // None of them ends by itself: what is left of it would serve data that nobody renews.
        ended = parts.join_next() => Err(ended),
        ended = feeds.join_next() => Err(ended),
    };
    // First the kernel lets go, so that no query is answered from maps that nobody keeps.
    if let Some(kernel) = &mut kernel {
        kernel.attacher.detach_all().await;
    }
    feeds.shutdown().await;
    shutdown.cancel();
    let drained = tokio::time::timeout(GRACE, async { while parts.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!("some clients are cut off: they took more than {GRACE:?}");
    }
    match result {
        Err(Some(Err(panic))) => Err(panic).context("a part of dns-ctl has failed"),
        Err(_) => anyhow::bail!("a part of dns-ctl has ended by itself"),
        Ok(()) => Ok(()),
    }
}

/// The kernel programs of a running instance.
struct KernelPart {
    attacher: Attacher,
    /// What the task that owns the maps takes over.
    side: Option<KernelSide>,
    /// To be run as long as programs are attached.
    offload: Option<OffloadWatch>,
    _pins: PinFolder,
    _claim: UnixDatagram,
}

impl KernelPart {
    /// Loads the programs, fills in the configuration, and attaches to the interfaces.
    async fn start(
        kernel_config: &KernelConfig,
        config: &Config,
        recursion: bool,
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
        let mut kernel = Kernel::load(OBJECT, DEFAULT_MAX_NAMES)?;
        #[cfg(feature = "kernel-log")]
        kernel.show_log()?;
        for (name, map) in kernel.maps() {
            pins.pin(name, map)?;
        }
        let mut maps = kernel.take_maps()?;
        let keys = random_keys()?;
        set_addresses(&mut maps.services, &config.service_ips)?;
        let map_config = MapConfig {
            version: ABI_VERSION,
            ports: MapConfig::port_bit(DNS_PORT),
            offload: 0,
            recursion: if recursion { Dns::RA.into() } else { 0 },
            keys,
        };
        maps.configure(map_config)?;
        let fill = Arc::new(Fill::default());
        metrics.register(Box::new(KernelCollector {
            outcomes: maps.outcomes,
            fill: Arc::clone(&fill),
            capacity: DEFAULT_MAX_NAMES,
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
                names: NameMap::new(maps.names, keys),
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

/// The source's work, which sends events until their receiver is gone.
async fn open_source(
    source: &Source,
    events: mpsc::Sender<Event>,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Pin<Box<dyn Future<Output = ()> + Send>>> {
    let metrics = Arc::clone(metrics);
    Ok(match source {
        Source::Manifests(path) => {
            let manifests = Manifests::open(path)?;
            for problem in manifests.problems() {
                tracing::error!("{problem}");
            }
            Box::pin(manifests.run(events, metrics))
        }
        Source::Api {
            kubeconfig,
            context,
        } => {
            let client = client::connect(kubeconfig.as_deref(), context.as_deref()).await?;
            Box::pin(watch::watch(client, events, metrics))
        }
    })
}

/// The upstreams given, or else those of the node; none if there is no server to ask them.
fn find_upstreams(config: &Config) -> anyhow::Result<Vec<Upstream>> {
    if config.listen.is_empty() {
        return Ok(Vec::new());
    }
    let found = if config.upstreams.is_empty() {
        read_resolv_conf(Path::new(RESOLV_CONF), &config.listen)
    } else {
        config.upstreams.clone()
    };
    check_not_own(&found, &config.listen, is_local)?;
    if found.is_empty() {
        tracing::warn!(
            "no upstream is known: names outside the cluster domains get SERVFAIL; give --upstream"
        );
    }
    Ok(found)
}

/// The node's own name servers, without those that are this server itself.
fn read_resolv_conf(path: &Path, listen: &[net::SocketAddr]) -> Vec<Upstream> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            tracing::warn!("{} can't be read: {error}", path.display());
            return Vec::new();
        }
    };
    let conf = upstreams(&text);
    for ignored in conf.ignored {
        tracing::warn!("{}: {ignored}", path.display());
    }
    let mut found = conf.upstreams;
    found.retain(
        |upstream| match check_not_own(&[*upstream], listen, is_local) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!("{}: {error}", path.display());
                false
            }
        },
    );
    found
}

/// Whether an interface of this host has the address.
fn is_local(address: IpAddr) -> bool {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else {
        return false;
    };
    interfaces
        .filter_map(|interface| interface.address)
        .any(|own| match address {
            IpAddr::V4(address) => own.as_sockaddr_in().is_some_and(|own| own.ip() == address),
            IpAddr::V6(address) => own.as_sockaddr_in6().is_some_and(|own| own.ip() == address),
        })
}

/// Whether responses say that recursion is available: if this server has upstreams, or if there is no
/// server here and another DNS answers what the kernel does not.
fn recursion_available(config: &Config, upstreams: &[Upstream]) -> bool {
    !upstreams.is_empty() || (config.mode == Mode::Accelerate && config.listen.is_empty())
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
