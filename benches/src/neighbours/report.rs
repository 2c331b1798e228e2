//! The results of `bench neighbours`, and the table that shows them.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::{
    output,
    plot::{self, Bar},
    summary::Summary,
};

/// Bits a second in a Gbit/s.
const GIGA: f64 = 1e9;

/// Everything that was measured, and how.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// What dns-ctl says of its version.
    pub(super) version: String,
    /// Rounds.
    pub(super) rounds: u32,
    /// Seconds of each run.
    pub(super) seconds: u32,
    /// Without the programs first, then with them.
    pub(super) rows: Vec<Row>,
}

/// What was measured with the interfaces in one state.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// The state.
    state: &'static str,
    /// A TCP stream, in bits a second.
    stream: Measure,
    /// Its processor time, in seconds for each gigabyte.
    processor: Measure,
    /// Datagrams there and back, a second.
    round_trips: Measure,
    /// Datagrams that did not come back, in all rounds together.
    lost: u32,
}

/// A measure, and its ratio to that without the programs, round by round.
#[derive(Debug, Serialize)]
struct Measure {
    value: Summary,
    ratio: Summary,
}

/// The runs of one state, one for each round.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs {
    /// Bits a second.
    pub(super) stream: Vec<f64>,
    /// Processor time for each gigabyte, in seconds.
    pub(super) processor: Vec<f64>,
    /// Round trips a second.
    pub(super) round_trips: Vec<f64>,
    /// Datagrams lost.
    pub(super) lost: u32,
}

impl Row {
    /// The results of a state, compared with those `without` the programs; of one round at least.
    pub(super) fn of(state: &'static str, runs: &Runs, without: &Runs) -> Self {
        Self {
            state,
            stream: Measure::of(&runs.stream, &without.stream),
            processor: Measure::of(&runs.processor, &without.processor),
            round_trips: Measure::of(&runs.round_trips, &without.round_trips),
            lost: runs.lost,
        }
    }
}

impl Measure {
    fn of(values: &[f64], without: &[f64]) -> Self {
        let rounds = values.iter().zip(without);
        let ratios: Vec<_> = rounds.map(|(with, without)| with / without).collect();
        Self {
            value: Summary::of(values),
            ratio: Summary::of(&ratios),
        }
    }
}

/// Bars of both ratios for each state.
pub(crate) fn plot(report: &Report, file: &Path) -> Result<()> {
    let bars = |(group, what, ratio): (usize, &str, fn(&Row) -> Summary)| {
        let bar = move |row: &Row| Bar {
            label: format!("{what}, {}", row.state),
            value: ratio(row),
            group,
        };
        report.rows.iter().skip(1).map(bar).collect::<Vec<_>>()
    };
    let bars: Vec<Bar> = [
        (0, "TCP", (|row| row.stream.ratio) as fn(&Row) -> Summary),
        (1, "UDP", |row| row.round_trips.ratio),
    ]
    .into_iter()
    .flat_map(bars)
    .collect();
    plot::bars(
        file,
        "Other traffic of a pod",
        "with programs / without",
        &bars,
    )
}

/// The table.
pub(crate) fn text(report: &Report) -> String {
    let mut table = output::table(&[
        "programs",
        "TCP Gbit/s",
        "ratio",
        "CPU s/GB",
        "ratio",
        "UDP round trips/s",
        "ratio",
        "lost",
    ]);
    for row in &report.rows {
        table.add_row([
            row.state.to_owned(),
            spread(&row.stream.value, 1.0 / GIGA, 2),
            spread(&row.stream.ratio, 1.0, 3),
            spread(&row.processor.value, 1.0, 3),
            spread(&row.processor.ratio, 1.0, 3),
            spread(&row.round_trips.value, 1.0, 0),
            spread(&row.round_trips.ratio, 1.0, 3),
            row.lost.to_string(),
        ]);
    }
    format!(
        "{}; median (p10..p90) of {} rounds, {} s for each number\n\n{table}",
        report.version, report.rounds, report.seconds
    )
}

fn spread(summary: &Summary, unit: f64, digits: usize) -> String {
    let Summary { p10, median, p90 } = summary;
    format!(
        "{:.digits$} ({:.digits$}..{:.digits$})",
        median * unit,
        p10 * unit,
        p90 * unit
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_same_round() {
        let runs = |stream: &[f64]| Runs {
            stream: stream.to_vec(),
            processor: stream.to_vec(),
            round_trips: stream.to_vec(),
            lost: 1,
        };
        let row = Row::of("tcx", &runs(&[1e9, 18e9]), &runs(&[2e9, 20e9]));
        assert!((row.stream.ratio.median - 0.7).abs() < 1e-9);
        let report = Report {
            version: "dns-ctl 1".to_owned(),
            rounds: 2,
            seconds: 3,
            rows: vec![row],
        };
        let text = text(&report);
        assert!(text.contains("9.50 (2.70..16.30)"), "{text}");
        assert!(text.contains("0.700 (0.540..0.860)"), "{text}");
    }
}
