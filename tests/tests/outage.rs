//! dns-ctl without its API server for a while: it answers on, asks seldom, does not grow, and catches up.
//!
//! `KXDNS_OUTAGE_SECONDS` is how long the API server is away, 12 unless given.

use std::{
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use api_stub::{ApiStub, Failure, Kind, Verb, sample};
use hickory_proto::{op::Message, rr::RecordType};
use kxdns_tests::node::{Node, PATIENCE, plan};
use serde_json::json;
use testbed::{Namespace, Scratch, resident};

/// Lists and watches of dns-ctl: Namespaces, Services, two of EndpointSlices and that of the DNS Service's.
const WATCHES: usize = 5;
/// Services that are there all the time.
const SERVICES: u8 = 200;
/// How much more memory the process may have after it than before, in KiB.
const GROWTH: u64 = 4096;
/// Longer than the longest pause between two tries, and the spread of new lists.
const CATCHING_UP: Duration = Duration::from_secs(45);

fn duration() -> Result<Duration> {
    let seconds = std::env::var("KXDNS_OUTAGE_SECONDS");
    let seconds = seconds.map_or(Ok(12), |text| text.parse());
    let seconds = seconds.context("KXDNS_OUTAGE_SECONDS is a number")?;
    Ok(Duration::from_secs(seconds))
}

/// Accepts connections and breaks them at once, and notes when they came, until it is stopped.
struct Slammer {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Instant>>,
}

impl Slammer {
    fn start(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address)?;
        let ends = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            let mut times = Vec::new();
            for connection in listener.incoming() {
                if told.load(Ordering::Relaxed) {
                    break;
                }
                times.push(Instant::now());
                drop(connection);
            }
            times
        });
        Ok(Self {
            address,
            ends,
            thread,
        })
    }

    /// To be called in the namespace where it listens.
    fn stop(self) -> Result<Vec<Instant>> {
        self.ends.store(true, Ordering::Relaxed);
        TcpStream::connect(self.address)?;
        self.thread
            .join()
            .map_err(|_| anyhow::anyhow!("it panicked"))
    }
}

/// The most requests that so many watches may send in this time: each pauses 0.4 s, then twice as long, up to 15 s
/// at least.
fn most_requests(outage: Duration) -> usize {
    let mut pauses = [0.4, 0.8, 1.6, 3.2, 6.4, 12.8].into_iter();
    let (mut sum, mut number) = (0.0, 1);
    while sum < outage.as_secs_f64() {
        sum += pauses.next().unwrap_or(15.0);
        number += 1;
    }
    number * WATCHES
}

/// Prints when requests came, in seconds after `start`, and the gaps between them.
fn print(what: &str, start: Instant, times: &[Instant]) {
    let at = |time: &Instant| format!("{:.2}", (*time - start).as_secs_f64());
    let all: Vec<_> = times.iter().map(at).collect();
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    let mut gaps: Vec<_> = gaps.map(|gap| gap.as_secs_f64()).collect();
    gaps.sort_by(f64::total_cmp);
    let middle = gaps.get(gaps.len() / 2).copied().unwrap_or_default();
    let longest = gaps.last().copied().unwrap_or_default();
    println!(
        "{what}: {} at {}; gaps: median {middle:.2}, longest {longest:.2}",
        times.len(),
        all.join(" ")
    );
}

fn name(service: &str) -> String {
    format!("{service}.default.svc.cluster.local.")
}

/// What the server, which TCP always leads to, and the kernel say.
fn both(node: &Node, service: &str) -> Result<[Option<IpAddr>; 2]> {
    let name = name(service);
    let query = testbed::query(9, &name, RecordType::A)?;
    let answer = Message::from_vec(&node.ask_server(&query)?)?;
    let address = answer.answers.first().and_then(|it| it.data.ip_addr());
    Ok([address, node.resolve(&name)?])
}

