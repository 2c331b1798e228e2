//! The userspace DNS server: answers from the zone what the kernel passes on, and forwards the rest.
//!
//! Messages are read and composed by `hickory-proto`; the socket loops are our own. `hickory-server`
//! would give neither a bound on connections, nor answers from the address that was asked on a wildcard
//! listener, nor a count of malformed messages, and it logs queried names; a forwarded answer would lose
//! what its resolver does not model. Here the upstream's records are passed on as they came.
//!
//! [`answer`], [`request`] and [`compose`] decide and touch no socket; `plain` and `direct` are a short way to the
//! same octets for what is asked most; [`server`], `worker`, `batch`, `tcp` and [`udp`] move bytes; [`resolve`]
//! asks the upstreams; [`service`] joins them. [`settings`] says which servers are asked.

pub mod answer;
mod arrival;
pub mod authority;
mod batch;
pub mod compose;
mod connections;
mod direct;
mod plain;
pub mod request;
pub mod resolve;
pub mod reverse;
pub mod server;
pub mod service;
pub mod settings;
mod tcp;
pub mod udp;
pub mod upstream;
mod worker;
