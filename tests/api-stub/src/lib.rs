//! A small, honest Kubernetes API server for tests: list, watch, selectors, conflicts, and faults on demand.
//!
//! [`ApiStub`] runs it in the test's own process; [`Cluster`] runs it, or a real API server where
//! `KUBEBUILDER_ASSETS` names one. The core decides, without a socket; the HTTP layer around it is thin.
//!
//! It is more lenient than a real server in these points: anyone may do anything (no authentication), the health
//! endpoints are always well, node ports are not allocated, Pods get few defaults, and there is one version of each
//! API. It speaks JSON only: no protobuf, no tables, no partial objects, no server-side apply, no strategic merge.

pub mod cluster;
mod control;
pub mod core;
pub mod envtest;
mod faults;
mod http;
mod journal;
mod kubeconfig;
pub mod peer;
pub mod process;
pub mod sample;
mod stub;

pub use cluster::Cluster;
pub use core::kind::Kind;
pub use core::status::ApiError;
pub use faults::{Failure, Verb};
pub use journal::{Counters, Request};
pub use kubeconfig::{CONTEXT, kubeconfig};
pub use stub::{ApiStub, Options};

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Locks, also after a panic elsewhere: a failing test must not hide behind a poisoned lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks again and again until there is an answer, or until `patience` is over (`None`).
pub fn wait_until<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
