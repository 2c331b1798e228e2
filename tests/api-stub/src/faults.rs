//! Faults: what goes wrong on purpose, switched at run time.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;

use crate::core::kind::Kind;
use crate::core::status::ApiError;
use crate::lock;

/// What a request does, as far as faults and counters tell requests apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Reads one object.
    Get,
    /// Reads a collection.
    List,
    /// Follows a collection.
    Watch,
    /// Creates, changes or deletes.
    Write,
    /// Health, version, discovery, unknown paths.
    Other,
}

/// How a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 500.
    Internal,
    /// 429, with the seconds of its `Retry-After`.
    TooManyRequests(u32),
    /// 503, with the seconds of its `Retry-After`.
    Unavailable(u32),
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
}

impl Failure {
    pub(crate) fn error(self) -> ApiError {
        match self {
            Self::Internal => ApiError::internal("asked for by a test"),
            Self::TooManyRequests(seconds) => ApiError::too_many_requests(seconds),
            Self::Unavailable(seconds) => ApiError::unavailable(seconds),
            Self::Unauthorized => ApiError::unauthorized(),
            Self::Forbidden => ApiError::forbidden("asked for by a test"),
        }
    }
}

/// How open watches end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// In the middle of the stream, as when a proxy dies.
    #[default]
    Broken,
    /// With a proper end of the stream, as after `timeoutSeconds`.
    Clean,
}

/// Every fault, and the signals that reach open connections and watches.
#[derive(Debug)]
pub(crate) struct Faults {
    settings: Mutex<Settings>,
    /// Changes when all connections shall break.
    pub(crate) connections: watch::Sender<u64>,
    /// Changes when all watches shall end.
    pub(crate) watches: watch::Sender<End>,
    /// Changes when all watches shall send a bookmark.
    pub(crate) bookmarks: watch::Sender<u64>,
}

#[derive(Debug)]
struct Settings {
    delay: Duration,
    trickle: Duration,
    streaming_lists: bool,
    failures: VecDeque<(Option<Verb>, Failure)>,
    forbidden: Vec<Kind>,
}

impl Faults {
    pub(crate) fn new(streaming_lists: bool) -> Self {
        Self {
            settings: Mutex::new(Settings {
                delay: Duration::ZERO,
                trickle: Duration::ZERO,
                streaming_lists,
                failures: VecDeque::new(),
                forbidden: Vec::new(),
            }),
            connections: watch::Sender::new(0),
            watches: watch::Sender::new(End::Broken),
            bookmarks: watch::Sender::new(0),
        }
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        lock(&self.settings).delay = delay;
    }

    pub(crate) fn delay(&self) -> Duration {
        lock(&self.settings).delay
    }

    pub(crate) fn set_trickle(&self, pause: Duration) {
        lock(&self.settings).trickle = pause;
    }

    pub(crate) fn trickle(&self) -> Duration {
        lock(&self.settings).trickle
    }

    pub(crate) fn set_streaming_lists(&self, on: bool) {
        lock(&self.settings).streaming_lists = on;
    }

    pub(crate) fn streaming_lists(&self) -> bool {
        lock(&self.settings).streaming_lists
    }

    pub(crate) fn fail_next(&self, count: usize, verb: Option<Verb>, failure: Failure) {
        lock(&self.settings)
            .failures
            .extend(std::iter::repeat_n((verb, failure), count));
    }

    pub(crate) fn forbid(&self, kind: Kind) {
        lock(&self.settings).forbidden.push(kind);
    }

    pub(crate) fn clear(&self) {
        let mut settings = lock(&self.settings);
        settings.failures.clear();
        settings.forbidden.clear();
        settings.delay = Duration::ZERO;
        settings.trickle = Duration::ZERO;
    }

    /// The failure planned for a request that does this with objects of this kind, used up by asking.
    pub(crate) fn failure(&self, verb: Verb, kind: Option<Kind>) -> Option<Failure> {
        let mut settings = lock(&self.settings);
        if kind.is_some_and(|kind| settings.forbidden.contains(&kind)) {
            return Some(Failure::Forbidden);
        }
        let fits =
            |wanted: Option<Verb>| wanted.map_or(verb != Verb::Other, |wanted| wanted == verb);
        let at = settings
            .failures
            .iter()
            .position(|(wanted, _)| fits(*wanted))?;
        settings.failures.remove(at).map(|(_, failure)| failure)
    }
}
