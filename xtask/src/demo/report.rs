//! The demo's tables.

use comfy_table::{Attribute, Cell, Color, Table};

use super::{
    answer::Answer,
    counters::{Counters, Delta, Status},
};
use crate::terminal;

/// What the tables' signs mean.
pub(super) const LEGEND: &str = "\
Round trip: dig's own measurement; with *, the whole run of getent, its start included.
A name with few dots is first tried with each suffix of the pod's search list: then several queries are answered.";

/// How many lines of a log are shown.
const LOG_LINES: usize = 30;

/// A query and what came of it.
pub(super) struct Row {
    /// The pod that asked.
    pub(super) pod: &'static str,
    /// The query as typed.
    pub(super) query: String,
    /// What came back.
    pub(super) answer: Answer,
    /// Who answered.
    pub(super) delta: Delta,
    /// What is not as it should be.
    pub(super) fault: Option<String>,
}

/// The queries, a row each.
pub(super) fn table(rows: &[Row]) -> Table {
    let mut table = terminal::table(&["", "pod", "query", "answer", "answered by", "round trip"]);
    for row in rows {
        let (sign, colour) = match row.fault {
            None => ("ok", Color::Green),
            Some(_) => ("NO", Color::Red),
        };
        let by = Cell::new(row.delta).fg(colour_of(row.delta));
        table.add_row([
            Cell::new(sign).fg(colour),
            Cell::new(row.pod),
            Cell::new(&row.query),
            Cell::new(&row.answer.result).add_attribute(Attribute::Bold),
            by,
            Cell::new(row.answer.time),
        ]);
    }
    if let Some(column) = table.column_mut(5) {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
    table
}

/// The colour of the deepest layer that had to be asked.
fn colour_of(delta: Delta) -> Color {
    match delta {
        Delta { upstream: 1.., .. } => Color::Blue,
        Delta { userspace: 1.., .. } => Color::Yellow,
        Delta { kernel: 1.., .. } => Color::Green,
        _ => Color::Red,
    }
}

/// Prints where the kernel programs are, and what all parts have counted.
pub(super) fn show_counters(status: &Status, counters: &Counters) {
    for interface in &status.interfaces {
        println!("attached to {} by {}", interface.name, interface.hook);
    }
    println!(
        "{} names in the kernel's map, room for {}",
        status.entries, status.capacity
    );
    let mut table = terminal::table(&["where", "what", "count"]);
    let hits = status
        .hits
        .iter()
        .map(|(kind, count)| ("kernel: answered", kind, *count));
    let misses = status
        .misses
        .iter()
        .map(|(reason, count)| ("kernel: passed on", reason, *count));
    for (place, what, count) in hits.chain(misses).filter(|(_, _, count)| *count > 0) {
        table.add_row([place, what, &count.to_string()]);
    }
    for (place, what, count) in [
        ("userspace", "queries received", counters.server),
        ("userspace", "of these sent upstream", counters.forwarded),
        ("upstream", "queries received", counters.upstream),
    ] {
        table.add_row([place, what, &count.to_string()]);
    }
    if let Some(column) = table.column_mut(2) {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
    println!("{table}");
}

/// Prints the end of what dns-ctl has written.
pub(super) fn show_log(log: &str) {
    terminal::headline("the end of dns-ctl's log");
    let lines: Vec<_> = log.lines().collect();
    for line in &lines[lines.len().saturating_sub(LOG_LINES)..] {
        println!("{}", terminal::dim(line));
    }
}
