//! Ctrl-C and SIGTERM: remembered, so that a program ends between two steps and its guards clean up.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, ensure};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Remembers signals from now on, instead of ending at once.
pub fn catch() -> Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed)).context("can't catch Ctrl-C")
}

/// Whether there was one.
#[must_use]
pub fn is_there() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// An error if there was one.
pub fn check() -> Result<()> {
    ensure!(!is_there(), "interrupted; everything is cleaned up");
    Ok(())
}
