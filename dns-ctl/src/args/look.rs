//! The flags of the commands that show what goes on, or what the command line is.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use super::{Kind, ViewArgs};
use crate::cli::dump::pattern::NamePattern;

/// Flags of `dump`.
#[derive(Args, Debug)]
pub struct DumpArgs {
    /// Show only these names: with *, ? or [...] a pattern for the whole name, else the name and all names below it.
    #[arg(value_name = "NAME")]
    pub names: Vec<NamePattern>,

    /// Show only this kind of lines; can be given several times [default: names if NAME is given, else all].
    #[arg(long, value_name = "KIND", value_enum, value_delimiter = ',')]
    pub only: Vec<Kind>,

    /// Where and how to look.
    #[command(flatten)]
    pub view: ViewArgs,
}

/// Flags of `top`.
#[derive(Args, Debug)]
pub struct TopArgs {
    /// Seconds for which packets are counted before they are shown.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=3600)
    )]
    pub interval: u32,

    /// Show one interval as text, and end: as --count 1.
    #[arg(long, conflicts_with = "count")]
    pub once: bool,

    /// Show so many intervals as text, and end.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub count: Option<u32>,

    /// Names, and clients, to show as text; on a screen there are as many as fit.
    #[arg(long, value_name = "NUMBER", default_value = "20", value_parser = parse_rows)]
    pub rows: usize,

    /// Show no names; clients and types are shown all the same.
    #[arg(long)]
    pub no_names: bool,

    /// Take no samples: show neither names nor clients nor types, only what is counted anyhow.
    #[arg(long)]
    pub counters_only: bool,

    /// Where and how to look.
    #[command(flatten)]
    pub view: ViewArgs,
}

/// Arguments of `man`.
#[derive(Args, Debug)]
pub struct ManArgs {
    /// Where; it is made if it is not there.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// Arguments of `completions`.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// As many rows as samples can tell apart.
fn parse_rows(text: &str) -> Result<usize, String> {
    let rows = text.parse().ok().filter(|rows| (1..=500).contains(rows));
    rows.ok_or_else(|| format!("`{text}` is not a number from 1 to 500"))
}
