//! Probes: names that are resolved every few seconds as a client would, to tell whether that works.
//!
//! [`state`] keeps the results and words them, [`exchange`] asks; [`run`] puts the two on a clock.

pub mod exchange;
pub mod state;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};

use crate::metrics::probe::ProbeMetrics;
use exchange::{Failure, resolve};
use state::{Probes, Turn};

/// How often each name is resolved.
pub const PERIOD: Duration = Duration::from_secs(5);

/// Resolves each name at once and then every [`PERIOD`] at the server that listens on `listen`, until dropped.
pub async fn run(listen: SocketAddr, probes: Arc<Probes>, metrics: ProbeMetrics) {
    let server = reachable(listen);
    let rounds = (0..probes.names().len()).map(|index| {
        let (probes, metrics) = (Arc::clone(&probes), metrics.clone());
        async move {
            let mut clock = interval(PERIOD);
            clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                clock.tick().await;
                let asked = Instant::now();
                let result = resolve(server, &probes.names()[index]).await;
                metrics.record(&probes.names()[index], result.is_ok(), asked.elapsed());
                log(&probes, index, result);
            }
        }
    });
    futures::future::join_all(rounds).await;
}

/// Keeps a result; a name that begins to work or to fail is worth a line.
fn log(probes: &Probes, index: usize, result: Result<(), Failure>) {
    let probe = &probes.names()[index];
    let reason = result.as_ref().err().map(ToString::to_string);
    match (probes.record(index, result, Timestamp::now()), reason) {
        (Turn::Recovered, _) => tracing::info!(%probe, "the probe succeeds again"),
        (Turn::Failed, Some(reason)) => tracing::warn!(%probe, "the probe fails: {reason}"),
        _ => {}
    }
}

/// The address at which a client on this host reaches a listener.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        _ => return listen,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests;
