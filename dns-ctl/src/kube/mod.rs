//! The sources of objects: the Kubernetes API, or a file or folder of manifests.
//!
//! Both are told what is [`Wanted`] and send the same [`Event`](crate::zone::object::Event)s. [`trim`],
//! `sieve`, [`manifest`] and `collection` decide what objects mean to DNS and touch nothing; [`client`],
//! [`watch`] and [`manifests`] do the reading. Types of the Kubernetes client libraries stay inside this
//! module.

mod advice;
mod arriving;
pub mod client;
mod collection;
mod config_map;
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
