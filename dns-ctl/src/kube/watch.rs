//! Watches the objects of the API server that are wanted, and sends what happens to them.
//!
//! Many nodes watch at once, so lists come from the API server's watch cache (`resourceVersion=0`),
//! whole: with a page size the client library would drop the version and read from etcd instead. Lists
//! from a cache may be older than what was seen before; a later event sets that right. Watches ask for
//! bookmarks, end at different times on different nodes, and come back after pauses that differ as well
//! ([`list_watch`]).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt as _, future};
use k8s_openapi::{NamespaceResourceScope, Resource as _};
use kube::{Api, Client, Resource, runtime::watcher};
use rand::{SeedableRng as _, rngs::SmallRng};
use tokio::{sync::mpsc::Sender, task::JoinSet};

use super::{
    advice::{Target, advice, is_expiry},
    arriving::Arriving,
    config_map::{ConfigMapSender, Followed},
    list_watch::{self, Failure, Selection},
    selector::LabelSelector,
    sieve::Sieve,
    trim::{ConfigMap, ENDED_PHASES, Kind},
    wanted::{Wanted, slice_namespace, slice_selector},
};
use crate::{
    metrics::{Metrics, source::ListMetrics},
    zone::object::{Arrived, Change, EndpointSlice, Event, Namespace, Pod, Service},
};

