//! Colour and tables for people: plain text wherever the output is not a terminal.

use std::{env, fmt::Display, io::IsTerminal as _};

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};

/// Whether standard output is read by a person who has not asked for plain text.
pub(crate) fn is_colourful() -> bool {
    std::io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A table with a header; lines are drawn at a terminal, and plain characters used elsewhere.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    if is_colourful() {
        table.load_style(presets::UTF8_FULL_CONDENSED);
    } else {
        table.load_style(presets::ASCII_MARKDOWN).force_no_tty();
    }
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(|title| Cell::new(title).fg(Color::Cyan)));
    table
}

/// A headline, with an empty line before it.
pub(crate) fn headline(text: &str) {
    println!("\n{}", styled("1;36", &format!("== {text} ==")));
}

/// Text of less importance.
pub(crate) fn dim(text: &str) -> String {
    styled("2", text)
}

/// Text that says that something went wrong.
pub(crate) fn red(text: &str) -> String {
    styled("1;31", text)
}

/// Text with a style (the numbers of an ANSI sequence), if there is colour.
fn styled(style: &str, text: &(impl Display + ?Sized)) -> String {
    if is_colourful() {
        format!("\x1b[{style}m{text}\x1b[0m")
    } else {
        text.to_string()
    }
}
