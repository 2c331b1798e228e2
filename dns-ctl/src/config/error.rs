//! Flags that contradict each other, each with what to do.

use dns_common::{maps::MAX_SERVICES, zones::MAX_ZONES};

use crate::zone::name::Domain;

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
    /// More domains than the kernel's map holds.
    #[error(
        "{0} cluster domains are given, but the kernel programs take {MAX_ZONES} at most; give fewer, or use --hook off"
    )]
    TooManyDomains(usize),
    /// A flag of programs that are not attached.
    #[error(
        "--kernel-negative on is for the kernel programs, which --hook off leaves out; leave out one of them"
    )]
    NegativeWithoutKernel,
    /// Likewise.
    #[error(
        "--rate-limit is for the kernel programs, which --hook off leaves out; leave out one of them"
    )]
    RateWithoutKernel,
    /// Denials of names that another DNS may know.
    #[error(
        "with {0}, names are hidden that the cluster's existing DNS may know, and --kernel-negative on would deny them; change one of them"
    )]
    DeniesHidden(&'static str),
    /// Endpoints of a Service that is not looked at.
    #[error(
        "--answer-endpoints is for the endpoints of the DNS Service in kube-system, which --namespace leaves out; add kube-system, or leave out one of them"
    )]
    EndpointsHidden,
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
