//! The demo's crash: queries while there is no dns-ctl, and while the next one starts.

use std::fmt;

use anyhow::Result;
use testbed::interrupt;

use super::{cluster::Cluster, queries};

/// Queries that are asked while no dns-ctl runs.
const WHILE_DEAD: u32 = 1000;

/// Queries, and how many of them were answered.
#[derive(Default)]
struct Tally {
    asked: u32,
    answered: u32,
}

/// What became of queries while dns-ctl was dead, and while the next one started.
pub(super) struct Crash {
    dead: Tally,
    starting: Tally,
}

/// Kills dns-ctl, starts it again, and asks for a name all the while.
pub(super) fn survive(cluster: &mut Cluster) -> Result<Crash> {
    cluster.kill()?;
    let mut dead = Tally::default();
    for _ in 0..WHILE_DEAD {
        dead.ask(cluster)?;
    }
    cluster.start_again()?;
    let mut starting = Tally::default();
    while cluster.is_starting() {
        starting.ask(cluster)?;
    }
    cluster.wait_until_ready()?;
    Ok(Crash { dead, starting })
}

impl Tally {
    fn ask(&mut self, cluster: &Cluster) -> Result<()> {
        interrupt::check()?;
        let is_answered = cluster.resolves(queries::LATE_NAME, queries::LATE_ADDRESS)?;
        self.asked += 1;
        self.answered += u32::from(is_answered);
        Ok(())
    }
}

impl Crash {
    /// Whether a query was not answered.
    pub(super) const fn has_losses(&self) -> bool {
        self.dead.answered < self.dead.asked || self.starting.answered < self.starting.asked
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.answered, self.asked)
    }
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dead, starting } = self;
        write!(
            f,
            "{dead} queries were answered while no dns-ctl ran, and {starting} while the next one started:\n\
             maps and programs stay in the kernel when dns-ctl dies, and the next one takes them over."
        )
    }
}
