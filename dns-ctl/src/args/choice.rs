//! The values of flags that choose one of a few.

use clap::ValueEnum;

/// Whether this is the cluster's DNS, or stands before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// This is the cluster's DNS.
    #[default]
    Serve,
    /// Another DNS answers what the kernel does not.
    Accelerate,
}

/// Whether pods have names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Pods {
    /// They have none.
    Disabled,
    /// Every address has a name in every namespace, whether a pod has it or not; costs nothing.
    #[default]
    Insecure,
    /// Only addresses of the namespace's own pods; watches all Pods, a load for the API server on large clusters.
    Verified,
}

/// Whether the kernel says that a name or a record does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum KernelNegative {
    /// In mode serve; in mode accelerate the existing DNS may know more.
    #[default]
    Auto,
    /// It does; in mode accelerate this needs --endpoints all and no flag that leaves out names that CoreDNS has.
    On,
    /// It leaves that to userspace.
    Off,
}

/// Whose endpoints have names of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Endpoints {
    /// Those of headless Services; watches only their EndpointSlices.
    #[default]
    Headless,
    /// Those of all Services; watches all EndpointSlices.
    All,
}

/// What becomes of programs and maps when `run` stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OnExit {
    /// They stay, and answer until the lease ends; the next dns-ctl takes them over.
    #[default]
    Keep,
    /// They go.
    Remove,
}

/// What becomes of the queries of a client that is over --rate-limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RateOver {
    /// They are passed on, to the server or the existing DNS.
    Pass,
    /// They are dropped.
    Drop,
    /// They are answered with TC set, so that a real client asks again over TCP; what is no plain query is dropped.
    #[default]
    Truncate,
}

/// Where among the tcx programs of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TcxOrder {
    /// Before all others.
    First,
    /// Behind all others.
    #[default]
    Last,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
    /// As Kubernetes components write them.
    Klog,
}

/// The least severe log lines to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Errors only.
    Error,
    /// And what may need attention.
    Warn,
    /// And what happens.
    #[default]
    Info,
    /// And details.
    Debug,
    /// And everything.
    Trace,
}

/// How results are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table.
    #[default]
    Table,
    /// A JSON object.
    Json,
}

/// The kinds of lines of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// What the programs go by.
    Config,
    /// What may be answered and denied at the moment.
    State,
    /// The cluster domains, and the parts of them that exist by a rule.
    Zones,
    /// The addresses at which clients reach DNS.
    Services,
    /// Where programs are attached.
    Interfaces,
    /// What became of packets.
    Packets,
    /// The names and what is answered for them.
    Names,
}
