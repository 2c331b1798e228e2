//! The fields of log lines in docs/metrics.md, held against those that dns-ctl's source has.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The page that lists them.
pub(super) const PAGE: &str = "docs/metrics.md";
/// Where the lines come from.
const SOURCE: &str = "dns-ctl/src/";
/// The head of the page's table.
const HEAD: &str = "| field | meaning |";

/// The fields that source files use, each with the first file that does.
#[derive(Debug, Default)]
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Adds those of a file, if it is one of dns-ctl's and no test.
    pub(super) fn add(&mut self, name: &str, text: &str) {
        let is_rust = Path::new(name).extension().is_some_and(|it| it == "rs");
        let is_source = name.starts_with(SOURCE) && is_rust;
        if !is_source || name.contains("/tests") {
            return;
        }
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
        for field in fields(code) {
            self.0.entry(field).or_insert_with(|| name.to_owned());
        }
    }

    /// What is wrong with the page.
    pub(super) fn faults(&self, page: &str) -> Vec<String> {
        let listed: BTreeSet<_> = page
            .lines()
            .skip_while(|line| *line != HEAD)
            .skip(2)
            .map_while(|line| line.strip_prefix("| `")?.split_once('`'))
            .map(|(field, _)| field)
            .collect();
        let missing = self
            .0
            .iter()
            .filter(|(field, _)| !listed.contains(field.as_str()))
            .map(|(field, file)| {
                format!("the field `{field}` of log lines ({file}) is not listed")
            });
        let unused = listed
            .iter()
            .filter(|field| !self.0.contains_key(**field))
            .map(|field| format!("the field `{field}` is in no log line"));
        missing.chain(unused).collect()
    }
}

/// The fields of the calls in a text: what stands between `tracing::level!(` and the message.
fn fields(code: &str) -> Vec<String> {
    let calls = ["error", "warn", "info", "debug", "trace", "$level"];
    let mut found = Vec::new();
    for part in code.split("tracing::").skip(1) {
        let Some((level, rest)) = part.split_once("!(") else {
            continue;
        };
        if !calls.contains(&level) {
            continue;
        }
        // Up to the message, which begins the only text before the end of the call.
        let head = rest.split('"').next().unwrap_or(rest);
        for argument in head.split(',').map(str::trim) {
            let name = argument.split('=').next().unwrap_or(argument).trim();
            let name = name.trim_start_matches(['%', '?']);
            let is_name = |text: &str| {
                !text.is_empty() && text.chars().all(|it| it.is_ascii_lowercase() || it == '_')
            };
            if is_name(name) {
                found.push(name.to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = r#"
fn a() {
    tracing::info!("nothing");
    tracing::warn!(%error, "a message, with = and commas");
    tracing::debug!(
        upstream = %self.upstream, names,
        ?after,
        "so long"
    );
    tracing::span!(other, "x");
}
#[cfg(test)]
mod tests { fn b() { tracing::info!(hidden, "x"); } }
"#;

    #[test]
    fn fields_are_found_before_the_message() {
        let code = CODE.split("#[cfg(test)]").next().unwrap();
        assert_eq!(fields(code), ["error", "upstream", "names", "after"]);
    }

    #[test]
    fn the_page_has_those_that_are_used_and_no_other() {
        let mut used = Fields::default();
        used.add("dns-ctl/src/a.rs", CODE);
        used.add("dns-ctl/src/a/tests.rs", "tracing::info!(of_a_test, \"x\")");
        used.add("xtask/src/b.rs", "tracing::info!(elsewhere, \"x\")");
        let page = |fields: &[&str]| {
            let rows = fields.iter().map(|field| format!("| `{field}` | x |\n"));
            format!(
                "# P\n\n{HEAD}\n| --- | --- |\n{}\nEnd.\n",
                rows.collect::<String>()
            )
        };
        let whole = ["after", "error", "names", "upstream"];
        assert_eq!(used.faults(&page(&whole)), Vec::<String>::new());
        let faults = used.faults(&page(&["after", "error", "names", "panic"]));
        assert_eq!(
            faults,
            [
                "the field `upstream` of log lines (dns-ctl/src/a.rs) is not listed",
                "the field `panic` is in no log line"
            ]
        );
        assert_eq!(used.faults("").len(), 4);
    }
}
