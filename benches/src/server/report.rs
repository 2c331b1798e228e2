//! The results of `bench server`, and the tables that show them.

use std::{fmt::Write as _, path::Path};

use anyhow::Result;
use comfy_table::Table;
use serde::Serialize;

use super::workload::Kind;
use crate::process::Memory;
use crate::{
    output,
    plot::{self, Bar},
    summary::Summary,
};

/// The share of a rate from which on it is held.
const HELD: f64 = 0.99;

/// Everything that was measured, and how.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// How.
    #[serde(flatten)]
    pub(super) setting: Setting,
    /// One for each sort of queries.
    pub(super) workloads: Vec<Results>,
}

/// What the results depend on beside the machine.
#[derive(Debug, Serialize)]
pub(super) struct Setting {
    /// What the servers say of their versions.
    pub(super) versions: Vec<String>,
    /// Services in the cluster.
    pub(super) services: u32,
    /// Names that only the upstream knows.
    pub(super) external_names: u32,
    /// Rounds.
    pub(super) rounds: u32,
    /// Seconds of a server's turn in a round.
    pub(super) seconds: u32,
    /// Queries a second where they are limited.
    pub(super) rate: u32,
    /// dnsperf's sending threads.
    pub(super) threads: u32,
    /// dnsperf's clients.
    pub(super) clients: u32,
    /// Queries that wait for an answer, at most.
    pub(super) outstanding: u32,
}

/// The results of a sort of queries.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    /// The sort.
    pub(super) queries: Kind,
    /// What is asked.
    pub(super) title: &'static str,
    /// How many queries are asked in turn.
    pub(super) distinct: usize,
    /// The servers' results, dns-ctl's first.
    pub(super) servers: Vec<Row>,
}

/// A server's results.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// The server.
    pub(super) server: String,
    /// As fast as can be.
    pub(super) unlimited: Speed,
    /// At the given rate.
    pub(super) limited: Speed,
    /// Its memory afterwards.
    #[serde(flatten)]
    pub(super) memory: Memory,
    /// dns-ctl's results divided by this server's, if it is another.
    pub(super) ratio: Option<Ratios>,
}

/// One run of dnsperf.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Answers a second.
    pub(super) queries_per_second: f64,
    /// Mean time from query to answer, in microseconds.
    pub(super) latency: f64,
    /// Processor time of the server for each answer, in microseconds.
    pub(super) processor: f64,
    /// Queries sent.
    pub(super) sent: u32,
    /// Queries lost.
    pub(super) lost: u32,
}

/// All runs of a server with a sort of queries at a speed.
#[derive(Debug, Serialize)]
pub(super) struct Speed {
    /// Answers a second.
    queries_per_second: Summary,
    /// Mean time from query to answer, in microseconds.
    latency: Summary,
    /// Processor time of the server for each answer, in microseconds.
    processor: Summary,
    /// Queries sent, in all rounds together.
    sent: u32,
    /// Queries lost, in all rounds together.
    lost: u32,
}

/// The ratios at both speeds.
#[derive(Debug, Serialize)]
pub(super) struct Ratios {
    /// As fast as can be.
    pub(super) unlimited: Ratio,
    /// At the given rate.
    pub(super) limited: Ratio,
}

/// A server's numbers divided by another's, round by round.
#[derive(Debug, Serialize)]
pub(super) struct Ratio {
    queries_per_second: Summary,
    latency: Summary,
    processor: Summary,
}

impl Speed {
    /// The summary of some runs, of which there is at least one.
    pub(super) fn of(runs: &[Run]) -> Self {
        let summary = |value: fn(&Run) -> f64| {
            let values: Vec<_> = runs.iter().map(value).collect();
            Summary::of(&values)
        };
        Self {
            queries_per_second: summary(|run| run.queries_per_second),
            latency: summary(|run| run.latency),
            processor: summary(|run| run.processor),
            sent: runs.iter().map(|run| run.sent).sum(),
            lost: runs.iter().map(|run| run.lost).sum(),
        }
    }
}

impl Ratio {
    /// The ratios of two servers' runs in the same rounds, of which there is at least one.
    pub(super) fn of(first: &[Run], second: &[Run]) -> Self {
        let summary = |value: fn(&Run) -> f64| {
            let rounds = first.iter().zip(second);
            let ratios: Vec<_> = rounds.map(|(a, b)| value(a) / value(b)).collect();
            Summary::of(&ratios)
        };
        Self {
            queries_per_second: summary(|run| run.queries_per_second),
            latency: summary(|run| run.latency),
            processor: summary(|run| run.processor),
        }
    }
}

/// The tables, one for each sort of queries.
pub(crate) fn text(report: &Report) -> String {
    let setting = &report.setting;
    let mut text = format!("{}\n\n", setting.versions.join("\n"));
    for results in &report.workloads {
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "{} ({} queries in turn)\n{}\n{}",
            results.title,
            results.distinct,
            table(results, setting.rate),
            slower(results, setting.rate)
        );
    }
    text + &legend(setting)
}

/// Bars of the processor time that each server takes for an answer, for each sort of queries.
pub(crate) fn plot(report: &Report, file: &Path) -> Result<()> {
    let bars = report.workloads.iter().flat_map(|results| {
        let sort = results.queries;
        let row = move |(group, row): (usize, &Row)| Bar {
            label: format!("{sort:?}, {}", row.server).to_lowercase(),
            value: row.unlimited.processor,
            group,
        };
        results.servers.iter().enumerate().map(row)
    });
    let bars: Vec<_> = bars.collect();
    plot::bars(
        file,
        "Servers, as fast as can be",
        "processor time for each answer, µs",
        &bars,
    )
}

