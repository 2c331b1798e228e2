//! `dns-ctl import`: what another DNS server's configuration means in flags and a ConfigMap of this one.

mod account;
mod cache;
mod corefile;
mod duration;
mod flags;
mod forward;
mod http;
mod kubernetes;
mod listen;
mod overview;
mod plugins;
mod report;
mod server;
mod token;
mod translate;
mod zone;

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;

use crate::args::{CorefileArgs, ImportArgs, ImportFrom, Output};
use corefile::{NamedText, Surroundings};
use report::Report;

/// How standard input is called in lists and errors.
const STANDARD_INPUT: &str = "stdin";

/// Prints the translation; the exit code is 1 if something has no counterpart.
///
/// Commands for a shell, or JSON, go to standard output; lists for people to standard error.
pub fn import(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let ImportFrom::Corefile(args) = &args.from;
    let report = read(args)?;
    let mut out = io::stdout().lock();
    match args.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string(&report)?)?,
        Output::Table => {
            out.write_all(report.script().as_bytes())?;
            out.flush()?;
            eprint!("\n{}", report.lists());
        }
    }
    Ok(if report.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn read(args: &CorefileArgs) -> anyhow::Result<Report> {
    let (name, text) = if args.file == Path::new("-") {
        let mut text = String::new();
        io::stdin()
            .read_to_string(&mut text)
            .context("standard input can't be read")?;
        (STANDARD_INPUT.to_owned(), text)
    } else {
        let name = args.file.display().to_string();
        let text = fs::read_to_string(&args.file).with_context(|| {
            format!("{name} can't be read; give a Corefile, or - for standard input")
        })?;
        (name, text)
    };
    let surroundings = Surroundings {
        variable: &|name| std::env::var(name).ok(),
        files: &imported_files,
    };
    let corefile = corefile::parse(&name, &text, &surroundings)?;
    Ok(Report::new(translate::translate(&corefile)))
}

/// The files that `pattern` means in `importer`: relative to its folder, one or more if there is a wildcard.
fn imported_files(importer: &str, pattern: &str) -> io::Result<Vec<NamedText>> {
    let folder = Path::new(importer).parent().unwrap_or(Path::new(""));
    let pattern = folder.join(pattern);
    let paths: Vec<PathBuf> = match pattern.to_str() {
        Some(text) if text.contains(['*', '?', '[']) => glob::glob(text)
            .map_err(io::Error::other)?
            .collect::<Result<_, _>>()
            .map_err(io::Error::other)?,
        _ => vec![pattern],
    };
    paths
        .into_iter()
        .map(|path| {
            Ok((
                path.display().to_string().into(),
                fs::read_to_string(&path)?,
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests;
