//! The results of `bench wire`, and the tables and the plot that show them.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::{names::Kind, subject::Who};
use crate::{
    output,
    plot::{self, Bar},
    summary::Summary,
};

/// Everything that was measured, and how.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// What dns-ctl and Knot say of their versions.
    versions: [String; 2],
    services: u32,
    rounds: u32,
    /// Seconds of each run of kxdpgun.
    seconds: u32,
    rows: Vec<Row>,
    /// For each sort of questions: the highest rate that kxdns holds, divided by Knot's of the same round.
    beside_knot: Vec<(Kind, Summary)>,
}

/// One subject and one sort of questions.
#[derive(Debug, Serialize)]
struct Row {
    queries: Kind,
    subject: Who,
    /// Asked as fast as can be.
    full: Measured,
    /// Asked at the highest rate that is held.
    held: Measured,
    /// Nanoseconds that the XDP program takes for a packet, the kernel's statistics included.
    program: f64,
}

/// Speeds of all rounds.
#[derive(Debug, Serialize)]
struct Measured {
    /// Answers a second.
    rate: Summary,
    /// The same, divided by the reflector's of the same round.
    ratio: Summary,
    /// The share of questions that were answered.
    answered: Summary,
    /// Microseconds of processor time at the subject's end, for each answer.
    processor: Summary,
}

/// One run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Speed {
    /// Answers a second.
    pub(super) rate: f64,
    /// The share of questions that were answered.
    pub(super) answered: f64,
    /// Microseconds of processor time at the subject's end, for each answer.
    pub(super) processor: f64,
}

/// All runs of a subject with a sort of questions.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    /// As fast as can be, one for each round.
    pub(super) full: Vec<Speed>,
    /// At the highest rate that is held, one for each round.
    pub(super) held: Vec<Speed>,
    /// Nanoseconds of the XDP program for a packet.
    pub(super) program: f64,
}

impl Report {
    /// The results of at least one round; each subject has a series for each sort, and the reflector is among them.
    pub(super) fn of(
        versions: [String; 2],
        (services, rounds, seconds): (u32, u32, u32),
        kinds: &[Kind],
        all: &[(Who, Vec<Series>)],
    ) -> Self {
        let mut rows = Vec::new();
        let mut beside_knot = Vec::new();
        for (place, &kind) in kinds.iter().enumerate() {
            let series = |who: Who| {
                let found = all.iter().find(|(other, _)| *other == who);
                found.and_then(|(_, series)| series.get(place))
            };
            let nothing = Series::default();
            let floor = series(Who::Reflector).unwrap_or(&nothing);
            rows.extend(all.iter().filter_map(|(who, _)| {
                let own = series(*who)?;
                Some(Row {
                    queries: kind,
                    subject: *who,
                    full: Measured::of(&own.full, &floor.full),
                    held: Measured::of(&own.held, &floor.held),
                    program: own.program,
                })
            }));
            if let (Some(kxdns), Some(knot)) = (series(Who::Kxdns), series(Who::Knot)) {
                beside_knot.push((kind, ratio(&kxdns.held, &knot.held)));
            }
        }
        Self {
            versions,
            services,
            rounds,
            seconds,
            rows,
            beside_knot,
        }
    }
}

impl Measured {
    fn of(speeds: &[Speed], floor: &[Speed]) -> Self {
        let all =
            |value: fn(&Speed) -> f64| Summary::of(&speeds.iter().map(value).collect::<Vec<_>>());
        Self {
            rate: all(|speed| speed.rate),
            ratio: ratio(speeds, floor),
            answered: all(|speed| speed.answered),
            processor: all(|speed| speed.processor),
        }
    }
}

/// The quotient of two rates, round by round.
fn ratio(speeds: &[Speed], by: &[Speed]) -> Summary {
    let rounds = speeds.iter().zip(by);
    let ratios: Vec<_> = rounds.map(|(speed, by)| speed.rate / by.rate).collect();
    Summary::of(&ratios)
}

/// The table.
pub(crate) fn text(report: &Report) -> String {
    let mut table = output::table(&[
        "queries",
        "subject",
        "answers/s, full speed",
        "ratio",
        "answered %",
        "answers/s, >= 99.5 %",
        "ratio",
        "CPU µs",
        "program ns",
    ]);
    for row in &report.rows {
        table.add_row([
            row.queries.title().to_owned(),
            row.subject.label().to_owned(),
            spread(&row.full.rate, 1.0, 0),
            spread(&row.full.ratio, 1.0, 3),
            spread(&row.full.answered, 100.0, 1),
            spread(&row.held.rate, 1.0, 0),
            spread(&row.held.ratio, 1.0, 3),
            spread(&row.held.processor, 1.0, 2),
            format!("{:.0}", row.program),
        ]);
    }
    let beside_knot = report.beside_knot.iter().map(|(kind, ratio)| {
        format!(
            "{}: kxdns holds {} times Knot's rate\n",
            kind.title(),
            spread(ratio, 1.0, 2)
        )
    });
    format!(
        "{}, {}; {} names; median (p10..p90) of {} rounds, {} s for each run\n\n{table}\n\n{}",
        report.versions[0],
        report.versions[1],
        report.services,
        report.rounds,
        report.seconds,
        beside_knot.collect::<String>()
    )
}

/// Bars of both rates for each subject.
pub(crate) fn plot(report: &Report, file: &Path) -> Result<()> {
    let bars: Vec<Bar> = report
        .rows
        .iter()
        .flat_map(|row| {
            let bar = |group, what: &str, value| Bar {
                label: format!("{} {}, {what}", row.queries.title(), row.subject.label()),
                value,
                group,
            };
            [
                bar(0, "full speed", row.full.rate),
                bar(1, "99.5 % answered", row.held.rate),
            ]
        })
        .collect();
    plot::bars(file, "Native XDP on a veth pair", "answers a second", &bars)
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

    fn series(rates: &[f64]) -> Series {
        let speed = |rate: &f64| Speed {
            rate: *rate,
            answered: 0.5,
            processor: 1.25,
        };
        Series {
            full: rates.iter().map(speed).collect(),
            held: rates.iter().map(speed).collect(),
            program: 100.0,
        }
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let all = [
            (Who::Reflector, vec![series(&[10.0, 20.0])]),
            (Who::Kxdns, vec![series(&[9.0, 16.0])]),
            (Who::Knot, vec![series(&[3.0, 4.0])]),
        ];
        let versions = ["dns-ctl 1", "knotd 2"].map(ToOwned::to_owned);
        let report = Report::of(versions, (1000, 2, 1), &[Kind::A], &all);
        let text = text(&report);
        assert!(text.contains("0.850 (0.810..0.890)"), "{text}");
        assert!(
            text.contains("A: kxdns holds 3.50 (3.10..3.90) times Knot's rate"),
            "{text}"
        );
        let folder = testbed::Scratch::new("plot").unwrap();
        plot(&report, &folder.path().join("plot.svg")).unwrap();
    }

    #[test]
    fn without_knot_nothing_is_said_of_it() {
        let all = [(Who::Reflector, vec![series(&[10.0])])];
        let report = Report::of([String::new(), String::new()], (1, 1, 1), &[Kind::A], &all);
        assert!(report.beside_knot.is_empty());
        assert!(!text(&report).contains("Knot"));
    }
}
