//! kxdns beside CoreDNS, and costs beside the least there can be: always with runs of the same round.

use serde::Serialize;

use super::{
    books::Outcome,
    series::{Cost, Series},
    subject::Subject,
};
use crate::summary::Summary;

/// A subject's numbers divided by those of another in the same round.
#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    /// The subject.
    pub(super) subject: &'static str,
    /// What it is compared with.
    pub(super) reference: &'static str,
    /// Answers a second, as fast as can be.
    pub(super) best: Summary,
    /// The 99th percentile, counted from when queries were due.
    pub(super) p99: Summary,
    /// The same, counted from when they were sent.
    pub(super) p99_from_sent: Summary,
    /// Processor time for each answer, process and programs.
    pub(super) answering: Summary,
    /// The whole machine's processor time for each answer, above the reflector's.
    pub(super) above_reflector: Summary,
}

/// The subject with its name and its runs, and those of the reflector at its hook.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured<'a> {
    /// Who.
    pub(super) subject: Subject,
    /// Its runs.
    pub(super) series: &'a Series,
    /// The reflector's.
    pub(super) reflector: &'a Series,
}

impl Comparison {
    /// Compares two, at these hundredths of the base rate; nothing if one was not measured.
    pub(super) fn of(one: Measured<'_>, other: Measured<'_>, percent: u32) -> Option<Self> {
        let p99 = |which: fn(&Outcome) -> f64| {
            let values = |series: &Series| -> Vec<f64> {
                let runs = series.open.get(&percent).into_iter().flatten();
                runs.map(|run| which(&run.outcome)).collect()
            };
            ratio(&values(one.series), &values(other.series))
        };
        let answering =
            |series: &Series| series.costs.iter().map(Cost::answering).collect::<Vec<_>>();
        Some(Self {
            subject: one.subject.label(),
            reference: other.subject.label(),
            best: ratio(&one.series.best, &other.series.best)?,
            p99: p99(|outcome| outcome.from_due.p99)?,
            p99_from_sent: p99(|outcome| outcome.from_sent.p99)?,
            answering: ratio(&answering(one.series), &answering(other.series))?,
            above_reflector: ratio(
                &above(one.series, one.reflector),
                &above(other.series, other.reflector),
            )?,
        })
    }
}

/// Microseconds of the whole machine for each answer, above the reflector's of the same round.
pub(super) fn above(series: &Series, reflector: &Series) -> Vec<f64> {
    let rounds = series.costs.iter().zip(&reflector.costs);
    rounds
        .map(|(cost, least)| cost.machine() - least.machine())
        .collect()
}

fn ratio(ones: &[f64], others: &[f64]) -> Option<Summary> {
    let rounds = ones.iter().zip(others);
    let ratios: Vec<_> = rounds.map(|(one, other)| one / other).collect();
    (!ratios.is_empty()).then(|| Summary::of(&ratios))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_same_round() {
        // The machine was twice as fast in the second round.
        let ratio = ratio(&[10.0, 5.0], &[100.0, 50.0]).unwrap();
        assert!((ratio.p10 - 0.1).abs() < 1e-9 && (ratio.p90 - 0.1).abs() < 1e-9);
        assert_eq!(super::ratio(&[], &[1.0]), None);
    }
}
