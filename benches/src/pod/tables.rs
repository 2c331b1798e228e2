//! The results of `bench pod` as tables.

use comfy_table::Table;

use super::report::{CostRow, Point, Report, Setting};
use crate::{output, summary::Summary};

/// All tables, and what they mean.
pub(super) fn text(report: &Report) -> String {
    let setting = &report.setting;
    let versions = setting.versions.iter();
    let versions = versions.map(|it| format!("{}: {}\n", it.subject.label(), it.version));
    format!(
        "{}\n{}\n\n{}\n\n{}\n\n{}\n\n{}",
        versions.collect::<String>(),
        best(report),
        latency(report),
        cost(report),
        compared(report),
        legend(setting)
    )
}

fn best(report: &Report) -> Table {
    let mut table = output::table(&["as fast as can be", "q/s"]);
    for row in &report.rows {
        if let Some(best) = row.best {
            table.add_row([row.subject.to_owned(), spread(best, 0)]);
        }
    }
    table
}

fn latency(report: &Report) -> Table {
    let mut table = output::table(&[
        "offered",
        "%",
        "who",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "p99 from sending",
        "sent late %",
        "lost %",
    ]);
    let percents = report.rows.iter().flat_map(|row| &row.points);
    let mut percents: Vec<_> = percents.map(|point| point.percent).collect();
    percents.sort_unstable();
    percents.dedup();
    for percent in percents {
        for row in &report.rows {
            let point = row.points.iter().find(|point| point.percent == percent);
            if let Some(point) = point {
                table.add_row(cells(row.subject, point));
            }
        }
    }
    table
}

fn cells(who: &str, point: &Point) -> [String; 9] {
    [
        format!("{:.0}", point.rate),
        point.percent.to_string(),
        who.to_owned(),
        spread(point.from_due.p50, 0),
        spread(point.from_due.p99, 0),
        spread(point.from_due.p999, 0),
        spread(point.from_sent.p99, 0),
        part(point.late, point.sent),
        part(point.lost, point.sent),
    ]
}

fn cost(report: &Report) -> Table {
    let mut table = output::table(&[
        "processor µs an answer",
        "process",
        "programs",
        "both",
        "whole machine",
        "above reflector",
        "in kernel %",
    ]);
    for row in &report.rows {
        let Some(CostRow {
            process,
            programs,
            answering,
            machine,
            above_reflector,
            in_kernel,
        }) = &row.cost
        else {
            continue;
        };
        table.add_row([
            row.subject.to_owned(),
            spread(*process, 2),
            spread(*programs, 2),
            spread(*answering, 2),
            spread(*machine, 1),
            above_reflector.map_or_else(String::new, |above| spread(above, 1)),
            in_kernel.map_or_else(String::new, |part| format!("{:.2}", part * 100.0)),
        ]);
    }
    table
}

fn compared(report: &Report) -> Table {
    let mut table = output::table(&[
        "who",
        "divided by",
        "best q/s",
        "p99",
        "p99 from sending",
        "CPU, process and programs",
        "CPU, machine above reflector",
    ]);
    for it in &report.comparisons {
        table.add_row([
            it.subject.to_owned(),
            it.reference.to_owned(),
            spread(it.best, 2),
            spread(it.p99, 3),
            spread(it.p99_from_sent, 3),
            spread(it.answering, 4),
            spread(it.above_reflector, 3),
        ]);
    }
    table
}

/// What the columns mean.
fn legend(setting: &Setting) -> String {
    let Setting {
        services,
        rounds,
        seconds,
        base,
        compared,
        threads,
        clients,
        outstanding,
        ..
    } = setting;
    format!(
        "\
{services} names; {rounds} rounds of {seconds} s for each number: median (p10..p90) of the rounds; all on the same processors.
as fast as can be: dnsperf, {threads} sending threads, {clients} clients, {outstanding} queries waiting at most.
offered: queries a second of a Poisson process, sent when they are due; {base:.0}/s are 100 %.
p50, p99, p99.9: from when a query was due until its answer was read; a lost one counts as a second.
sent late: more than 100 µs after they were due, as the sender had no processor.
processor time and the ratios are at {compared} %."
    )
}

fn spread(Summary { p10, median, p90 }: Summary, digits: usize) -> String {
    format!("{median:.digits$} ({p10:.digits$}..{p90:.digits$})")
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 queries")]
fn part(part: usize, whole: usize) -> String {
    format!("{:.2}", part as f64 * 100.0 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_hundredths() {
        assert_eq!(part(1, 200), "0.50");
    }
}
