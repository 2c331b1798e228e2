//! When queries are due: at random, as from many clients that know nothing of each other.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// Nanoseconds in a second.
const SECOND: f64 = 1e9;

/// Nanoseconds from the start at which a query is due, in order: a Poisson process of so many a second.
///
/// The same seed gives the same times: all subjects of a round get the same bursts.
pub(super) fn arrivals(rate: f64, length: Duration, seed: u64) -> Vec<u64> {
    let mut random = StdRng::seed_from_u64(seed);
    let end = length.as_secs_f64();
    let mut now = 0.0;
    let times = std::iter::from_fn(|| {
        // In (0, 1], so that its logarithm is a number.
        let left = 1.0 - random.random::<f64>();
        now -= left.ln() / rate;
        (now < end).then(|| nanoseconds(now))
    });
    times.collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time from the start of a run: not negative, and far below 2^53 nanoseconds"
)]
fn nanoseconds(seconds: f64) -> u64 {
    (seconds * SECOND) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_due_as_were_demanded_and_in_order() {
        let times = arrivals(10_000.0, Duration::from_secs(10), 1);
        // Ten standard deviations of a Poisson distribution.
        assert!((97_000..103_000).contains(&times.len()), "{}", times.len());
        assert!(times.is_sorted());
        assert!(*times.last().unwrap() < 10_000_000_000);
    }

    #[test]
    fn gaps_are_exponential() {
        let times = arrivals(1000.0, Duration::from_secs(100), 2);
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        let short = gaps.clone().filter(|gap| *gap < 693_147).count();
        // The median of the gaps is the mean times ln 2.
        assert!((48_000..52_000).contains(&short), "{short}");
    }

    #[test]
    fn a_seed_gives_the_same_times_again() {
        let times = |seed| arrivals(1000.0, Duration::from_secs(1), seed);
        assert_eq!(times(3), times(3));
        assert_ne!(times(3), times(4));
    }
}
