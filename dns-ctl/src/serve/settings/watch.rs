//! Reads resolv.conf, follows it and the ConfigMap, and hands on the routes that they come to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{Given, Settings};
use crate::serve::upstream::{Routes, UpstreamError};

/// How long the file has to be quiet before it is read: an editor writes in several steps.
const QUIET: Duration = Duration::from_millis(50);
/// How long to wait for quiet at most.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often to read without being told: the file may be a network's, or mounted over.
const ANYWAY: Duration = Duration::from_secs(5);
/// How many links a path may lead through, as in the kernel (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// The settings as they are at the start: flags, and resolv.conf read once; what is wrong with it is logged.
pub fn open(given: Given) -> Result<Settings, UpstreamError> {
    let mut settings = Settings::new(given, is_local)?;
    if let Some(file) = settings.resolv_conf() {
        let read = fs::read_to_string(file);
        warn(settings.take_resolv_conf(read));
    }
    warn_without_upstreams(&settings.routes());
    Ok(settings)
}

/// Calls `apply` with the new routes whenever resolv.conf or the ConfigMap changes them.
///
/// `config_map` holds the ConfigMap's data, `None` as long as there is none; without its sender only the file
/// is followed. Runs until it is dropped.
pub async fn watch_settings(
    mut settings: Settings,
    mut config_map: watch::Receiver<Option<BTreeMap<String, String>>>,
    mut apply: impl FnMut(Routes) + Send,
) {
    let mut routes = settings.routes();
    let mut file = settings.resolv_conf().map(FileWatch::new);
    // What the receiver holds already is news, too.
    config_map.mark_changed();
    loop {
        let news = tokio::select! {
            () = changed(&mut config_map) => settings.take_config_map(config_map.borrow_and_update().as_ref()),
            read = next_reading(&mut file) => settings.take_resolv_conf(read),
        };
        warn(news);
        let next = settings.routes();
        if next != routes {
            tracing::info!(
                upstreams = next.upstreams.len(),
                stub_domains = next.stubs.len(),
                "upstreams and stub domains have changed"
            );
            warn_without_upstreams(&next);
            routes = next.clone();
            apply(next);
        }
    }
}

/// Whether an interface of this host has the address.
#[must_use]
pub fn is_local(address: IpAddr) -> bool {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else {
        return false;
    };
    interfaces
        .filter_map(|interface| interface.address)
        .any(|own| match address {
            IpAddr::V4(address) => own.as_sockaddr_in().is_some_and(|own| own.ip() == address),
            IpAddr::V6(address) => own.as_sockaddr_in6().is_some_and(|own| own.ip() == address),
        })
}

fn warn(problems: Vec<String>) {
    for problem in problems {
        tracing::warn!("{problem}");
    }
}

fn warn_without_upstreams(routes: &Routes) {
    if routes.upstreams.is_empty() {
        tracing::warn!(
            "no upstream is known: names outside the cluster domains get SERVFAIL; give --upstream"
        );
    }
}

/// Waits for another value; for ever once there can't be one.
async fn changed(config_map: &mut watch::Receiver<Option<BTreeMap<String, String>>>) {
    if config_map.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits until the file may have changed, and reads it; for ever if there is no file to follow.
async fn next_reading(file: &mut Option<FileWatch>) -> io::Result<String> {
    match file {
        Some(file) => file.next().await,
        None => std::future::pending().await,
    }
}

/// A file, and the kernel's notification of changes to it.
struct FileWatch {
    path: PathBuf,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    changed: watch::Receiver<()>,
    /// Whether it may have changed since it was read: waiting for it may be given up halfway.
    unread: bool,
    told: bool,
}

impl FileWatch {
    fn new(path: &Path) -> Self {
        let (notify, changed) = watch::channel(());
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| is_change(event.kind)) {
                notify.send_replace(());
            }
        });
        let mut watch = Self {
            path: path.to_owned(),
            watcher: None,
            watched: BTreeSet::new(),
            changed,
            // Something may have happened between the first reading and now.
            unread: true,
            told: false,
        };
        match watcher {
            Ok(watcher) => watch.watcher = Some(watcher),
            Err(error) => watch.tell(&error),
        }
        watch.renew();
        watch
    }

    /// Waits until the file may have changed, and reads it.
    async fn next(&mut self) -> io::Result<String> {
        if !self.unread {
            self.wait().await;
            self.unread = true;
        }
        settle(&mut self.changed).await;
        // First the watches, then the file: what changes in between is told by the new watches.
        self.renew();
        let read = tokio::fs::read_to_string(&self.path).await;
        self.unread = false;
        read
    }

    /// Waits until the kernel tells of a change, or for a while.
    async fn wait(&mut self) {
        tokio::select! {
            Ok(()) = self.changed.changed() => {}
            () = sleep(ANYWAY) => {}
        }
    }

    /// Watches what the path leads through now: links and files may be others under the same names.
    fn renew(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        for place in std::mem::take(&mut self.watched) {
            let _ = watcher.unwatch(&place);
        }
        let mut failure = None;
        for place in places(&self.path) {
            match watcher.watch(&place, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(place);
                }
                // The way there is watched as far as it goes.
                Err(error) if is_missing(&error) => {}
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) => self.tell(&error),
            None => self.told = false,
        }
    }

    fn tell(&mut self, error: &notify::Error) {
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(
                path = %self.path.display(), %error,
                "changes are noticed only every {} s: the kernel does not tell them \
                 (fs.inotify.max_user_instances and max_user_watches limit it)",
                ANYWAY.as_secs()
            );
        }
    }
}

/// Waits until nothing has changed for a moment.
async fn settle(changed: &mut watch::Receiver<()>) {
    let quiet = async { while let Ok(Ok(())) = timeout(QUIET, changed.changed()).await {} };
    // A file that is written all the time is read all the same.
    let _ = timeout(PATIENCE, quiet).await;
}

/// Everything whose change may change what is read at `path`: the folder of each link on the way, where
/// another one can be put in its place, the file's folder, and the file itself, which a mount may hide from it.
fn places(path: &Path) -> BTreeSet<PathBuf> {
    let mut places = BTreeSet::new();
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        for link in path.ancestors().skip(1).filter(|above| above.is_symlink()) {
            places.insert(folder_of(link));
        }
        let folder = folder_of(&path);
        places.insert(folder.clone());
        match fs::read_link(&path) {
            // An absolute target replaces the folder.
            Ok(target) => path = folder.join(target),
            Err(_) => break,
        }
    }
    places.insert(path);
    places
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Whether an event may change what is read; our own reading is an event too.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

fn is_missing(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(error) => error.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
