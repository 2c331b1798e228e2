//! The results of `bench server`, and the tables that show them.

use std::fmt::Write as _;

use comfy_table::Table;
use serde::Serialize;

use super::workload::Kind;
use crate::{output, summary::Summary};

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
    pub(super) versions: [String; 2],
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
    /// The servers' results.
    pub(super) servers: [Row; 2],
    /// The first server's results divided by the second's.
    pub(super) ratio: Ratios,
}

/// A server's results.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// The server.
    pub(super) server: &'static str,
    /// As fast as can be.
    pub(super) unlimited: Speed,
    /// At the given rate.
    pub(super) limited: Speed,
    /// Memory that is resident afterwards, in kibibytes.
    pub(super) resident: u32,
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

/// The first server's numbers divided by the second's, round by round.
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
    pub(super) fn of([first, second]: &[Vec<Run>; 2]) -> Self {
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
    let mut text = format!("{}\n\n", setting.versions.join("; "));
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
MiB      resident memory afterwards
ratio    dns-ctl divided by CoreDNS, round by round"
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
            row.server.to_owned(),
            spread(unlimited.queries_per_second, 0),
            spread(unlimited.latency, 0),
            spread(unlimited.processor, 1),
            spread(limited.latency, 0),
            spread(limited.processor, 1),
            (unlimited.lost + limited.lost).to_string(),
            format!("{:.1}", f64::from(row.resident) / 1024.0),
        ]);
    }
    let Ratios { unlimited, limited } = &results.ratio;
    let [resident, reference] = results
        .servers
        .each_ref()
        .map(|row| f64::from(row.resident));
    table.add_row([
        "ratio".to_owned(),
        spread(unlimited.queries_per_second, 2),
        spread(unlimited.latency, 2),
        spread(unlimited.processor, 2),
        spread(limited.latency, 2),
        spread(limited.processor, 2),
        String::new(),
        format!("{:.2}", resident / reference),
    ]);
    table
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
        let ratio = Ratio::of(&runs);
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
            server,
            unlimited: speed(),
            limited: speed(),
            resident: 1024,
        }
    }

    #[test]
    fn who_does_not_hold_the_rate_is_told() {
        let runs = [vec![run(1.0, 1.0)], vec![run(1.0, 1.0)]];
        let results = Results {
            queries: Kind::Cluster,
            title: "a test",
            distinct: 1,
            servers: [row("quick", 995.0), row("slow", 900.0)],
            ratio: Ratios {
                unlimited: Ratio::of(&runs),
                limited: Ratio::of(&runs),
            },
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
