//! The sources of objects: the Kubernetes API, or a file or folder of manifests.
//!
//! Both are told what is [`Wanted`] and send the same [`Event`](crate::zone::object::Event)s. [`trim`],
//! `sieve`, [`manifest`] and `collection` decide what objects mean to DNS and touch nothing; [`client`],
//! [`watch`] and [`manifests`] do the reading. Types of the Kubernetes client libraries stay inside this
//! module.

pub mod access;
mod advice;
mod arriving;
mod backoff;
pub mod client;
mod collection;
mod config_map;
mod connection;
mod list_watch;
pub mod manifest;
pub mod manifests;
mod reports;
pub mod selector;
mod sieve;
mod stated;
pub mod trim;
mod wanted;
pub mod watch;

pub use config_map::{ConfigMapData, ConfigMapSender};
pub use wanted::Wanted;
