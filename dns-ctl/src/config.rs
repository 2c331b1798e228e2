//! What `run` does, made from its flags: defaults filled in, contradictions refused.

mod error;

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use dns_common::{maps::MAX_SERVICES, zones::MAX_ZONES};

pub use error::ConfigError;

use crate::{
    args::{Endpoints, KernelNegative, Mode, Pods, RunArgs},
    attach::{rung::HookChoice, select::InterfacePattern},
    kube::selector::LabelSelector,
    serve::{
        resolve::Limits,
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
    /// Which names the zone has.
    pub policy: Policy,
    /// The cluster domains, each once.
    pub domains: Vec<Domain>,
    /// Addresses at which clients reach DNS; empty: those of the cluster's DNS Service.
    pub service_ips: Vec<IpAddr>,
    /// Where to attach; `None`: no kernel programs at all.
    pub kernel: Option<KernelConfig>,
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
    pub interfaces: Vec<InterfacePattern>,
    /// Where the maps are pinned.
    pub bpffs: PathBuf,
    /// Names that there is room for.
    pub max_names: u32,
    /// Whether names and records may be denied in the kernel.
    pub negative: bool,
}

impl TryFrom<RunArgs> for Config {
    type Error = ConfigError;

    fn try_from(args: RunArgs) -> Result<Self, ConfigError> {
        let (policy, limits, hiding) = (policy(&args), limits(&args), hiding(&args));
        let mut domains: Vec<Domain> = Vec::with_capacity(args.cluster_domain.len());
        for domain in args.cluster_domain {
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
        let mut listen = args.listen;
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
        let kernel = if args.hook == HookChoice::Off {
            if !args.interface.is_empty() {
                return Err(ConfigError::InterfaceWithoutHook);
            }
            if args.kernel_negative == KernelNegative::On {
                return Err(ConfigError::NegativeWithoutKernel);
            }
            if listen.is_empty() {
                return Err(ConfigError::NothingToDo);
            }
            None
        } else {
            if domains.len() > MAX_ZONES {
                return Err(ConfigError::TooManyDomains(domains.len()));
            }
            if args.mode == Mode::Accelerate
                && args.kernel_negative == KernelNegative::On
                && let Some(flag) = hiding
            {
                return Err(ConfigError::DeniesHidden(flag));
            }
            Some(KernelConfig {
                hook: args.hook,
                interfaces: args.interface,
                bpffs: args.bpffs,
                max_names: args.max_names,
                negative: match args.kernel_negative {
                    KernelNegative::Auto => args.mode == Mode::Serve,
                    KernelNegative::On => true,
                    KernelNegative::Off => false,
                },
            })
        };
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
            policy,
            domains,
            service_ips: args.service_ip,
            kernel,
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
        })
    }
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
