//! Watches all Services and Namespaces of the API server and sends what happens to them.
//!
//! Many nodes watch at once, so lists come from the API server's watch cache (`resourceVersion=0`),
//! whole: with a page size the client library would drop the version and read from etcd instead. Lists
//! from a cache may be older than what was seen before; a later event sets that right. Watches ask for
//! bookmarks, end at different times on different nodes, and come back with a jittered delay.

use std::{
    error::Error as _,
    fmt::{Debug, Write as _},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1;
use kube::{
    Api, Client,
    core::Status,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Config, ListSemantic},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::Sender;

use super::trim::{self, NoName};
use crate::{
    metrics::{Metrics, label::SourceKind},
    zone::object::{Change, Event, ObjectKey},
};

/// Range of a watch's length in seconds, chosen anew at each start so that nodes do not move together.
const WATCH_SECONDS: std::ops::RangeInclusive<u32> = 240..=290;
/// How often the same kind's errors are logged at most.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Sends the events of all Services and Namespaces until the receiver is closed.
///
/// Errors are logged, counted and tried again; they never end it.
pub async fn watch(client: Client, events: Sender<Event>, metrics: Arc<Metrics>) {
    let services = Kind {
        plural: "services",
        label: SourceKind::Service,
        trim: trim::service,
        key: |service: &v1::Service| trim::namespaced_key(&service.metadata),
        event: Event::Service,
    };
    let namespaces = Kind {
        plural: "namespaces",
        label: SourceKind::Namespace,
        trim: trim::namespace,
        key: |namespace: &v1::Namespace| trim::namespace_key(&namespace.metadata),
        event: Event::Namespace,
    };
    let services = tokio::spawn(services.follow(
        Api::all(client.clone()),
        events.clone(),
        Arc::clone(&metrics),
    ));
    let namespaces = tokio::spawn(namespaces.follow(Api::all(client), events, metrics));
    let _ = tokio::join!(services, namespaces);
}

/// How objects of one kind become events.
struct Kind<K, T> {
    plural: &'static str,
    label: SourceKind,
    trim: fn(&K) -> Result<T, NoName>,
    key: fn(&K) -> Result<ObjectKey, NoName>,
    event: fn(Change<T>) -> Event,
}

impl<K, T> Kind<K, T>
where
    K: kube::Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    async fn follow(self, api: Api<K>, events: Sender<Event>, metrics: Arc<Metrics>) {
        let mut stream = watcher::watcher(api, config(rand::random_range(WATCH_SECONDS)))
            .default_backoff()
            .boxed();
        let mut errors = Quieted::default();
        loop {
            let step = tokio::select! {
                step = stream.next() => step,
                () = events.closed() => return,
            };
            match step {
                Some(Ok(step)) => {
                    let Ok(change) = self.change(step) else {
                        metrics.source_error(self.label);
                        tracing::debug!(kind = self.plural, "an object without a name is left out");
                        continue;
                    };
                    let event = (self.event)(change);
                    metrics.source_event(&event);
                    if events.send(event).await.is_err() {
                        return;
                    }
                }
                Some(Err(error)) => {
                    metrics.source_error(self.label);
                    if is_expiry(&error) {
                        tracing::debug!(kind = self.plural, "the watch is too old: listing again");
                    } else if let Some(before) = errors.tell(Instant::now()) {
                        tracing::warn!(
                            kind = self.plural,
                            not_logged_before = before,
                            "{}",
                            advice(self.plural, &error)
                        );
                    }
                }
                // A watcher has no end; should it have one, there is nothing more to send.
                None => return,
            }
        }
    }

    /// The event with the object trimmed; the rest of the object is dropped here.
    fn change(&self, step: watcher::Event<K>) -> Result<Change<T>, NoName> {
        Ok(match step {
            watcher::Event::Init => Change::Init,
            watcher::Event::InitApply(object) => Change::InitApply((self.trim)(&object)?),
            watcher::Event::InitDone => Change::InitDone,
            watcher::Event::Apply(object) => Change::Apply((self.trim)(&object)?),
            watcher::Event::Delete(object) => Change::Delete((self.key)(&object)?),
        })
    }
}

fn config(watch_seconds: u32) -> Config {
    Config {
        list_semantic: ListSemantic::Any,
        page_size: None,
        timeout: Some(watch_seconds),
        ..Config::default()
    }
}

/// Whether the API server only says that the watch has to begin anew.
fn is_expiry(error: &watcher::Error) -> bool {
    status(error).is_some_and(|status| status.code == 410)
}

fn status(error: &watcher::Error) -> Option<&Status> {
    match error {
        watcher::Error::WatchError(status)
        | watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status),
        _ => None,
    }
}

/// What happened and what to do about it.
fn advice(plural: &str, error: &watcher::Error) -> String {
    match status(error) {
        Some(status) if status.code == 403 => format!(
            "the API server forbids listing or watching {plural}: bind a ClusterRole with the rule \
             apiGroups [\"\"], resources [{plural}], verbs [list, watch] to this identity ({})",
            status.message
        ),
        Some(status) if status.code == 401 => format!(
            "the API server does not accept the credentials: renew the token or the kubeconfig ({})",
            status.message
        ),
        Some(status) => format!(
            "the API server can't give {plural} now, trying again: {} {}",
            status.code, status.message
        ),
        None => format!(
            "can't read {plural} from the API server, trying again (check its address, certificate \
             and network policies): {}",
            chain(error)
        ),
    }
}

/// The error and its causes in one line, each said once.
fn chain(error: &watcher::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            let _ = write!(text, ": {part}");
        }
        cause = error.source();
    }
    text
}

/// Lets a message through now and then.
#[derive(Debug, Default)]
struct Quieted {
    last: Option<Instant>,
    held_back: u32,
}

impl Quieted {
    /// The number of messages held back since the last one, if this one may be told.
    fn tell(&mut self, now: Instant) -> Option<u32> {
        if self.last.is_some_and(|last| now < last + TELL_EVERY) {
            self.held_back += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.held_back))
    }
}

#[cfg(test)]
mod tests;
