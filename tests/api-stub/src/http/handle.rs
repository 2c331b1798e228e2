//! Requests: reads what is asked, asks the core, answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{Query, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Request, Response};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::answer::Answer;
use super::{Shared, feed};
use crate::core::discovery;
use crate::core::kind::Kind;
use crate::core::list::list;
use crate::core::path::{Route, route};
use crate::core::query::{Params, filter, list_query, watch_query};
use crate::core::registry::{Preconditions, Target};
use crate::core::status::ApiError;
use crate::core::watch::Watcher;
use crate::faults::Verb;
use crate::journal;

/// The largest body taken, as real servers have it.
const LARGEST: usize = 3 * 1024 * 1024;

/// How long a reader waits for a version that does not exist yet, as real servers do.
const PATIENCE: Duration = Duration::from_secs(3);

/// Answers every request.
pub(crate) async fn handle(
    State(shared): State<Arc<Shared>>,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let route = route(parts.uri.path());
    let params = Query::try_from_uri(&parts.uri)
        .map(|Query(pairs)| Params(pairs))
        .unwrap_or_default();
    let (verb, kind) = classify(&route, &parts.method, &params);
    sleep(shared.faults.delay()).await;
    let result = match shared.faults.failure(verb, kind) {
        Some(failure) => Err(failure.error()),
        None => reply(&shared, &parts, body, &route, &params).await,
    };
    let (code, response) = match result {
        Ok(Reply::Stream(body)) => {
            let mut response = Response::new(body);
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            (200, response)
        }
        Ok(Reply::Whole(answer)) => finish(&shared, answer),
        Err(error) => {
            let answer = Answer::refusal(&error);
            let answer = if error.code == 405 {
                answer.allowing(allowed(&route))
            } else {
                answer
            };
            finish(&shared, answer)
        }
    };
    shared.journal.record(journal::Request {
        at: Instant::now(),
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        verb,
        kind,
        status: code,
        user_agent: header(&parts, &USER_AGENT).to_owned(),
    });
    response
}

enum Reply {
    Whole(Answer),
    Stream(Body),
}

fn finish(shared: &Shared, answer: Answer) -> (u16, Response<Body>) {
    shared
        .journal
        .count(|counters| counters.bytes_sent += answer.size());
    (answer.code, answer.response())
}

fn classify(route: &Route, method: &Method, params: &Params) -> (Verb, Option<Kind>) {
    match (route, method) {
        (Route::Collection(kind, _), &Method::GET) if params.flag("watch") => {
            (Verb::Watch, Some(*kind))
        }
        (Route::Collection(kind, _), &Method::GET) => (Verb::List, Some(*kind)),
        (Route::Object { kind, .. }, &Method::GET) => (Verb::Get, Some(*kind)),
        (Route::Collection(kind, _) | Route::Object { kind, .. }, _) => (Verb::Write, Some(*kind)),
        _ => (Verb::Other, None),
    }
}

fn allowed(route: &Route) -> &'static str {
    match route {
        Route::Collection(..) => "DELETE, GET, POST",
        Route::Object { status: true, .. } => "GET, PATCH, PUT",
        Route::Object { .. } => "DELETE, GET, PATCH, PUT",
        _ => "GET",
    }
}

fn header<'a>(parts: &'a Parts, name: &HeaderName) -> &'a str {
    parts
        .headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

async fn reply(
    shared: &Arc<Shared>,
    parts: &Parts,
    body: Body,
    route: &Route,
    params: &Params,
) -> Result<Reply, ApiError> {
    acceptable(header(parts, &ACCEPT))?;
    let read = parts.method == Method::GET;
    let answer = match route {
        Route::Unknown => return Err(ApiError::no_such_path(parts.uri.path())),
        Route::Collection(kind, namespace) => {
            return collection(shared, parts, body, *kind, namespace.as_deref(), params).await;
        }
        Route::Object {
            kind,
            namespace,
            name,
            status,
        } => {
            let target = Target {
                kind: *kind,
                namespace: namespace.as_deref(),
                name,
            };
            return object(shared, parts, body, target, *status, params)
                .await
                .map(Reply::Whole);
        }
        _ if !read => {
            return Err(ApiError::method_not_allowed(
                parts.method.as_str(),
                parts.uri.path(),
                allowed(route),
            ));
        }
        Route::Health => Answer::text("ok"),
        Route::Version => Answer::json(&discovery::version()),
        Route::CoreVersions => Answer::json(&discovery::core_versions(&shared.address.to_string())),
        Route::Groups => Answer::json(&discovery::groups()),
        Route::Group(name) => Answer::json(&discovery::group(name)),
        Route::Resources(group) => Answer::json(&discovery::resources(group)),
    };
    Ok(Reply::Whole(answer))
}

