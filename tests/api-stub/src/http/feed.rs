//! The stream of one watch: waits for changes, signals and its end, and writes events.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::Shared;
use crate::core::watch::{Event, WatchQuery, Watcher};
use crate::faults::End;

/// Events written at once: a large start is sent in pieces, so that the lock is never held for long.
const BATCH: usize = 512;

/// Without `timeoutSeconds` a watch ends after this long; real servers choose 30 to 60 minutes.
const LONGEST: Duration = Duration::from_mins(45);

struct Feed {
    shared: Arc<Shared>,
    watcher: Watcher,
    revision: watch::Receiver<u64>,
    end: watch::Receiver<End>,
    bookmark: watch::Receiver<u64>,
    bookmarks: bool,
    bookmark_due: bool,
    next_bookmark: Instant,
    deadline: Instant,
    broken: bool,
}

/// The body of a watch's answer.
pub(crate) fn body(shared: Arc<Shared>, watcher: Watcher, query: &WatchQuery) -> Body {
    shared.journal.count(|counters| counters.open_watches += 1);
    let lifetime = query
        .timeout
        .map_or(LONGEST, Duration::from_secs)
        .min(LONGEST);
    let feed = Feed {
        watcher,
        revision: shared.revision.subscribe(),
        end: shared.faults.watches.subscribe(),
        bookmark: shared.faults.bookmarks.subscribe(),
        bookmarks: query.bookmarks,
        bookmark_due: false,
        next_bookmark: Instant::now() + shared.bookmark_interval,
        deadline: Instant::now() + lifetime,
        broken: false,
        shared,
    };
    Body::from_stream(stream::unfold(feed, Feed::next))
}

impl Feed {
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        if self.broken {
            return None;
        }
        let trickle = self.shared.faults.trickle();
        let most = if trickle.is_zero() { BATCH } else { 1 };
        loop {
            if self.end.has_changed().unwrap_or(true) {
                return self.ended();
            }
            if Instant::now() >= self.deadline {
                return None;
            }
            self.revision.mark_unchanged();
            let events = self.watcher.next(self.shared.registry().store(), most);
            if !events.is_empty() {
                return self.send(&events, trickle).await;
            }
            if self.watcher.failed() {
                return None;
            }
            // Only now, with all events sent, does the bookmark tell the newest revision.
            if self.bookmark_due {
                self.bookmark_due = false;
                self.next_bookmark = Instant::now() + self.shared.bookmark_interval;
                if let Some(event) = self.watcher.bookmark().filter(|_| self.bookmarks) {
                    return self.send(&[event], Duration::ZERO).await;
                }
            }
            tokio::select! {
                _ = self.revision.changed() => {}
                _ = self.end.changed() => return self.ended(),
                _ = self.bookmark.changed() => self.bookmark_due = true,
                () = sleep_until(self.next_bookmark) => self.bookmark_due = true,
                () = sleep_until(self.deadline) => return None,
            }
        }
    }

    fn ended(mut self) -> Option<(io::Result<Bytes>, Self)> {
        self.broken = true;
        let end = *self.end.borrow_and_update();
        // An error in the body makes the server close the connection in mid-stream.
        (end == End::Broken).then(|| (Err(io::Error::other("watch broken on purpose")), self))
    }

    async fn send(
        mut self,
        events: &[Event],
        trickle: Duration,
    ) -> Option<(io::Result<Bytes>, Self)> {
        if !trickle.is_zero() {
            tokio::select! {
                () = sleep(trickle) => {}
                _ = self.end.changed() => return self.ended(),
            }
        }
        let mut lines = Vec::new();
        for event in events {
            event.write(self.watcher.kind(), &mut lines);
        }
        let marks = events
            .iter()
            .filter(|event| matches!(event, Event::Bookmark { .. }))
            .count() as u64;
        self.shared.journal.count(|counters| {
            counters.bookmarks += marks;
            counters.events += events.len() as u64 - marks;
            counters.bytes_sent += lines.len() as u64;
        });
        Some((Ok(lines.into()), self))
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.shared
            .journal
            .count(|counters| counters.open_watches -= 1);
    }
}
