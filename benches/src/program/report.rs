//! The results of `bench program`, and the tables that show them.

use std::fmt::Write as _;

use comfy_table::Table;
use serde::Serialize;

use crate::{output, summary::Summary};

/// What the columns mean.
const LEGEND: &str = "\
Nanoseconds per packet, beyond what an empty program takes with the same packets: median (p10..p90) of the rounds.
in a row   8192 packets, names drawn at random, fed to the program one after the other
alone      512 packets, names drawn at random, a system call for each: what was cached is partly gone
unchanged  8192 times the same packet without the feeder; only for packets that are not rewritten
+          of that, how much beyond the reflector";

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

/// The tables, one for each hook and size of the map.
pub(crate) fn text(report: &Report) -> String {
    let mut text = String::new();
    let tables = report
        .rows
        .chunk_by(|a, b| (a.hook, a.names) == (b.hook, b.names));
    for rows in tables {
        let (hook, names) = (rows[0].hook, rows[0].names);
        let base = rows.first().map_or_else(String::new, empty_note);
        // Writing to a string can't fail.
        let _ = writeln!(text, "{hook}, {names} names{base}\n{}\n", table(rows));
    }
    text + LEGEND
}

/// What the empty program took, feeder or clock included.
fn empty_note(row: &Row) -> String {
    let median = |timing: &Option<Timing>| timing.as_ref().map_or(0.0, |t| t.empty.median);
    format!(
        " (empty program: {:.0} in a row, feeder included; {:.0} alone, clock included)",
        median(&row.fed),
        median(&row.single)
    )
}

fn table(rows: &[Row]) -> Table {
    let mut table = output::table(&["packet", "in a row", "+", "alone", "+", "unchanged"]);
    for row in rows {
        table.add_row([
            row.packet.to_owned(),
            spread(row.fed.as_ref()),
            beyond_reflector(row.fed.as_ref()),
            spread(row.single.as_ref()),
            beyond_reflector(row.single.as_ref()),
            spread(row.repeated.as_ref()),
        ]);
    }
    table
}

fn spread(timing: Option<&Timing>) -> String {
    timing.map_or_else(String::new, |timing| {
        let Summary { p10, median, p90 } = timing.above_empty;
        format!("{median:.0} ({p10:.0}..{p90:.0})")
    })
}

fn beyond_reflector(timing: Option<&Timing>) -> String {
    timing
        .and_then(|timing| timing.above_reflector)
        .map_or_else(String::new, |above| format!("{:+.0}", above.median))
}
