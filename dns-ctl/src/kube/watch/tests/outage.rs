//! An API server that is away for ten minutes, in simulated time: what is asked meanwhile, and what comes of it.

use std::{io::ErrorKind, ops::Range, pin::Pin};

use rand::rngs::StdRng;
use tokio::time::{Instant, timeout_at};

use super::{
    simulated::{Answer, Ask, End, Simulated, expired},
    *,
};
use crate::{metrics::label::SourceKind, zone::object::Namespace};

const LEAVES: Duration = Duration::from_mins(1);
const RETURNS: Duration = Duration::from_mins(11);
/// Well after the longest pause.
const SETTLED: Duration = Duration::from_mins(13);

/// One watcher of Services and the zone it leads to.
struct Watcher {
    changes: Pin<Box<dyn Stream<Item = Change<Service>> + Send>>,
    store: Store,
    start: Instant,
}

impl Watcher {
    fn new(server: &Arc<Simulated>, seed: u64) -> Self {
        let api = Api::all(server.client());
        let random = StdRng::seed_from_u64(seed);
        let metrics = Metrics::new();
        let list = metrics.list(SourceKind::Service);
        let steps = list_watch::steps(api, Selection::default(), random, list.clone());
        let mut store = Store::new(Policy::default());
        let namespace = Namespace {
            key: ObjectKey::new("", "default"),
        };
        store.apply(Event::Namespace(Change::Apply(namespace)));
        Self {
            changes: sifted(steps, None, list, &Arc::new(metrics)).boxed(),
            store,
            start: Instant::now(),
        }
    }

    /// Lets simulated time pass until so long after the start.
    async fn until(&mut self, at: Duration) {
        while let Ok(change) = timeout_at(self.start + at, self.changes.next()).await {
            let change = change.expect("it has no end");
            self.store.apply(Event::Service(change));
        }
    }

    /// The addresses of `a`, `b` and `c`.
    fn addresses(&self) -> [Option<String>; 3] {
        ["a", "b", "c"].map(|name| address(&self.store, name))
    }
}

/// A server that is asked `away` how to answer from `LEAVES` to `RETURNS`; then a watch of before is too old.
fn away(end: Option<End>, away: impl Fn(&Ask) -> Answer + Send + Sync + 'static) -> Arc<Simulated> {
    let start = Instant::now();
    Simulated::new(move |ask| {
        let old = vec![service("a", "10.0.0.1"), service("b", "10.0.0.2")];
        let new = vec![service("b", "10.0.0.22"), service("c", "10.0.0.3")];
        match (ask.at, ask.is_watch()) {
            (at, false) if at < LEAVES => Answer::List(7, old, None),
            (at, true) if at < LEAVES => {
                Answer::Watch(Vec::new(), end.map(|end| (start + LEAVES, end)))
            }
            (at, _) if at < RETURNS => away(ask),
            (_, false) => Answer::List(90, new, None),
            (_, true) if ask.get("resourceVersion") == Some("90") => {
                Answer::Watch(Vec::new(), None)
            }
            (_, true) => Answer::Watch(vec![expired()], None),
        }
    })
}

fn before() -> [Option<String>; 3] {
    [
        Some("10.0.0.1".to_owned()),
        Some("10.0.0.2".to_owned()),
        None,
    ]
}

fn after() -> [Option<String>; 3] {
    [
        None,
        Some("10.0.0.22".to_owned()),
        Some("10.0.0.3".to_owned()),
    ]
}

