//! Follows a manifest file or a folder of them: reads it, watches it, and sends what changes.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};
use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::{
    collection::{Collection, Reading},
    config_map::{ConfigMapData, ConfigMapSender, Followed},
    manifest::Problem,
    wanted::Wanted,
};
use crate::{
    metrics::{Metrics, label::SourceKind, source::ListMetrics},
    zone::object::{Arrived, Change, Event, ObjectKey, Service},
};

/// Endings of the files read in a folder.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];
/// How long the files have to be quiet before they are read: an editor writes in several steps.
const QUIET: Duration = Duration::from_millis(50);
/// How long to wait for quiet at most.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often to read without being told: the folder may have been replaced, or be a network's.
const ANYWAY: Duration = Duration::from_secs(5);

/// A manifest file or folder that has been read once.
#[derive(Debug)]
pub struct Manifests {
    path: PathBuf,
    folder: bool,
    /// The ConfigMap to hand on.
    config_map: Option<ObjectKey>,
    collection: Collection,
    /// Tells whether the files have changed since they were parsed.
    fingerprint: u64,
    /// Why the folder could not be read the last time.
    unreadable: Option<Problem>,
}

/// Why there is nothing to follow.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path does not exist.
    #[error("{} does not exist: give a YAML file, or a folder of them, with --manifests", .0.display())]
    Missing(PathBuf),
    /// The path can't be read.
    #[error("{} can't be read: {source}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Manifests {
    /// Reads `path` for the first time: a file, or the `*.yaml`, `*.yml` and `*.json` directly in a folder.
    ///
    /// Of its objects, those that are `wanted` count.
    pub fn open(path: &Path, wanted: Wanted) -> Result<Self, OpenError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => OpenError::Missing(path.to_owned()),
            _ => OpenError::Unreadable {
                path: path.to_owned(),
                source,
            },
        };
        let folder = fs::metadata(path).map_err(failed)?.is_dir();
        let reading = read(path, folder).map_err(failed)?;
        // The only file has to be readable; one of many may wait.
        if !folder && let Some(Err(error)) = reading.get(path) {
            return Err(failed(io::Error::new(error.kind(), error.to_string())));
        }
        Ok(Self {
            path: path.to_owned(),
            folder,
            fingerprint: fingerprint(&reading),
            config_map: wanted.config_map.clone(),
            collection: Collection::new(wanted).after(reading),
            unreadable: None,
        })
    }

    /// Everything that is wrong with the manifests as last read.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.collection.problems();
        problems.extend(self.unreadable.clone());
        problems
    }

    /// The cluster's DNS Services, as last read.
    #[must_use]
    pub fn dns_services(&self) -> Vec<Service> {
        let events = self.collection.events().into_iter();
        let services = events.filter_map(|event| match event {
            Event::Service(Change::InitApply(service)) => Some(service),
            _ => None,
        });
        services.filter(|service| service.is_dns).collect()
    }

    /// What the ConfigMap holds, as last read.
    #[must_use]
    pub fn config_map(&self) -> ConfigMapData {
        self.collection.config_map()
    }

    /// Sends the objects as complete lists, and what the ConfigMap holds, now and after each change, until
    /// the receiver of events is closed.
    ///
    /// The problems of the first reading are the caller's to tell; later ones are logged here.
    pub async fn run(
        mut self,
        events: mpsc::Sender<Arrived>,
        config_map: ConfigMapSender,
        metrics: Arc<Metrics>,
    ) {
        let (notify, mut changed) = watch::channel(());
        let mut watcher = Watch::new(&self, notify);
        let mut sink = Sink {
            events,
            config_map: self
                .config_map
                .clone()
                .map(|key| Followed::new(key, config_map)),
            list: metrics.list(SourceKind::Manifest),
            metrics,
        };
        let mut known = HashSet::new();
        sink.count(self.problems(), &mut known);
        // What was read before anybody watched may be old by now: another instance may have had to end first.
        let Ok((next, _)) = spawn_blocking(move || self.reread()).await else {
            return;
        };
        self = next;
        for problem in sink.count(self.problems(), &mut known) {
            tracing::warn!("{problem}");
        }
        self.heard(&sink.list);
        if sink.send(&self.collection).await.is_err() {
            return;
        }
        sink.list.listed();
        loop {
            tokio::select! {
                _ = changed.changed() => settle(&mut changed).await,
                () = sleep(ANYWAY) => {}
                () = sink.events.closed() => return,
            }
            // The folder may be another one under the same name; watching again costs next to nothing.
            watcher.renew();
            let Ok((next, is_new)) = spawn_blocking(move || self.reread()).await else {
                return;
            };
            self = next;
            for problem in sink.count(self.problems(), &mut known) {
                tracing::warn!("{problem}");
            }
            self.heard(&sink.list);
            if is_new {
                sink.list.changed();
                if sink.send(&self.collection).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Says whether the manifests could be read.
    fn heard(&self, list: &ListMetrics) {
        if self.unreadable.is_none() {
            list.heard();
        }
    }

    /// Reads everything again; tells whether anything changed. What can't be read now stays as it was.
    fn reread(mut self) -> (Self, bool) {
        match read(&self.path, self.folder) {
            Ok(reading) if fingerprint(&reading) == self.fingerprint => {
                self.unreadable = None;
                (self, false)
            }
            Ok(reading) => {
                self.fingerprint = fingerprint(&reading);
                let next = self.collection.after(reading);
                let is_new = next.events() != self.collection.events()
                    || next.config_map() != self.collection.config_map();
                self.unreadable = None;
                self.collection = next;
                (self, is_new)
            }
            Err(error) => {
                self.unreadable = Some(Problem {
                    file: self.path.clone(),
                    line: None,
                    message: format!(
                        "can't be read: {error}; all its objects are kept as they were"
                    ),
                });
                (self, false)
            }
        }
    }
}

/// The texts of all files. Fails only as a whole; a single file's failure stands in its place.
fn read(path: &Path, folder: bool) -> io::Result<Reading> {
    if !folder {
        return match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
            text => Ok(Reading::from([(path.to_owned(), text)])),
        };
    }
    let mut reading = Reading::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        if is_manifest(&file) {
            match fs::read_to_string(&file) {
                // Gone since the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::IsADirectory => {}
                text => {
                    reading.insert(file, text);
                }
            }
        }
    }
    Ok(reading)
}

