//! The results of `bench pod`.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::{
    books::{Outcome, Percentiles},
    compare::{Comparison, Measured, above},
    series::{Cost, Open, Series},
    subject::{Subject, reflector},
    tables,
};
use crate::{
    neighbours::Hook,
    plot::{self, Axis, Line},
    summary::Summary,
};

/// Everything that was measured, and how.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// How.
    #[serde(flatten)]
    pub(super) setting: Setting,
    /// One for each subject and reflector.
    pub(super) rows: Vec<Row>,
    /// kxdns divided by CoreDNS.
    pub(super) comparisons: Vec<Comparison>,
}

/// What the results depend on beside the machine.
#[derive(Debug, Serialize)]
pub(super) struct Setting {
    /// What the programs say of their versions.
    pub(super) versions: Vec<Version>,
    /// Names that are asked for.
    pub(super) services: u32,
    /// Rounds.
    pub(super) rounds: u32,
    /// Seconds of a turn.
    pub(super) seconds: u32,
    /// Queries a second that are 100 %.
    pub(super) base: f64,
    /// The hundredths of it at which costs are measured and subjects compared.
    pub(super) compared: u32,
    /// dnsperf's sending threads.
    pub(super) threads: u32,
    /// dnsperf's clients.
    pub(super) clients: u32,
    /// Queries of dnsperf that wait for an answer, at most.
    pub(super) outstanding: u32,
}

/// A subject's version.
#[derive(Debug, Serialize)]
pub(super) struct Version {
    /// The subject.
    pub(super) subject: Subject,
    /// What it says.
    pub(super) version: String,
}

/// What was measured of one subject or reflector.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// Its name.
    pub(super) subject: &'static str,
    /// Answers a second, as fast as can be; of subjects only.
    pub(super) best: Option<Summary>,
    /// At offered rates.
    pub(super) points: Vec<Point>,
    /// Processor time for each answer, in microseconds.
    pub(super) cost: Option<CostRow>,
}

/// What was measured at an offered rate; times are in microseconds.
#[derive(Debug, Serialize)]
pub(super) struct Point {
    /// The rate, in hundredths of the base rate.
    pub(super) percent: u32,
    /// Queries a second.
    pub(super) rate: f64,
    /// From when a query was due to its answer.
    pub(super) from_due: Latency,
    /// From when it was sent to its answer.
    pub(super) from_sent: Latency,
    /// From when it was due to when it was sent.
    pub(super) behind: Latency,
    /// Queries that were sent, in all rounds together.
    pub(super) sent: usize,
    /// Of them, those that were sent late.
    pub(super) late: usize,
    /// Of them, those that were not answered.
    pub(super) lost: usize,
}

/// Percentiles of each run, in microseconds.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    /// The median.
    pub(super) p50: Summary,
    /// 99 in 100 took no longer.
    pub(super) p99: Summary,
    /// 999 in 1000 took no longer.
    pub(super) p999: Summary,
}

/// Processor time for each answer, in microseconds.
#[derive(Debug, Serialize)]
pub(super) struct CostRow {
    /// The server's process.
    pub(super) process: Summary,
    /// The kernel programs.
    pub(super) programs: Summary,
    /// Both.
    pub(super) answering: Summary,
    /// The whole machine, with the client.
    pub(super) machine: Summary,
    /// The same, above the reflector's in the same round.
    pub(super) above_reflector: Option<Summary>,
    /// The part of the answers that the kernel gave, by the subject's own count.
    pub(super) in_kernel: Option<f64>,
}

impl Report {
    /// Sums up the runs of beds, each with its name, and its subject unless it is a reflector.
    pub(super) fn of<'a>(
        setting: Setting,
        labels: impl Iterator<Item = &'static str>,
        all: impl Iterator<Item = (Option<Subject>, &'a Series)>,
    ) -> Self {
        let all: Vec<_> = labels
            .zip(all)
            .map(|(label, (subject, series))| (label, subject, series))
            .collect();
        let least = |subject: Option<Subject>| {
            let hook = match subject? {
                Subject::Kxdns(hook) => hook,
                Subject::CoreDns(_) | Subject::Peer(_) => Hook::Tcx,
            };
            let found = all.iter().find(|(label, ..)| *label == reflector(hook));
            found.map(|(.., series)| *series)
        };
        let rows = all.iter().map(|(label, subject, series)| Row {
            subject: label,
            best: summary(&series.best),
            points: series
                .open
                .iter()
                .filter_map(|(percent, runs)| Point::of(*percent, runs))
                .collect(),
            cost: CostRow::of(
                &series.costs,
                least(*subject).map(|least| above(series, least)),
            ),
        });
        let measured: Vec<_> = all
            .iter()
            .filter_map(|&(_, subject, series)| {
                Some(Measured {
                    subject: subject?,
                    series,
                    reflector: least(subject)?,
                })
            })
            .collect();
        let references = Subject::REFERENCES.iter().filter_map(|reference| {
            let found = measured
                .iter()
                .find(|measured| measured.subject == *reference);
            found.copied()
        });
        let comparisons = references.flat_map(|reference| {
            let others = measured
                .iter()
                .filter(move |one| one.subject != reference.subject);
            others.filter_map(move |one| Comparison::of(*one, reference, setting.compared))
        });
        Self {
            rows: rows.collect(),
            comparisons: comparisons.collect(),
            setting,
        }
    }
}

