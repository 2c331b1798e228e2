//! One list-and-watch: lists, watches from there, and goes on from where it was whenever it is cut off.
//!
//! The client library's own watcher asks again at once where it should not: its pauses begin anew with each
//! list that it tries, a watch that ends as soon as it begins is not told from one that had its time, and one
//! that is refused as too old (410) is asked for again for ever. Thousands of nodes do that at the same moment.

use std::{fmt::Debug, time::Duration, vec};

use futures::{
    StreamExt as _,
    stream::{self, BoxStream, Stream},
};
use kube::{
    Api, Resource, ResourceExt as _,
    api::{ListParams, VersionMatch, WatchEvent, WatchParams},
    runtime::watcher::{Error, Event},
};
use rand::Rng;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    advice::{is_expiry, retry_after},
    backoff::{Backoff, Reason},
};
use crate::metrics::source::ListMetrics;

/// Range of a watch's length in seconds, so that the watches of many nodes do not end together.
const WATCH_SECONDS: std::ops::RangeInclusive<u32> = 240..=290;
/// How long after its end the API server may take to end a watch.
const LATE: Duration = Duration::from_secs(5);
/// A watch that ends earlier than this, with nothing said, is none.
const BRIEF: Duration = Duration::from_secs(1);
/// How long a whole list may take; API servers give up after one minute.
const LIST_PATIENCE: Duration = Duration::from_mins(2);
/// How long it may take until a watch has begun.
const WATCH_PATIENCE: Duration = Duration::from_secs(30);

/// Which objects are listed and watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) labels: Option<String>,
    pub(super) fields: Option<String>,
}

/// What went wrong.
#[derive(Debug)]
pub(super) enum Failure {
    /// The API server, or the way there, said so.
    Refused(Error),
    /// A watch has ended as soon as it had begun.
    Brief,
    /// No answer came in time.
    Silent,
}

impl Failure {
    fn reason(&self) -> Reason {
        match self {
            Self::Refused(error) if is_expiry(error) => Reason::Expired,
            Self::Refused(error) => Reason::Failed(retry_after(error)),
            Self::Brief | Self::Silent => Reason::Failed(None),
        }
    }
}

/// What happens to the selected objects, for ever. After each failure there is a pause.
pub(super) fn steps<K, R>(
    api: Api<K>,
    selection: Selection,
    random: R,
    metrics: ListMetrics,
) -> impl Stream<Item = Result<Event<K>, Failure>> + Send + use<K, R>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    R: Rng + Send,
{
    let list_watch = ListWatch {
        api,
        selection,
        backoff: Backoff::new(random),
        metrics,
        pause: None,
        place: Place::Nowhere,
    };
    stream::unfold(list_watch, async |mut list_watch| {
        let step = list_watch.step().await;
        Some((step, list_watch))
    })
}

struct ListWatch<K, R> {
    api: Api<K>,
    selection: Selection,
    backoff: Backoff<R>,
    /// Told whenever the API server answers.
    metrics: ListMetrics,
    /// When to go on.
    pause: Option<Instant>,
    place: Place<K>,
}

/// How far a list-and-watch has come.
enum Place<K> {
    /// Nothing is known, or what is known is too old to go on from.
    Nowhere,
    /// A list is here, and handed out.
    Listed {
        items: vec::IntoIter<K>,
        version: String,
    },
    /// All up to this version has been handed out.
    At(String),
    /// And what comes after it arrives.
    Watching(Watching<K>),
}

struct Watching<K> {
    version: String,
    events: BoxStream<'static, kube::Result<WatchEvent<K>>>,
    since: Instant,
    length: Duration,
    /// Whether anything was said.
    is_good: bool,
}

impl<K, R> ListWatch<K, R>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    R: Rng,
{
    async fn step(&mut self) -> Result<Event<K>, Failure> {
        loop {
            if let Some(end) = self.pause.take() {
                sleep_until(end).await;
            }
            match self.advance().await {
                Ok(None) => {}
                Ok(Some(event)) => return Ok(event),
                Err(failure) => {
                    let reason = failure.reason();
                    if reason == Reason::Expired {
                        self.place = Place::Nowhere;
                    }
                    self.rest(reason);
                    return Err(failure);
                }
            }
        }
    }

