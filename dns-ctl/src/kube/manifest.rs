//! Reads the text of a manifest file: the objects that are wanted, and what is wrong with them.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use k8s_openapi::{ListableResource, Metadata as _, Resource as _};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use serde_saphyr::{MessageFormatter, Spanned, UserMessageFormatter};

pub use super::stated::Object;
use super::{
    stated::Stated,
    trim::{ConfigMap, Outcome},
    wanted::Wanted,
};
use crate::zone::object::{EndpointSlice, Namespace, ObjectKey, Pod, Service};

/// What one file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The objects, in the file's order.
    pub objects: Vec<Located>,
    /// What is wrong, in the file's order.
    pub problems: Vec<Problem>,
    /// Whether a part of the file could not be read as objects.
    pub incomplete: bool,
}

/// An object and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Line in the file, from 1.
    pub line: u64,
    /// `kind`, as the API has it.
    pub kind: &'static str,
    /// Namespace and name.
    pub key: ObjectKey,
    /// The object; `None` if it is in order, but not to be served: its labels are not selected, it has
    /// ended, it is none that DNS needs.
    pub object: Option<Object>,
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

/// How the objects of one kind are found and read.
struct KindReader {
    api_version: &'static str,
    kind: &'static str,
    list_kind: &'static str,
    is_wanted: fn(&Wanted) -> bool,
    document: fn(&mut Reader<'_>, &Document<'_>),
    item: fn(&mut Reader<'_>, u64, Value),
}

impl KindReader {
    const fn of<T: Stated>() -> Self {
        Self {
            api_version: T::Source::API_VERSION,
            kind: T::Source::KIND,
            list_kind: <T::Source as ListableResource>::LIST_KIND,
            is_wanted: T::is_wanted,
            document: |reader, document| {
                if let Some(source) = reader.read::<T::Source>(document) {
                    reader.object::<T>(document.start(), &source);
                }
            },
            item: |reader, line, value| match serde_json::from_value::<T::Source>(value) {
                Ok(source) => reader.object::<T>(line, &source),
                Err(error) => reader.broken(line, error.to_string()),
            },
        }
    }
}

/// Every kind that is read.
const KINDS: [KindReader; 5] = [
    KindReader::of::<Namespace>(),
    KindReader::of::<Service>(),
    KindReader::of::<EndpointSlice>(),
    KindReader::of::<Pod>(),
    KindReader::of::<ConfigMap>(),
];

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "apiVersion")]
    api_version: Option<String>,
    kind: Option<String>,
}

#[derive(Deserialize)]
struct List {
    items: Vec<Spanned<Value>>,
}

