//! The sources of objects: the Kubernetes API, or a file or folder of manifests.
//!
//! Both send the same [`Event`](crate::zone::object::Event)s. [`trim`] and [`manifest`] decide what an
//! object means to DNS and touch nothing; [`client`], [`watch`] and [`manifests`] do the reading.
//! Types of the Kubernetes client libraries stay inside this module.

pub mod client;
mod collection;
pub mod manifest;
pub mod manifests;
pub mod trim;
pub mod watch;
