//! What a write must agree with: the path it was sent to, and the object it is based on.

use serde_json::Value;

use super::kind::Kind;
use super::object::{metadata_mut, text};
use super::registry::Target;
use super::status::ApiError;

/// Gives the object the namespace of the path; refuses one that says otherwise.
pub(super) fn place(
    kind: Kind,
    namespace: Option<&str>,
    value: &mut Value,
) -> Result<(), ApiError> {
    let metadata = metadata_mut(value);
    let given = metadata
        .get("namespace")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if !kind.resource().namespaced {
        metadata.remove("namespace");
        return Ok(());
    }
    let Some(namespace) = namespace else {
        return Err(ApiError::bad_request(format!("{kind} needs a namespace")));
    };
    if !given.is_empty() && given != namespace {
        return Err(ApiError::bad_request(format!(
            "the namespace of the provided object does not match the namespace sent on the request: {given:?} is not {namespace:?}"
        )));
    }
    metadata.insert("namespace".into(), namespace.into());
    Ok(())
}

/// Refuses a write based on another version, or on another object of that name.
pub(super) fn unchanged(target: Target<'_>, value: &Value, was: &Value) -> Result<(), ApiError> {
    let stale = |pointer: &str| {
        !text(value, pointer).is_empty() && text(value, pointer) != text(was, pointer)
    };
    if stale("/metadata/uid") {
        let why = "Precondition failed: UID in object meta is not that of the stored object";
        return Err(ApiError::conflict(target.kind, target.name, why));
    }
    if stale("/metadata/resourceVersion") {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        return Err(ApiError::conflict(target.kind, target.name, why));
    }
    Ok(())
}
