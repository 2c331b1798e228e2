//! The controller of kxdns: from the Kubernetes API to BPF maps, and the DNS server beside them.

pub mod args;
pub mod attach;
pub mod cli;
pub mod config;
pub mod control;
pub mod kube;
pub mod metrics;
pub mod probe;
pub mod run;
pub mod serve;
pub mod table;
pub mod telemetry;
pub mod zone;
