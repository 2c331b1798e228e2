//! Mode accelerate beside CoreDNS: the kernel answers what it can, all else reaches CoreDNS as if nobody were there.

mod lives;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use api_stub::{
    Cluster,
    peer::{self, CoreDns, Setup},
    sample,
};
use hickory_proto::{
    op::{Edns, Message, ResponseCode},
    rr::RecordType,
};
use kxdns_tests::node::{ANSWER, METRICS, PATIENCE, POD_INTERFACE, SERVICE, dns_ctl, plan};
use lives::{lives, tc};
use serde_json::{Value, json};
use testbed::{
    Bpffs, Child, Namespace, Scratch, Table, Topology, UdpClient, Upstream, tcp_query, udp_query,
};

/// How long CoreDNS may take to be there.
const PEER_PATIENCE: Duration = Duration::from_mins(2);
/// A DNS server outside, of which pods may ask directly.
const OUTSIDE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53)), 53);
const WEB: &str = "web.default.svc.cluster.local.";
/// What the kernel answers.
const HITS: [(&str, RecordType); 4] = [
    (WEB, RecordType::A),
    ("WEB.default.SVC.cluster.local.", RecordType::A),
    (WEB, RecordType::AAAA),
    ("1.30.96.10.in-addr.arpa.", RecordType::PTR),
];

/// What it leaves to CoreDNS.
const MISSES: [(&str, RecordType); 12] = [
    ("_http._tcp.web.default.svc.cluster.local.", RecordType::SRV),
    (WEB, RecordType::SRV),
    (WEB, RecordType::TXT),
    (WEB, RecordType::MX),
    ("dns-version.cluster.local.", RecordType::TXT),
    ("cluster.local.", RecordType::SOA),
    ("nobody.default.svc.cluster.local.", RecordType::A),
    ("web.nowhere.svc.cluster.local.", RecordType::AAAA),
    ("9.9.96.10.in-addr.arpa.", RecordType::PTR),
    ("www.example.org.", RecordType::A),
    ("www.example.org.", RecordType::AAAA),
    ("nobody.example.org.", RecordType::A),
];

/// CoreDNS at the service's address, with a cluster and a resolver outside; dns-ctl comes and goes.
struct Bed {
    coredns: CoreDns,
    bpffs: Bpffs,
    kubeconfig: String,
    _folder: Scratch,
    _cluster: Cluster,
    outside: Upstream,
    topology: Topology,
}

impl Bed {
    fn start() -> Result<Self> {
        // Fetched here if need be: there is no network inside the namespaces.
        peer::coredns()?;
        let bed = plan().outside("internet").build()?;
        let table = Table::new()
            .address("www.example.org", Ipv4Addr::new(198, 51, 100, 7))
            // Not what the cluster says.
            .address(WEB, Ipv4Addr::new(198, 51, 100, 8));
        let outside = Upstream::start(&bed.outside().namespace, OUTSIDE, table)?;
        let cluster = bed.node.run(Cluster::start)??;
        for object in objects() {
            bed.node.run(|| cluster.create(&object))??;
        }
        let config = cluster.kubeconfig();
        let setup = Setup {
            kubeconfig: &config,
            domains: &["cluster.local".to_owned()],
            options: "",
            address: Some(SERVICE),
            upstream: Some(OUTSIDE),
        };
        let mut coredns = bed.node.run(|| CoreDns::start_with(&setup))??;
        bed.node.run(|| coredns.wait_ready(PEER_PATIENCE))??;
        let folder = Scratch::new("kubeconfig")?;
        let path = folder.path().join("kubeconfig");
        cluster.write_kubeconfig(&path)?;
        let this = Self {
            coredns,
            bpffs: Bpffs::mount()?,
            kubeconfig: path.to_string_lossy().into_owned(),
            _folder: folder,
            _cluster: cluster,
            outside,
            topology: bed,
        };
        // It says that it is ready a moment before it answers.
        let query = testbed::query(1, WEB, RecordType::A)?;
        let deadline = Instant::now() + PEER_PATIENCE;
        while this.direct(&query).is_err() {
            ensure!(Instant::now() < deadline, "CoreDNS: {}", this.coredns.log());
        }
        Ok(this)
    }