/// Reads the text of `file`. Whatever can't be read is told in the problems; the rest still counts.
#[must_use]
pub fn parse(file: &Path, text: &str, wanted: &Wanted) -> Manifest {
    let mut reader = Reader {
        file,
        wanted,
        manifest: Manifest::default(),
    };
    for document in documents(text) {
        reader.document(&document);
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
    wanted: &'f Wanted,
    manifest: Manifest,
}

impl Reader<'_> {
    fn document(&mut self, document: &Document<'_>) {
        let head = match self.read::<Option<Head>>(document) {
            // Only comments, or nothing.
            Some(None) | None => return,
            Some(Some(head)) => head,
        };
        let line = document.start();
        let (version, kind) = match (head.api_version.as_deref(), head.kind.as_deref()) {
            (_, None) => return self.broken(line, "the document has no `kind`"),
            (None, Some(_)) => return self.broken(line, "the document has no `apiVersion`"),
            (Some(version), Some(kind)) => (version, kind),
        };
        let of_version = |reader: &&KindReader| reader.api_version == version;
        let mut readers = KINDS.iter().filter(of_version);
        if (version, kind) == ("v1", "List") {
            self.list(document, Self::item);
        } else if let Some(found) =
            readers.find(|reader| [reader.kind, reader.list_kind].contains(&kind))
        {
            if !(found.is_wanted)(self.wanted) {
                self.pass_over(line, kind);
            } else if found.kind == kind {
                (found.document)(self, document);
            } else {
                // Typed lists leave the objects' own kind out.
                self.list(document, found.item);
            }
        } else {
            self.pass_over(line, kind);
        }
    }

    fn list(&mut self, document: &Document<'_>, read: impl Fn(&mut Self, u64, Value)) {
        let list = self.read::<List>(document);
        for item in list.into_iter().flat_map(|list| list.items) {
            read(self, document.before + item.defined.line(), item.value);
        }
    }

    /// Reads one object of a list of any kinds.
    fn item(&mut self, line: u64, item: Value) {
        let text = |field: &str| item.get(field).and_then(Value::as_str);
        let (version, kind) = match (text("apiVersion"), text("kind")) {
            (_, None) => return self.broken(line, "the list's item has no `kind`"),
            (None, Some(_)) => return self.broken(line, "the list's item has no `apiVersion`"),
            (Some(version), Some(kind)) => (version, kind),
        };
        let found = KINDS
            .iter()
            .find(|reader| (reader.api_version, reader.kind) == (version, kind))
            .filter(|reader| (reader.is_wanted)(self.wanted));
        match found {
            Some(found) => (found.item)(self, line, item),
            None => self.pass_over(line, kind),
        }
    }

    fn object<T: Stated>(&mut self, line: u64, source: &T::Source) {
        let trimmed = T::trim(source);
        let complaint = trimmed.complaint();
        let object = match trimmed.outcome {
            Outcome::Invalid(reason) => {
                return self.broken(line, complaint.unwrap_or(reason));
            }
            Outcome::Unused => None,
            Outcome::Usable { object, .. } => {
                for problem in complaint.into_iter().chain(object.lack()) {
                    self.tell(line, problem);
                }
                let none = BTreeMap::new();
                let labels = source.metadata().labels.as_ref().unwrap_or(&none);
                object.select(labels, self.wanted)
            }
        };
        self.manifest.objects.push(Located {
            line,
            kind: T::Source::KIND,
            key: trimmed.key,
            object,
        });
    }

    fn read<T: DeserializeOwned>(&mut self, document: &Document<'_>) -> Option<T> {
        // One list of a whole cluster is a large document, and the operator's own.
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_events: 100_000_000,
                max_nodes: 50_000_000,
                max_total_scalar_bytes: 1 << 30,
            },
        };
        serde_saphyr::from_str_with_options(document.text, options)
            .inspect_err(|error| {
                let line = error.location().map_or(1, |location| location.line());
                self.broken(document.before + line, message(error));
            })
            .ok()
    }

    fn broken(&mut self, line: u64, message: impl Into<String>) {
        self.manifest.incomplete = true;
        self.tell(line, message.into());
    }

    fn tell(&mut self, line: u64, message: String) {
        self.manifest.problems.push(Problem {
            file: self.file.to_owned(),
            line: Some(line),
            message,
        });
    }

    fn pass_over(&self, line: u64, kind: &str) {
        tracing::debug!(path = %self.file.display(), line, kind, "not needed for DNS");
    }
}

/// One document of a YAML stream.
struct Document<'t> {
    /// The number of lines before it.
    before: u64,
    text: &'t str,
}

impl Document<'_> {
    /// The line of the file, from 1, on which its content begins.
    fn start(&self) -> u64 {
        let content = |line: &str| {
            let line = line.trim_start_matches("---").trim();
            !line.is_empty() && !line.starts_with('#')
        };
        let first = (1..)
            .zip(self.text.lines())
            .find_map(|(number, line)| content(line).then_some(number));
        self.before + first.unwrap_or(1)
    }
}

/// The documents of a YAML stream.
///
/// A line that begins with `---` always separates documents, even where a block scalar is open
/// (YAML 1.2, section 9.1.2). Split here, a document with an error does not take the next ones along.
fn documents(text: &str) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let (mut start, mut at, mut before) = (0, 0, 0);
    for (number, line) in (0..).zip(text.split_inclusive('\n')) {
        let marker = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if marker && at > start {
            documents.push(Document {
                before,
                text: &text[start..at],
            });
            (start, before) = (at, number);
        }
        at += line.len();
    }
    documents.push(Document {
        before,
        text: &text[start..],
    });
    documents
}

#[cfg(test)]
mod tests;
