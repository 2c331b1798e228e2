//! All runs of one subject, in the order of the rounds.

use std::collections::BTreeMap;

use super::{books::Outcome, cost::Spent};
use crate::summary::Summary;

/// Microseconds in a second.
const MICROSECONDS: f64 = 1e6;

/// What was measured of one subject.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    /// Answers a second, as fast as can be.
    pub(super) best: Vec<f64>,
    /// At offered rates, by hundredths of the base rate.
    pub(super) open: BTreeMap<u32, Vec<Open>>,
    /// Processor time.
    pub(super) costs: Vec<Cost>,
}

/// A run at an offered rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    /// Queries a second that were due.
    pub(super) rate: f64,
    /// What came of them.
    pub(super) outcome: Outcome,
}

/// What a run has cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// Processor time, all together.
    pub(super) spent: Spent,
    /// Queries that were answered.
    pub(super) answers: usize,
    /// Of them, those that the kernel answered, by the subject's own count.
    pub(super) in_kernel: Option<u64>,
}

impl Series {
    /// Whether it has answered as many queries a second before.
    pub(super) fn can(&self, rate: f64) -> bool {
        !self.best.is_empty() && rate <= Summary::of(&self.best).median
    }
}

impl Cost {
    /// The server's process, in microseconds for each answer.
    pub(super) fn process(&self) -> f64 {
        self.each(self.spent.process.as_secs_f64())
    }

    /// The kernel programs, in microseconds for each answer.
    pub(super) fn programs(&self) -> f64 {
        self.each(self.spent.programs.as_secs_f64())
    }

    /// Both.
    pub(super) fn answering(&self) -> f64 {
        self.process() + self.programs()
    }

    /// The whole machine, in microseconds for each answer.
    pub(super) fn machine(&self) -> f64 {
        self.each(self.spent.machine.as_secs_f64())
    }

    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 answers")]
    fn each(&self, seconds: f64) -> f64 {
        seconds * MICROSECONDS / self.answers as f64
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn costs_are_of_one_answer() {
        let cost = Cost {
            spent: Spent {
                process: Duration::from_millis(20),
                programs: Duration::from_millis(1),
                machine: Duration::from_millis(500),
            },
            answers: 1000,
            in_kernel: None,
        };
        assert!((cost.answering() - 21.0).abs() < 1e-9);
        assert!((cost.machine() - 500.0).abs() < 1e-9);
    }

    #[test]
    fn nobody_is_asked_for_more_than_was_reached() {
        let mut series = Series::default();
        assert!(!series.can(1.0));
        series.best = vec![100.0, 300.0, 200.0];
        assert!(series.can(200.0));
        assert!(!series.can(201.0));
    }
}
