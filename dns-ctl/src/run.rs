//! `dns-ctl run`: puts the parts together, and takes them apart when told to stop.

mod kernel;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch::channel as watch_channel},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    args::Mode,
    config::{Config, Source},
    control::{self, Control, OwnAddresses},
    kube::{ConfigMapSender, Wanted, client, manifests::Manifests, watch},
    metrics::{
        Metrics,
        http::{self, Pages, Readiness},
        liveness::Liveness,
        probe::ProbeMetrics,
    },
    probe::{self, state::Probes},
    serve::{
        authority::Authority,
        resolve::Resolver,
        server::{self, Server},
        service::Service,
        settings::{self, Given, Settings},
    },
    zone::{Zone, object::Arrived},
};
use kernel::KernelPart;

/// How long clients' last requests may take when this process stops.
const GRACE: Duration = Duration::from_secs(5);
/// Events that may wait for the task that owns the zone; a source that is faster waits.
const EVENT_QUEUE: usize = 4096;

/// Runs until SIGTERM or SIGINT, then leaves nothing attached.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let mut signals = Signals::open()?;
    raise_file_limit();
    let metrics = Arc::new(Metrics::new());
    let readiness = Arc::new(Readiness::default());
    let zone = Arc::new(ArcSwap::from_pointee(Zone::default()));
    let shutdown = CancellationToken::new();

    let (event_sender, events) = mpsc::channel(EVENT_QUEUE);
    // A kubeconfig may have a program run for its credentials, which may take its time.
    let (config_map_sender, config_map) = watch_channel(None);
    let source = tokio::select! {
        source = open_source(&config, event_sender, config_map_sender, &metrics) => source?,
        _ = signals.next() => return Ok(()),
    };
    let settings = (!config.listen.is_empty())
        .then(|| settings::watch::open(given(&config)))
        .transpose()?;
    let authority = Authority::new(&config.domains, config.ttl)?;
    let server = Server::bind(&config.listen)?;
    readiness.set_listening(true);
    let metrics_listener = match config.metrics_listen {
        Some(address) => Some(http::bind(address).await?),
        None => None,
    };
    let mut kernel = match &config.kernel {
        Some(kernel) => Some(KernelPart::start(kernel, &config, &metrics).await?),
        None => None,
    };

    for &address in server.addresses() {
        tracing::info!(%address, "serving DNS over UDP and TCP");
    }
    let routes = settings.as_ref().map(Settings::routes).unwrap_or_default();
    let resolver = Resolver::new(config.resolving.limits, routes, Arc::clone(&metrics));
    let own_addresses = OwnAddresses {
        resolver: Arc::clone(&resolver),
        listen: server.addresses().to_vec(),
    };
    own_addresses.tell(&[]);
    let service = Service {
        zone: Arc::clone(&zone),
        authority,
        resolver: Arc::clone(&resolver),
        metrics: Arc::clone(&metrics),
    };
    let mut parts = JoinSet::new();
    let liveness = Arc::new(Liveness::default());
    let probes = Arc::new(Probes::new(config.probes));
    let mut feeds = JoinSet::new();
    if let Some(&address) = server.addresses().first()
        && !probes.names().is_empty()
    {
        let results = ProbeMetrics::default();
        metrics.register(Box::new(results.clone()));
        feeds.spawn(probe::run(address, Arc::clone(&probes), results));
    }
    let pulse = liveness.part("server", server::PATIENCE);
    parts.spawn(server.run(Arc::new(service), pulse, shutdown.clone()));
    if let Some(listener) = metrics_listener {
        let pages = Pages {
            metrics: Arc::clone(&metrics),
            readiness: Arc::clone(&readiness),
            liveness: Arc::clone(&liveness),
            probes,
        };
        parts.spawn(serve_pages(listener, pages, shutdown.clone()));
    }
    let control = Control {
        zone,
        policy: config.policy,
        own_addresses: (config.mode == Mode::Serve).then_some(own_addresses),
        domains: config.domains,
        kernel: kernel.as_mut().and_then(|kernel| kernel.side.take()),
        pulse: liveness.part("control", control::PATIENCE),
        metrics,
        readiness,
    };
    feeds.spawn(source);
    feeds.spawn(control.run(events));
    if let Some(settings) = settings {
        let apply = move |routes| resolver.set_routes(routes);
        feeds.spawn(settings::watch::watch_settings(settings, config_map, apply));
    }

    if let Some(watch) = kernel.as_mut().and_then(|kernel| kernel.offload.take()) {
        // It may end by itself: without it checksums are settled packet by packet.
        tokio::spawn(watch.run());
    }

    let ended = tokio::select! {
        signal = signals.next() => {
            tracing::info!("{signal}: stopping");
            None
        }
        // None of them ends by itself: what is left of it would serve data that nobody renews.
        ended = parts.join_next() => ended,
        ended = feeds.join_next() => ended,
    };
    stop(kernel, feeds, parts, &shutdown).await;
    match ended {
        None => Ok(()),
        Some(Err(panic)) => Err(panic).context("a part of dns-ctl has failed"),
        Some(Ok(())) => anyhow::bail!("a part of dns-ctl has ended by itself"),
    }
}

/// What tells this process to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn open() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("can't wait for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("can't wait for SIGINT")?,
        })
    }

    /// Waits for either; its name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Takes everything apart, in the order in which nothing answers that nobody keeps.
async fn stop(
    mut kernel: Option<KernelPart>,
    mut feeds: JoinSet<()>,
    mut parts: JoinSet<()>,
    shutdown: &CancellationToken,
) {
    if let Some(kernel) = &mut kernel {
        kernel.attacher.detach_all().await;
    }
    feeds.shutdown().await;
    shutdown.cancel();
    let drained = tokio::time::timeout(GRACE, async { while parts.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!("some clients are cut off: they took more than {GRACE:?}");
    }
}

/// Serves metrics and health until `shutdown`.
async fn serve_pages(listener: TcpListener, pages: Pages, shutdown: CancellationToken) {
    if let Err(error) = http::serve(listener, pages, shutdown).await {
        tracing::error!("metrics are no longer served: {error}");
    }
}

/// Lets the process have as many open files as it may: each query that waits for an upstream holds a socket.
fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// The source's work, which sends events until their receiver is gone.
async fn open_source(
    config: &Config,
    events: mpsc::Sender<Arrived>,
    config_map: ConfigMapSender,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Pin<Box<dyn Future<Output = ()> + Send>>> {
    let metrics = Arc::clone(metrics);
    let wanted = Wanted {
        namespace_selector: config.selectors.namespaces.clone(),
        service_selector: config.selectors.services.clone(),
        config_map: config.resolving.config_map.clone(),
        ..Wanted::from(&config.policy)
    };
    Ok(match &config.source {
        Source::Manifests(path) => {
            let manifests = Manifests::open(path, wanted)?;
            for problem in manifests.problems() {
                tracing::error!("{problem}");
            }
            Box::pin(manifests.run(events, config_map, metrics))
        }
        Source::Api {
            kubeconfig,
            context,
        } => {
            let client = client::connect(kubeconfig.as_deref(), context.as_deref()).await?;
            Box::pin(watch::watch(client, wanted, events, config_map, metrics))
        }
    })
}

/// What the flags say of upstreams.
fn given(config: &Config) -> Given {
    let resolving = &config.resolving;
    Given {
        upstreams: resolving.upstreams.clone(),
        stubs: resolving.stubs.clone(),
        resolv_conf: resolving.resolv_conf.clone(),
        config_map: resolving.config_map.clone(),
        listen: config.listen.clone(),
    }
}
