//! `dns-ctl uninstall`: takes everything off the node that an instance leaves there, and shows what that was.

use std::io::Write as _;

use anyhow::Context as _;
use comfy_table::{Table, presets};
use serde::Serialize;

use crate::{
    args::{Output, UninstallArgs},
    attach::removal::{Removed, remove},
    snapshot::Folder,
};

/// What was removed, as `--output json` shows it.
#[derive(Debug, Serialize)]
struct Report {
    removed: Vec<Removed>,
}

/// Removes links, filters, maps, programs and, if asked for, the snapshot; nothing there is no error.
pub async fn uninstall(args: &UninstallArgs) -> anyhow::Result<()> {
    let mut removed = remove(&args.view.bpffs).await?;
    let snapshot = args
        .state_dir
        .as_deref()
        .map_or(Ok(Vec::new()), Folder::remove);
    if let Ok(files) = &snapshot {
        removed.extend(files.iter().map(|file| Removed {
            kind: "snapshot",
            at: file.display().to_string(),
        }));
    }
    print(&Report { removed }, args.view.output)?;
    snapshot?;
    Ok(())
}

fn print(report: &Report, output: Output) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match output {
        Output::Json => writeln!(out, "{}", serde_json::to_string(report)?)?,
        Output::Table => write!(out, "{}", text(report))?,
    }
    out.flush().context("can't write what was removed")
}

fn text(report: &Report) -> String {
    if report.removed.is_empty() {
        return "There is nothing of kxdns here.\n".to_owned();
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["REMOVED", "FROM"]);
    for Removed { kind, at } in &report.removed {
        table.add_row([kind, at.as_str()]);
    }
    format!("{table}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_remove_is_said_so() {
        let empty = Report {
            removed: Vec::new(),
        };
        assert_eq!(text(&empty), "There is nothing of kxdns here.\n");
        let report = Report {
            removed: vec![Removed {
                kind: "map",
                at: "/b/v3/NAMES".to_owned(),
            }],
        };
        assert!(text(&report).contains("map"), "{}", text(&report));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["removed"][0]["kind"], "map");
        assert_eq!(json["removed"][0]["at"], "/b/v3/NAMES");
    }
}
