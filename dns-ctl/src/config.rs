//! What `run` does, made from its flags: defaults filled in, contradictions refused.

mod error;

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use dns_common::{
    limit::{Limit, Over},
    maps::MAX_SERVICES,
    zones::MAX_ZONES,
};

pub use error::ConfigError;

use crate::{
    args::{Endpoints, KernelNegative, Mode, OnExit, Pods, RateOver, RunArgs, TcxOrder},
    attach::{rung::HookChoice, select::Selection},
    kube::selector::LabelSelector,
    serve::{
        resolve::Limits,
        settings::Given,
        upstream::{StubDomain, Upstream},
    },
    zone::{EndpointNames, PodNames, Policy, name::Domain, object::ObjectKey},
};

/// Where objects come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A manifest, or a folder of them.
    Manifests(PathBuf),
    /// An API server.
    Api {
        /// The file that names it, if not the usual places.
        kubeconfig: Option<PathBuf>,
        /// The context in that file.
        context: Option<String>,
    },
}

/// What `run` does.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where objects come from.
    pub source: Source,
    /// Which Namespaces and Services are asked for.
    pub selectors: Selectors,
    /// Where what is known of the cluster is kept, if anywhere.
    pub state_dir: Option<PathBuf>,
    /// Which names the zone has.
    pub policy: Policy,
    /// The cluster domains, each once.
    pub domains: Vec<Domain>,
    /// Addresses at which clients reach DNS; empty: those of the cluster's DNS Service.
    pub service_ips: Vec<IpAddr>,
    /// Where to attach; `None`: no kernel programs at all.
    pub kernel: Option<KernelConfig>,
    /// Where maps are pinned, or were by an instance before.
    pub bpffs: PathBuf,
    /// Addresses of the userspace server.
    pub listen: Vec<SocketAddr>,
    /// How names outside the cluster domains are resolved.
    pub resolving: Resolving,
    /// Names that the server resolves now and then to see that it does.
    pub probes: Vec<Domain>,
    /// TTL of the cluster's records in seconds.
    pub ttl: u32,
    /// Address of metrics and health.
    pub metrics_listen: Option<SocketAddr>,
    /// Whether this is the cluster's DNS.
    pub mode: Mode,
    /// How long to go on after being told to stop.
    pub stopping: Stopping,
}

/// How long this process goes on after being told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopping {
    /// Serving as before, but not ready.
    pub lameduck: Duration,
    /// Then, with queries that are under way.
    pub grace: Duration,
}

/// The labels that objects have to have.
#[derive(Clone, Debug, Default)]
pub struct Selectors {
    /// Of Namespaces.
    pub namespaces: Option<LabelSelector>,
    /// Of Services.
    pub services: Option<LabelSelector>,
}

/// How names outside the cluster domains are resolved.
#[derive(Clone, Debug)]
pub struct Resolving {
    /// Upstreams given; empty: those of `resolv_conf`.
    pub upstreams: Vec<Upstream>,
    /// Stub domains given, each domain once.
    pub stubs: Vec<StubDomain>,
    /// The file that names the node's own upstreams.
    pub resolv_conf: PathBuf,
    /// The `ConfigMap` that may state upstreams and stub domains, too.
    pub config_map: Option<ObjectKey>,
    /// What the resolver may use.
    pub limits: Limits,
}

/// What the kernel programs are attached to.
#[derive(Clone, Debug)]
pub struct KernelConfig {
    /// Where on an interface.
    pub hook: HookChoice,
    /// Which interfaces.
    pub interfaces: Selection,
    /// Where among the tcx programs of an interface.
    pub tcx_order: TcxOrder,
    /// How long the kernel answers without a dns-ctl that runs.
    pub lease: Duration,
    /// What becomes of programs and maps at the end.
    pub on_exit: OnExit,
    /// Whether to take the place of another dns-ctl.
    pub takeover: bool,
    /// Whether the endpoints of the DNS Service are answered for.
    pub answer_endpoints: bool,
    /// Where the maps are pinned.
    pub bpffs: PathBuf,
    /// Names that there is room for.
    pub max_names: u32,
    /// Whether names and records may be denied in the kernel.
    pub negative: bool,
    /// How often one client may ask, if there is a limit.
    pub rate: Option<Rate>,
}

