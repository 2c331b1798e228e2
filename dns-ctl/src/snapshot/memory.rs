//! What is kept of the cluster from one run to the next, and how it is recalled.

use std::time::SystemTime;

use anyhow::Context as _;

use super::{Folder, Keeper, Scope, Surroundings};
use crate::{
    config::Config,
    metrics::{Metrics, snapshot::SnapshotMetrics},
    zone::{Policy, store::Store},
};

/// What is kept of the cluster from one run to the next.
#[derive(Debug)]
pub struct Memory {
    /// Keeps it up to date.
    pub keeper: Keeper,
    folder: Folder,
    scope: Scope,
    metrics: SnapshotMetrics,
}

impl Memory {
    /// Opens the folder, in which a snapshot of what `config` asks for may lie; nothing if it names none.
    pub fn open(config: &Config, metrics: &Metrics) -> anyhow::Result<Option<Self>> {
        let Some(path) = &config.state_dir else {
            return Ok(None);
        };
        let folder = Folder::open(path)?;
        let scope = Scope::of(config, &Surroundings::read());
        let own = SnapshotMetrics::default();
        metrics.register(Box::new(own.clone()));
        let keeper = Keeper::start(folder.clone(), scope.clone(), own.clone());
        Ok(Some(Self {
            keeper: keeper.context("the snapshot can't be kept up to date")?,
            folder,
            scope,
            metrics: own,
        }))
    }

    /// What was known of the cluster when the snapshot was written, if there is one that can be used.
    #[must_use]
    pub fn recall(&self, policy: &Policy) -> Option<Store> {
        let restored = match self.folder.load(&self.scope) {
            Ok(restored) => restored?,
            Err(error) => {
                tracing::error!("{error}");
                return None;
            }
        };
        let age = restored.age(SystemTime::now());
        let mut store = Store::new(policy.clone());
        for event in restored.events {
            store.apply(event);
        }
        tracing::warn!(
            services = store.services(),
            ?age,
            "the API server has not told yet what there is; until it does, what was known earlier is served"
        );
        self.metrics.serves(Some(restored.written));
        Some(store)
    }

    /// Notes that what is known now is served.
    pub fn forget(&self) {
        self.metrics.serves(None);
    }
}
