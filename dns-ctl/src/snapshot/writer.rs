//! Brings snapshots to the disk on a thread of its own, so that nobody waits for the disk.

use std::{
    collections::HashSet,
    future::Future,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::SystemTime,
};

use tokio::sync::oneshot;

use super::{
    folder::{Folder, WriteError},
    format,
    scope::Scope,
};
use crate::metrics::snapshot::SnapshotMetrics;

/// All that was known at a moment, to be written.
#[derive(Debug)]
pub(super) struct Pending {
    /// What [`format::payload`] gave.
    pub(super) payload: Vec<u8>,
    /// The moment.
    pub(super) at: SystemTime,
}

/// Gives snapshots to the thread that writes them; of those that wait, only the latest is written.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    wake: SyncSender<()>,
    ended: oneshot::Receiver<()>,
}

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Option<Pending>>,
    /// Whether the last attempt failed.
    failed: AtomicBool,
}

/// The thread's side.
struct Disk {
    folder: Folder,
    scope: Scope,
    metrics: SnapshotMetrics,
    shared: Arc<Shared>,
    complaints: Complaints,
}

/// What has been said of failures since the last success.
#[derive(Debug, Default)]
struct Complaints(HashSet<String>);

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        folder: Folder,
        scope: Scope,
        metrics: SnapshotMetrics,
    ) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let (wake, woken) = sync_channel(1);
        let (end, ended) = oneshot::channel();
        let disk = Disk {
            folder,
            scope,
            metrics,
            shared: Arc::clone(&shared),
            complaints: Complaints::default(),
        };
        thread::Builder::new()
            .name("snapshot".to_owned())
            .spawn(move || {
                disk.run(&woken);
                // Whoever waited may have given up.
                let _ = end.send(());
            })?;
        Ok(Self {
            shared,
            wake,
            ended,
        })
    }

    /// Has this one written instead of any that still waits.
    pub(super) fn send(&self, pending: Pending) {
        *self.shared.lock() = Some(pending);
        // If there is no room, the thread has yet to take the last call, and finds this one.
        let _ = self.wake.try_send(());
    }

    /// Whether the last attempt failed.
    pub(super) fn has_failed(&self) -> bool {
        self.shared.failed.load(Relaxed)
    }

    /// Waits until the last one given is written.
    pub(super) fn finish(self) -> impl Future<Output = ()> + Send + use<> {
        let Self { wake, ended, .. } = self;
        drop(wake);
        async move {
            // An end without a word is an end, too.
            let _ = ended.await;
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    /// Writes what comes until nobody can give more.
    fn run(mut self, woken: &Receiver<()>) {
        while woken.recv().is_ok() {
            let pending = self.shared.lock().take();
            if let Some(pending) = pending {
                self.write(&pending);
            }
        }
    }

    fn write(&mut self, Pending { payload, at }: &Pending) {
        let header = format::header(payload, *at, self.scope.as_str());
        let written = self.folder.write(&[&header, payload]);
        self.shared.failed.store(written.is_err(), Relaxed);
        let file = self.folder.file();
        let file = file.display();
        match written {
            Ok(()) => {
                self.metrics.written(*at, header.len() + payload.len());
                if self.complaints.succeeded() {
                    tracing::info!("the snapshot {file} is written again");
                }
            }
            Err(error) => {
                self.metrics.failed();
                if self.complaints.failed(&error) {
                    tracing::warn!(
                        "the snapshot {file} can't be written: {error}; until it can, a start without the API server \
                         finds what was written before"
                    );
                } else {
                    tracing::debug!("the snapshot {file} still can't be written: {error}");
                }
            }
        }
    }
}

impl Complaints {
    /// Whether to say so: not if it has been said since the last success.
    fn failed(&mut self, error: &WriteError) -> bool {
        self.0.insert(error.to_string())
    }

    /// Whether to say so: only if something else was said before.
    fn succeeded(&mut self) -> bool {
        !std::mem::take(&mut self.0).is_empty()
    }
}

#[cfg(test)]
mod tests;