    /// Starts dns-ctl with these flags besides, and waits until it is ready.
    fn spawn(&self, flags: &[&str]) -> Result<Child> {
        let mut command = dns_ctl(&self.topology.node)?;
        command.args([
            "run",
            "--mode",
            "accelerate",
            "--kubeconfig",
            &self.kubeconfig,
        ]);
        command.args(["--metrics-listen", &METRICS.to_string(), "--bpffs"]);
        command.arg(self.bpffs.path().join("kxdns")).args(flags);
        let mut child = Child::spawn("dns-ctl", &mut command)?;
        child.wait_for("readiness", PATIENCE, || {
            let reply = testbed::get(&self.topology.node, METRICS, "/readyz", ANSWER)?;
            ensure!(reply.status == 200, "{}", reply.body);
            Ok(Some(()))
        })?;
        Ok(child)
    }

    /// The pod's namespace.
    fn pod(&self) -> &Namespace {
        &self.topology.pod(kxdns_tests::node::POD).namespace
    }

    /// CoreDNS's own answer: what is asked on the node comes by no interface with a program.
    fn direct(&self, query: &[u8]) -> Result<Vec<u8>> {
        let reply = udp_query(&self.topology.node, SERVICE, query, ANSWER)?;
        Ok(reply.context("CoreDNS does not answer")?.bytes)
    }

    /// What the pod gets from this server.
    fn ask(&self, server: SocketAddr, query: &[u8]) -> Result<Vec<u8>> {
        let reply = udp_query(self.pod(), server, query, ANSWER)?.context("no answer")?;
        ensure!(reply.from == server, "it comes from {}", reply.from);
        Ok(reply.bytes)
    }

    /// Packets answered in the kernel so far.
    fn hits(&self) -> Result<u64> {
        let mut command = dns_ctl(&self.topology.node)?;
        command.args(["status", "--output", "json", "--bpffs"]);
        command.arg(self.bpffs.path().join("kxdns"));
        let status: Value = serde_json::from_str(&testbed::output(&mut command)?)?;
        let hits = status["hits"].as_object().context("`hits`")?;
        Ok(hits.values().filter_map(Value::as_u64).sum())
    }
}

fn objects() -> Vec<Value> {
    let mut kube_dns = sample::service("kube-system", "kube-dns", "10.96.0.10");
    kube_dns["metadata"]["labels"] = json!({ "k8s-app": "kube-dns" });
    let mut web = sample::service("default", "web", "10.96.30.1");
    web["spec"]["clusterIPs"] = json!(["10.96.30.1", "fd00:10:96::301"]);
    web["spec"]["ipFamilies"] = json!(["IPv4", "IPv6"]);
    web["spec"]["ipFamilyPolicy"] = "RequireDualStack".into();
    vec![kube_dns, web]
}

/// What a client sees of an answer, whoever gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    rcode: ResponseCode,
    answers: Vec<String>,
    authorities: usize,
}

fn said(octets: &[u8]) -> Result<Said> {
    let message = Message::from_vec(octets)?;
    let mut answers: Vec<_> = message
        .answers
        .iter()
        .map(|record| {
            format!(
                "{} {} {}",
                record.name.to_lowercase(),
                record.ttl,
                record.data
            )
        })
        .collect();
    answers.sort();
    Ok(Said {
        rcode: message.metadata.response_code,
        answers,
        authorities: message.authorities.len(),
    })
}

fn with_edns(id: u16, name: &str, record_type: RecordType) -> Result<Vec<u8>> {
    let mut message = Message::from_vec(&testbed::query(id, name, record_type)?)?;
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    message.set_edns(edns);
    Ok(message.to_vec()?)
}

