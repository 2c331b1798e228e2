//! Admission: may this object be written, and what does the server add to it?

use k8s_openapi::api::core::v1::{ConfigMap, Endpoints, Namespace, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::address::Pool;
use super::kind::Kind;
use super::label_selector::{label_key, label_value};
use super::object::{metadata_mut, text};
use super::service;
use super::status::{ApiError, Cause};

/// Decodes an object as its type and encodes it again: wrong types are refused, unknown fields dropped.
pub fn typed(kind: Kind, value: &Value) -> Result<Value, ApiError> {
    if !value.is_object() {
        return Err(ApiError::bad_request(format!(
            "expected a JSON object of kind {kind}"
        )));
    }
    let (claimed, version) = (text(value, "/kind"), text(value, "/apiVersion"));
    let agrees = |claimed: &str, known: &str| claimed.is_empty() || claimed == known;
    if !agrees(claimed, kind.resource().kind) || !agrees(version, kind.api_version()) {
        return Err(ApiError::bad_request(format!(
            "{claimed} in version {version:?} cannot be handled as a {kind} in version {:?}",
            kind.api_version()
        )));
    }
    let decoded = match kind {
        Kind::Namespace => again::<Namespace>(value),
        Kind::Node => again::<Node>(value),
        Kind::Pod => again::<Pod>(value),
        Kind::Service => again::<Service>(value),
        Kind::Endpoints => again::<Endpoints>(value),
        Kind::ConfigMap => again::<ConfigMap>(value),
        Kind::EndpointSlice => again::<EndpointSlice>(value),
    };
    decoded.map_err(|why| {
        ApiError::bad_request(format!(
            "{kind} in version {:?} cannot be handled as a {kind}: {why}",
            kind.api_version()
        ))
    })
}

fn again<T: DeserializeOwned + Serialize>(value: &Value) -> Result<Value, serde_json::Error> {
    T::deserialize(value).and_then(serde_json::to_value)
}

/// Adds the server's defaults and checks the object; `old` is the object before an update.
pub fn admit(
    kind: Kind,
    value: &mut Value,
    old: Option<&Value>,
    pool: &mut Pool,
) -> Result<(), ApiError> {
    let name = text(value, "/metadata/name").to_owned();
    let mut causes = metadata(kind, value);
    match kind {
        Kind::Service => causes.extend(service::admit(value, old, pool)),
        Kind::Namespace => {
            let labels = metadata_mut(value)
                .entry("labels")
                .or_insert_with(|| json!({}));
            labels["kubernetes.io/metadata.name"] = name.as_str().into();
            if value["spec"]["finalizers"].is_null() {
                value["spec"]["finalizers"] = json!(["kubernetes"]);
            }
        }
        Kind::EndpointSlice => causes.extend(slice(value, old)),
        Kind::Pod => {
            if value.pointer("/spec/containers/0").is_none() {
                causes.push(Cause::required("spec.containers", ""));
            }
        }
        Kind::Node | Kind::Endpoints | Kind::ConfigMap => {}
    }
    if causes.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid(kind, &name, &causes))
    }
}

/// The status an object of this kind is created with; `None` keeps what the writer sent.
#[must_use]
pub fn first_status(kind: Kind) -> Option<Value> {
    match kind {
        Kind::Namespace => Some(json!({ "phase": "Active" })),
        Kind::Pod => Some(json!({ "phase": "Pending" })),
        Kind::Service => Some(json!({ "loadBalancer": {} })),
        _ => None,
    }
}

fn metadata(kind: Kind, value: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let name = text(value, "/metadata/name");
    let (name_ok, rule) = match kind {
        Kind::Service => (
            is_label(name) && name.starts_with(|letter: char| letter.is_ascii_lowercase()),
            "must be a DNS label that begins with a letter (RFC 1035)",
        ),
        Kind::Namespace => (is_label(name), "must be a DNS label (RFC 1123)"),
        _ => (
            is_subdomain(name),
            "must be a lower-case DNS name (RFC 1123 subdomain)",
        ),
    };
    if name.is_empty() {
        causes.push(Cause::required(
            "metadata.name",
            "name or generateName is required",
        ));
    } else if !name_ok {
        causes.push(Cause::invalid("metadata.name", name, rule));
    }
    let labels = value.pointer("/metadata/labels").and_then(Value::as_object);
    for (key, value) in labels.into_iter().flatten() {
        let checked = label_key(key).and_then(|_| label_value(value.as_str().unwrap_or_default()));
        causes.extend(
            checked
                .err()
                .map(|why| Cause::invalid("metadata.labels", key, &why)),
        );
    }
    causes
}

fn slice(value: &mut Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let family = text(value, "/addressType").to_owned();
    if !matches!(family.as_str(), "IPv4" | "IPv6" | "FQDN") {
        let why = "supported values: \"FQDN\", \"IPv4\", \"IPv6\"";
        causes.push(Cause::invalid("addressType", &family, why));
    }
    if old.is_some_and(|old| text(old, "/addressType") != family) {
        causes.push(Cause::invalid("addressType", &family, "field is immutable"));
    }
    for (at, endpoint) in value["endpoints"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let addresses = endpoint["addresses"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        if addresses.is_empty() {
            causes.push(Cause::required(
                &format!("endpoints[{at}].addresses"),
                "must contain at least 1 address",
            ));
        }
        for (nth, address) in addresses.iter().filter_map(Value::as_str).enumerate() {
            let fits = match family.as_str() {
                "IPv4" => address.parse::<std::net::Ipv4Addr>().is_ok(),
                "IPv6" => address.parse::<std::net::Ipv6Addr>().is_ok(),
                _ => true,
            };
            if !fits {
                let why = format!("must be a valid {family} address");
                causes.push(Cause::invalid(
                    &format!("endpoints[{at}].addresses[{nth}]"),
                    address,
                    &why,
                ));
            }
        }
    }
    for port in value["ports"].as_array_mut().into_iter().flatten() {
        if text(port, "/protocol").is_empty() {
            port["protocol"] = "TCP".into();
        }
        if port["name"].is_null() {
            port["name"] = "".into();
        }
    }
    causes
}

/// A DNS label: at most 63 lower-case letters, digits and inner hyphens (RFC 1123).
#[must_use]
pub fn is_label(text: &str) -> bool {
    let inside =
        |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inside)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A DNS name of labels, at most 253 letters (RFC 1123 subdomain).
#[must_use]
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}