async fn collection(
    shared: &Arc<Shared>,
    parts: &Parts,
    body: Body,
    kind: Kind,
    namespace: Option<&str>,
    params: &Params,
) -> Result<Reply, ApiError> {
    let answer = match parts.method {
        Method::GET if params.flag("watch") => {
            let query = watch_query(kind, namespace, params, shared.faults.streaming_lists())?;
            wait_for(shared, query.not_older_than).await;
            let watcher = Watcher::open(shared.registry().store(), kind, &query);
            return Ok(Reply::Stream(feed::body(
                Arc::clone(shared),
                watcher,
                &query,
            )));
        }
        Method::GET => {
            let query = list_query(kind, namespace, params)?;
            wait_for(shared, newest_asked(params)).await;
            let page = list(shared.registry().store(), kind, &query)?;
            Answer::page(kind, &page)
        }
        Method::POST if kind.resource().namespaced && namespace.is_none() => {
            let allowed = "GET; to create, POST to the collection of a namespace";
            return Err(ApiError::method_not_allowed(
                "POST",
                parts.uri.path(),
                allowed,
            ));
        }
        Method::POST => {
            no_dry_run(params)?;
            let value = read_json(parts, body, "application/json").await?;
            let object = shared.change(|registry| registry.create(kind, namespace, &value))?;
            Answer::object(201, &object)
        }
        Method::DELETE => {
            no_dry_run(params)?;
            let filter = filter(kind, namespace, params)?;
            let gone = shared.change(|registry| registry.delete_collection(kind, &filter))?;
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                "message": format!("{gone} deleted"),
            });
            Answer::json(&status)
        }
        _ => {
            return Err(ApiError::method_not_allowed(
                parts.method.as_str(),
                parts.uri.path(),
                "DELETE, GET, POST",
            ));
        }
    };
    Ok(Reply::Whole(answer))
}

async fn object(
    shared: &Shared,
    parts: &Parts,
    body: Body,
    target: Target<'_>,
    status: bool,
    params: &Params,
) -> Result<Answer, ApiError> {
    match parts.method {
        Method::GET => {
            let newest = newest_asked(params);
            wait_for(shared, newest).await;
            let registry = shared.registry();
            if newest > registry.store().revision() {
                return Err(ApiError::version_too_large(
                    newest,
                    registry.store().revision(),
                ));
            }
            registry
                .get(target)
                .map(|object| Answer::object(200, &object))
        }
        Method::PUT => {
            no_dry_run(params)?;
            let value = read_json(parts, body, "application/json").await?;
            let (object, created) =
                shared.change(|registry| registry.replace(target, &value, status))?;
            Ok(Answer::object(if created { 201 } else { 200 }, &object))
        }
        Method::PATCH => {
            no_dry_run(params)?;
            let patch = read_json(parts, body, "application/merge-patch+json").await?;
            let object = shared.change(|registry| registry.merge(target, &patch, status))?;
            Ok(Answer::object(200, &object))
        }
        Method::DELETE if !status => {
            no_dry_run(params)?;
            let options = delete_options(parts, body).await?;
            let object = shared.change(|registry| registry.delete(target, &options))?;
            Ok(Answer::deleted(target.kind, &object))
        }
        _ => {
            let allowed = if status {
                "GET, PATCH, PUT"
            } else {
                "DELETE, GET, PATCH, PUT"
            };
            Err(ApiError::method_not_allowed(
                parts.method.as_str(),
                parts.uri.path(),
                allowed,
            ))
        }
    }
}

fn newest_asked(params: &Params) -> u64 {
    params.get("resourceVersion").parse().unwrap_or(0)
}

/// Waits a little for a version still to come.
async fn wait_for(shared: &Shared, revision: u64) {
    let mut current = shared.revision.subscribe();
    // Whether it came or not, the core decides what to answer.
    let _ = timeout(PATIENCE, current.wait_for(|current| *current >= revision)).await;
}

/// JSON must be among the media types the client takes; tables and partial objects are not made here.
fn acceptable(accept: &str) -> Result<(), ApiError> {
    let plain = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        matches!(media, "" | "*/*" | "application/*" | "application/json")
            && !parts.any(|part| part.starts_with("as="))
    };
    if accept.split(',').any(plain) {
        Ok(())
    } else {
        Err(ApiError::not_acceptable(accept))
    }
}

fn no_dry_run(params: &Params) -> Result<(), ApiError> {
    match params.get("dryRun") {
        "" => Ok(()),
        asked => Err(ApiError::bad_request(format!(
            "dryRun={asked}: api-stub cannot try a write without doing it"
        ))),
    }
}

async fn read_bytes(body: Body) -> Result<Bytes, ApiError> {
    to_bytes(body, LARGEST)
        .await
        .map_err(|_| ApiError::too_large(LARGEST))
}

async fn read_json(parts: &Parts, body: Body, accepted: &str) -> Result<Value, ApiError> {
    let media = header(parts, &CONTENT_TYPE)
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    // A write without a type is JSON; a patch without one could be any of four.
    if media != accepted && !(media.is_empty() && accepted == "application/json") {
        return Err(ApiError::unsupported_media(media, accepted));
    }
    let bytes = read_bytes(body).await?;
    serde_json::from_slice(&bytes)
        .map_err(|why| ApiError::bad_request(format!("the body of the request is not JSON: {why}")))
}

async fn delete_options(parts: &Parts, body: Body) -> Result<Preconditions, ApiError> {
    let bytes = read_bytes(body).await?;
    if bytes.is_empty() {
        return Ok(Preconditions::default());
    }
    let options = read_json(parts, Body::from(bytes), "application/json").await?;
    let given = |name: &str| options["preconditions"][name].as_str().map(str::to_owned);
    Ok(Preconditions {
        uid: given("uid"),
        revision: given("resourceVersion"),
    })
}
