//! The request log: who asked for what, and how much was sent.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Instant;

use crate::core::kind::Kind;
use crate::faults::Verb;
use crate::lock;

/// One request as it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it was answered; a watch: when it began.
    pub at: Instant,
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// What it does.
    pub verb: Verb,
    /// The kind it is about, if any.
    pub kind: Option<Kind>,
    /// HTTP status of the answer.
    pub status: u16,
    /// `User-Agent` header.
    pub user_agent: String,
}

/// Totals since the start, or since the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests of every sort.
    pub requests: u64,
    /// GETs of single objects.
    pub gets: u64,
    /// Lists; each page counts.
    pub lists: u64,
    /// Watches begun.
    pub watches: u64,
    /// Creations, changes and deletions.
    pub writes: u64,
    /// Answers with status 400 and above.
    pub refused: u64,
    /// Watch events sent, bookmarks not included.
    pub events: u64,
    /// Bookmarks sent.
    pub bookmarks: u64,
    /// Bytes of answers, HTTP headers not included.
    pub bytes_sent: u64,
    /// Watches open at this moment; a reset leaves it alone.
    pub open_watches: u64,
}

/// How many requests are remembered one by one.
const REMEMBERED: usize = 10_000;

/// The log and its totals.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    counters: Counters,
    requests: VecDeque<Request>,
}

impl Journal {
    pub(crate) fn record(&self, request: Request) {
        let mut inner = lock(&self.0);
        let counters = &mut inner.counters;
        counters.requests += 1;
        match request.verb {
            Verb::Get => counters.gets += 1,
            Verb::List => counters.lists += 1,
            Verb::Watch => counters.watches += 1,
            Verb::Write => counters.writes += 1,
            Verb::Other => {}
        }
        counters.refused += u64::from(request.status >= 400);
        if inner.requests.len() == REMEMBERED {
            inner.requests.pop_front();
        }
        inner.requests.push_back(request);
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut lock(&self.0).counters);
    }

    pub(crate) fn counters(&self) -> Counters {
        lock(&self.0).counters
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        lock(&self.0).requests.iter().cloned().collect()
    }

    pub(crate) fn reset(&self) {
        let mut inner = lock(&self.0);
        let open_watches = inner.counters.open_watches;
        *inner = Inner {
            counters: Counters {
                open_watches,
                ..Counters::default()
            },
            ..Inner::default()
        };
    }
}
