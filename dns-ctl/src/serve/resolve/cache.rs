//! Answers that are kept: bounded, fresh until their TTL ends, and stale for a while longer.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use quick_cache::{DefaultHashBuilder, Lifecycle, Weighter, sync};
use tokio::time::Instant;

use super::{
    lifetime::Word,
    question::Question,
    response::{Age, Response},
    stored::Stored,
};
use crate::metrics::resolver::CacheMetrics;

/// An answer of up to so many octets counts as one, a larger one as several: the bound on the number of
/// answers is a bound on memory, too.
const UNIT: usize = 512;
/// How long a failed attempt to renew an answer keeps from the next one (RFC 8767, section 5).
const RECHECK: Duration = Duration::from_secs(30);
/// An answer is renewed in the last tenth of its life.
const LAST_PART: u32 = 10;

/// The cache of a resolver.
#[derive(Debug)]
pub(super) struct Cache {
    /// Nothing is kept without it.
    entries: Option<Entries>,
    start: Instant,
    stale: Duration,
    /// How often an answer has to be used to be renewed before it expires; 0: none is.
    prefetch: u32,
    metrics: CacheMetrics,
}

type Entries = sync::Cache<Box<[u8]>, Arc<Entry>, Weight, DefaultHashBuilder, Evicted>;

/// What the cache has for a question.
#[derive(Debug)]
pub(super) enum Found {
    /// An answer that holds.
    Fresh(Response),
    /// An answer that holds, is in demand, and will soon expire: it is for the caller to renew it.
    Expiring(Response),
    /// An answer that has expired.
    Stale(Stale),
    /// Nothing.
    Nothing,
}

/// An answer that has expired.
#[derive(Debug)]
pub(super) struct Stale {
    pub(super) response: Response,
    /// Whether it is time to try and get a new one.
    pub(super) is_due: bool,
}

/// An answer in the cache.
struct Entry {
    stored: Arc<Stored>,
    since: Instant,
    uses: AtomicU32,
    /// Whether it is being renewed, or that has been tried in vain.
    renewing: AtomicBool,
    /// Before this many milliseconds of the cache's life it is not to be renewed.
    not_before: AtomicU64,
}

impl Cache {
    /// Room for `size` answers of 512 octets; expired ones are given for `stale`.
    pub(super) fn new(size: usize, stale: Duration, prefetch: u32, metrics: CacheMetrics) -> Self {
        let entries = (size > 0).then(|| {
            sync::Cache::with(
                size,
                u64::try_from(size).unwrap_or(u64::MAX),
                Weight,
                DefaultHashBuilder::default(),
                Evicted,
            )
        });
        metrics.has_room_for(size);
        Self {
            entries,
            start: Instant::now(),
            stale,
            prefetch,
            metrics,
        }
    }

    /// What is kept for `question` at the time `now`.
    pub(super) fn find(&self, question: &Question, now: Instant) -> Found {
        let Some(entry) = self.entry(question) else {
            return Found::Nothing;
        };
        let age = now.saturating_duration_since(entry.since);
        let lifetime = entry.lifetime();
        let left = lifetime.saturating_sub(age);
        if !left.is_zero() {
            // Fits: a lifetime is a number of seconds of 32 bits.
            let seconds = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
            let response = Response::new(Arc::clone(&entry.stored), Age::Kept(seconds));
            return if self.is_to_be_renewed(&entry, left) {
                Found::Expiring(response)
            } else {
                Found::Fresh(response)
            };
        }
        if entry.stored.word != Word::Failure && age < lifetime + self.stale {
            return Found::Stale(Stale {
                response: Response::new(Arc::clone(&entry.stored), Age::Stale),
                is_due: self.milliseconds(now) >= entry.not_before.load(Ordering::Relaxed),
            });
        }
        Found::Nothing
    }

    /// Keeps `stored` as the answer to `question`; what can't be kept takes the place of nothing.
    ///
    /// A failure does not take the place of an answer that may still be given.
    pub(super) fn keep(&self, question: &Question, stored: &Arc<Stored>, now: Instant) {
        let Some(entries) = &self.entries else {
            return;
        };
        if stored.word == Word::Failure && self.postpone(question, now) {
            return;
        }
        if stored.lifetime == 0 {
            entries.remove(question.key());
        } else {
            let entry = Arc::new(Entry {
                stored: Arc::clone(stored),
                since: now,
                uses: AtomicU32::new(0),
                renewing: AtomicBool::new(false),
                not_before: AtomicU64::new(0),
            });
            let mut evicted = Vec::new();
            entries.insert_with_lifecycle(question.key().into(), entry, &mut evicted);
            // An answer that is replaced by its successor is among them.
            let others = evicted.iter().filter(|(key, _)| **key != *question.key());
            self.metrics.evicted(others.count());
        }
        self.metrics.holds(entries.len(), entries.weight());
    }

    /// Notes that an answer could not be renewed; returns whether there is one that may still be given.
    pub(super) fn postpone(&self, question: &Question, now: Instant) -> bool {
        let Some(entry) = self.entry(question).filter(|entry| {
            let age = now.saturating_duration_since(entry.since);
            entry.stored.word != Word::Failure && age < entry.lifetime() + self.stale
        }) else {
            return false;
        };
        let not_before = self.milliseconds(now + RECHECK);
        entry.not_before.store(not_before, Ordering::Relaxed);
        true
    }

    /// Drops the answers to questions about names for which `changed` holds.
    pub(super) fn forget(&self, changed: impl Fn(&[u8]) -> bool) {
        if let Some(entries) = &self.entries {
            entries.retain(|key, _| !changed(Question::name_of_key(key)));
            self.metrics.holds(entries.len(), entries.weight());
        }
    }

    fn entry(&self, question: &Question) -> Option<Arc<Entry>> {
        self.entries.as_ref()?.get(question.key())
    }

    /// Counts a use; says yes once, in the last part of the life of an answer that is in demand.
    fn is_to_be_renewed(&self, entry: &Entry, left: Duration) -> bool {
        if self.prefetch == 0 || entry.stored.word == Word::Failure {
            return false;
        }
        let mut uses = entry.uses.load(Ordering::Relaxed);
        // Beyond the threshold nothing is written: threads that use one answer don't get in their way.
        if uses < self.prefetch {
            uses = entry.uses.fetch_add(1, Ordering::Relaxed) + 1;
        }
        uses >= self.prefetch
            && left * LAST_PART <= entry.lifetime()
            && !entry.renewing.swap(true, Ordering::Relaxed)
    }

    fn milliseconds(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Entry {
    fn lifetime(&self) -> Duration {
        Duration::from_secs(self.stored.lifetime.into())
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

/// What an answer counts.
#[derive(Clone, Copy, Debug)]
struct Weight;

impl Weighter<Box<[u8]>, Arc<Entry>> for Weight {
    fn weight(&self, _key: &Box<[u8]>, entry: &Arc<Entry>) -> u64 {
        u64::try_from(entry.stored.size().div_ceil(UNIT)).unwrap_or(u64::MAX)
    }
}

/// Hands out what had to go, so that it is counted, and freed without the lock.
#[derive(Clone, Copy, Debug)]
struct Evicted;

impl Lifecycle<Box<[u8]>, Arc<Entry>> for Evicted {
    type RequestState = Vec<(Box<[u8]>, Arc<Entry>)>;

    fn on_evict(&self, gone: &mut Self::RequestState, key: Box<[u8]>, entry: Arc<Entry>) {
        gone.push((key, entry));
    }
}