impl Point {
    fn of(percent: u32, runs: &[Open]) -> Option<Self> {
        let latency = |which: fn(&Outcome) -> Percentiles| {
            let summary = |value: fn(&Percentiles) -> f64| {
                let values: Vec<_> = runs.iter().map(|run| value(&which(&run.outcome))).collect();
                Summary::of(&values)
            };
            Latency {
                p50: summary(|it| it.p50),
                p99: summary(|it| it.p99),
                p999: summary(|it| it.p999),
            }
        };
        let sum = |which: fn(&Outcome) -> usize| runs.iter().map(|run| which(&run.outcome)).sum();
        Some(Self {
            percent,
            rate: runs.first()?.rate,
            from_due: latency(|outcome| outcome.from_due),
            from_sent: latency(|outcome| outcome.from_sent),
            behind: latency(|outcome| outcome.behind),
            sent: sum(|outcome| outcome.sent),
            late: sum(|outcome| outcome.late),
            lost: sum(|outcome| outcome.lost),
        })
    }
}

impl CostRow {
    fn of(costs: &[Cost], above: Option<Vec<f64>>) -> Option<Self> {
        let each = |value: fn(&Cost) -> f64| {
            let values: Vec<_> = costs.iter().map(value).collect();
            summary(&values)
        };
        Some(Self {
            process: each(Cost::process)?,
            programs: each(Cost::programs)?,
            answering: each(Cost::answering)?,
            machine: each(Cost::machine)?,
            above_reflector: above.and_then(|above| summary(&above)),
            in_kernel: in_kernel(costs),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 answers")]
fn in_kernel(costs: &[Cost]) -> Option<f64> {
    let mut sum = (0, 0);
    for cost in costs {
        sum = (sum.0 + cost.in_kernel?, sum.1 + cost.answers);
    }
    Some(sum.0 as f64 / sum.1 as f64)
}

fn summary(values: &[f64]) -> Option<Summary> {
    (!values.is_empty()).then(|| Summary::of(values))
}

/// The tables.
pub(crate) fn text(report: &Report) -> String {
    tables::text(report)
}

/// The 99th percentile over the offered rate.
pub(crate) fn plot(report: &Report, file: &Path) -> Result<()> {
    let line = |row: &Row| Line {
        label: row.subject.to_owned(),
        points: row
            .points
            .iter()
            .map(|point| (point.rate, point.from_due.p99.median))
            .collect(),
    };
    let lines: Vec<_> = report
        .rows
        .iter()
        .filter(|row| !row.points.is_empty())
        .map(line)
        .collect();
    let axis = |label| Axis {
        label,
        logarithmic: true,
    };
    plot::lines(
        file,
        "A pod's queries: 99th percentile from when they were due",
        axis("queries a second offered"),
        axis("microseconds"),
        &lines,
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{peers::coredns::Tuning, pod::cost::Spent};

    /// A subject of one round whose every number grows with `size`.
    fn series(size: u32) -> Series {
        let each = Percentiles {
            p50: size.into(),
            p99: f64::from(size) * 2.0,
            p999: f64::from(size) * 3.0,
        };
        let outcome = Outcome {
            sent: 100,
            lost: 0,
            late: 1,
            from_due: each,
            from_sent: each,
            behind: each,
        };
        let spent = Spent {
            process: Duration::from_micros(100) * size,
            programs: Duration::ZERO,
            machine: Duration::from_micros(100) * (size + 20),
        };
        Series {
            best: vec![1000.0 / f64::from(size)],
            open: [(
                60,
                vec![Open {
                    rate: 600.0,
                    outcome,
                }],
            )]
            .into(),
            costs: vec![Cost {
                spent,
                answers: 100,
                in_kernel: None,
            }],
        }
    }

    #[test]
    fn kxdns_is_divided_by_coredns_and_costs_lie_above_the_reflector() {
        let setting = Setting {
            versions: Vec::new(),
            services: 1,
            rounds: 1,
            seconds: 1,
            base: 1000.0,
            compared: 60,
            threads: 1,
            clients: 1,
            outstanding: 1,
        };
        let subjects = [
            Some(Subject::Kxdns(Hook::Tcx)),
            Some(Subject::CoreDns(Tuning::Stock)),
            None,
        ];
        let all = [series(3), series(30), series(1)];
        let labels = ["kxdns-tcx", "coredns", reflector(Hook::Tcx)];
        let report = Report::of(setting, labels.into_iter(), subjects.into_iter().zip(&all));
        let [comparison] = report.comparisons.as_slice() else {
            panic!("{:?}", report.comparisons);
        };
        assert_eq!(
            (comparison.subject, comparison.reference),
            ("kxdns-tcx", "coredns")
        );
        for (ratio, wanted) in [
            (comparison.best, 10.0),
            (comparison.p99, 0.1),
            (comparison.answering, 0.1),
            (comparison.above_reflector, 2.0 / 29.0),
        ] {
            assert!((ratio.median - wanted).abs() < 1e-9, "{comparison:?}");
        }
        let text = text(&report);
        assert!(text.contains("reflector-tcx"), "{text}");
    }
}
