//! The results of `bench program`, and the tables that show them.

use std::fmt::Write as _;

use comfy_table::Table;
use serde::Serialize;

use crate::{output, summary::Summary};

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

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Rounds.
    pub(crate) rounds: u32,
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
    /// The kind of packet.
    pub(crate) packet: &'static str,
    /// Packets fed in a row.
    pub(crate) fed: Option<Timing>,
    /// Packets alone.
    pub(crate) single: Option<Timing>,
    /// The same packet many times.
    pub(crate) repeated: Option<Timing>,
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
    text + LEGEND
}

/// A row for each kind of packet that has a timing.
fn table(rows: &[Row], timing: fn(&Row) -> Option<&Timing>) -> Table {
    let columns: Vec<&[Row]> = rows
        .chunk_by(|a, b| (a.hook, a.names) == (b.hook, b.names))
        .collect();
    let heads = columns.iter().map(|column| {
        let (hook, names) = (column[0].hook, column[0].names);
        format!("{hook}, {names} names")
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

fn spread(Summary { p10, median, p90 }: Summary) -> String {
    format!("{median:.0} ({p10:.0}..{p90:.0})")
}