/// Who did not hold the rate: its numbers there are those of another rate.
fn slower(results: &Results, rate: u32) -> String {
    let mut told = String::new();
    for row in &results.servers {
        let reached = row.limited.queries_per_second.median;
        if reached < f64::from(rate) * HELD {
            // Writing to a string can't fail.
            let _ = writeln!(
                told,
                "{} answered {reached:.0} of {rate} a second",
                row.server
            );
        }
    }
    told
}

/// What the columns mean.
fn legend(setting: &Setting) -> String {
    let Setting {
        services,
        external_names,
        rounds,
        seconds,
        rate,
        threads,
        clients,
        outstanding,
        ..
    } = setting;
    format!(
        "\
{services} Services, {external_names} names outside; {rounds} rounds of {seconds} s for each server: median (p10..p90) of the rounds.
dnsperf, {threads} sending threads, {clients} clients, {outstanding} queries waiting at most; on the same processors as the servers.
q/s      answers a second, as fast as dnsperf and the server can together
µs       mean time from query to answer, in microseconds: as fast as can be, and @ {rate} queries a second
CPU µs   processor time of the server's process for each answer, kernel included, in microseconds
lost     queries without an answer, of all that were sent
MiB      resident memory after all runs so far, and the most that it has been
ratio    dns-ctl divided by the server above, round by round"
    )
}

fn table(results: &Results, rate: u32) -> Table {
    let mut table = output::table(&[
        "server",
        "q/s",
        "µs",
        "CPU µs",
        &format!("µs @ {rate}"),
        &format!("CPU µs @ {rate}"),
        "lost",
        "MiB",
    ]);
    for row in &results.servers {
        let Row {
            unlimited, limited, ..
        } = row;
        table.add_row([
            row.server.clone(),
            spread(unlimited.queries_per_second, 0),
            spread(unlimited.latency, 0),
            spread(unlimited.processor, 1),
            spread(limited.latency, 0),
            spread(limited.processor, 1),
            (unlimited.lost + limited.lost).to_string(),
            format!(
                "{:.1}, {:.1}",
                mebibytes(row.memory.resident),
                mebibytes(row.memory.peak)
            ),
        ]);
        if let Some(Ratios { unlimited, limited }) = &row.ratio {
            table.add_row([
                "ratio".to_owned(),
                spread(unlimited.queries_per_second, 2),
                spread(unlimited.latency, 2),
                spread(unlimited.processor, 2),
                spread(limited.latency, 2),
                spread(limited.processor, 2),
                String::new(),
                ratio_of_memory(results, row),
            ]);
        }
    }
    table
}

/// The first server's memory divided by another's.
fn ratio_of_memory(results: &Results, row: &Row) -> String {
    let Some(first) = results.servers.first() else {
        return String::new();
    };
    let ratio = |of: fn(&Memory) -> u32| f64::from(of(&first.memory)) / f64::from(of(&row.memory));
    format!(
        "{:.2}, {:.2}",
        ratio(|memory| memory.resident),
        ratio(|memory| memory.peak)
    )
}

fn mebibytes(kibibytes: u32) -> f64 {
    f64::from(kibibytes) / 1024.0
}

fn spread(Summary { p10, median, p90 }: Summary, digits: usize) -> String {
    format!("{median:.digits$} ({p10:.digits$}..{p90:.digits$})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(queries_per_second: f64, processor: f64) -> Run {
        Run {
            queries_per_second,
            latency: 500.0,
            processor,
            sent: 100,
            lost: 1,
        }
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        // The machine was twice as fast in the second round, for both.
        let runs = [
            vec![run(30.0, 10.0), run(60.0, 5.0)],
            vec![run(10.0, 40.0), run(20.0, 20.0)],
        ];
        let ratio = Ratio::of(&runs[0], &runs[1]);
        for (summary, expected) in [
            (ratio.queries_per_second, 3.0),
            (ratio.processor, 0.25),
            (ratio.latency, 1.0),
        ] {
            assert!((summary.p10 - expected).abs() < 1e-9, "{summary:?}");
            assert!((summary.p90 - expected).abs() < 1e-9, "{summary:?}");
        }
        let speed = Speed::of(&runs[0]);
        assert_eq!((speed.sent, speed.lost), (200, 2));
    }

    fn row(server: &'static str, reached: f64) -> Row {
        let speed = || Speed::of(&[run(reached, 10.0)]);
        Row {
            server: server.to_owned(),
            unlimited: speed(),
            limited: speed(),
            memory: Memory {
                resident: 1024,
                peak: 2048,
            },
            ratio: None,
        }
    }

    #[test]
    fn who_does_not_hold_the_rate_is_told() {
        let results = Results {
            queries: Kind::Cluster,
            title: "a test",
            distinct: 1,
            servers: vec![row("quick", 995.0), row("slow", 900.0)],
        };
        let told = slower(&results, 1000);
        assert_eq!(told, "slow answered 900 of 1000 a second\n");
    }

    #[test]
    fn spreads_show_as_many_digits_as_asked_for() {
        let summary = Summary::of(&[1.25, 2.25, 3.25]);
        assert_eq!(spread(summary, 0), "2 (1..3)");
        assert_eq!(spread(summary, 2), "2.25 (1.45..3.05)");
    }
}
