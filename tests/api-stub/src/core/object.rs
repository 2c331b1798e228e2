//! A stored object: its JSON as it is sent, and what selectors ask about it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::kind::Kind;

/// Namespace (empty for cluster-wide kinds) and name.
pub type Key = (String, String);

/// One version of one object, never changed after it was made.
#[derive(Debug)]
pub struct Object {
    kind: Kind,
    key: Key,
    revision: u64,
    labels: BTreeMap<String, String>,
    /// Values of `Resource::fields`, in that order.
    fields: Vec<String>,
    /// JSON without `kind` and `apiVersion`: a list of a built-in kind leaves them out of its items.
    json: Box<[u8]>,
}

impl Object {
    /// Makes version `revision` of an object; sets its `metadata.resourceVersion`.
    #[must_use]
    pub fn new(kind: Kind, mut value: Value, revision: u64) -> Self {
        if let Some(fields) = value.as_object_mut() {
            fields.remove("kind");
            fields.remove("apiVersion");
        }
        metadata_mut(&mut value).insert("resourceVersion".into(), revision.to_string().into());
        let fields = kind
            .resource()
            .fields
            .iter()
            .map(|path| field(&value, path))
            .collect();
        Self {
            kind,
            key: key_of(&value),
            revision,
            labels: labels_of(&value),
            fields,
            json: value.to_string().into_bytes().into_boxed_slice(),
        }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its namespace and name.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Its `metadata.resourceVersion`.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Its labels.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// Value of a field that can be selected by, empty if the object lacks it.
    #[must_use]
    pub fn field(&self, path: &str) -> &str {
        match path {
            "metadata.name" => &self.key.1,
            "metadata.namespace" => &self.key.0,
            _ => {
                let at = self
                    .kind
                    .resource()
                    .fields
                    .iter()
                    .position(|known| *known == path);
                at.and_then(|at| self.fields.get(at))
                    .map_or("", String::as_str)
            }
        }
    }

    /// JSON as an item of a list.
    #[must_use]
    pub fn item(&self) -> &[u8] {
        &self.json
    }

    /// Appends the JSON of the object on its own, with `kind` and `apiVersion`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let head = format!(
            r#"{{"kind":"{}","apiVersion":"{}","#,
            self.kind,
            self.kind.api_version()
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(&self.json[1..]);
    }

    /// The object on its own, decoded.
    #[must_use]
    pub fn value(&self) -> Value {
        let mut json = Vec::with_capacity(self.json.len() + 64);
        self.write(&mut json);
        serde_json::from_slice(&json).unwrap_or_default()
    }

    /// The same object with another version: what a DELETED event carries.
    #[must_use]
    pub fn at(&self, revision: u64) -> Self {
        Self::new(self.kind, self.value(), revision)
    }
}

/// `metadata`, made if it is missing.
pub fn metadata_mut(value: &mut Value) -> &mut Map<String, Value> {
    object_mut(value, "metadata")
}

/// The object under `name`, made if it is missing or something else.
pub fn object_mut<'a>(value: &'a mut Value, name: &str) -> &'a mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let inner = &mut value[name];
    if !inner.is_object() {
        *inner = Value::Object(Map::new());
    }
    inner.as_object_mut().expect("made an object above")
}

/// A string at a JSON pointer, empty if there is none.
#[must_use]
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Namespace and name of an object.
#[must_use]
pub fn key_of(value: &Value) -> Key {
    (
        text(value, "/metadata/namespace").to_owned(),
        text(value, "/metadata/name").to_owned(),
    )
}

fn labels_of(value: &Value) -> BTreeMap<String, String> {
    let labels = value.pointer("/metadata/labels").and_then(Value::as_object);
    labels
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

fn field(value: &Value, path: &str) -> String {
    let pointer = format!("/{}", path.replace('.', "/"));
    match value.pointer(&pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(flag)) => flag.to_string(),
        // Absent flags are false to a selector.
        None if matches!(path, "spec.unschedulable" | "spec.hostNetwork") => "false".into(),
        _ => String::new(),
    }
}
