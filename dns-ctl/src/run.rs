//! `dns-ctl run`: puts the parts together, and takes them apart when told to stop.

mod kernel;
mod running;

use std::{future::Future, net::SocketAddr, path::Path, pin::Pin, sync::Arc};

use arc_swap::ArcSwap;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch::channel as watch_channel},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    args::Mode,
    attach::removal,
    config::{Config, Source},
    control::{self, Control, OwnAddresses, kernel::KernelSide},
    instance::{Claim, ClaimError, report::Report},
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
        settings::{self, Settings},
    },
    snapshot::Memory,
    zone::{Zone, object::Arrived},
};
use kernel::KernelPart;
use running::{Running, Signals};

/// Events that may wait for the task that owns the zone; a source that is faster waits.
const EVENT_QUEUE: usize = 4096;

/// Runs until SIGTERM or SIGINT, or until another instance takes this one's place.
pub async fn run(mut config: Config) -> anyhow::Result<()> {
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
        .then(|| settings::watch::open(config.given()))
        .transpose()?;
    let memory = Memory::open(&config, &metrics)?;
    let authority = Authority::new(&config.domains, config.ttl)?;
    // Before the sockets: another instance has to make way for both.
    let claim = tokio::select! {
        claim = claim(&config, &metrics, &readiness) => claim?,
        _ = signals.next() => return Ok(()),
    };
    let server = Server::bind(&config.listen)?;
    readiness.set_listening(true);
    let metrics_listener = listen_for_metrics(&config).await?;
    let addresses = server.addresses().to_vec();
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
    let mut servers = JoinSet::new();
    let liveness = Arc::new(Liveness::default());
    let probes = Arc::new(Probes::new(std::mem::take(&mut config.probes)));
    let mut feeds = JoinSet::new();
    if let Some(&address) = server.addresses().first()
        && !probes.names().is_empty()
    {
        let results = ProbeMetrics::default();
        metrics.register(Box::new(results.clone()));
        feeds.spawn(probe::run(address, Arc::clone(&probes), results));
    }
    let pulse = liveness.part("server", server::PATIENCE);
    let grace = config.stopping.grace;
    servers.spawn(server.run(Arc::new(service), pulse, shutdown.clone(), grace));
    if let Some(listener) = metrics_listener {
        let pages = Pages {
            metrics: Arc::clone(&metrics),
            readiness: Arc::clone(&readiness),
            liveness: Arc::clone(&liveness),
            probes,
        };
        servers.spawn(serve_pages(listener, pages, shutdown.clone()));
    }
    let (side_sender, side) = oneshot::channel();
    let control = Control {
        zone,
        policy: config.policy.clone(),
        own_addresses: (config.mode == Mode::Serve).then_some(own_addresses),
        domains: config.domains.clone(),
        kernel: None,
        awaited: config.kernel.is_some().then_some(side),
        may_recall: memory.is_some(),
        memory,
        pulse: liveness.part("control", control::PATIENCE),
        metrics: Arc::clone(&metrics),
        readiness: Arc::clone(&readiness),
    };
    feeds.spawn(source);
    if let Some(settings) = settings {
        let apply = move |routes| resolver.set_routes(routes);
        feeds.spawn(settings::watch::watch_settings(settings, config_map, apply));
    }
    let control_stop = CancellationToken::new();
    let control = tokio::spawn(control.run(events, control_stop.clone()));
    // Last: the kernel looks at the programs for long, and what it is not to answer is answered meanwhile.
    let kernel = tokio::select! {
        kernel = start_kernel(&config, &addresses, &metrics, side_sender) => kernel?,
        _ = signals.next() => return Ok(()),
    };
    let mut running = Running {
        kernel,
        control,
        control_stop,
        servers,
        shutdown,
        feeds,
        readiness,
        stopping: config.stopping,
    };

    let end = running.until_end(&mut signals, claim.as_ref()).await;
    running.stop(end, &mut signals, claim.as_ref()).await
}

/// Starts the kernel part, if there is one, and sends its maps to the task that fills them.
async fn start_kernel(
    config: &Config,
    addresses: &[SocketAddr],
    metrics: &Metrics,
    side_sender: oneshot::Sender<KernelSide>,
) -> anyhow::Result<Option<KernelPart>> {
    let started = KernelPart::start(config, addresses, metrics).await?;
    for address in addresses {
        tracing::info!(%address, "serving DNS over UDP and TCP");
    }
    Ok(started.map(|(part, side)| {
        // If nobody takes it, that task has ended, which its owner sees.
        let _taken = side_sender.send(side);
        part
    }))
}

/// Claims the network namespace, if this instance is to have programs there.
async fn claim(
    config: &Config,
    metrics: &Arc<Metrics>,
    readiness: &Arc<Readiness>,
) -> anyhow::Result<Option<Claim>> {
    let Some(kernel) = &config.kernel else {
        clear(&config.bpffs).await;
        return Ok(None);
    };
    // Before the other one goes: this one has to be able to take its place.
    let takeover = kernel.takeover.then(|| KernelPart::check(kernel));
    let report = Some(Report::new(metrics, readiness));
    match Claim::take(&kernel.bpffs, report, takeover).await {
        Ok(claim) => Ok(Some(claim)),
        Err(error @ ClaimError::Held(_)) => {
            let advice = "stop it, take its place with --takeover, or use --hook off";
            anyhow::bail!("{error}; {advice}")
        }
        Err(error) => Err(error.into()),
    }
}

/// Takes off what an instance before has left in the kernel: nobody would keep it up to date.
async fn clear(bpffs: &Path) {
    if !bpffs.exists() {
        return;
    }
    match removal::remove(bpffs).await {
        Ok(removed) if removed.is_empty() => {}
        Ok(removed) => tracing::info!(
            things = removed.len(),
            "what a dns-ctl before has left in the kernel is removed"
        ),
        Err(error) => {
            tracing::warn!("what a dns-ctl has in the kernel here goes on answering: {error:#}");
        }
    }
}

/// Opens the listener for metrics and health, if they are asked for.
async fn listen_for_metrics(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    match config.metrics_listen {
        Some(address) => Ok(Some(http::bind(address).await?)),
        None => Ok(None),
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
