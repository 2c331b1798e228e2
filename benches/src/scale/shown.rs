//! The tables and the plot of `bench scale`.

use std::{fmt::Write as _, path::Path};

use anyhow::Result;
use comfy_table::Table;

use super::{
    bed::Subject,
    report::{Cluster, Events, Report, Setting},
};
use crate::{
    output,
    plot::{self, Axis, Bar, Line},
    summary::Summary,
};

/// Octets in a MiB.
const MIB: f64 = 1024.0 * 1024.0;
/// What the client that does nothing but read is called.
const PLAIN: &str = "plain client";

/// The tables.
pub(crate) fn text(report: &Report) -> String {
    let Setting {
        rounds,
        rate,
        seconds,
        services_of_events,
    } = report.setting;
    let mut text = format!(
        "{}; median (p10..p90) of {rounds} rounds\n",
        report.versions.join("; ")
    );
    // Writing to a string can't fail.
    if !report.clusters.is_empty() {
        let _ = writeln!(text, "\n{}\n{STARTS}", starts(&report.clusters));
    }
    if !report.events.is_empty() {
        let _ = writeln!(
            text,
            "\nFrom a change to its answer in a pod: {rate} changes a second for {seconds} s, {services_of_events} \
             Services; milliseconds.\n\n{}",
            events(&report.events)
        );
    }
    text
}

/// What the columns mean.
const STARTS: &str = "
answered  from the start of the process until a pod gets the address of the last Service, in seconds
kernel    until it gets it from the kernel
ready     until /readyz or /ready says so: all is known, and in the kernel
CPU s     processor time of the process until then
MiB       two seconds later: resident, the most that was resident, proportional (PSS), pinned maps; and what the API
          server has sent, without HTTP's headers
plain client  reads the same lists, one after the other, and throws them away";

fn starts(clusters: &[Cluster]) -> Table {
    let mut table = output::table(&[
        "Services, endpoints",
        "subject",
        "answered s",
        "kernel s",
        "ready s",
        "CPU s",
        "RSS MiB",
        "peak MiB",
        "PSS MiB",
        "maps MiB",
        "received MiB",
    ]);
    for cluster in clusters {
        let size = format!("{}, {}", cluster.services, cluster.endpoints);
        let mut plain = vec![size.clone(), PLAIN.to_owned(), String::new(), String::new()];
        plain.push(spread(&cluster.plain_lists, 1.0, 3));
        table.add_row(plain);
        for row in &cluster.subjects {
            let maybe = |summary: &Option<Summary>, unit, digits| {
                summary.map_or_else(String::new, |it| spread(&it, unit, digits))
            };
            table.add_row([
                size.clone(),
                row.subject.label().to_owned(),
                spread(&row.answered, 1.0, 3),
                maybe(&row.in_kernel, 1.0, 3),
                spread(&row.ready, 1.0, 3),
                spread(&row.processor, 1.0, 2),
                spread(&row.resident, MIB, 1),
                spread(&row.peak, MIB, 1),
                spread(&row.proportional, MIB, 1),
                maybe(&row.maps, MIB, 1),
                spread(&row.received, MIB, 2),
            ]);
        }
        for ratio in &cluster.ratios {
            table.add_row([
                size.clone(),
                format!("{} / {}", ratio.subject.label(), ratio.to.label()),
                String::new(),
                String::new(),
                spread(&ratio.ready, 1.0, 2),
                spread(&ratio.processor, 1.0, 2),
                spread(&ratio.resident, 1.0, 2),
                spread(&ratio.peak, 1.0, 2),
                spread(&ratio.proportional, 1.0, 2),
                String::new(),
                spread(&ratio.received, 1.0, 2),
            ]);
        }
    }
    table
}

fn events(events: &[Events]) -> Table {
    let mut table = output::table(&["subject", "p50", "p99", "most", "changes"]);
    for row in events {
        table.add_row([
            row.subject.map_or("plain watch", Subject::label).to_owned(),
            spread(&row.p50, 1.0, 2),
            spread(&row.p99, 1.0, 2),
            spread(&row.most, 1.0, 2),
            row.changes.to_string(),
        ]);
    }
    table
}

fn spread(summary: &Summary, unit: f64, digits: usize) -> String {
    let Summary { p10, median, p90 } = summary;
    format!(
        "{:.digits$} ({:.digits$}..{:.digits$})",
        median / unit,
        p10 / unit,
        p90 / unit
    )
}

/// Lines of the time to be ready over the number of Services; without starts, bars of the changes.
pub(crate) fn plot(report: &Report, file: &Path) -> Result<()> {
    let without_endpoints = || report.clusters.iter().filter(|it| it.endpoints == 0);
    if without_endpoints().next().is_none() {
        let bar = |row: &Events| Bar {
            label: row.subject.map_or("plain watch", Subject::label).to_owned(),
            value: row.p99,
            group: 0,
        };
        let bars: Vec<_> = report.events.iter().map(bar).collect();
        return plot::bars(file, "From a change to its answer", "p99, ms", &bars);
    }
    let line = |label: &str, value: &dyn Fn(&Cluster) -> Option<f64>| Line {
        label: label.to_owned(),
        points: without_endpoints()
            .filter_map(|cluster| Some((f64::from(cluster.services), value(cluster)?)))
            .collect(),
    };
    let subjects = [Subject::DnsCtl, Subject::Against, Subject::CoreDns];
    let mut lines: Vec<_> = subjects
        .iter()
        .map(|subject| {
            line(subject.label(), &|cluster| {
                let rows = &cluster.subjects;
                let row = rows.iter().find(|row| row.subject == *subject)?;
                Some(row.ready.median)
            })
        })
        .collect();
    lines.push(line(PLAIN, &|cluster| Some(cluster.plain_lists.median)));
    lines.retain(|line| !line.points.is_empty());
    let axis = |label| Axis {
        label,
        logarithmic: true,
    };
    let title = "From start to ready";
    plot::lines(file, title, axis("Services"), axis("seconds"), &lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scale::report::tests::cluster;

    #[test]
    fn tables_have_what_was_measured() {
        let report = Report {
            versions: vec!["dns-ctl 1".to_owned()],
            setting: Setting {
                rounds: 2,
                rate: 100,
                seconds: 1,
                services_of_events: 10_000,
            },
            clusters: vec![cluster()],
            events: vec![Events::of(Some(Subject::CoreDns), &[vec![2.5, 2.5]])],
        };
        let text = text(&report);
        for part in ["0.50 (0.50..0.50)", "plain client", "2.50 (2.50..2.50)"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
