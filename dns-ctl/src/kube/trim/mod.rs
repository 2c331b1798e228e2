//! Trims Kubernetes objects to what DNS needs of them, and says what can't be served and why.

mod config_map;
mod namespace;
mod pod;
mod service;
mod slice;

pub use config_map::ConfigMap;
pub use pod::ENDED_PHASES;
pub(super) use service::{DNS_LABEL, DNS_NAMESPACE};

use std::fmt::Debug;

use k8s_openapi::{
    ListableResource, Metadata, Resource as _, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::de::DeserializeOwned;

use crate::{
    metrics::label::SourceKind,
    zone::{
        name::MAX_LABEL,
        object::{ObjectKey, Port, Protocol},
    },
};

/// The namespace of objects that name none.
const DEFAULT_NAMESPACE: &str = "default";
/// How many remarks on one object are told; the number of the others is.
const TOLD: usize = 5;

/// A kind of object, trimmed.
pub trait Kind: Clone + Debug + PartialEq + Send + Sync + Unpin + 'static {
    /// The object as the API has it.
    type Source: ListableResource + Metadata<Ty = ObjectMeta> + DeserializeOwned;
    /// The kind in the metrics.
    const LABEL: SourceKind;

    /// What DNS needs of the object.
    fn trim(source: &Self::Source) -> Trimmed<Self>;
}

/// What has become of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trimmed<T> {
    /// The object's namespace and name; the name is empty if the object has none.
    pub key: ObjectKey,
    /// What is left of it.
    pub outcome: Outcome<T>,
}

/// What is left of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    /// All that DNS needs, except what the remarks say.
    Usable {
        /// The object.
        object: T,
        /// What of it is left out and why, a clause each.
        remarks: Vec<String>,
    },
    /// Nothing: the object is in order, but DNS has no use for it.
    Unused,
    /// Nothing: the object can't be served as it is; why, in a clause.
    Invalid(String),
}

impl<T: Kind> Trimmed<T> {
    /// An object in what state it is, or why it is invalid.
    fn new(key: ObjectKey, outcome: Result<Outcome<T>, String>) -> Self {
        let outcome = outcome.unwrap_or_else(Outcome::Invalid);
        Self { key, outcome }
    }

    /// What there is to complain about, in one sentence that names the object.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let kind = T::Source::KIND;
        let key = &self.key;
        match &self.outcome {
            Outcome::Invalid(reason) if key.name.is_empty() => {
                Some(format!("a nameless {kind} is left out: {reason}"))
            }
            Outcome::Invalid(reason) => Some(format!("{kind} {key} is left out: {reason}")),
            Outcome::Usable { remarks, .. } if !remarks.is_empty() => {
                let told = remarks.get(..TOLD).unwrap_or(remarks);
                let more = match remarks.len() - told.len() {
                    0 => String::new(),
                    more => format!("; and {more} more"),
                };
                Some(format!("{kind} {key}: {}{more}", told.join("; ")))
            }
            Outcome::Usable { .. } | Outcome::Unused => None,
        }
    }
}

impl<T> Outcome<T> {
    /// An object of which nothing is left out.
    const fn whole(object: T) -> Self {
        Self::Usable {
            object,
            remarks: Vec::new(),
        }
    }
}

/// The key of a namespaced object.
fn namespaced_key(metadata: &ObjectMeta) -> ObjectKey {
    let namespace = metadata
        .namespace
        .as_deref()
        .filter(|namespace| !namespace.is_empty())
        .unwrap_or(DEFAULT_NAMESPACE);
    ObjectKey::new(namespace, metadata.name.as_deref().unwrap_or_default())
}

/// Refuses an object without a name, or in a namespace that can't be a label of its names.
fn check_namespaced(key: &ObjectKey) -> Result<(), String> {
    if key.name.is_empty() {
        return Err(NAMELESS.to_owned());
    }
    check_label("metadata.namespace", &key.namespace)
}

/// Refuses an object whose name can't be a label of its owner names.
fn check_name(key: &ObjectKey) -> Result<(), String> {
    if key.name.is_empty() {
        return Err(NAMELESS.to_owned());
    }
    check_label("metadata.name", &key.name)
}

const NAMELESS: &str = "metadata.name is missing";

fn check_label(field: &str, text: &str) -> Result<(), String> {
    if is_label(text) {
        return Ok(());
    }
    Err(format!("{field} `{text}` {NOT_A_LABEL}"))
}

const NOT_A_LABEL: &str = "is not a DNS label: use at most 63 lower-case letters, digits and `-`, \
                           a letter or digit first and last";

/// Whether `text` is a label as Kubernetes names objects (RFC 1123, section 2.1, in lower case).
fn is_label(text: &str) -> bool {
    let is_letter = |letter: &u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= MAX_LABEL
        && bytes.first().is_some_and(is_letter)
        && bytes.last().is_some_and(is_letter)
        && bytes
            .iter()
            .all(|letter| is_letter(letter) || *letter == b'-')
}

/// A port as Services and EndpointSlices state it; `None`, and a remark, if DNS can't tell it.
fn port(
    name: Option<&str>,
    protocol: Option<&str>,
    number: i32,
    remarks: &mut Vec<String>,
) -> Option<Port> {
    let name = name.unwrap_or_default();
    let protocol = match protocol {
        None | Some("" | "TCP") => Protocol::Tcp,
        Some("UDP") => Protocol::Udp,
        Some("SCTP") => Protocol::Sctp,
        Some(other) => {
            remarks.push(format!(
                "its port {number} is left out: the protocol `{other}` is none of TCP, UDP and SCTP"
            ));
            return None;
        }
    };
    match u16::try_from(number) {
        Ok(number) if number > 0 => Some(Port {
            name: name.to_ascii_lowercase().into(),
            protocol,
            number,
        }),
        _ => {
            remarks.push(format!(
                "its port {number} is left out: ports are 1 to 65535"
            ));
            None
        }
    }
}

#[cfg(test)]
mod tests;
