//! Where results go beside the terminal: a JSON file.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use crate::machine::Machine;

/// A bench's results with the machine they are of.
#[derive(Serialize)]
struct Document<'a, T> {
    machine: &'a Machine,
    #[serde(flatten)]
    results: &'a T,
}

/// The file of `--output FORMAT FILE`.
pub(crate) fn json_file(format_and_file: &[String]) -> Result<&Path> {
    match format_and_file {
        [format, file] if format == "json" => Ok(Path::new(file)),
        [format, ..] => bail!("can't write `{format}`; --output takes `json` and a file"),
        [] => bail!("--output takes `json` and a file"),
    }
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
