//! Reads the text of a manifest file: Services and Namespaces out of it, and what is wrong with it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use k8s_openapi::api::core::v1;
use serde::{Deserialize, de::DeserializeOwned};
use serde_saphyr::{MessageFormatter, Spanned, UserMessageFormatter};

use super::trim;
use crate::zone::object::{Namespace, Reach, Service};

/// What one file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The Services, in the file's order.
    pub services: Vec<Located<Service>>,
    /// The Namespaces, in the file's order.
    pub namespaces: Vec<Located<Namespace>>,
    /// What is wrong, in the file's order.
    pub problems: Vec<Problem>,
    /// Whether a part of the file could not be read as objects.
    pub incomplete: bool,
}

/// An object and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// Line in the file, from 1.
    pub line: u64,
    /// The object.
    pub object: T,
}

/// Something wrong with a manifest, at its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Problem {
    /// The file, or the folder itself.
    pub file: PathBuf,
    /// Line in the file, from 1, where it is known.
    pub line: Option<u64>,
    /// What is wrong and what becomes of it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "apiVersion")]
    api_version: Option<String>,
    kind: Option<String>,
}

#[derive(Deserialize)]
struct List {
    items: Vec<Spanned<serde_json::Value>>,
}

/// Reads the text of `file`. Whatever can't be read is told in the problems; the rest still counts.
#[must_use]
pub fn parse(file: &Path, text: &str) -> Manifest {
    let mut reader = Reader {
        file,
        manifest: Manifest::default(),
    };
    for (before, document) in documents(text) {
        reader.document(before, document);
    }
    reader.manifest
}

/// The parser's message, without its place.
pub(super) fn message(error: &serde_saphyr::Error) -> String {
    UserMessageFormatter
        .format_message(error.without_snippet())
        .into_owned()
}

struct Reader<'f> {
    file: &'f Path,
    manifest: Manifest,
}

impl Reader<'_> {
    /// Reads one document that has `before` lines before it.
    fn document(&mut self, before: u64, document: &str) {
        let start = before + first_line(document);
        let head = match self.read::<Option<Head>>(before, document) {
            // Only comments, or nothing.
            Some(None) | None => return,
            Some(Some(head)) => head,
        };
        match (head.api_version.as_deref(), head.kind.as_deref()) {
            (Some("v1"), Some("Service")) => {
                if let Some(service) = self.read::<v1::Service>(before, document) {
                    self.service(start, &service);
                }
            }
            (Some("v1"), Some("Namespace")) => {
                if let Some(namespace) = self.read::<v1::Namespace>(before, document) {
                    self.namespace(start, &namespace);
                }
            }
            (Some("v1"), Some("List" | "ServiceList" | "NamespaceList")) => {
                let list = self.read::<List>(before, document);
                for item in list.into_iter().flat_map(|list| list.items) {
                    self.item(
                        head.kind.as_deref(),
                        before + item.defined.line(),
                        item.value,
                    );
                }
            }
            (_, None) => self.broken(start, "the document has no `kind`"),
            (None, Some(_)) => self.broken(start, "the document has no `apiVersion`"),
            (_, Some(kind)) => {
                tracing::debug!(file = %self.file.display(), line = start, kind, "not needed for DNS");
            }
        }
    }

    /// Reads one object of a list; typed lists leave the objects' own kind out.
    fn item(&mut self, list: Option<&str>, line: u64, item: serde_json::Value) {
        let own = item.get("kind").and_then(serde_json::Value::as_str);
        let kind = own.or(match list {
            Some("ServiceList") => Some("Service"),
            Some("NamespaceList") => Some("Namespace"),
            _ => None,
        });
        match kind {
            Some("Service") => {
                match serde_json::from_value::<v1::Service>(typed(item, "Service")) {
                    Ok(service) => self.service(line, &service),
                    Err(error) => self.broken(line, &error.to_string()),
                }
            }
            Some("Namespace") => {
                match serde_json::from_value::<v1::Namespace>(typed(item, "Namespace")) {
                    Ok(namespace) => self.namespace(line, &namespace),
                    Err(error) => self.broken(line, &error.to_string()),
                }
            }
            Some(_) => {}
            None => self.broken(line, "the list's item has no `kind`"),
        }
    }

    fn service(&mut self, line: u64, service: &v1::Service) {
        let object = match trim::service(service) {
            Ok(object) => object,
            Err(error) => return self.broken(line, &format!("the Service is left out: {error}")),
        };
        for ip in service.spec.iter().flat_map(trim::stated_ips) {
            if ip != "None" && ip.parse::<std::net::IpAddr>().is_err() {
                self.tell(line, format!("`{ip}` is not an IP address and is left out"));
            }
        }
        if object.reach == Reach::Pending {
            let key = &object.key;
            self.tell(
                line,
                format!(
                    "Service {}/{} has no usable clusterIP and no API server gives it one: write an \
                     address, or `None` if it is headless; until then its name can't be answered",
                    key.namespace, key.name
                ),
            );
        }
        self.manifest.services.push(Located { line, object });
    }

    fn namespace(&mut self, line: u64, namespace: &v1::Namespace) {
        match trim::namespace(namespace) {
            Ok(object) => self.manifest.namespaces.push(Located { line, object }),
            Err(error) => self.broken(line, &format!("the Namespace is left out: {error}")),
        }
    }

    fn read<T: DeserializeOwned>(&mut self, before: u64, document: &str) -> Option<T> {
        // One list of a whole cluster is a large document, and the operator's own.
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_events: 100_000_000,
                max_nodes: 50_000_000,
                max_total_scalar_bytes: 1 << 30,
            },
        };
        serde_saphyr::from_str_with_options(document, options)
            .inspect_err(|error| {
                let line = error.location().map_or(1, |location| location.line());
                self.broken(before + line, &message(error));
            })
            .ok()
    }

    fn broken(&mut self, line: u64, message: &str) {
        self.manifest.incomplete = true;
        self.tell(line, message.to_owned());
    }

    fn tell(&mut self, line: u64, message: String) {
        self.manifest.problems.push(Problem {
            file: self.file.to_owned(),
            line: Some(line),
            message,
        });
    }
}

/// The item with the kind and version that it may leave out in a typed list.
fn typed(mut item: serde_json::Value, kind: &str) -> serde_json::Value {
    if let Some(fields) = item.as_object_mut() {
        fields.entry("kind").or_insert_with(|| kind.into());
        fields.entry("apiVersion").or_insert_with(|| "v1".into());
    }
    item
}

/// The documents of a YAML stream, each with the number of lines before it.
///
/// A line that begins with `---` always separates documents, even where a block scalar is open
/// (YAML 1.2, section 9.1.2). Split here, a document with an error does not take the next ones along.
fn documents(text: &str) -> Vec<(u64, &str)> {
    let mut documents = Vec::new();
    let (mut start, mut at, mut before) = (0, 0, 0);
    for (number, line) in (0..).zip(text.split_inclusive('\n')) {
        let marker = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if marker && at > start {
            documents.push((before, &text[start..at]));
            (start, before) = (at, number);
        }
        at += line.len();
    }
    documents.push((before, &text[start..]));
    documents
}

/// The line, from 1, on which a document's content begins.
fn first_line(document: &str) -> u64 {
    let content = |line: &str| {
        let line = line.trim_start_matches("---").trim();
        !line.is_empty() && !line.starts_with('#')
    };
    (1..)
        .zip(document.lines())
        .find_map(|(number, line)| content(line).then_some(number))
        .unwrap_or(1)
}

#[cfg(test)]
mod tests;
