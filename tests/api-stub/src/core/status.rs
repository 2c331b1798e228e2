//! Refusals: the `Status` objects of the API, one constructor per reason.

use std::fmt;

use serde_json::{Value, json};

use super::kind::Kind;

/// A refused request, as the API tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    /// HTTP status code.
    pub code: u16,
    /// Machine-readable reason, such as `NotFound`.
    pub reason: &'static str,
    /// What went wrong, for a person.
    pub message: String,
    /// `details` of the Status, `null` if it has none.
    pub details: Value,
    /// Seconds for the `Retry-After` header.
    pub retry_after: Option<u32>,
    /// `metadata.continue`: how to go on after an expired continue token.
    pub resume: Option<String>,
}

/// One thing wrong with an object: field, reason, message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Path of the field.
    pub field: String,
    /// Reason, such as `FieldValueInvalid`.
    pub reason: &'static str,
    /// What is wrong with the field's value.
    pub message: String,
}

impl Cause {
    /// A value that is not allowed.
    #[must_use]
    pub fn invalid(field: &str, value: impl fmt::Debug, why: &str) -> Self {
        Self {
            field: field.into(),
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {value:?}: {why}"),
        }
    }

    /// A value that must be given and is not.
    #[must_use]
    pub fn required(field: &str, why: &str) -> Self {
        let message = if why.is_empty() {
            "Required value".into()
        } else {
            format!("Required value: {why}")
        };
        Self {
            field: field.into(),
            reason: "FieldValueRequired",
            message,
        }
    }

    /// A value that must not be given.
    #[must_use]
    pub fn forbidden(field: &str, why: &str) -> Self {
        Self {
            field: field.into(),
            reason: "FieldValueForbidden",
            message: format!("Forbidden: {why}"),
        }
    }
}

impl ApiError {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Value::Null,
            retry_after: None,
            resume: None,
        }
    }

    fn about(mut self, kind: Kind, name: &str) -> Self {
        let resource = kind.resource();
        self.details = json!({ "name": name, "group": resource.group, "kind": resource.plural });
        self
    }

    /// 400: the request cannot be understood.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 401: no or unknown credentials.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 403: known, but not allowed.
    #[must_use]
    pub fn forbidden(why: &str) -> Self {
        Self::new(403, "Forbidden", format!("forbidden: {why}"))
    }

    /// 404: no such object.
    #[must_use]
    pub fn not_found(kind: Kind, name: &str) -> Self {
        Self::new(
            404,
            "NotFound",
            format!("{} {name:?} not found", qualified(kind)),
        )
        .about(kind, name)
    }

    /// 404: no such path.
    #[must_use]
    pub fn no_such_path(path: &str) -> Self {
        let served: Vec<_> = Kind::ALL
            .iter()
            .map(|kind| kind.collection_path(None))
            .collect();
        let message = format!(
            "the server could not find the requested resource: {path} is not served; served are {}",
            served.join(" ")
        );
        Self {
            details: json!({}),
            ..Self::new(404, "NotFound", message)
        }
    }

    /// 405: the path exists, the method does not.
    #[must_use]
    pub fn method_not_allowed(method: &str, path: &str, allowed: &str) -> Self {
        let message = format!(
            "the server does not allow this method on the requested resource: {method} {path}; allowed are {allowed}"
        );
        Self::new(405, "MethodNotAllowed", message)
    }

    /// 406: the client accepts nothing this server can send.
    #[must_use]
    pub fn not_acceptable(accept: &str) -> Self {
        let message = format!(
            "only the following media types are accepted: application/json; the request accepts {accept}"
        );
        Self::new(406, "NotAcceptable", message)
    }

    /// 409: an object of that name exists.
    #[must_use]
    pub fn already_exists(kind: Kind, name: &str) -> Self {
        Self::new(
            409,
            "AlreadyExists",
            format!("{} {name:?} already exists", qualified(kind)),
        )
        .about(kind, name)
    }

    /// 409: the object is not the one the writer has seen.
    #[must_use]
    pub fn conflict(kind: Kind, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: {why}",
            qualified(kind)
        );
        Self::new(409, "Conflict", message).about(kind, name)
    }

    /// 410: that version, or that continue token, is history.
    #[must_use]
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 413: the body is larger than the server takes.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        Self::new(
            413,
            "RequestEntityTooLarge",
            format!("Request entity too large: limit is {limit}"),
        )
    }

    /// 415: a body of a kind this server does not read.
    #[must_use]
    pub fn unsupported_media(got: &str, accepted: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format ({got:?}) - accepted media types include: {accepted}"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// 422: an object with values that are not allowed.
    #[must_use]
    pub fn invalid(kind: Kind, name: &str, causes: &[Cause]) -> Self {
        Self::invalid_of(kind.resource().kind, kind.resource().group, name, causes)
    }

    /// 422: list or watch parameters that contradict each other.
    #[must_use]
    pub fn invalid_options(causes: &[Cause]) -> Self {
        Self::invalid_of("ListOptions", "meta.k8s.io", "", causes)
    }

    fn invalid_of(kind: &str, group: &str, name: &str, causes: &[Cause]) -> Self {
        let lines: Vec<_> = causes
            .iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect();
        let told = match lines.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let qualified = if group.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}.{group}")
        };
        let causes: Vec<_> = causes
            .iter()
            .map(|cause| json!({ "reason": cause.reason, "message": cause.message, "field": cause.field }))
            .collect();
        Self {
            details: json!({ "name": name, "group": group, "kind": kind, "causes": causes }),
            ..Self::new(
                422,
                "Invalid",
                format!("{qualified} {name:?} is invalid: {told}"),
            )
        }
    }

    /// 429: come back later.
    #[must_use]
    pub fn too_many_requests(retry_after: u32) -> Self {
        Self {
            details: json!({ "retryAfterSeconds": retry_after }),
            retry_after: Some(retry_after),
            ..Self::new(
                429,
                "TooManyRequests",
                "Too many requests, please try again later.",
            )
        }
    }

    /// 503: the server can't just now.
    #[must_use]
    pub fn unavailable(retry_after: u32) -> Self {
        Self {
            details: json!({ "retryAfterSeconds": retry_after }),
            retry_after: Some(retry_after),
            ..Self::new(
                503,
                "ServiceUnavailable",
                "The server is currently unable to handle the request.",
            )
        }
    }

    /// 500: the server's own fault.
    #[must_use]
    pub fn internal(why: &str) -> Self {
        Self::new(
            500,
            "InternalError",
            format!("Internal error occurred: {why}"),
        )
    }

    /// 504: a version that does not exist yet.
    #[must_use]
    pub fn version_too_large(asked: u64, current: u64) -> Self {
        Self {
            details: json!({
                "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
                "retryAfterSeconds": 1,
            }),
            retry_after: Some(1),
            ..Self::new(
                504,
                "Timeout",
                format!("Timeout: Too large resource version: {asked}, current: {current}"),
            )
        }
    }

    /// The `Status` object.
    #[must_use]
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        if let Some(token) = &self.resume {
            status["metadata"]["continue"] = token.as_str().into();
        }
        status
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}: {}", self.code, self.reason, self.message)
    }
}

impl std::error::Error for ApiError {}

/// `services`, or `endpointslices.discovery.k8s.io`.
fn qualified(kind: Kind) -> String {
    let resource = kind.resource();
    match resource.group {
        "" => resource.plural.into(),
        group => format!("{}.{group}", resource.plural),
    }
}
