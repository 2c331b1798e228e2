//! Answers: JSON bodies, lists and refusals as HTTP responses.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Response, StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::core::kind::Kind;
use crate::core::list::Page;
use crate::core::object::Object;
use crate::core::status::ApiError;

/// An answer whose body is known.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    body: Bytes,
    retry_after: Option<u32>,
    allow: &'static str,
}

impl Answer {
    fn new(code: u16, body: Vec<u8>) -> Self {
        Self {
            code,
            body: body.into(),
            retry_after: None,
            allow: "",
        }
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::new(200, value.to_string().into_bytes())
    }

    pub(crate) fn object(code: u16, object: &Object) -> Self {
        let mut body = Vec::with_capacity(object.item().len() + 64);
        object.write(&mut body);
        Self::new(code, body)
    }

    pub(crate) fn page(kind: Kind, page: &Page) -> Self {
        let mut metadata = json!({ "resourceVersion": page.revision.to_string() });
        if let Some(token) = &page.token {
            metadata["continue"] = token.as_str().into();
        }
        if let Some(remaining) = page.remaining {
            metadata["remainingItemCount"] = remaining.into();
        }
        let size: usize = page
            .items
            .iter()
            .map(|object| object.item().len() + 1)
            .sum();
        let mut body = Vec::with_capacity(size + 256);
        let head = format!(
            r#"{{"kind":"{kind}List","apiVersion":"{}","metadata":{metadata},"items":["#,
            kind.api_version()
        );
        body.extend_from_slice(head.as_bytes());
        for (at, object) in page.items.iter().enumerate() {
            if at > 0 {
                body.push(b',');
            }
            body.extend_from_slice(object.item());
        }
        body.extend_from_slice(b"]}");
        Self::new(200, body)
    }

    pub(crate) fn deleted(kind: Kind, object: &Object) -> Self {
        if kind.resource().returns_deleted {
            return Self::object(200, object);
        }
        let (uid, resource) = (object.value()["metadata"]["uid"].take(), kind.resource());
        Self::json(&json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": { "name": object.key().1, "group": resource.group, "kind": resource.plural, "uid": uid },
        }))
    }

    pub(crate) fn text(text: &'static str) -> Self {
        Self::new(200, text.into())
    }

    pub(crate) fn refusal(error: &ApiError) -> Self {
        Self {
            retry_after: error.retry_after,
            ..Self::new(error.code, error.status().to_string().into_bytes())
        }
    }

    /// Names the methods that would have been right (405).
    pub(crate) fn allowing(self, allow: &'static str) -> Self {
        Self { allow, ..self }
    }

    pub(crate) fn size(&self) -> u64 {
        self.body.len() as u64
    }

    pub(crate) fn response(self) -> Response<Body> {
        let kind = if self.body.starts_with(b"{") {
            "application/json"
        } else {
            "text/plain; charset=utf-8"
        };
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() =
            StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if !self.allow.is_empty() {
            headers.insert(ALLOW, HeaderValue::from_static(self.allow));
        }
        response
    }
}
