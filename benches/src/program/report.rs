//! The results of `bench program`, and the tables that show them.

use std::{fmt::Write as _, path::Path};

use anyhow::Result;
use comfy_table::Table;
use serde::Serialize;

use super::kinds::Draw;
use crate::{
    output,
    plot::{self, Axis, Bar, Line},
    summary::Summary,
};

/// What the numbers are.
const LEGEND: &str = "\
Nanoseconds per packet, beyond what an empty program takes with the same packets: median (p10..p90) of the rounds.
The last row is the empty program itself, with all that is around it: the feeder, the clock.";

/// A way to run packets: how it is called, what it is, and where its numbers are.
type Way = (&'static str, &'static str, fn(&Row) -> Option<&Timing>);

const WAYS: [Way; 3] = [
    (
        "In a row",
        "8192 packets, names drawn at random, fed to the program one after the other",
        |row| row.fed.as_ref(),
    ),
    (
        "Alone",
        "512 packets, names drawn at random, a system call for each: what was cached is partly gone",
        |row| row.single.as_ref(),
    ),
    (
        "Unchanged",
        "8192 times the same packet without the feeder; only for packets that are not rewritten",
        |row| row.repeated.as_ref(),
    ),
];

/// The kinds of packet whose growth with the map is drawn.
const PLOTTED: [&str; 5] = [
    "A, name of 40 octets",
    "A, name of 100 octets",
    "A, unknown name: NXDOMAIN",
    "A of www.example.com",
    "reflector",
];

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Rounds.
    pub(crate) rounds: u32,
    /// How the names were drawn.
    pub(crate) draw: Draw,
    /// A row for each hook, size of the map and kind of packet.
    pub(crate) rows: Vec<Row>,
}

/// A kind of packet on a hook with a size of the map.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// The hook.
    pub(crate) hook: &'static str,
    /// Names in the map.
    pub(crate) names: usize,
    /// Empty, or `other` for the object that the first one is compared with.
    pub(crate) object: &'static str,
    /// The kind of packet.
    pub(crate) packet: &'static str,
    /// Packets fed in a row.
    pub(crate) fed: Option<Timing>,
    /// Packets alone.
    pub(crate) single: Option<Timing>,
    /// The same packet many times.
    pub(crate) repeated: Option<Timing>,
    /// Of the other object: what the first one took, in a row and beyond the empty program, divided by this, round by
    /// round.
    pub(crate) ratio: Option<Summary>,
}

impl Row {
    /// Rows with the same of these are in the same column.
    fn column(&self) -> (&str, usize, &str) {
        (self.hook, self.names, self.object)
    }
}

/// Nanoseconds per packet.
#[derive(Debug, Serialize)]
pub(crate) struct Timing {
    /// The program, with all that is around it.
    pub(crate) subject: Summary,
    /// The empty program with the same packets and all that is around it.
    pub(crate) empty: Summary,
    /// The difference, round by round.
    pub(crate) above_empty: Summary,
    /// The difference of that to the reflector's, round by round.
    pub(crate) above_reflector: Option<Summary>,
}

/// The tables: one for each way, a column for each hook and size of the map.
pub(crate) fn text(report: &Report) -> String {
    let mut text = String::new();
    for (way, what, timing) in WAYS {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{way}: {what}.\n\n{}\n", table(&report.rows, timing));
    }
    if report.rows.iter().any(|row| row.ratio.is_some()) {
        // Likewise.
        let _ = writeln!(
            text,
            "The first object's time in a row divided by the other's.\n\n{}\n",
            ratios(&report.rows)
        );
    }
    let drawn = match report.draw {
        Draw::Equal => "All names are asked for equally often.",
        Draw::Zipf => "The nth name is asked for n times more rarely than the first.",
    };
    text + LEGEND + "\n" + drawn
}

/// A row for each packet that both objects had.
fn ratios(rows: &[Row]) -> Table {
    let mut table = output::table(&["packet", "hook", "names", "ratio"]);
    for row in rows {
        let Some(Summary { p10, median, p90 }) = row.ratio else {
            continue;
        };
        let ratio = format!("{median:.3} ({p10:.3}..{p90:.3})");
        table.add_row([row.packet, row.hook, &row.names.to_string(), &ratio]);
    }
    table
}

/// With one size of the map a bar for each kind of packet on XDP, with several a line over the sizes for each.
pub(crate) fn plot(report: &Report, file: &Path) -> Result<()> {
    let columns = report.rows.chunk_by(|a, b| a.column() == b.column());
    let sizes: Vec<&[Row]> = columns
        .filter(|column| column[0].hook == "xdp" && column[0].object.is_empty())
        .collect();
    let timed = |row: &Row| row.fed.as_ref().map(|timing| timing.above_empty);
    let rows = sizes.first().copied().unwrap_or_default();
    if let [only] = sizes[..] {
        let bar = |row: &Row| {
            timed(row).map(|value| Bar {
                label: row.packet.to_owned(),
                value,
                group: 0,
            })
        };
        let bars: Vec<_> = only.iter().filter_map(bar).collect();
        let title = format!("XDP, packets in a row, {} names", only[0].names);
        return plot::bars(file, &title, "ns beyond an empty program", &bars);
    }
    let line = |(kind, row): (usize, &Row)| {
        PLOTTED.contains(&row.packet).then(|| Line {
            label: row.packet.to_owned(),
            points: sizes
                .iter()
                .filter_map(|rows| Some((count(rows[kind].names), timed(&rows[kind])?.median)))
                .collect(),
        })
    };
    let lines: Vec<_> = rows.iter().enumerate().filter_map(line).collect();
    let names = Axis {
        label: "names in the map",
        logarithmic: true,
    };
    let cost = Axis {
        label: "ns beyond an empty program",
        logarithmic: false,
    };
    plot::lines(file, "XDP, packets in a row", names, cost, &lines)
}

/// A row for each kind of packet that has a timing.
fn table(rows: &[Row], timing: fn(&Row) -> Option<&Timing>) -> Table {
    let columns: Vec<&[Row]> = rows.chunk_by(|a, b| a.column() == b.column()).collect();
    let heads = columns.iter().map(|column| {
        let (hook, names, object) = column[0].column();
        format!("{hook}, {names} names {object}").trim().to_owned()
    });
    let header: Vec<String> = std::iter::once("packet".to_owned()).chain(heads).collect();
    let mut table = output::table(&header.iter().map(String::as_str).collect::<Vec<_>>());
    let kinds = columns.first().map_or(0, |column| column.len());
    for kind in 0..kinds {
        let timings = columns.iter().map(|column| timing(&column[kind]));
        let Some(timings) = timings.collect::<Option<Vec<_>>>() else {
            continue;
        };
        let numbers = timings.into_iter().map(|timing| spread(timing.above_empty));
        let label = columns[0][kind].packet.to_owned();
        table.add_row(std::iter::once(label).chain(numbers));
    }
    let around = columns.iter().map(|column| {
        let first = column.iter().find_map(timing);
        first.map_or_else(String::new, |timing| spread(timing.empty))
    });
    table.add_row(std::iter::once("(empty program)".to_owned()).chain(around));
    table
}

/// A number of names for an axis.
fn count(names: usize) -> f64 {
    u32::try_from(names).map_or(f64::INFINITY, f64::from)
}

fn spread(Summary { p10, median, p90 }: Summary) -> String {
    format!("{median:.0} ({p10:.0}..{p90:.0})")
}