/// How often the same kind's errors are logged at most.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Sends the events of all that is `wanted`, and what the ConfigMap holds, until the receiver of events
/// is closed.
///
/// Errors are logged, counted and tried again; they never end it.
pub async fn watch(
    client: Client,
    wanted: Wanted,
    events: Sender<Arrived>,
    config_map: ConfigMapSender,
    metrics: Arc<Metrics>,
) {
    let only = wanted.only_namespace();
    let mut tasks = JoinSet::new();
    let mut spawn = |steps: Steps<Event>| {
        tasks.spawn(deliver(steps, events.clone(), Arc::clone(&metrics)));
    };

    let name_field = only.map(|name| format!("metadata.name={name}"));
    let selection = select(wanted.namespace_selector.as_ref(), name_field);
    let namespaces = changes::<Namespace>(Api::all(client.clone()), selection, None, &metrics);
    spawn(namespaces.map(Event::Namespace).boxed());

    let selection = select(wanted.service_selector.as_ref(), None);
    let services = changes::<Service>(api(&client, only), selection, only, &metrics);
    spawn(services.map(Event::Service).boxed());

    for &list in &wanted.slices {
        let selection = select(slice_selector(list), None);
        let namespace = slice_namespace(list, only);
        let slices =
            changes::<EndpointSlice>(api(&client, namespace), selection, namespace, &metrics);
        let event = move |change| Event::EndpointSlice(list, change);
        spawn(slices.map(event).boxed());
    }

    if wanted.pods {
        let selection = select(None, Some(living_pods()));
        let pods = changes::<Pod>(api(&client, only), selection, only, &metrics);
        spawn(pods.map(Event::Pod).boxed());
    }

    if let Some(key) = wanted.config_map {
        let selection = select(None, Some(format!("metadata.name={}", key.name)));
        let namespace = Some(&*key.namespace);
        let steps = changes::<ConfigMap>(api(&client, namespace), selection, namespace, &metrics);
        let followed = Followed::new(key.clone(), config_map);
        tasks.spawn(follow(steps.boxed(), followed, events.clone()));
    }

    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

type Steps<T> = futures::stream::BoxStream<'static, T>;

/// Sends on every step until the receiver is closed.
async fn deliver(mut steps: Steps<Event>, events: Sender<Arrived>, metrics: Arc<Metrics>) {
    while let Some(event) = next(&mut steps, &events).await {
        metrics.source_event(&event);
        if events.send(event.into()).await.is_err() {
            return;
        }
    }
}

/// Keeps to the ConfigMap until the receiver of events is closed.
async fn follow(
    mut steps: Steps<Change<ConfigMap>>,
    mut followed: Followed,
    events: Sender<Arrived>,
) {
    while let Some(change) = next(&mut steps, &events).await {
        followed.apply(change);
    }
}

/// The next step; `None` once nobody receives events any more. A watch has no end of its own.
async fn next<T>(steps: &mut Steps<T>, events: &Sender<Arrived>) -> Option<T> {
    tokio::select! {
        step = steps.next() => step,
        () = events.closed() => None,
    }
}

/// A namespaced kind in one namespace, or in all.
fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// The objects that the selectors select.
fn select(labels: Option<&LabelSelector>, fields: Option<String>) -> Selection {
    Selection {
        labels: labels.map(ToString::to_string),
        fields,
    }
}

/// The field selector of Pods that may still have an address of their own.
pub(super) fn living_pods() -> String {
    ENDED_PHASES
        .map(|phase| format!("status.phase!={phase}"))
        .join(",")
}

/// What happens to the objects of one list-and-watch, for ever.
fn changes<T: Kind>(
    api: Api<Arriving<T>>,
    selection: Selection,
    namespace: Option<&str>,
    metrics: &Arc<Metrics>,
) -> impl Stream<Item = Change<T>> + Send + use<T> {
    let random = SmallRng::from_rng(&mut rand::rng());
    let list = metrics.list(T::LABEL);
    let steps = list_watch::steps(api, selection, random, list.clone());
    sifted(steps, namespace, list, metrics)
}

/// What the steps of one list-and-watch change.
fn sifted<T: Kind, S>(
    steps: S,
    namespace: Option<&str>,
    list: ListMetrics,
    metrics: &Arc<Metrics>,
) -> impl Stream<Item = Change<T>> + Send + use<T, S>
where
    S: Stream<Item = Result<watcher::Event<Arriving<T>>, Failure>> + Send,
{
    let mut feed = Feed::new(namespace, list, Arc::clone(metrics));
    steps.filter_map(move |step| future::ready(feed.change(step)))
}

/// Tells and counts what is wrong with a list-and-watch and its objects.
struct Feed<T> {
    sieve: Sieve<T>,
    target: Target,
    errors: Quieted,
    list: ListMetrics,
    metrics: Arc<Metrics>,
}

impl<T: Kind> Feed<T> {
    fn new(namespace: Option<&str>, list: ListMetrics, metrics: Arc<Metrics>) -> Self {
        Self {
            sieve: Sieve::new(),
            target: Target {
                group: T::Source::GROUP,
                resource: T::Source::URL_PATH_SEGMENT,
                namespace: namespace.map(ToOwned::to_owned),
            },
            errors: Quieted::default(),
            list,
            metrics,
        }
    }

    /// What the step changes; `None`: nothing.
    fn change(&mut self, step: Result<watcher::Event<Arriving<T>>, Failure>) -> Option<Change<T>> {
        let step = step.inspect_err(|failure| self.failed(failure)).ok()?;
        let before = self.sieve.invalid();
        let sifted = self.sieve.sift(step);
        self.metrics
            .source_invalid(T::LABEL, before, self.sieve.invalid());
        if let Some(complaint) = sifted.complaint {
            tracing::warn!("{complaint}");
        }
        match &sifted.change {
            Some(Change::InitDone) => self.list.listed(),
            Some(Change::Apply(_) | Change::Delete(_)) => self.list.changed(),
            _ => {}
        }
        sifted.change
    }

    fn failed(&mut self, failure: &Failure) {
        self.metrics.source_error(T::LABEL);
        let kind = self.target.resource;
        if let Failure::Refused(error) = failure
            && is_expiry(error)
        {
            tracing::debug!(kind, "the watch is too old: listing again");
        } else if let Some(before) = self.errors.tell(Instant::now()) {
            let advice = advice(&self.target, failure);
            tracing::warn!(kind, not_logged_before = before, "{advice}");
        }
    }
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