    /// One request, or one thing of what a former one brings; `None`: it is to be called again.
    async fn advance(&mut self) -> Result<Option<Event<K>>, Failure> {
        match &mut self.place {
            Place::Nowhere => {
                // The list takes the place of what was known once it is whole, so it is begun when it is here.
                self.place = timeout(LIST_PATIENCE, Self::list(&self.api, &self.selection))
                    .await
                    .map_err(|_| Failure::Silent)??;
                self.metrics.heard();
                Ok(Some(Event::Init))
            }
            Place::Listed { items, version } => {
                if let Some(object) = items.next() {
                    return Ok(Some(Event::InitApply(object)));
                }
                self.place = Place::At(std::mem::take(version));
                Ok(Some(Event::InitDone))
            }
            Place::At(version) => {
                let version = version.clone();
                self.place = Place::Watching(self.watch(version).await?);
                Ok(None)
            }
            Place::Watching(watching) => {
                let item = timeout(watching.length + LATE, watching.events.next()).await;
                match item.ok().flatten() {
                    Some(Ok(event)) => self.said(event),
                    // What could not be read may be one event among many; a broken stream has no more.
                    Some(Err(error)) => Err(Failure::Refused(Error::WatchFailed(error))),
                    None => self.ended(),
                }
            }
        }
    }

    async fn list(api: &Api<K>, selection: &Selection) -> Result<Place<K>, Failure> {
        let refused = |error| Failure::Refused(Error::InitialListFailed(error));
        let mut params = ListParams {
            label_selector: selection.labels.clone(),
            field_selector: selection.fields.clone(),
            resource_version: Some("0".to_owned()),
            version_match: Some(VersionMatch::NotOlderThan),
            ..ListParams::default()
        };
        let mut page = api.list(&params).await.map_err(refused)?;
        let mut items = std::mem::take(&mut page.items);
        // Not asked for, but a part taken for the whole would deny names that exist.
        while let Some(token) = page.metadata.continue_.filter(|token| !token.is_empty()) {
            params.continue_token = Some(token);
            (params.resource_version, params.version_match) = (None, None);
            page = api.list(&params).await.map_err(refused)?;
            items.append(&mut page.items);
        }
        let version = page.metadata.resource_version.unwrap_or_default();
        if version.is_empty() {
            return Err(Failure::Refused(Error::NoResourceVersion));
        }
        Ok(Place::Listed {
            items: items.into_iter(),
            version,
        })
    }

    async fn watch(&mut self, version: String) -> Result<Watching<K>, Failure> {
        let seconds = self.backoff.choose(WATCH_SECONDS);
        let params = WatchParams {
            label_selector: self.selection.labels.clone(),
            field_selector: self.selection.fields.clone(),
            timeout: Some(seconds),
            ..WatchParams::default()
        };
        let events = timeout(WATCH_PATIENCE, self.api.watch(&params, &version))
            .await
            .map_err(|_| Failure::Silent)?
            .map_err(|error| Failure::Refused(Error::WatchStartFailed(error)))?;
        self.metrics.heard();
        Ok(Watching {
            version,
            events: events.boxed(),
            since: Instant::now(),
            length: Duration::from_secs(seconds.into()),
            is_good: false,
        })
    }

    /// What an event of the watch comes to.
    fn said(&mut self, event: WatchEvent<K>) -> Result<Option<Event<K>>, Failure> {
        let (version, step) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                (object.resource_version(), Some(Event::Apply(object)))
            }
            WatchEvent::Deleted(object) => (object.resource_version(), Some(Event::Delete(object))),
            WatchEvent::Bookmark(bookmark) => (Some(bookmark.metadata.resource_version), None),
            WatchEvent::Error(status) => {
                self.stop_watching();
                return Err(Failure::Refused(Error::WatchError(status)));
            }
        };
        if let Some(version) = version.filter(|it| !it.is_empty())
            && let Place::Watching(watching) = &mut self.place
        {
            watching.version = version;
            watching.is_good = true;
            self.metrics.heard();
            return Ok(step);
        }
        self.place = Place::Nowhere;
        Err(Failure::Refused(Error::NoResourceVersion))
    }

    /// What the end of a watch comes to.
    fn ended(&mut self) -> Result<Option<Event<K>>, Failure> {
        let Some((lasted, length, is_good)) = self.stop_watching() else {
            return Ok(None);
        };
        if lasted < BRIEF && !is_good {
            return Err(Failure::Brief);
        }
        if lasted < length {
            self.rest(Reason::Ended);
        }
        Ok(None)
    }

    /// Goes back to where the watch has come to; how long it lasted, how long it should have, whether it said
    /// anything.
    fn stop_watching(&mut self) -> Option<(Duration, Duration, bool)> {
        let Place::Watching(watching) = &mut self.place else {
            return None;
        };
        let past = (watching.since.elapsed(), watching.length, watching.is_good);
        self.place = Place::At(std::mem::take(&mut watching.version));
        Some(past)
    }

    fn rest(&mut self, reason: Reason) {
        let now = Instant::now();
        self.pause = Some(now + self.backoff.pause(reason, now));
    }
}