/// How often one client may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Queries a second.
    pub limit: u32,
    /// Queries at once.
    pub burst: u32,
    /// What becomes of the others.
    pub over: RateOver,
}

impl Rate {
    /// The limit as the kernel has it, by a clock of so many ticks a second.
    #[must_use]
    pub fn by(&self, ticks: u64) -> Limit {
        let over = match self.over {
            RateOver::Pass => Over::Pass,
            RateOver::Drop => Over::Drop,
            RateOver::Truncate => Over::Truncate,
        };
        Limit::new(self.limit, self.burst, over, ticks)
    }
}

impl Config {
    /// What the flags say of upstreams.
    #[must_use]
    pub fn given(&self) -> Given {
        let resolving = &self.resolving;
        Given {
            upstreams: resolving.upstreams.clone(),
            stubs: resolving.stubs.clone(),
            resolv_conf: resolving.resolv_conf.clone(),
            config_map: resolving.config_map.clone(),
            listen: self.listen.clone(),
        }
    }
}

impl TryFrom<RunArgs> for Config {
    type Error = ConfigError;

    fn try_from(mut args: RunArgs) -> Result<Self, ConfigError> {
        let (policy, limits) = (policy(&args), limits(&args));
        let stopping = stopping(&args);
        let mut domains: Vec<Domain> = Vec::with_capacity(args.cluster_domain.len());
        for domain in std::mem::take(&mut args.cluster_domain) {
            for other in &domains {
                let (inner, outer) = if other.contains(&domain) {
                    (domain, other.clone())
                } else if domain.contains(other) {
                    (other.clone(), domain)
                } else {
                    continue;
                };
                return Err(ConfigError::DomainInDomain { inner, outer });
            }
            domains.push(domain);
        }
        if args.service_ip.len() > MAX_SERVICES as usize {
            return Err(ConfigError::TooManyServiceIps(args.service_ip.len()));
        }
        let mut listen = std::mem::take(&mut args.listen);
        if listen.is_empty() && args.mode == Mode::Serve {
            listen.push((Ipv4Addr::UNSPECIFIED, 53).into());
        }
        if listen.is_empty() {
            let server_flags = [
                ("--upstream", !args.upstream.is_empty()),
                ("--stub-domain", !args.stub_domain.is_empty()),
                ("--config-map", args.config_map.is_some()),
                ("--probe", !args.probe.is_empty()),
            ];
            if let Some((flag, _)) = server_flags.into_iter().find(|(_, given)| *given) {
                return Err(ConfigError::NoServer(flag));
            }
        }
        if !args.probe.is_empty() && args.metrics_listen.is_none() {
            return Err(ConfigError::ProbeWithoutMetrics);
        }
        check_stubs(&args.stub_domain, &domains)?;
        let kernel = kernel(&args, domains.len(), !listen.is_empty())?;
        Ok(Self {
            source: args.manifests.map_or(
                Source::Api {
                    kubeconfig: args.kubeconfig,
                    context: args.context,
                },
                Source::Manifests,
            ),
            selectors: Selectors {
                namespaces: args.namespace_selector,
                services: args.service_selector,
            },
            state_dir: args.state_dir,
            policy,
            domains,
            service_ips: args.service_ip,
            kernel,
            bpffs: args.bpffs,
            listen,
            resolving: Resolving {
                upstreams: args.upstream,
                stubs: args.stub_domain,
                resolv_conf: args.resolv_conf,
                config_map: args.config_map,
                limits,
            },
            probes: args.probe,
            ttl: args.ttl,
            metrics_listen: args.metrics_listen,
            mode: args.mode,
            stopping,
        })
    }
}

