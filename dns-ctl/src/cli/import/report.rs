//! Shows a translation: commands for a shell, lists for people, or all of it as JSON.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use super::{
    account::{Entry, Fate},
    translate::Translation,
};

/// The namespace and name under which kube-dns looked for its ConfigMap.
const CONFIG_MAP: (&str, &str) = ("kube-system", "kube-dns");

/// A translation as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// What to call, ready for a shell.
    pub(super) command: String,
    /// The same, word by word, without the program.
    pub(super) args: Vec<String>,
    /// Upstreams and stub domains as kube-dns's ConfigMap; `None` if there are none.
    pub(super) config_map: Option<ConfigMap>,
    /// The lines that the flags and the ConfigMap say.
    pub(super) carried_over: Vec<Line>,
    /// The lines that need not be said.
    pub(super) on_by_itself: Vec<Line>,
    /// The lines that can't be said.
    pub(super) no_counterpart: Vec<Line>,
    /// What is different without any line saying so.
    pub(super) notes: Vec<String>,
}

/// A ConfigMap (`core/v1`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigMap {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    /// JSON by key.
    pub(super) data: BTreeMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
struct Metadata {
    namespace: &'static str,
    name: &'static str,
}

/// A line of the configuration and what becomes of it.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[allow(
    clippy::struct_field_names,
    reason = "the names are those of the JSON fields"
)]
pub(super) struct Line {
    /// The file it stands in.
    pub(super) file: String,
    /// Its number, from 1.
    pub(super) line: u32,
    /// What it says.
    pub(super) text: String,
    /// What becomes of it.
    pub(super) explanation: String,
}

impl Report {
    /// Sorts the lines by their fate; a line that was imported twice and means the same is told once.
    pub(super) fn new(translation: Translation) -> Self {
        let config_map = ConfigMap::of(&translation);
        let mut args = translation.flags.arguments();
        if config_map.is_some() {
            let (namespace, name) = CONFIG_MAP;
            args.extend(["--config-map".to_owned(), format!("{namespace}/{name}")]);
        }
        let mut report = Self {
            command: command(&args, " "),
            args,
            config_map,
            carried_over: Vec::new(),
            on_by_itself: Vec::new(),
            no_counterpart: Vec::new(),
            notes: translation.notes,
        };
        for entry in translation.entries {
            report.enter(entry);
        }
        report
    }

    /// Whether everything is carried over or not needed.
    pub(super) fn is_complete(&self) -> bool {
        self.no_counterpart.is_empty()
    }

    /// Commands for a shell.
    pub(super) fn script(&self) -> String {
        let mut text = String::new();
        if let Some(config_map) = &self.config_map {
            text += "# Upstreams and stub domains, which can be changed while dns-ctl runs:\n";
            text += "kubectl apply --filename - <<'EOF'\n";
            text += &config_map.yaml();
            text += "EOF\n\n# --upstream and --stub-domain count as long as there is no such ConfigMap.\n";
        }
        text += &command(&self.args, " \\\n  ");
        text.push('\n');
        text
    }

    /// What becomes of each line; the lines that need attention last, where they are seen.
    pub(super) fn lists(&self) -> String {
        let mut text = String::new();
        for (title, lines) in [
            ("Carried over", &self.carried_over),
            ("On by itself here", &self.on_by_itself),
            ("No counterpart", &self.no_counterpart),
        ] {
            if !lines.is_empty() {
                let _infallible = writeln!(text, "{title}:");
                for line in lines {
                    let _infallible = writeln!(
                        text,
                        "  {}:{}  {}\n      {}",
                        line.file, line.line, line.text, line.explanation
                    );
                }
            }
        }
        if !self.notes.is_empty() {
            text += "To know:\n";
            for note in &self.notes {
                let _infallible = writeln!(text, "  {note}");
            }
        }
        text
    }

    fn enter(&mut self, entry: Entry) {
        let (list, explanation) = match entry.fate {
            Fate::Carried(text) => (&mut self.carried_over, text),
            Fate::BuiltIn(text) => (&mut self.on_by_itself, text),
            Fate::Missing(text) => (&mut self.no_counterpart, text),
        };
        let line = Line {
            file: entry.place.file.to_string(),
            line: entry.place.line,
            text: entry.text,
            explanation,
        };
        if !list.contains(&line) {
            list.push(line);
        }
    }
}

impl ConfigMap {
    fn of(translation: &Translation) -> Option<Self> {
        let mut data = BTreeMap::new();
        let stubs: BTreeMap<String, Vec<String>> = translation
            .flags
            .stubs
            .iter()
            .map(|(domain, servers, _)| {
                let servers = servers.iter().map(ToString::to_string).collect();
                (domain.to_string(), servers)
            })
            .collect();
        if !stubs.is_empty() {
            data.insert("stubDomains", json(&stubs));
        }
        if let Some((servers, _)) = &translation.flags.upstreams {
            let servers: Vec<_> = servers.iter().map(ToString::to_string).collect();
            data.insert("upstreamNameservers", json(&servers));
        }
        let (namespace, name) = CONFIG_MAP;
        (!data.is_empty()).then_some(Self {
            api_version: "v1",
            kind: "ConfigMap",
            metadata: Metadata { namespace, name },
            data,
        })
    }

    /// The object as YAML; the values are literal blocks, so nothing has to be escaped.
    pub(super) fn yaml(&self) -> String {
        let mut text = format!(
            "apiVersion: {}\nkind: {}\nmetadata:\n  namespace: {}\n  name: {}\ndata:\n",
            self.api_version, self.kind, self.metadata.namespace, self.metadata.name
        );
        for (key, value) in &self.data {
            let _infallible = writeln!(text, "  {key}: |");
            for line in value.lines() {
                let _infallible = writeln!(text, "    {line}");
            }
        }
        text
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("maps and lists of text can be written as JSON")
}

/// The words as a shell reads them, each flag with its value between two separators.
fn command(args: &[String], separator: &str) -> String {
    let mut text = "dns-ctl".to_owned();
    for (number, word) in args.iter().enumerate() {
        let begins = number > 0 && word.starts_with("--");
        text += if begins { separator } else { " " };
        text += &quoted(word);
    }
    text
}

/// A word as a POSIX shell takes it literally.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,=@%+".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
