//! Tests of watch events: starts, selectors, compaction, order.

use serde_json::{Value, json};

use super::*;
use crate::core::label_selector::LabelSelector;

fn service(name: &str, tier: &str) -> Value {
    json!({ "metadata": { "name": name, "namespace": "a", "labels": { "tier": tier } } })
}

fn query(start: Start, labels: &str) -> WatchQuery {
    let filter = Filter {
        labels: LabelSelector::parse(labels).unwrap(),
        ..Filter::default()
    };
    WatchQuery {
        filter,
        start,
        bookmarks: true,
        timeout: None,
        not_older_than: 0,
    }
}

fn told(events: &[Event]) -> Vec<String> {
    let object =
        |word: &str, object: &Object| format!("{word} {}@{}", object.key().1, object.revision());
    let line = |event: &Event| match event {
        Event::Added(new) => object("ADDED", new),
        Event::Modified(new) => object("MODIFIED", new),
        Event::Deleted(old) => object("DELETED", old),
        Event::Bookmark {
            revision,
            initial_end,
        } => format!("BOOKMARK {revision} {initial_end}"),
        Event::Error(error) => format!("ERROR {} {}", error.code, error.message),
    };
    events.iter().map(line).collect()
}

fn drain(watcher: &mut Watcher, store: &Store) -> Vec<String> {
    told(&watcher.next(store, 100))
}

#[test]
fn selector_turns_changes_into_added_and_deleted() {
    let mut store = Store::new(100);
    let mut watcher = Watcher::open(&store, Kind::Service, &query(Start::Now, "tier=front"));
    store.put(Kind::Service, service("x", "back")); // 2: never seen
    store.put(Kind::Service, service("x", "front")); // 3
    store.put(Kind::Service, service("x", "front")); // 4
    store.put(Kind::Service, service("x", "back")); // 5
    store.put(Kind::Service, service("x", "front")); // 6
    store.put(Kind::Pod, service("x", "front")); // 7: another kind
    store.remove(Kind::Service, &("a".into(), "x".into())); // 8
    let expected = [
        "ADDED x@3",
        "MODIFIED x@4",
        "DELETED x@5",
        "ADDED x@6",
        "DELETED x@8",
    ];
    assert_eq!(drain(&mut watcher, &store), expected);
    assert_eq!(drain(&mut watcher, &store), Vec::<String>::new());
}

#[test]
fn deleted_carries_the_last_matching_state() {
    let mut store = Store::new(100);
    store.put(Kind::Service, service("x", "front"));
    let mut watcher = Watcher::open(&store, Kind::Service, &query(Start::Now, "tier=front"));
    store.put(Kind::Service, service("x", "back"));
    let events = watcher.next(&store, 9);
    let [Event::Deleted(object)] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(object.labels()["tier"], "front");
    assert_eq!(object.value()["metadata"]["resourceVersion"], "3");
}

#[test]
fn starts() {
    let mut store = Store::new(100);
    store.put(Kind::Service, service("x", "front")); // 2
    store.put(Kind::Service, service("y", "front")); // 3
    let open = |start| {
        drain(
            &mut Watcher::open(&store, Kind::Service, &query(start, "")),
            &store,
        )
    };
    assert_eq!(open(Start::State), ["ADDED x@2", "ADDED y@3"]);
    assert_eq!(
        open(Start::StateThenBookmark),
        ["ADDED x@2", "ADDED y@3", "BOOKMARK 3 true"]
    );
    assert_eq!(open(Start::Now), Vec::<String>::new());
    assert_eq!(open(Start::After(2)), ["ADDED y@3"]);
    assert_eq!(open(Start::After(99)), Vec::<String>::new());
}

#[test]
fn compaction_ends_a_watch_that_lags() {
    let mut store = Store::new(100);
    store.put(Kind::Service, service("x", "front")); // 2
    let mut current = Watcher::open(&store, Kind::Service, &query(Start::Now, ""));
    let mut lagging = Watcher::open(&store, Kind::Service, &query(Start::After(1), ""));
    store.compact();
    assert_eq!(
        drain(&mut lagging, &store),
        ["ERROR 410 too old resource version: 1 (2)"]
    );
    assert_eq!(drain(&mut lagging, &store), Vec::<String>::new());
    store.put(Kind::Service, service("x", "back")); // 3
    assert_eq!(drain(&mut current, &store), ["MODIFIED x@3"]);
}

#[test]
fn small_batches_lose_nothing() {
    let mut store = Store::new(100);
    let mut watcher = Watcher::open(&store, Kind::Service, &query(Start::Now, "tier=front"));
    for tier in ["front", "front", "back", "front"] {
        store.put(Kind::Service, service("x", tier));
        store.put(Kind::Service, service("other", "back"));
    }
    let mut seen = Vec::new();
    while let events @ [_, ..] = watcher.next(&store, 1).as_slice() {
        seen.extend(told(events));
    }
    assert_eq!(
        seen,
        ["ADDED x@2", "MODIFIED x@4", "DELETED x@6", "ADDED x@8"]
    );
    assert_eq!(told(&[watcher.bookmark().unwrap()]), ["BOOKMARK 9 false"]);
}