#[test]
fn the_kernel_answers_and_all_else_is_coredns() -> Result<()> {
    let bed = Bed::start()?;
    let _child = bed.spawn(&[])?;
    for (name, record_type) in HITS {
        let query = testbed::query(0x1234, name, record_type)?;
        let before = bed.hits()?;
        let ours = bed.ask(SERVICE, &query)?;
        assert_eq!(
            bed.hits()?,
            before + 1,
            "{name} {record_type}: by the kernel"
        );
        assert_eq!(
            said(&ours)?,
            said(&bed.direct(&query)?)?,
            "{name} {record_type}"
        );
        assert!(!said(&ours)?.answers.is_empty(), "{name} {record_type}");
    }
    let before = bed.hits()?;
    for (name, record_type) in MISSES {
        for query in [
            testbed::query(0x1234, name, record_type)?,
            with_edns(0x4321, name, record_type)?,
        ] {
            let ours = bed.ask(SERVICE, &query)?;
            assert_eq!(ours, bed.direct(&query)?, "{name} {record_type}");
        }
    }
    // TCP is CoreDNS's, whatever is asked.
    for (name, record_type) in HITS.into_iter().chain(MISSES) {
        let query = testbed::query(0x1234, name, record_type)?;
        let ours = tcp_query(bed.pod(), SERVICE, &query, ANSWER)?.bytes;
        let direct = tcp_query(&bed.topology.node, SERVICE, &query, ANSWER)?.bytes;
        assert_eq!(ours, direct, "{name} {record_type} over TCP");
    }
    // And what is sent to others is theirs: this one says something else of the same name.
    let query = testbed::query(7, WEB, RecordType::A)?;
    let asked = bed.outside.queries_of(WEB);
    let theirs = said(&bed.ask(OUTSIDE, &query)?)?;
    assert_eq!(theirs.answers, [format!("{WEB} 30 198.51.100.8")]);
    assert_eq!(bed.outside.queries_of(WEB), asked + 1);
    assert_eq!(bed.hits()?, before, "none of these by the kernel");
    Ok(())
}

/// Asks for one thing after the other until told to stop; an error if an answer is missing or another.
fn stream(
    bed: &Bed,
    expected: &[(Vec<u8>, Said)],
    stop: &AtomicBool,
    got: &AtomicU64,
) -> Result<()> {
    let client = UdpClient::bind(bed.pod(), (Ipv4Addr::UNSPECIFIED, 0).into())?;
    for (number, (query, said_directly)) in expected.iter().cycle().enumerate() {
        if stop.load(SeqCst) {
            break;
        }
        let mut query = query.clone();
        let id = u16::try_from(number % 0xffff)?.to_be_bytes();
        query[..2].copy_from_slice(&id);
        client.send(SERVICE, &query)?;
        let reply = client.receive(ANSWER)?;
        let asked = HITS.iter().chain(&MISSES).nth(number % expected.len());
        let reply = reply.with_context(|| format!("no answer to query {number}, for {asked:?}"))?;
        ensure!(reply.from == SERVICE, "it comes from {}", reply.from);
        ensure!(reply.bytes[..2] == id, "an answer to another query");
        let got_now = said(&reply.bytes)?;
        ensure!(
            got_now == *said_directly,
            "query {number}: {got_now:?}, not {said_directly:?}"
        );
        got.fetch_add(1, SeqCst);
    }
    Ok(())
}

#[test]
fn clients_notice_nothing_of_its_life_and_death() -> Result<()> {
    let bed = Bed::start()?;
    let expected: Vec<_> = HITS
        .into_iter()
        .chain(MISSES)
        .map(|(name, record_type)| {
            let query = testbed::query(1, name, record_type)?;
            let said = said(&bed.direct(&query)?)?;
            Ok((query, said))
        })
        .collect::<Result<_>>()?;
    // As another's filters have it: the kernel loses packets while such a qdisc is made or removed.
    tc(
        &bed.topology.node,
        &format!("qdisc add dev {POD_INTERFACE} clsact"),
    )?;
    let (stop, got) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let streams = [(); 2].map(|()| {
            scope.spawn(|| {
                let result = stream(&bed, &expected, &stop, &got);
                stop.store(true, SeqCst);
                result
            })
        });
        let lives = lives(&bed, &stop, &got);
        stop.store(true, SeqCst);
        for stream in streams {
            let ended = stream.join().expect("a stream does not panic");
            ended.with_context(|| format!("meanwhile: {lives:?}"))?;
        }
        println!("{} queries, all answered", got.load(SeqCst));
        lives
    })
}