/// Two watchers through the outage; the times of their requests while the server was away.
async fn live_through(server: impl Fn() -> Arc<Simulated>) -> [Vec<Duration>; 2] {
    let mut all = [Vec::new(), Vec::new()];
    for (seed, times) in (0..).zip(&mut all) {
        let server = server();
        let mut watcher = Watcher::new(&server, seed);
        watcher.until(LEAVES).await;
        assert_eq!(watcher.addresses(), before());
        watcher.until(RETURNS).await;
        assert_eq!(watcher.addresses(), before(), "nothing is forgotten");
        watcher.until(SETTLED).await;
        assert_eq!(watcher.addresses(), after(), "{:?}", server.asked());
        let lists = server.times(RETURNS..SETTLED, true);
        assert_eq!(lists.len(), 1, "one list brings all: {lists:?}");
        *times = server.times(LEAVES..RETURNS, false);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_without_an_api_server() {
    // Seven pauses that double, then one of 15 to 30 seconds after the other.
    const OFTEN: Range<usize> = 20..48;
    for (case, end, answer, expected) in [
        (
            "no connection",
            Some(End::Broken),
            (|_: &Ask| Answer::Error(ErrorKind::ConnectionRefused)) as fn(&Ask) -> Answer,
            OFTEN,
        ),
        (
            "no connection, and before that a clean end",
            Some(End::Clean),
            |_| Answer::Error(ErrorKind::ConnectionRefused),
            OFTEN,
        ),
        (
            "connections that break",
            Some(End::Broken),
            |_| Answer::Error(ErrorKind::UnexpectedEof),
            OFTEN,
        ),
        (
            "500",
            Some(End::Broken),
            |_| Answer::Status(500, None),
            OFTEN,
        ),
        (
            "503",
            Some(End::Broken),
            |_| Answer::Status(503, Some(1)),
            OFTEN,
        ),
        // Never sooner than it is asked to: each pause is 20 to 35 seconds.
        (
            "429",
            Some(End::Broken),
            |_| Answer::Status(429, Some(20)),
            17..31,
        ),
        // A watch that never speaks again is given up five minutes after its start, a request after 30 seconds.
        ("silence", None, |_| Answer::Silence, 5..14),
        (
            "watches that end at once",
            Some(End::Broken),
            |_| Answer::Watch(Vec::new(), Some((Instant::now(), End::Clean))),
            OFTEN,
        ),
        (
            "watches that break at once",
            Some(End::Broken),
            |_| Answer::Watch(Vec::new(), Some((Instant::now(), End::Broken))),
            OFTEN,
        ),
    ] {
        let [one, other] = live_through(|| away(end, answer)).await;
        println!(
            "{case}: {} and {} requests, the first at {one:?}",
            one.len(),
            other.len()
        );
        assert!(expected.contains(&one.len()), "{case}: {one:?}");
        assert!(expected.contains(&other.len()), "{case}: {other:?}");
        let common = one.iter().filter(|at| other.contains(at)).count();
        // A broken watch is seen by both at once.
        assert!(common <= 1, "{case}: {one:?} {other:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn lists_are_not_asked_for_more_often_than_watches() {
    let server = Simulated::new(|ask| match ask.at {
        at if at < RETURNS => Answer::Error(ErrorKind::ConnectionRefused),
        _ if ask.is_watch() => Answer::Watch(Vec::new(), None),
        _ => Answer::List(7, vec![service("a", "10.0.0.1")], None),
    });
    let mut watcher = Watcher::new(&server, 1);
    watcher.until(RETURNS).await;
    let asked = server.times(Duration::ZERO..RETURNS, true);
    assert!((20..48).contains(&asked.len()), "{asked:?}");
    watcher.until(SETTLED).await;
    assert_eq!(address(&watcher.store, "a").unwrap(), "10.0.0.1");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_refused_as_too_old_begins_anew() {
    let server = Simulated::new(|ask| match (ask.is_watch(), ask.get("resourceVersion")) {
        (false, _) if ask.at < LEAVES => Answer::List(7, vec![service("a", "10.0.0.1")], None),
        (false, _) => Answer::List(9, vec![service("b", "10.0.0.2")], None),
        (true, Some("9")) => Answer::Watch(Vec::new(), None),
        (true, _) if ask.at < LEAVES => {
            Answer::Watch(Vec::new(), Some((Instant::now() + LEAVES, End::Clean)))
        }
        (true, _) => Answer::Status(410, None),
    });
    let mut watcher = Watcher::new(&server, 1);
    watcher.until(Duration::from_mins(4)).await;
    assert_eq!(
        watcher.addresses(),
        [None, Some("10.0.0.2".to_owned()), None]
    );
    assert_eq!(server.asked().len(), 5, "{:?}", server.asked());
}

#[tokio::test(start_paused = true)]
async fn nodes_whose_watches_expire_together_do_not_list_together() {
    const NODES: usize = 200;
    const WINDOW: Duration = Duration::from_secs(5);
    let start = Instant::now();
    let server = Simulated::new(move |ask| match (ask.at, ask.is_watch()) {
        (_, false) => Answer::List(7, Vec::new(), None),
        (at, true) if at < LEAVES => Answer::Watch(Vec::new(), Some((start + LEAVES, End::Clean))),
        // The first watch that each of them begins afterwards; as all come within a second, none has listed twice.
        (at, true) if at < LEAVES + Duration::from_secs(1) => Answer::Watch(vec![expired()], None),
        (_, true) => Answer::Watch(Vec::new(), None),
    });
    let watchers = (0..NODES as u64).map(|seed| {
        let mut watcher = Watcher::new(&server, seed);
        async move { watcher.until(RETURNS).await }
    });
    future::join_all(watchers).await;
    let lists = server.times(LEAVES..RETURNS, true);
    assert!(
        lists.len() >= NODES && lists.len() < NODES * 3 / 2,
        "{}",
        lists.len()
    );
    let step = WINDOW / 10;
    let busiest = (0..20).map(|number| {
        let from = LEAVES + step * number;
        lists
            .iter()
            .filter(|&&at| (from..from + step).contains(&at))
            .count()
    });
    let busiest: Vec<_> = busiest.collect();
    println!("lists of {NODES} nodes in each {step:?}: {busiest:?}");
    // Evenly, each tenth of the window would have a tenth of the nodes.
    assert!(
        busiest.iter().all(|&number| number < NODES / 5),
        "{busiest:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_from_what_it_has_seen_last() {
    let bookmark = |version: &str| {
        let object = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"resourceVersion": version},
        });
        event("BOOKMARK", &object)
    };
    let server = Simulated::new(move |ask| {
        let soon = Some((Instant::now() + LEAVES, End::Clean));
        match (ask.is_watch(), ask.get("resourceVersion")) {
            (false, _) => Answer::List(7, vec![service("a", "10.0.0.1")], None),
            (true, Some("7")) => {
                Answer::Watch(vec![event("ADDED", &service("b", "10.0.0.2"))], soon)
            }
            (true, Some("8")) => Answer::Watch(vec![bookmark("12")], soon),
            (true, Some("12")) => {
                Answer::Watch(vec![event("DELETED", &service("a", "10.0.0.1"))], None)
            }
            (true, _) => Answer::Status(500, None),
        }
    });
    let mut watcher = Watcher::new(&server, 1);
    watcher.until(Duration::from_mins(4)).await;
    assert_eq!(
        watcher.addresses(),
        [None, Some("10.0.0.2".to_owned()), None]
    );
    assert_eq!(server.asked().len(), 4, "{:?}", server.asked());
}

#[tokio::test(start_paused = true)]
async fn a_list_in_pages_counts_as_a_whole() {
    let server = Simulated::new(|ask| match (ask.is_watch(), ask.get("continue")) {
        (true, _) => Answer::Watch(Vec::new(), None),
        (false, None) => Answer::List(7, vec![service("a", "10.0.0.1")], Some("next")),
        (false, Some(token)) => {
            assert_eq!((token, ask.get("resourceVersion")), ("next", None));
            Answer::List(7, vec![service("b", "10.0.0.2")], None)
        }
    });
    let mut watcher = Watcher::new(&server, 1);
    watcher.until(LEAVES).await;
    assert_eq!(watcher.addresses(), before());
}
