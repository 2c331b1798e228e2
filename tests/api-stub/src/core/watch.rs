//! WATCH: the events one watcher sees, computed from the store's history.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::json;

use super::filter::Filter;
use super::kind::Kind;
use super::object::Object;
use super::status::ApiError;
use super::store::{Change, Store};

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With an ADDED event for each object there is (`resourceVersion` empty or 0).
    State,
    /// With what happens from now on.
    Now,
    /// With the first change after that revision.
    After(u64),
    /// As `State`, then a bookmark that says the initial events have ended (streaming list).
    StateThenBookmark,
}

/// A watch request, read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchQuery {
    /// Which objects.
    pub filter: Filter,
    /// Where to begin.
    pub start: Start,
    /// The client understands BOOKMARK events.
    pub bookmarks: bool,
    /// The client wants the watch to end after so many seconds.
    pub timeout: Option<u64>,
    /// The state shown must be at least this new (streaming lists).
    pub not_older_than: u64,
}

/// One event of a watch.
#[derive(Clone, Debug)]
pub enum Event {
    /// The object is new, or begins to match.
    Added(Arc<Object>),
    /// The object has changed.
    Modified(Arc<Object>),
    /// The object is gone, or matches no longer; carries its last matching state with the change's version.
    Deleted(Arc<Object>),
    /// Everything up to this revision has been sent.
    Bookmark {
        /// The revision.
        revision: u64,
        /// The initial events of a streaming list end here.
        initial_end: bool,
    },
    /// The watch cannot go on.
    Error(ApiError),
}

/// One watcher's place in the history.
#[derive(Debug)]
pub struct Watcher {
    kind: Kind,
    filter: Filter,
    cursor: u64,
    pending: VecDeque<Event>,
    failed: bool,
}

impl Watcher {
    /// Begins a watch on the store's present state.
    #[must_use]
    pub fn open(store: &Store, kind: Kind, query: &WatchQuery) -> Self {
        let (mut cursor, mut pending) = (store.revision(), VecDeque::new());
        match query.start {
            Start::Now => {}
            Start::After(revision) => cursor = revision,
            Start::State | Start::StateThenBookmark => {
                let state = store
                    .all(kind)
                    .filter(|object| query.filter.matches(object));
                pending.extend(state.cloned().map(Event::Added));
            }
        }
        if query.start == Start::StateThenBookmark && query.bookmarks {
            pending.push_back(Event::Bookmark {
                revision: cursor,
                initial_end: true,
            });
        }
        Self {
            kind,
            filter: query.filter.clone(),
            cursor,
            pending,
            failed: false,
        }
    }

    /// The next events, at most `most`; empty if there are none now. After an `Error` there are never more.
    pub fn next(&mut self, store: &Store, most: usize) -> Vec<Event> {
        if self.failed {
            return Vec::new();
        }
        if !self.pending.is_empty() {
            let count = most.min(self.pending.len());
            return self.pending.drain(..count).collect();
        }
        if self.cursor < store.oldest() {
            self.failed = true;
            let message = format!(
                "too old resource version: {} ({})",
                self.cursor,
                store.oldest()
            );
            return vec![Event::Error(ApiError::expired(message))];
        }
        let mut events = Vec::new();
        let mut reached = store.revision().max(self.cursor);
        for change in store.changes_after(self.cursor) {
            if events.len() == most {
                reached = change.revision - 1;
                break;
            }
            events.extend(event(change, self.kind, &self.filter));
        }
        self.cursor = reached;
        events
    }

    /// A bookmark for where this watcher is, or `None` while the initial events are still under way.
    #[must_use]
    pub fn bookmark(&self) -> Option<Event> {
        let at_rest = self.pending.is_empty() && !self.failed;
        at_rest.then_some(Event::Bookmark {
            revision: self.cursor,
            initial_end: false,
        })
    }

    /// The kind watched.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether an `Error` has ended the watch.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.failed
    }
}

/// What a watcher with this filter sees of a change.
fn event(change: &Change, kind: Kind, filter: &Filter) -> Option<Event> {
    if change.kind != kind {
        return None;
    }
    let before = change
        .before
        .as_ref()
        .filter(|object| filter.matches(object));
    let after = change
        .after
        .as_ref()
        .filter(|object| filter.matches(object));
    match (before, after) {
        (None, None) => None,
        (None, Some(object)) => Some(Event::Added(Arc::clone(object))),
        (Some(_), Some(object)) => Some(Event::Modified(Arc::clone(object))),
        (Some(object), None) => Some(Event::Deleted(Arc::new(object.at(change.revision)))),
    }
}

impl Event {
    /// Appends the event as a line of the watch's stream.
    pub fn write(&self, kind: Kind, out: &mut Vec<u8>) {
        let (word, object) = match self {
            Self::Added(object) => ("ADDED", object),
            Self::Modified(object) => ("MODIFIED", object),
            Self::Deleted(object) => ("DELETED", object),
            Self::Bookmark {
                revision,
                initial_end,
            } => {
                let mut object = json!({
                    "kind": kind.resource().kind,
                    "apiVersion": kind.api_version(),
                    "metadata": { "resourceVersion": revision.to_string(), "creationTimestamp": null },
                });
                if *initial_end {
                    object["metadata"]["annotations"] =
                        json!({ "k8s.io/initial-events-end": "true" });
                }
                // These lists have no default, so strict clients want them even in a bookmark.
                if kind == Kind::EndpointSlice {
                    object["addressType"] = "".into();
                    object["endpoints"] = json!([]);
                }
                let line = json!({ "type": "BOOKMARK", "object": object });
                out.extend_from_slice(format!("{line}\n").as_bytes());
                return;
            }
            Self::Error(error) => {
                let line = json!({ "type": "ERROR", "object": error.status() });
                out.extend_from_slice(format!("{line}\n").as_bytes());
                return;
            }
        };
        out.extend_from_slice(format!(r#"{{"type":"{word}","object":"#).as_bytes());
        object.write(out);
        out.extend_from_slice(b"}\n");
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