fn expect(node: &Node, service: &str, address: Option<&str>, patience: Duration) -> Result<()> {
    let expected: Option<IpAddr> = address.map(str::parse).transpose()?;
    let deadline = Instant::now() + patience;
    loop {
        let found = both(node, service)?;
        if found == [expected; 2] {
            return Ok(());
        }
        let log = node.child.output();
        ensure!(
            Instant::now() < deadline,
            "{service}: {found:?}; dns-ctl says:\n{log}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Asks for what was known before, in turn, until then; every answer has to be right.
fn answers_until(node: &Node, end: Instant) -> Result<u32> {
    let mut answers = 0;
    for number in (1..=SERVICES).cycle() {
        if Instant::now() >= end {
            break;
        }
        let address: IpAddr = format!("10.96.40.{number}").parse()?;
        let found = both(node, &format!("service-{number}"))?;
        ensure!(found == [Some(address); 2], "service-{number}: {found:?}");
        ensure!(both(node, "added")? == [None; 2], "nobody has heard of it");
        answers += 4;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(answers)
}

fn inside<T: Send>(namespace: &Namespace, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    namespace.run(work)?
}

#[test]
fn an_outage_of_the_api_server_is_lived_through() -> Result<()> {
    let outage = duration()?;
    let bed = plan().build()?;
    let stub = inside(&bed.node, ApiStub::start)?;
    let services = (1..=SERVICES).map(|number| {
        let address = format!("10.96.40.{number}");
        sample::service("default", &format!("service-{number}"), &address)
    });
    stub.create_all(services)?;
    let mut kube_dns = sample::service("kube-system", "kube-dns", "10.96.0.10");
    kube_dns["metadata"]["labels"] = json!({ "k8s-app": "kube-dns" });
    stub.create(&kube_dns)?;
    let folder = Scratch::new("kubeconfig")?;
    let path = folder.path().join("kubeconfig");
    stub.write_kubeconfig(&path)?;
    let path = path.to_string_lossy().into_owned();
    let node = Node::start(bed, &["--kubeconfig", &path], &["--answer-endpoints"])?;
    expect(&node, "service-1", Some("10.96.40.1"), PATIENCE)?;
    let open = stub.counters().open_watches;
    ensure!(usize::try_from(open)? == WATCHES, "{open} watches");
    // Warm: what is allotted once for all answers is there.
    answers_until(&node, Instant::now() + Duration::from_secs(2))?;
    let before = resident(node.child.pid())? / 1024;

    // Half of the time there is someone who breaks every connection.
    let start = Instant::now();
    stub.go_away();
    let slammer = inside(&node.bed.node, || Slammer::start(stub.address()))?;
    let mut answers = answers_until(&node, start + outage / 2)?;
    let connections = inside(&node.bed.node, || slammer.stop())?;
    print("connections", start, &connections);

    // The other half it is there, but refuses. Meanwhile the cluster changes.
    stub.reset_counters();
    stub.fail_next(100_000, Failure::Unavailable(1));
    inside(&node.bed.node, || stub.come_back())?;
    stub.delete(Kind::Service, "default", "service-1")?;
    stub.create(&sample::service("default", "added", "10.96.50.1"))?;
    stub.compact();
    let kept = answers_until(&node, start + outage)?;
    answers += kept;
    let refused = stub.requests();
    let of_watches = refused
        .iter()
        .all(|request| request.verb == Verb::Watch && request.status == 503);
    ensure!(of_watches, "{refused:?}");
    let times: Vec<_> = refused.iter().map(|request| request.at).collect();
    print("requests refused", start, &times);
    let number = connections.len() + times.len();
    let most = most_requests(outage);
    println!("{answers} right answers in {outage:?}, {number} requests of at most {most}");
    ensure!(number <= most, "{number} requests");
    ensure!(
        number >= WATCHES,
        "each watch has been tried again: {number}"
    );

    stub.reset_counters();
    stub.clear_faults();
    expect(&node, "service-1", None, CATCHING_UP)?;
    expect(&node, "added", Some("10.96.50.1"), CATCHING_UP)?;
    expect(&node, "service-2", Some("10.96.40.2"), CATCHING_UP)?;
    let caught_up = api_stub::wait_until(CATCHING_UP, || {
        let counters = stub.counters();
        let open = usize::try_from(counters.open_watches).ok()?;
        (open == WATCHES).then_some(counters)
    });
    let counters = caught_up.context("all watches are open again")?;
    let lists = stub.requests();
    let lists = lists.iter().filter(|request| request.verb == Verb::List);
    let times: Vec<_> = lists.map(|request| request.at).collect();
    print("lists afterwards", start, &times);
    ensure!(
        times.len() == WATCHES,
        "one list for each kind: {counters:?}"
    );

    let after = resident(node.child.pid())? / 1024;
    println!("memory: {before} KiB before, {after} KiB after");
    ensure!(after <= before + GROWTH, "{before} KiB became {after} KiB");
    Ok(())
}
