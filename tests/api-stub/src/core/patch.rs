//! Merge patches (RFC 7396).

use serde_json::{Value, json};

/// Changes a value: fields of the patch replace fields of the value, `null` removes them.
pub(super) fn merge(value: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    for (name, new) in fields {
        if new.is_null() {
            value.as_object_mut().map(|inner| inner.remove(name));
        } else {
            merge(&mut value[name.as_str()], new);
        }
    }
}
