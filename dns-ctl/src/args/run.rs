//! The flags of `run`, and what each means.

mod address;

use std::{net::IpAddr, net::SocketAddr, path::PathBuf};

use clap::{ArgAction, Args};
use dns_common::maps::DEFAULT_MAX_NAMES;

use super::{
    DEFAULT_BPFFS,
    choice::{
        Endpoints, KernelNegative, LogFormat, LogLevel, Mode, OnExit, Pods, RateOver, TcxOrder,
    },
};
use crate::{
    attach::{rung::HookChoice, select::InterfacePattern},
    kube::selector::LabelSelector,
    serve::upstream::{StubDomain, Upstream},
    zone::{
        name::{Domain, NameError, RelativeName},
        object::ObjectKey,
    },
};

const OBJECTS: &str = "Where objects come from";
const SERVER: &str = "Server";
const NAMES: &str = "Which names are served";
const UPSTREAMS: &str = "Names outside the cluster";
const KERNEL: &str = "Kernel";
const LOG: &str = "Log";

/// Flags of `run`. Each can be given in the environment instead, as `KXDNS_` and its name.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Find the API server in this file [default: $KUBECONFIG, ~/.kube/config, or the pod's service account].
    #[arg(long, help_heading = OBJECTS,
        env = "KXDNS_KUBECONFIG",
        value_name = "FILE",
        conflicts_with = "manifests"
    )]
    pub kubeconfig: Option<PathBuf>,

    /// Use this context of the kubeconfig.
    #[arg(long, help_heading = OBJECTS,
        env = "KXDNS_CONTEXT",
        value_name = "NAME",
        requires = "kubeconfig"
    )]
    pub context: Option<String>,

    /// Take objects from a manifest, or a folder of them, instead of an API server.
    ///
    /// Changes of the files take effect at once.
    #[arg(long, help_heading = OBJECTS, env = "KXDNS_MANIFESTS", value_name = "PATH")]
    pub manifests: Option<PathBuf>,

    /// Keep what is known of the cluster in this folder, and serve that when the API server can't be reached at start.
    #[arg(long, help_heading = OBJECTS, env = "KXDNS_STATE_DIR", value_name = "DIR", conflicts_with = "manifests")]
    pub state_dir: Option<PathBuf>,

    /// serve: this is the cluster's DNS; accelerate: what the kernel does not answer goes on to the existing DNS.
    #[arg(long, help_heading = SERVER, env = "KXDNS_MODE", value_enum, default_value_t)]
    pub mode: Mode,

    /// Serve DNS over UDP and TCP at this address, port 53 if not given [default: 0.0.0.0 in serve mode, none in
    /// accelerate mode].
    #[arg(long, help_heading = SERVER,
        env = "KXDNS_LISTEN",
        value_name = "ADDR[:PORT]",
        value_delimiter = ',',
        value_parser = address::dns
    )]
    pub listen: Vec<SocketAddr>,

    /// Resolve this name every few seconds as a client would, and tell by /probe and a metric whether it works.
    #[arg(long, help_heading = SERVER, env = "KXDNS_PROBE", value_name = "NAME", value_delimiter = ',')]
    pub probe: Vec<Domain>,

    /// Serve /metrics, /healthz, /readyz and /probe over HTTP at this address, port 9153 if not given [default: not at
    /// all].
    #[arg(long, help_heading = SERVER, env = "KXDNS_METRICS_LISTEN", value_name = "ADDR[:PORT]", value_parser = address::metrics)]
    pub metrics_listen: Option<SocketAddr>,

    /// Once told to stop, go on serving for this long while /readyz says no, so that clients are sent elsewhere
    /// [default: 5 in serve mode with --metrics-listen, else 0].
    #[arg(long, help_heading = SERVER, env = "KXDNS_LAMEDUCK", value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=300))]
    pub lameduck: Option<u32>,

    /// Then let queries under way take this long at most.
    #[arg(long, help_heading = SERVER, env = "KXDNS_GRACE", value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=300))]
    pub grace: u32,

    /// Serve this cluster domain; can be given several times.
    #[arg(long, help_heading = NAMES,
        env = "KXDNS_CLUSTER_DOMAIN",
        value_name = "DOMAIN",
        default_value = "cluster.local",
        value_delimiter = ','
    )]
    pub cluster_domain: Vec<Domain>,

    /// TTL of the cluster's records.
    #[arg(long, help_heading = NAMES, env = "KXDNS_TTL", value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub ttl: u32,

    /// Whether pods have names, such as 10-1-2-3.default.pod.cluster.local.
    #[arg(long, help_heading = NAMES, env = "KXDNS_PODS", value_enum, default_value_t)]
    pub pods: Pods,

    /// Whose endpoints have names of their own, such as 10-1-2-3.nginx.default.svc.cluster.local.
    #[arg(long, help_heading = NAMES, env = "KXDNS_ENDPOINTS", value_enum, default_value_t)]
    pub endpoints: Endpoints,

    /// Serve only this namespace; can be given several times [default: all].
    #[arg(long, help_heading = NAMES,
        env = "KXDNS_NAMESPACE",
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = parse_namespace
    )]
    pub namespace: Vec<Box<str>>,

    /// Serve only namespaces with these labels, as kubectl writes them: 'team=a,tier!=test'.
    #[arg(long, help_heading = NAMES, env = "KXDNS_NAMESPACE_SELECTOR", value_name = "SELECTOR")]
    pub namespace_selector: Option<LabelSelector>,

    /// Serve only Services with these labels.
    #[arg(long, help_heading = NAMES, env = "KXDNS_SERVICE_SELECTOR", value_name = "SELECTOR")]
    pub service_selector: Option<LabelSelector>,

    /// Deny the names of Services that have ClusterIPs but no ready endpoint; watches all EndpointSlices.
    #[arg(long, help_heading = NAMES, env = "KXDNS_IGNORE_EMPTY_SERVICES", value_parser = clap::builder::BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub ignore_empty_services: bool,

    /// Ask this server for names outside the cluster domains [default: those of --resolv-conf].
    ///
    /// The first that answers is kept to. tls:// asks over TLS, port 853 by default, and checks the
    /// server's certificate against its address, or against the name after #.
    #[arg(long, help_heading = UPSTREAMS,
        env = "KXDNS_UPSTREAM",
        value_name = "[tls://]ADDR[:PORT][#NAME]",
        value_delimiter = ','
    )]
    pub upstream: Vec<Upstream>,

    /// Take upstreams from this file, and read it again when it changes.
    #[arg(long, help_heading = UPSTREAMS,
        env = "KXDNS_RESOLV_CONF",
        value_name = "FILE",
        default_value = "/etc/resolv.conf"
    )]
    pub resolv_conf: PathBuf,

    /// Ask these servers for names in this domain; can be given several times, in the environment with ; between.
    #[arg(long, help_heading = UPSTREAMS,
        env = "KXDNS_STUB_DOMAIN",
        value_name = "DOMAIN=ADDR[:PORT][,...]",
        value_delimiter = ';'
    )]
    pub stub_domain: Vec<StubDomain>,

    /// Take stubDomains and upstreamNameservers from this ConfigMap, too, and follow its changes.
    ///
    /// What it states replaces the flag of the same meaning.
    #[arg(long, help_heading = UPSTREAMS, env = "KXDNS_CONFIG_MAP", value_name = "NAMESPACE/NAME", value_parser = parse_config_map)]
    pub config_map: Option<ObjectKey>,

    /// Keep at most this many answers of upstreams; 0 keeps none.
    #[arg(long, help_heading = UPSTREAMS,
        env = "KXDNS_CACHE_SIZE",
        value_name = "ANSWERS",
        default_value_t = 10_000
    )]
    pub cache_size: usize,

    /// Keep an answer of upstreams no longer than this, whatever its TTL.
    #[arg(long, help_heading = UPSTREAMS, env = "KXDNS_CACHE_MAX_TTL", value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u32).range(1..=604_800))]
    pub cache_max_ttl: u32,

    /// Keep a denial of upstreams no longer than this.
    #[arg(long, help_heading = UPSTREAMS, env = "KXDNS_CACHE_MAX_NEGATIVE_TTL", value_name = "SECONDS", default_value_t = 1800, value_parser = clap::value_parser!(u32).range(1..=10_800))]
    pub cache_max_negative_ttl: u32,

    /// Ask again for a kept answer that was used this often, shortly before it expires; 0 never does.
    #[arg(long, help_heading = UPSTREAMS, env = "KXDNS_PREFETCH", value_name = "USES", default_value_t = 3)]
    pub prefetch: u32,

    /// Give an expired answer for this long while no upstream answers (RFC 8767); 0 never does.
    #[arg(long, help_heading = UPSTREAMS, env = "KXDNS_SERVE_STALE", value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u32).range(0..=604_800))]
    pub serve_stale: u32,

    /// Let a query wait for upstreams no longer than this, all tries together.
    #[arg(long, help_heading = UPSTREAMS, env = "KXDNS_UPSTREAM_TIMEOUT", value_name = "MILLISECONDS", default_value_t = 4500, value_parser = clap::value_parser!(u32).range(100..=60_000))]
    pub upstream_timeout: u32,

    /// Let at most this many queries wait for upstreams; more get SERVFAIL at once.
    #[arg(long, help_heading = UPSTREAMS, env = "KXDNS_UPSTREAM_CONCURRENCY", value_name = "QUERIES", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub upstream_concurrency: u32,

    /// An address at which clients reach DNS, on port 53.
    ///
    /// The kernel answers what is sent to these, to addresses of --listen, and to what --answer-endpoints adds.
    ///
    /// [default: the ClusterIPs of the Service labelled k8s-app=kube-dns in kube-system]
    #[arg(long, help_heading = KERNEL,
        env = "KXDNS_SERVICE_IP",
        value_name = "IP",
        value_delimiter = ','
    )]
    pub service_ip: Vec<IpAddr>,

    /// Also answer what is sent to the endpoints of the DNS Service: a container network that balances load at
    /// the socket, as Cilium does, has pods' packets carry those addresses.
    #[arg(long, help_heading = KERNEL, env = "KXDNS_ANSWER_ENDPOINTS", value_parser = clap::builder::BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub answer_endpoints: bool,

    /// Answer queries that come in by this interface: a name, a pattern such as 'veth*', or auto.
    ///
    /// auto: those that lead into another network namespace, as pods' interfaces do. Interfaces that come
    /// later count, too.
    #[arg(long, help_heading = KERNEL,
        env = "KXDNS_INTERFACE",
        value_name = "NAME-OR-GLOB",
        default_value = "auto",
        value_delimiter = ','
    )]
    pub interface: Vec<InterfacePattern>,

    /// Leave this interface alone, whatever --interface says: a name, or a pattern.
    #[arg(long, help_heading = KERNEL,
        env = "KXDNS_EXCLUDE_INTERFACE",
        value_name = "NAME-OR-GLOB",
        value_delimiter = ','
    )]
    pub exclude_interface: Vec<InterfacePattern>,

    /// Where on the interfaces to answer.
    #[arg(long, help_heading = KERNEL, env = "KXDNS_HOOK", value_enum, default_value_t)]
    pub hook: HookChoice,

    /// Where among the tcx programs of an interface: last, so that the network plugin's see each packet first; or first.
    #[arg(long, help_heading = KERNEL, env = "KXDNS_TCX_ORDER", value_enum, default_value_t)]
    pub tcx_order: TcxOrder,

    /// Have the kernel say that a name or a record of the cluster domains does not exist.
    #[arg(long, help_heading = KERNEL, env = "KXDNS_KERNEL_NEGATIVE", value_enum, default_value_t)]
    pub kernel_negative: KernelNegative,

    /// Names that the kernel has room for; a Service takes two to ten. Each takes half a KiB once it is there.
    #[arg(long, help_heading = KERNEL, env = "KXDNS_MAX_NAMES", value_name = "NUMBER", default_value_t = DEFAULT_MAX_NAMES, value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    pub max_names: u32,

    /// Let each client address ask the cluster's DNS this often on each interface of the kernel programs, over UDP
    /// [default: as often as it likes].
    #[arg(long, help_heading = KERNEL, env = "KXDNS_RATE_LIMIT", value_name = "QPS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate_limit: Option<u32>,

    /// Let it ask this many times at once before that counts [default: a second's worth].
    #[arg(long, help_heading = KERNEL, env = "KXDNS_RATE_BURST", value_name = "QUERIES", requires = "rate_limit", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate_burst: Option<u32>,

    /// What becomes of its other queries [default: truncate].
    #[arg(long, help_heading = KERNEL, env = "KXDNS_RATE_OVER", value_enum, requires = "rate_limit")]
    pub rate_over: Option<RateOver>,

    /// Let the kernel answer for this long without a dns-ctl that runs (names are denied for a minute only); then all
    /// queries are passed on.
    #[arg(long, help_heading = KERNEL, env = "KXDNS_LEASE", value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(10..=86_400))]
    pub lease: u32,

    /// What becomes of the kernel's part when this stops.
    #[arg(long, help_heading = KERNEL, env = "KXDNS_ON_EXIT", value_enum, default_value_t)]
    pub on_exit: OnExit,

    /// If another dns-ctl runs here, have it stop, and take its place.
    #[arg(long, help_heading = KERNEL, env = "KXDNS_TAKEOVER", value_parser = clap::builder::BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub takeover: bool,

    /// A folder on a BPF file system for the maps and programs, which outlive this process.
    #[arg(long, help_heading = KERNEL, env = "KXDNS_BPFFS", value_name = "DIR", default_value = DEFAULT_BPFFS)]
    pub bpffs: PathBuf,

    /// How log lines look; klog as Kubernetes components write them.
    #[arg(long, help_heading = LOG, env = "KXDNS_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// The least severe log lines to write.
    #[arg(long, help_heading = LOG, env = "KXDNS_LOG_LEVEL", value_enum, default_value_t)]
    pub log_level: LogLevel,
}

fn parse_namespace(text: &str) -> Result<Box<str>, NameError> {
    RelativeName::namespace(text)?;
    Ok(text.into())
}

fn parse_config_map(text: &str) -> Result<ObjectKey, String> {
    text.split_once('/')
        .filter(|(namespace, name)| {
            !namespace.is_empty() && !name.is_empty() && !name.contains('/')
        })
        .map(|(namespace, name)| ObjectKey::new(namespace, name))
        .ok_or_else(|| format!("`{text}` does not name a ConfigMap; write kube-system/kube-dns"))
}
