//! The parts of a running instance, and how they are taken apart.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::{JoinError, JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::kernel::KernelPart;
use crate::{
    config::Stopping,
    instance::{Claim, Request},
    metrics::http::Readiness,
};

/// How long parts may take to stop beyond what queries under way may take.
const BEYOND: Duration = Duration::from_secs(1);

/// The parts of a running instance.
pub(super) struct Running {
    /// Keeps programs on interfaces.
    pub(super) kernel: Option<KernelPart>,
    /// Owns the zone and the maps.
    pub(super) control: JoinHandle<()>,
    /// Has it come to an end.
    pub(super) control_stop: CancellationToken,
    /// Answer others until `shutdown`.
    pub(super) servers: JoinSet<()>,
    /// Ends them.
    pub(super) shutdown: CancellationToken,
    /// Bring news; they can be dropped at any time.
    pub(super) feeds: JoinSet<()>,
    /// Tells others whether to send clients here.
    pub(super) readiness: Arc<Readiness>,
    /// How long to go on.
    pub(super) stopping: Stopping,
}

/// Why this process ends.
pub(super) enum End {
    /// It was told to.
    Signal(&'static str),
    /// Another instance takes its place, and waits until this one has gone.
    Takeover { _asker: Request },
    /// A part has ended.
    Failure(Result<(), JoinError>),
}

/// What tells this process to stop.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Running {
    /// Waits for a reason to end.
    pub(super) async fn until_end(&mut self, signals: &mut Signals, claim: Option<&Claim>) -> End {
        // None of the parts ends by itself: what is left of it would serve data that nobody renews.
        let failure = |ended: Option<Result<(), JoinError>>| End::Failure(ended.unwrap_or(Ok(())));
        tokio::select! {
            signal = signals.next() => End::Signal(signal),
            asker = requested(claim) => End::Takeover { _asker: asker },
            ended = self.servers.join_next() => failure(ended),
            ended = self.feeds.join_next() => failure(ended),
            ended = &mut self.control => End::Failure(ended),
            ended = ended(self.kernel.as_mut()) => End::Failure(ended),
        }
    }

    /// Takes everything apart: clients are sent elsewhere, the kernel's part is left in order, and queries
    /// under way come to their end.
    pub(super) async fn stop(
        mut self,
        mut end: End,
        signals: &mut Signals,
        claim: Option<&Claim>,
    ) -> anyhow::Result<()> {
        end.tell();
        self.readiness.set_stopping();
        let Stopping { lameduck, grace } = self.stopping;
        if matches!(end, End::Signal(_)) && !lameduck.is_zero() {
            tracing::info!("serving for {lameduck:?} more, until clients are sent elsewhere");
            tokio::select! {
                () = sleep(lameduck) => {}
                signal = signals.next() => tracing::info!("{signal} again: not waiting any longer"),
                asker = requested(claim) => {
                    end = End::Takeover { _asker: asker };
                    end.tell();
                }
            }
        }
        let kernel = match self.kernel.take() {
            Some(kernel) => kernel.stop(matches!(end, End::Takeover { .. })).await,
            None => Ok(()),
        };
        self.control_stop.cancel();
        if !self.control.is_finished() && timeout(grace, &mut self.control).await.is_err() {
            tracing::warn!("what is known of the cluster could not be kept within {grace:?}");
            self.control.abort();
        }
        self.shutdown.cancel();
        let drained = timeout(grace + BEYOND, async {
            while self.servers.join_next().await.is_some() {}
        });
        if drained.await.is_err() {
            tracing::warn!("some clients are cut off: they took more than {grace:?}");
        }
        self.feeds.shutdown().await;
        match end {
            End::Signal(_) | End::Takeover { .. } => kernel,
            End::Failure(Err(panic)) => Err(panic).context("a part of dns-ctl has failed"),
            End::Failure(Ok(())) => anyhow::bail!("a part of dns-ctl has ended by itself"),
        }
    }
}

impl End {
    fn tell(&self) {
        match self {
            Self::Signal(signal) => tracing::info!("{signal}: stopping"),
            Self::Takeover { .. } => tracing::info!("another dns-ctl takes over: stopping"),
            // The exit says it.
            Self::Failure(_) => {}
        }
    }
}

impl Signals {
    /// Catches them from now on.
    pub(super) fn open() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("can't wait for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("can't wait for SIGINT")?,
        })
    }

    /// Waits for either; its name.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Waits until another instance asks for this one's place; for ever without a claim that it could ask for.
async fn requested(claim: Option<&Claim>) -> Request {
    match claim {
        Some(claim) => claim.requested().await,
        None => std::future::pending().await,
    }
}

/// Waits until the kernel's part ends; for ever without one.
async fn ended(kernel: Option<&mut KernelPart>) -> Result<(), JoinError> {
    match kernel {
        Some(kernel) => kernel.ended().await,
        None => std::future::pending().await,
    }
}
