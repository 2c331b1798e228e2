//! The thread at the disk: the latest wins, failures are said once, nothing is lost at the end.

use std::{fs, io, time::Duration};

use tempfile::TempDir;

use super::{super::folder::Step, *};
use crate::{metrics::Metrics, zone::store::Store};

fn scope() -> Scope {
    Scope::from_text("tests")
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn pending(seconds: u64) -> Pending {
    Pending {
        payload: format::payload(&Store::default().contents()),
        at: at(seconds),
    }
}

fn folder() -> (TempDir, Folder) {
    let above = tempfile::tempdir().unwrap();
    let folder = Folder::open(&above.path().join("state")).unwrap();
    (above, folder)
}

/// When the snapshot was written that the next start finds.
fn found(above: &TempDir) -> Option<SystemTime> {
    let folder = Folder::open(&above.path().join("state")).unwrap();
    let restored = folder.load(&scope()).unwrap();
    restored.map(|restored| restored.written)
}

fn disk(folder: Folder, metrics: &SnapshotMetrics) -> Disk {
    Disk {
        folder,
        scope: scope(),
        metrics: metrics.clone(),
        shared: Arc::default(),
        complaints: Complaints::default(),
    }
}

#[tokio::test]
async fn the_last_one_given_is_on_the_disk_at_the_end() {
    let (above, folder) = folder();
    let writer = Writer::start(folder, scope(), SnapshotMetrics::default()).unwrap();
    for seconds in 1..=50 {
        writer.send(pending(seconds));
    }
    writer.finish().await;
    assert_eq!(found(&above), Some(at(50)));
}

#[tokio::test]
async fn nothing_given_is_nothing_written() {
    let (above, folder) = folder();
    let writer = Writer::start(folder, scope(), SnapshotMetrics::default()).unwrap();
    writer.finish().await;
    assert_eq!(found(&above), None);
}

#[test]
fn of_those_that_wait_only_the_latest_is_written() {
    let (above, folder) = folder();
    let shared = Arc::<Shared>::default();
    let (wake, woken) = sync_channel(1);
    let (_, ended) = oneshot::channel();
    // The thread is this one, and has not begun.
    let writer = Writer {
        shared: Arc::clone(&shared),
        wake,
        ended,
    };
    for seconds in 1..=3 {
        writer.send(pending(seconds));
    }
    drop(writer.finish());
    let metrics = SnapshotMetrics::default();
    let page = Metrics::new();
    page.register(Box::new(metrics.clone()));
    let mut disk = disk(folder, &metrics);
    disk.shared = shared;
    disk.run(&woken);
    assert_eq!(found(&above), Some(at(3)));
    let page = page.render();
    assert!(
        page.contains("\nkxdns_snapshot_written_timestamp_seconds 3\n"),
        "{page}"
    );
}

#[test]
fn failures_are_counted_and_the_next_one_is_tried() {
    let (above, folder) = folder();
    let path = above.path().join("state");
    let metrics = SnapshotMetrics::default();
    let page = Metrics::new();
    page.register(Box::new(metrics.clone()));
    let mut disk = disk(folder, &metrics);
    fs::remove_dir(&path).unwrap();
    disk.write(&pending(1));
    disk.write(&pending(2));
    assert!(disk.shared.failed.load(Relaxed));
    // One reason is one reason, however often it comes.
    assert_eq!(disk.complaints.0.len(), 1);
    assert!(
        page.render()
            .contains("\nkxdns_snapshot_write_errors_total 2\n")
    );
    fs::create_dir(&path).unwrap();
    disk.write(&pending(3));
    assert!(!disk.shared.failed.load(Relaxed) && disk.complaints.0.is_empty());
    assert!(
        page.render()
            .contains("\nkxdns_snapshot_write_errors_total 2\n")
    );
    assert_eq!(found(&above), Some(at(3)));
}

#[test]
fn a_reason_is_said_once_until_a_success() {
    let error = |step, kind: io::ErrorKind| WriteError {
        step,
        source: kind.into(),
    };
    let full = error(Step::Fill, io::ErrorKind::StorageFull);
    let gone = error(Step::Make, io::ErrorKind::NotFound);
    let mut complaints = Complaints::default();
    assert!(!complaints.succeeded());
    assert!(complaints.failed(&full) && !complaints.failed(&full));
    assert!(complaints.failed(&gone) && !complaints.failed(&gone) && !complaints.failed(&full));
    assert!(complaints.succeeded() && !complaints.succeeded());
    assert!(complaints.failed(&full));
}
