//! How long a list-and-watch pauses before it asks again: longer each time, and differently on each node.
//!
//! What befalls the API server befalls all nodes at the same moment. So no pause is the same on all of them.

use std::time::Duration;

use rand::RngExt as _;
use tokio::time::Instant;

/// First and longest pause after a failure.
const FAILED: (Duration, Duration) = (Duration::from_millis(800), Duration::from_secs(30));
/// Over how long the nodes' new lists are spread when a watch has expired; and if that happens again and again.
const EXPIRED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));
/// Over how long the nodes' new watches are spread when one has ended early.
const ENDED: Duration = Duration::from_secs(1);
/// A pause is followed by a longer one unless all went well for this long.
const WELL: Duration = Duration::from_mins(1);
/// The longest wait that the API server is granted.
const LONGEST_WISH: Duration = Duration::from_mins(1);

/// Why there is to be a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// A request failed; the API server may have said when to come back.
    Failed(Option<Duration>),
    /// All has to be listed anew, as on every other node that was at the same place.
    Expired,
    /// A watch has ended before its time, without an error.
    Ended,
}

/// The pauses of one list-and-watch.
#[derive(Debug)]
pub(super) struct Backoff<R> {
    random: R,
    failed: Series,
    expired: Series,
}

/// Windows of time that double.
#[derive(Debug)]
struct Series {
    first: Duration,
    most: Duration,
    /// The last window, and when its pause is over.
    last: Option<(Duration, Instant)>,
}

impl<R: rand::Rng> Backoff<R> {
    pub(super) const fn new(random: R) -> Self {
        Self {
            random,
            failed: Series::new(FAILED),
            expired: Series::new(EXPIRED),
        }
    }

    /// How long to pause from `now` on.
    pub(super) fn pause(&mut self, reason: Reason, now: Instant) -> Duration {
        match reason {
            Reason::Failed(wish) => {
                let window = self.failed.window(now);
                let half = window / 2;
                // A part that is certain, so that a server in distress has rest, and a part that tells nodes apart.
                let least = wish.map_or(half, |wish| wish.min(LONGEST_WISH).max(half));
                let pause = least + self.within(half);
                self.failed.last = Some((window, now + pause));
                pause
            }
            Reason::Expired => {
                let window = self.expired.window(now);
                let pause = self.within(window);
                self.expired.last = Some((window, now + pause));
                pause
            }
            Reason::Ended => self.within(ENDED),
        }
    }

    /// A number out of this range, by chance.
    pub(super) fn choose(&mut self, range: std::ops::RangeInclusive<u32>) -> u32 {
        self.random.random_range(range)
    }

    fn within(&mut self, window: Duration) -> Duration {
        self.random.random_range(Duration::ZERO..=window)
    }
}

impl Series {
    const fn new((first, most): (Duration, Duration)) -> Self {
        Self {
            first,
            most,
            last: None,
        }
    }

    fn window(&self, now: Instant) -> Duration {
        match self.last {
            Some((window, over)) if now < over + WELL => (window * 2).min(self.most),
            _ => self.first,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    fn backoff(seed: u64) -> Backoff<StdRng> {
        Backoff::new(StdRng::seed_from_u64(seed))
    }

    /// The pauses of failures that come at once, one after the other.
    fn pauses(backoff: &mut Backoff<StdRng>, reason: Reason, number: usize) -> Vec<Duration> {
        let mut now = Instant::now();
        let mut next = || {
            let pause = backoff.pause(reason, now);
            now += pause;
            pause
        };
        (0..number).map(|_| next()).collect()
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        for seed in 0..100 {
            let got = pauses(&mut backoff(seed), Reason::Failed(None), 9);
            let windows = [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0, 30.0];
            for (pause, window) in got.iter().zip(windows.map(Duration::from_secs_f64)) {
                assert!((window / 2..=window).contains(pause), "{seed}: {got:?}");
            }
        }
    }

    #[test]
    fn nodes_go_apart() {
        for (reason, window) in [
            (Reason::Failed(None), FAILED.0 / 2),
            (Reason::Failed(Some(Duration::from_secs(7))), FAILED.0 / 2),
            (Reason::Expired, EXPIRED.0),
            (Reason::Ended, ENDED),
        ] {
            let first = |seed| pauses(&mut backoff(seed), reason, 1)[0];
            let mut all: Vec<_> = (0..1000).map(first).collect();
            all.sort_unstable();
            // In no tenth of the window are there more than twice the nodes that are due to it.
            let start = all[0];
            for tenth in 0..10 {
                let from = start + window / 10 * tenth;
                let there = all
                    .iter()
                    .filter(|&&pause| (from..from + window / 10).contains(&pause));
                let number = there.count();
                assert!((50..200).contains(&number), "{reason:?} {tenth}: {number}");
            }
            assert_eq!(first(1), first(1), "the same seed, the same pause");
        }
    }

    #[test]
    fn what_the_api_server_wishes_is_the_least_within_reason() {
        for (wish, least) in [(3, 3), (60, 60), (86_400, 60)] {
            let wish = Reason::Failed(Some(Duration::from_secs(wish)));
            let got = pauses(&mut backoff(1), wish, 1)[0];
            let least = Duration::from_secs(least);
            assert!((least..=least + FAILED.0).contains(&got), "{got:?}");
        }
    }

    #[test]
    fn only_a_while_without_failure_makes_pauses_short_again() {
        let mut backoff = backoff(1);
        let start = Instant::now();
        let mut now = start;
        for _ in 0..7 {
            now += backoff.pause(Reason::Failed(None), now);
        }
        now += WELL / 2;
        let pause = backoff.pause(Reason::Failed(None), now);
        assert!(pause >= FAILED.1 / 2, "{pause:?}");
        now += pause + WELL;
        let pause = backoff.pause(Reason::Failed(None), now);
        assert!(pause <= FAILED.0, "{pause:?}");
    }

    #[test]
    fn expiry_that_comes_again_is_spread_further() {
        let longest = |number: usize| {
            let last = |seed| pauses(&mut backoff(seed), Reason::Expired, number)[number - 1];
            (0..200).map(last).max().unwrap()
        };
        assert!(longest(1) <= EXPIRED.0);
        assert!(longest(2) > EXPIRED.0 && longest(2) <= EXPIRED.0 * 2);
        assert!(longest(9) <= EXPIRED.1);
    }
}