fn fingerprint(reading: &Reading) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (file, text) in reading {
        file.hash(&mut hasher);
        text.as_ref().map_err(io::Error::kind).hash(&mut hasher);
    }
    hasher.finish()
}

/// Whether a file of a folder is read: by its ending, and not if it is hidden (editors' copies are).
fn is_manifest(file: &Path) -> bool {
    let hidden = file
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let ending = file.extension().and_then(OsStr::to_str);
    !hidden && ending.is_some_and(|ending| ENDINGS.contains(&ending.to_ascii_lowercase().as_str()))
}

/// Where what the manifests say is sent and counted.
struct Sink {
    events: mpsc::Sender<Arrived>,
    config_map: Option<Followed>,
    list: ListMetrics,
    metrics: Arc<Metrics>,
}

impl Sink {
    async fn send(
        &mut self,
        collection: &Collection,
    ) -> Result<(), mpsc::error::SendError<Arrived>> {
        if let Some(config_map) = &mut self.config_map {
            config_map.publish(collection.config_map());
        }
        for event in collection.events() {
            self.metrics.source_event(&event);
            self.events.send(event.into()).await?;
        }
        Ok(())
    }

    /// Counts the problems there are `now`, and returns those that are not `known` yet; now they are.
    fn count(&self, now: Vec<Problem>, known: &mut HashSet<Problem>) -> Vec<Problem> {
        let now: HashSet<Problem> = now.into_iter().collect();
        let new: Vec<Problem> = now.difference(known).cloned().collect();
        for _ in &new {
            self.metrics.source_error(SourceKind::Manifest);
        }
        self.metrics
            .source_invalid(SourceKind::Manifest, known.len(), now.len());
        *known = now;
        new
    }
}

/// Waits until nothing has changed for a moment.
async fn settle(changed: &mut watch::Receiver<()>) {
    let quiet = async { while let Ok(Ok(())) = timeout(QUIET, changed.changed()).await {} };
    // A file that is written all the time is read all the same.
    let _ = timeout(PATIENCE, quiet).await;
}

/// The kernel's notification of changes.
struct Watch {
    watcher: Option<RecommendedWatcher>,
    place: PathBuf,
    told: bool,
}

impl Watch {
    fn new(manifests: &Manifests, notify: watch::Sender<()>) -> Self {
        let file = (!manifests.folder).then(|| manifests.path.clone());
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| concerns(&event, file.as_deref())) {
                notify.send_replace(());
            }
        });
        // A file is replaced by renaming another one over it: only its folder sees that.
        let place = if manifests.folder {
            manifests.path.clone()
        } else {
            match manifests.path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
                _ => PathBuf::from("."),
            }
        };
        let mut watch = Self {
            watcher: None,
            place,
            told: false,
        };
        match watcher {
            Ok(watcher) => watch.watcher = Some(watcher),
            Err(error) => watch.tell(&error),
        }
        watch.renew();
        watch
    }

    fn renew(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let _ = watcher.unwatch(&self.place);
        match watcher.watch(&self.place, RecursiveMode::NonRecursive) {
            Ok(()) => self.told = false,
            Err(error) => self.tell(&error),
        }
    }

    fn tell(&mut self, error: &notify::Error) {
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(
                path = %self.place.display(), %error,
                "changes are noticed only every {} s: the kernel does not tell them \
                 (fs.inotify.max_user_instances and max_user_watches limit it)",
                ANYWAY.as_secs()
            );
        }
    }
}

/// Whether an event may change what is read; our own reading is an event too.
fn concerns(event: &notify::Event, file: Option<&Path>) -> bool {
    let is_change = match event.kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    is_change
        && file.is_none_or(|file| {
            event.paths.iter().any(|path| {
                let name = path.file_name();
                // A mounted ConfigMap changes by its link `..data`.
                name == file.file_name()
                    || name.is_some_and(|name| name.as_encoded_bytes().starts_with(b".."))
            })
        })
}

#[cfg(test)]
mod tests;
