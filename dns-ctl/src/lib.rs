//! The controller of kxdns: from the Kubernetes API to BPF maps, and the DNS server beside them.

pub mod args;
pub mod attach;
pub mod cli;
pub mod config;
pub mod control;
mod instance;
pub mod kube;
mod memory;
pub mod metrics;
pub mod probe;
pub mod program;
pub mod run;
pub mod serve;
pub mod snapshot;
pub mod table;
pub mod telemetry;
pub mod version;
pub mod zone;
