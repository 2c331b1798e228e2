//! The thin HTTP layer: sockets, requests and streams around the pure core.

pub(crate) mod answer;
pub(crate) mod feed;
pub(crate) mod handle;
pub(crate) mod listen;

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;

use crate::core::registry::Registry;
use crate::faults::Faults;
use crate::journal::Journal;
use crate::lock;

/// What requests, watches and the library's handle share.
#[derive(Debug)]
pub(crate) struct Shared {
    registry: Mutex<Registry>,
    /// The newest revision, to wake watches.
    pub(crate) revision: watch::Sender<u64>,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    /// How often watches send bookmarks unasked.
    pub(crate) bookmark_interval: Duration,
    pub(crate) address: SocketAddr,
}

impl Shared {
    pub(crate) fn new(
        registry: Registry,
        faults: Faults,
        bookmark_interval: Duration,
        address: SocketAddr,
    ) -> Self {
        Self {
            revision: watch::Sender::new(registry.store().revision()),
            registry: Mutex::new(registry),
            faults,
            journal: Journal::default(),
            bookmark_interval,
            address,
        }
    }

    /// The registry, to read.
    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }

    /// Changes the registry and wakes the watches.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        let mut registry = lock(&self.registry);
        let result = change(&mut registry);
        // Announced under the lock, so that revisions are announced in order.
        self.revision.send_replace(registry.store().revision());
        result
    }
}
