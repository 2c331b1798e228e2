//! What `run` does, made from its flags: defaults filled in, contradictions refused.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use dns_common::maps::MAX_SERVICES;

use crate::{
    args::{Mode, RunArgs},
    attach::{rung::HookChoice, select::InterfacePattern},
    serve::upstream::Upstream,
    zone::name::Domain,
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
    /// The cluster domains, each once.
    pub domains: Vec<Domain>,
    /// Addresses at which clients reach DNS; empty: those of the cluster's DNS Service.
    pub service_ips: Vec<IpAddr>,
    /// Where to attach; `None`: no kernel programs at all.
    pub kernel: Option<KernelConfig>,
    /// Addresses of the userspace server.
    pub listen: Vec<SocketAddr>,
    /// Upstreams given; empty: those of the node's resolv.conf.
    pub upstreams: Vec<Upstream>,
    /// TTL of the cluster's records in seconds.
    pub ttl: u32,
    /// Address of metrics and health.
    pub metrics_listen: Option<SocketAddr>,
    /// Whether this is the cluster's DNS.
    pub mode: Mode,
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
    /// Upstreams that nobody asks.
    #[error(
        "--upstream is for the userspace server, which --mode accelerate does not run without --listen; leave it out, or give --listen"
    )]
    UpstreamWithoutServer,
}

impl TryFrom<RunArgs> for Config {
    type Error = ConfigError;

    fn try_from(args: RunArgs) -> Result<Self, ConfigError> {
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
        if listen.is_empty() && !args.upstream.is_empty() {
            return Err(ConfigError::UpstreamWithoutServer);
        }
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
            domains,
            service_ips: args.service_ip,
            kernel,
            listen,
            upstreams: args.upstream,
            ttl: args.ttl,
            metrics_listen: args.metrics_listen,
            mode: args.mode,
        })
    }
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
                ConfigError::UpstreamWithoutServer,
            ),
            ("--cluster-domain a.b,A.b.", overlap("a.b", "a.b")),
            ("--cluster-domain a.b,svc.a.b", overlap("svc.a.b", "a.b")),
            ("--cluster-domain svc.a.b,a.b", overlap("svc.a.b", "a.b")),
        ] {
            assert_eq!(config(arguments).unwrap_err(), error, "{arguments}");
        }
    }
}
