//! What is kept of a store, and when.

use std::{fs, time::Duration};

use tempfile::TempDir;

use super::{
    super::{folder::Restored, schedule::INTERVAL},
    *,
};
use crate::zone::{
    Policy,
    fixture::{Cluster, apply, ip, ips, namespace, service},
    object::{Change, Event},
};

fn scope() -> Scope {
    Scope::from_text("tests")
}

fn open(above: &TempDir) -> Folder {
    Folder::open(&above.path().join("state")).unwrap()
}

fn start(above: &TempDir) -> Keeper {
    Keeper::start(open(above), scope(), SnapshotMetrics::default()).unwrap()
}

/// A synced store with the Service `a.x`.
fn store() -> Store {
    let cluster = Cluster {
        services: vec![service("a.x", ips(&["10.0.0.1"]))],
        namespaces: vec![namespace("x")],
        ..Cluster::default()
    };
    cluster.listed(&Policy::default())
}

fn add(store: &mut Store) {
    store.apply(Event::Service(Change::Apply(service(
        "b.x",
        ips(&["10.0.0.2"]),
    ))));
}

/// The store that the next start begins with.
fn restored(above: &TempDir) -> Option<Store> {
    let Restored { events, .. } = open(above).load(&scope()).unwrap()?;
    let mut store = Store::default();
    apply(&mut store, events);
    Some(store)
}

fn knows(store: &Store, address: &str) -> bool {
    !store.zone().pointers(ip(address)).is_empty()
}

#[tokio::test]
async fn the_end_writes_what_came_too_soon_after_the_last_one() {
    let above = tempfile::tempdir().unwrap();
    let now = Instant::now();
    let mut store = store();
    let mut keeper = start(&above);
    keeper.maybe_write(&store, now);
    add(&mut store);
    keeper.changed();
    keeper.maybe_write(&store, now + INTERVAL / 2);
    assert!(keeper.schedule.has_changed());
    keeper.finish(&store).await;
    let restored = restored(&above).unwrap();
    assert!(restored.zone().synced());
    assert!(knows(&restored, "10.0.0.1") && knows(&restored, "10.0.0.2"));
}

#[tokio::test]
async fn what_has_not_been_called_a_change_is_not_written() {
    let above = tempfile::tempdir().unwrap();
    let now = Instant::now();
    let mut store = store();
    let mut keeper = start(&above);
    keeper.maybe_write(&store, now);
    add(&mut store);
    keeper.maybe_write(&store, now + 2 * INTERVAL);
    keeper.finish(&store).await;
    let restored = restored(&above).unwrap();
    assert!(knows(&restored, "10.0.0.1") && !knows(&restored, "10.0.0.2"));
}

#[tokio::test]
async fn a_store_that_lacks_something_never_replaces_a_snapshot() {
    let above = tempfile::tempdir().unwrap();
    start(&above).finish(&store()).await;
    let mut keeper = start(&above);
    let unsynced = Store::default();
    keeper.changed();
    keeper.maybe_write(&unsynced, Instant::now());
    assert!(keeper.schedule.has_changed());
    keeper.finish(&unsynced).await;
    assert!(knows(&restored(&above).unwrap(), "10.0.0.1"));
}

#[tokio::test]
async fn the_end_tries_again_what_could_not_be_written() {
    let above = tempfile::tempdir().unwrap();
    let path = above.path().join("state");
    let store = store();
    let metrics = SnapshotMetrics::default();
    let mut keeper = Keeper::start(open(&above), scope(), metrics).unwrap();
    fs::remove_dir(&path).unwrap();
    keeper.maybe_write(&store, Instant::now());
    // Without it, this is a matter of who is first; with it, the thread has done its work.
    while !keeper.writer.has_failed() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    fs::create_dir(&path).unwrap();
    keeper.finish(&store).await;
    assert!(knows(&restored(&above).unwrap(), "10.0.0.1"));
}
