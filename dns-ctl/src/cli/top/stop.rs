//! Whether SIGINT, SIGTERM or SIGHUP has come: this program ends by itself, and leaves all as it was.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::Context as _;

/// Whether this program has been asked to end.
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Catches the signals from now on.
    pub(super) fn on_signals() -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed))
            .context("can't catch signals")?;
        Ok(Self(stop))
    }

    /// Whether one has come.
    pub(super) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
