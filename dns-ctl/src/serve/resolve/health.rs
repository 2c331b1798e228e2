//! When an upstream counts as down, and when it is tried again. No clock, no socket.

use std::time::Duration;

/// Failures in a row after which an upstream is down: a single one may be a lost datagram.
const LIMIT: u32 = 2;
/// The first pause between probes of an upstream that is down.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between probes.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What is known of an upstream from its last answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Health {
    failures: u32,
    /// How often the upstream has gone down: tells the outages apart.
    outages: u64,
}

/// An outage of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outage(u64);

impl Health {
    /// Whether the upstream is asked only for want of a better one.
    pub(super) const fn is_down(self) -> bool {
        self.failures >= LIMIT
    }

    /// Whether `outage` still goes on.
    pub(super) const fn is_in(self, outage: Outage) -> bool {
        self.is_down() && self.outages == outage.0
    }

    /// The upstream has answered; returns whether it was down.
    pub(super) const fn succeed(&mut self) -> bool {
        let was_down = self.is_down();
        self.failures = 0;
        was_down
    }

    /// The upstream has not answered; returns the outage if it begins with this.
    pub(super) const fn fail(&mut self) -> Option<Outage> {
        self.failures = self.failures.saturating_add(1);
        if self.failures != LIMIT {
            return None;
        }
        self.outages += 1;
        Some(Outage(self.outages))
    }
}

/// The pause before probe number `tried` (from 0) of an outage; `jitter` from 0 to 1 shortens it by up
/// to a quarter, so that the nodes of a cluster don't probe in step.
pub(super) fn pause(tried: u32, jitter: f64) -> Duration {
    let pause = FIRST_PAUSE
        .saturating_mul(2_u32.saturating_pow(tried))
        .min(LONGEST_PAUSE);
    pause.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_failures_in_a_row_make_an_outage_and_one_answer_ends_it() {
        let mut health = Health::default();
        assert_eq!(health.fail(), None);
        assert!(!health.succeed() && !health.is_down());
        assert_eq!(health.fail(), None);
        let first = health.fail().unwrap();
        assert!(health.is_down() && health.is_in(first));
        assert_eq!(health.fail(), None, "an outage begins once");
        assert!(health.succeed());
        assert!(!health.is_down() && !health.is_in(first));

        health.fail();
        let second = health.fail().unwrap();
        assert!(health.is_in(second) && !health.is_in(first));
    }

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        let seconds: Vec<_> = (0..6).map(|tried| pause(tried, 0.0).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 10, 10]);
        assert_eq!(pause(0, 1.0), Duration::from_millis(750));
        assert_eq!(pause(u32::MAX, 0.0), LONGEST_PAUSE);
    }
}
