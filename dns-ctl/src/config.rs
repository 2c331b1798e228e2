//! What `run` does, made from its flags: defaults filled in, contradictions refused.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use dns_common::maps::MAX_SERVICES;

use crate::{
    args::{Endpoints, Mode, Pods, RunArgs},
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
}

/// Flags that contradict each other.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Nothing in the kernel, but interfaces.
    #[error("--hook off attaches nowhere, but --interface is given; leave one of them out")]
    InterfaceWithoutHook,
    /// Neither kernel nor server.
    #[error(
        "--hook off in --mode accelerate leaves nothing to do; give --listen, or another --hook"
    )]
    NothingToDo,
    /// A domain inside another, or given twice: one name would have two meanings.
    #[error(
        "the cluster domain {inner} lies in {outer}, which is served too; leave one of them out"
    )]
    DomainInDomain {
        /// The domain that lies inside.
        inner: Domain,
        /// The domain around it.
        outer: Domain,
    },
    /// More service addresses than the kernel's map holds.
    #[error(
        "{0} addresses are given with --service-ip, but the kernel programs take {MAX_SERVICES} at most"
    )]
    TooManyServiceIps(usize),
    /// Flags of a server that does not run.
    #[error(
        "{0} is for the userspace server, which --mode accelerate does not run without --listen; leave it out, or give --listen"
    )]
    NoServer(&'static str),
    /// A stub domain whose names are answered here.
    #[error(
        "the stub domain {stub} lies in the cluster domain {domain}, whose names are answered here; leave one of them out"
    )]
    StubInDomain {
        /// The stub domain.
        stub: Domain,
        /// The cluster domain.
        domain: Domain,
    },
    /// One stub domain with two lists of servers.
    #[error("the stub domain {0} is given twice; write all its servers in one --stub-domain")]
    StubTwice(Domain),
    /// Probes whose results nobody can see.
    #[error("--probe results are told by the metrics endpoint; give --metrics-listen, too")]
    ProbeWithoutMetrics,
}

impl TryFrom<RunArgs> for Config {
    type Error = ConfigError;

    fn try_from(args: RunArgs) -> Result<Self, ConfigError> {
        let (policy, limits) = (policy(&args), limits(&args));
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
            if listen.is_empty() {
                return Err(ConfigError::NothingToDo);
            }
            None
        } else {
            Some(KernelConfig {
                hook: args.hook,
                interfaces: args.interface,
                bpffs: args.bpffs,
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
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn config(arguments: &str) -> Result<Config, ConfigError> {
        let words = ["dns-ctl", "run"]
            .into_iter()
            .chain(arguments.split_whitespace());
        let Command::Run(args) = Cli::parse_from(words).command else {
            unreachable!("`run` is given");
        };
        Config::try_from(*args)
    }

    #[test]
    fn the_mode_decides_whether_there_is_a_server_by_default() {
        assert_eq!(config("").unwrap().listen, ["0.0.0.0:53".parse().unwrap()]);
        assert_eq!(config("--mode accelerate").unwrap().listen, []);
        let given = config("--mode accelerate --listen 127.0.0.1:5353,[::1]:53").unwrap();
        assert_eq!(given.listen.len(), 2);
    }

    #[test]
    fn the_defaults_watch_as_little_as_possible() {
        let config = config("").unwrap();
        assert_eq!(config.policy, Policy::default());
        assert_eq!(config.resolving.limits.stale, Duration::from_hours(1));
    }

    #[test]
    fn lists_can_be_given_in_one_flag_or_several() {
        let given = config("--namespace a,b --namespace c").unwrap();
        let names = ["a", "b", "c"].map(Into::into);
        assert_eq!(given.policy.namespaces, Some(names.into()));
        let given =
            config("--stub-domain acme.local=10.0.0.1:54,10.0.0.2 --stub-domain b.local=10.0.0.3")
                .unwrap();
        let servers: Vec<_> = given
            .resolving
            .stubs
            .iter()
            .map(|stub| stub.upstreams.len())
            .collect();
        assert_eq!(servers, [2, 1]);
    }

    #[test]
    fn contradictions_are_named() {
        let overlap = |inner: &str, outer: &str| ConfigError::DomainInDomain {
            inner: inner.parse().unwrap(),
            outer: outer.parse().unwrap(),
        };
        for (arguments, error) in [
            (
                "--hook off --interface eth0",
                ConfigError::InterfaceWithoutHook,
            ),
            ("--hook off --mode accelerate", ConfigError::NothingToDo),
            (
                "--mode accelerate --upstream 1.1.1.1",
                ConfigError::NoServer("--upstream"),
            ),
            (
                "--mode accelerate --config-map a/b",
                ConfigError::NoServer("--config-map"),
            ),
            (
                "--stub-domain a.b=1.1.1.1 --stub-domain A.b.=1.1.1.2",
                ConfigError::StubTwice("a.b".parse().unwrap()),
            ),
            (
                "--stub-domain x.cluster.local=1.1.1.1",
                ConfigError::StubInDomain {
                    stub: "x.cluster.local".parse().unwrap(),
                    domain: "cluster.local".parse().unwrap(),
                },
            ),
            ("--probe a.b", ConfigError::ProbeWithoutMetrics),
            ("--cluster-domain a.b,A.b.", overlap("a.b", "a.b")),
            ("--cluster-domain a.b,svc.a.b", overlap("svc.a.b", "a.b")),
            ("--cluster-domain svc.a.b,a.b", overlap("svc.a.b", "a.b")),
        ] {
            assert_eq!(config(arguments).unwrap_err(), error, "{arguments}");
        }
    }
}
