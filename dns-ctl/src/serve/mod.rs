//! The userspace DNS server: answers from the zone what the kernel passes on, and forwards the rest.
//!
//! Messages are read and composed by `hickory-proto`; the socket loops are our own. `hickory-server`
//! would give neither a bound on connections, nor answers from the address that was asked on a wildcard
//! listener, nor a count of malformed messages, and it logs queried names; a forwarded answer would lose
//! what its resolver does not model. Here the upstream's bytes are passed on unchanged.
//!
//! [`answer`], [`request`], [`compose`] and `relay` decide and touch no socket; [`server`], `tcp`,
//! [`udp`] and [`forward`] move bytes; [`service`] joins the two.

pub mod answer;
pub mod compose;
pub mod forward;
mod relay;
pub mod request;
pub mod server;
pub mod service;
mod tcp;
pub mod udp;
pub mod upstream;
