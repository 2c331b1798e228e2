//! The books of a run: what came back, how late it was, and what never came.

use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;

/// How long an answer is waited for; one that did not come counts as if it had taken that long.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// A query that is sent so much later than it was due was sent late.
const LATE: Duration = Duration::from_micros(100);
/// Significant digits of the histograms.
const DIGITS: u8 = 3;
/// Nanoseconds in a microsecond.
const MICROSECOND: f64 = 1e3;

/// What is known of one query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// When it was due, in nanoseconds since the start.
    pub(super) due: u64,
    /// When it was sent.
    pub(super) sent: u64,
    /// When its answer was read, if one was.
    pub(super) answered: Option<u64>,
}

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Percentiles {
    /// Half took no longer.
    pub(super) p50: f64,
    /// 99 in 100 took no longer.
    pub(super) p99: f64,
    /// 999 in 1000 took no longer.
    pub(super) p999: f64,
}

/// What a run has come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// Queries that were sent.
    pub(super) sent: usize,
    /// Those that were not answered in time.
    pub(super) lost: usize,
    /// Those that were sent late.
    pub(super) late: usize,
    /// From when a query was due to its answer.
    pub(super) from_due: Percentiles,
    /// From when a query was sent to its answer.
    pub(super) from_sent: Percentiles,
    /// From when a query was due to when it was sent: what the generator itself adds.
    pub(super) behind: Percentiles,
}

/// Adds up all queries of a run.
pub(super) fn close(queries: impl Iterator<Item = Times>) -> Result<Outcome> {
    let (mut from_due, mut from_sent, mut behind) = (histogram()?, histogram()?, histogram()?);
    let (mut sent, mut lost, mut late) = (0, 0, 0);
    for times in queries {
        sent += 1;
        let lag = times.sent.saturating_sub(times.due);
        late += usize::from(u128::from(lag) > LATE.as_nanos());
        behind.saturating_record(lag);
        let took = |since: u64| {
            let took = times
                .answered
                .map(|answered| answered.saturating_sub(since));
            took.unwrap_or_else(patience).min(patience())
        };
        lost += usize::from(took(times.sent) == patience());
        from_due.saturating_record(took(times.due));
        from_sent.saturating_record(took(times.sent));
    }
    Ok(Outcome {
        sent,
        lost,
        late,
        from_due: percentiles(&from_due),
        from_sent: percentiles(&from_sent),
        behind: percentiles(&behind),
    })
}

fn patience() -> u64 {
    // A second is less than 2^64 nanoseconds.
    u64::try_from(PATIENCE.as_nanos()).unwrap_or(u64::MAX)
}

fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, patience(), DIGITS)?)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nanoseconds of a second at most are exact"
)]
fn percentiles(histogram: &Histogram<u64>) -> Percentiles {
    let of = |quantile| histogram.value_at_quantile(quantile) as f64 / MICROSECOND;
    Percentiles {
        p50: of(0.5),
        p99: of(0.99),
        p999: of(0.999),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: f64, wanted: f64) -> bool {
        (value - wanted).abs() <= wanted / 500.0
    }

    #[test]
    fn time_counts_from_when_a_query_was_due() {
        // Every query is answered 50 µs after it was sent; two in a hundred were sent 2 ms late.
        let queries = (0..1000).map(|number| {
            let due = number * 1_000_000;
            let sent = due + if number % 50 == 0 { 2_000_000 } else { 0 };
            Times {
                due,
                sent,
                answered: Some(sent + 50_000),
            }
        });
        let outcome = close(queries).unwrap();
        assert_eq!((outcome.sent, outcome.lost, outcome.late), (1000, 0, 20));
        assert!(near(outcome.from_due.p50, 50.0), "{outcome:?}");
        assert!(near(outcome.from_due.p99, 2050.0), "{outcome:?}");
        assert!(near(outcome.from_sent.p99, 50.0), "{outcome:?}");
        assert!(near(outcome.behind.p99, 2000.0), "{outcome:?}");
    }

    #[test]
    fn what_is_lost_is_not_left_out() {
        let queries = (0..100).map(|number| Times {
            due: number,
            sent: number,
            answered: match number {
                // Too late is lost, too.
                0 => Some(5_000_000_000),
                1 => None,
                _ => Some(number + 10_000),
            },
        });
        let outcome = close(queries).unwrap();
        assert_eq!(outcome.lost, 2);
        assert!(near(outcome.from_due.p50, 10.0), "{outcome:?}");
        assert!(near(outcome.from_due.p99, 1e6), "{outcome:?}");
    }
}