/// What the kernel programs are attached to, if they are; `domains` is the number of cluster domains, and
/// `serves` whether there is a server beside them.
fn kernel(
    args: &RunArgs,
    domains: usize,
    serves: bool,
) -> Result<Option<KernelConfig>, ConfigError> {
    if args.hook == HookChoice::Off {
        if args.interface.iter().any(|pattern| !pattern.is_auto()) {
            return Err(ConfigError::InterfaceWithoutHook);
        }
        if args.kernel_negative == KernelNegative::On {
            return Err(ConfigError::NegativeWithoutKernel);
        }
        if args.rate_limit.is_some() {
            return Err(ConfigError::RateWithoutKernel);
        }
        if !serves {
            return Err(ConfigError::NothingToDo);
        }
        return Ok(None);
    }
    if domains > MAX_ZONES {
        return Err(ConfigError::TooManyDomains(domains));
    }
    // Then the DNS Service is not among the objects, whose endpoints these are.
    let system: Box<str> = "kube-system".into();
    if args.answer_endpoints && !args.namespace.is_empty() && !args.namespace.contains(&system) {
        return Err(ConfigError::EndpointsHidden);
    }
    if args.mode == Mode::Accelerate
        && args.kernel_negative == KernelNegative::On
        && let Some(flag) = hiding(args)
    {
        return Err(ConfigError::DeniesHidden(flag));
    }
    Ok(Some(KernelConfig {
        hook: args.hook,
        interfaces: Selection {
            included: args.interface.clone(),
            excluded: args.exclude_interface.clone(),
        },
        tcx_order: args.tcx_order,
        lease: Duration::from_secs(args.lease.into()),
        on_exit: args.on_exit,
        takeover: args.takeover,
        answer_endpoints: args.answer_endpoints,
        bpffs: args.bpffs.clone(),
        max_names: args.max_names,
        negative: match args.kernel_negative {
            KernelNegative::Auto => args.mode == Mode::Serve,
            KernelNegative::On => true,
            KernelNegative::Off => false,
        },
        rate: args.rate_limit.map(|limit| Rate {
            limit,
            burst: args.rate_burst.unwrap_or(limit),
            over: args.rate_over.unwrap_or_default(),
        }),
    }))
}

fn policy(args: &RunArgs) -> Policy {
    Policy {
        pods: match args.pods {
            Pods::Disabled => PodNames::Disabled,
            Pods::Insecure => PodNames::Insecure,
            Pods::Verified => PodNames::Verified,
        },
        endpoints: match args.endpoints {
            Endpoints::Headless => EndpointNames::Headless,
            Endpoints::All => EndpointNames::All,
        },
        namespaces: (!args.namespace.is_empty()).then(|| args.namespace.iter().cloned().collect()),
        ignore_empty_services: args.ignore_empty_services,
        dns_endpoints: args.answer_endpoints,
    }
}

fn stopping(args: &RunArgs) -> Stopping {
    // Without the endpoint nobody sees that readiness has fallen.
    let is_seen = args.mode == Mode::Serve && args.metrics_listen.is_some();
    let lameduck = args.lameduck.unwrap_or(if is_seen { 5 } else { 0 });
    Stopping {
        lameduck: Duration::from_secs(lameduck.into()),
        grace: Duration::from_secs(args.grace.into()),
    }
}

/// The first flag that leaves out names which the cluster has.
fn hiding(args: &RunArgs) -> Option<&'static str> {
    let flags = [
        ("--namespace", !args.namespace.is_empty()),
        ("--namespace-selector", args.namespace_selector.is_some()),
        ("--service-selector", args.service_selector.is_some()),
        ("--ignore-empty-services", args.ignore_empty_services),
        ("--pods disabled or verified", args.pods != Pods::Insecure),
        (
            "--endpoints headless",
            args.endpoints == Endpoints::Headless,
        ),
    ];
    flags
        .into_iter()
        .find_map(|(flag, given)| given.then_some(flag))
}

fn limits(args: &RunArgs) -> Limits {
    Limits {
        cache_size: args.cache_size,
        max_ttl: args.cache_max_ttl,
        max_negative_ttl: args.cache_max_negative_ttl,
        stale: Duration::from_secs(args.serve_stale.into()),
        prefetch: args.prefetch,
        timeout: Duration::from_millis(args.upstream_timeout.into()),
        concurrency: args.upstream_concurrency as usize,
    }
}

fn check_stubs(stubs: &[StubDomain], domains: &[Domain]) -> Result<(), ConfigError> {
    let mut seen = HashSet::new();
    for StubDomain { domain: stub, .. } in stubs {
        if let Some(domain) = domains.iter().find(|domain| domain.contains(stub)) {
            let (stub, domain) = (stub.clone(), domain.clone());
            return Err(ConfigError::StubInDomain { stub, domain });
        }
        if !seen.insert(stub) {
            return Err(ConfigError::StubTwice(stub.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
