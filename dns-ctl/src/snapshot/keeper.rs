//! Keeps the snapshot up to date with a store.

use std::{
    future::Future,
    io,
    time::{Instant, SystemTime},
};

use super::{
    folder::Folder,
    format,
    schedule::Schedule,
    scope::Scope,
    writer::{Pending, Writer},
};
use crate::{metrics::snapshot::SnapshotMetrics, zone::store::Store};

/// Keeps the snapshot up to date with a store: the one that a live source has told everything.
#[derive(Debug)]
pub struct Keeper {
    schedule: Schedule,
    writer: Writer,
}

impl Keeper {
    /// Writes into `folder` from now on, on a thread of its own.
    pub fn start(folder: Folder, scope: Scope, metrics: SnapshotMetrics) -> io::Result<Self> {
        Ok(Self {
            schedule: Schedule::default(),
            writer: Writer::start(folder, scope, metrics)?,
        })
    }

    /// The store has changed.
    pub const fn changed(&mut self) {
        self.schedule.changed();
    }

    /// Gives away a snapshot of `store` to be written, if one is due: never of a store that lacks something.
    ///
    /// This takes the time to put all objects into text, and does not wait for the disk.
    pub fn maybe_write(&mut self, store: &Store, now: Instant) {
        if self.writer.has_failed() {
            // What is not on the disk is not kept.
            self.schedule.changed();
        }
        if store.zone().synced() && self.schedule.due(now) {
            self.give(store);
            self.schedule.written(now);
        }
    }

    /// Has what is not yet on the disk written, whether due or not; done when it is there.
    ///
    /// The store is looked at before this returns, and not when the future is waited for.
    pub fn finish(self, store: &Store) -> impl Future<Output = ()> + Send + use<> {
        let is_missing = self.schedule.has_changed() || self.writer.has_failed();
        if store.zone().synced() && is_missing {
            self.give(store);
        }
        self.writer.finish()
    }

    fn give(&self, store: &Store) {
        self.writer.send(Pending {
            payload: format::payload(&store.contents()),
            at: SystemTime::now(),
        });
    }
}

#[cfg(test)]
mod tests;
