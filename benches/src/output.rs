//! Where results go: tables for a person, a JSON file for programs, a plot for the eye.

use std::{
    fs,
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::machine::Machine;

/// The files that results are written to, beside what is printed.
#[derive(Args, Debug)]
pub(crate) struct Files {
    /// Write the results into a file, too; the format is `json`
    #[arg(long, num_args = 2, value_names = ["FORMAT", "FILE"])]
    output: Option<Vec<String>>,
    /// Draw the results, too, as an SVG file
    #[arg(long, value_name = "FILE")]
    pub(crate) plot: Option<PathBuf>,
}

impl Files {
    /// The JSON file, if one is wanted.
    pub(crate) fn json(&self) -> Result<Option<&Path>> {
        self.output.as_deref().map(json_file).transpose()
    }
}

/// A bench's results with the machine they are of.
#[derive(Serialize)]
struct Document<'a, T> {
    machine: &'a Machine,
    #[serde(flatten)]
    results: &'a T,
}

/// The file of `--output FORMAT FILE`.
fn json_file(format_and_file: &[String]) -> Result<&Path> {
    match format_and_file {
        [format, file] if format == "json" => Ok(Path::new(file)),
        [format, ..] => bail!("can't write `{format}`; --output takes `json` and a file"),
        [] => bail!("--output takes `json` and a file"),
    }
}

/// A table for the terminal, or in Markdown if the output goes elsewhere; numbers follow the first column.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    if std::io::stdout().is_terminal() {
        table.load_style(presets::UTF8_FULL_CONDENSED);
    } else {
        table.load_style(presets::ASCII_MARKDOWN).force_no_tty();
    }
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Writes the results of a bench.
pub(crate) fn write_json(file: &Path, machine: &Machine, results: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(&Document { machine, results })?;
    text.push('\n');
    fs::write(file, text).with_context(|| format!("can't write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_is_written() {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(json_file(&words(&["json", "a"])).unwrap(), Path::new("a"));
        assert!(json_file(&words(&["xml", "a"])).is_err());
    }
}
