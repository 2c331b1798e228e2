//! dns-ctl beside an API server: what the cluster holds is what the kernel answers, and CoreDNS says the same.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use api_stub::{
    ApiStub, Cluster, Kind,
    peer::{self, CoreDns},
    sample,
};
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{Name, RData, Record, RecordType},
};
use kxdns_tests::node::{
    ANSWER, METRICS, Node, PATIENCE, POD, POD_INTERFACE, SERVICE, dns_ctl, plan,
};
use serde_json::{Value, json};
use testbed::{Bpffs, Child, Scratch, Topology, UdpClient, udp_query};

/// How long a fresh CoreDNS may take to be there: it may have to be fetched.
const PEER_PATIENCE: Duration = Duration::from_mins(2);

/// A cluster inside the node's namespace, the node, and the folder with the kubeconfig.
struct Bed {
    node: Node,
    cluster: Cluster,
    _folder: Scratch,
}

/// Starts a cluster with these objects, then dns-ctl on it.
fn start(objects: &[Value], flags: &[&str]) -> Result<Bed> {
    let bed = plan().build()?;
    let cluster = bed.node.run(Cluster::start)??;
    for object in objects {
        bed.node.run(|| cluster.create(object))??;
    }
    let (folder, path) = kubeconfig(&cluster)?;
    let node = Node::start(bed, &["--kubeconfig", &path], flags)?;
    Ok(Bed {
        node,
        cluster,
        _folder: folder,
    })
}

fn kubeconfig(cluster: &Cluster) -> Result<(Scratch, String)> {
    let folder = Scratch::new("kubeconfig")?;
    let path = folder.path().join("kubeconfig");
    cluster.write_kubeconfig(&path)?;
    let path = path.to_string_lossy().into_owned();
    Ok((folder, path))
}

impl Bed {
    fn create(&self, object: &Value) -> Result<Value> {
        self.node.bed.node.run(|| self.cluster.create(object))?
    }

    fn delete(&self, name: &str) -> Result<()> {
        self.node
            .bed
            .node
            .run(|| self.cluster.delete(Kind::Service, "default", name))?
    }

    /// Waits until a Service's name resolves to this in the pod.
    fn expect(&self, service: &str, address: Option<&str>) -> Result<()> {
        let name = format!("{service}.default.svc.cluster.local.");
        let expected: Option<IpAddr> = address.map(str::parse).transpose()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.node.resolve(&name)?;
            if found == expected {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "{name}: {found:?}; dns-ctl says:\n{}",
                self.node.child.output()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn the_kernel_follows_the_cluster() -> Result<()> {
    let bed = start(&[sample::service("default", "early", "10.96.30.1")], &[])?;
    bed.expect("early", Some("10.96.30.1"))?;
    bed.create(&sample::service("default", "late", "10.96.30.2"))?;
    bed.expect("late", Some("10.96.30.2"))?;
    bed.delete("late")?;
    bed.expect("late", None)?;
    bed.create(&sample::service("default", "late", "10.96.30.3"))?;
    bed.expect("late", Some("10.96.30.3"))?;
    let before = bed.node.hits()?;
    bed.expect("late", Some("10.96.30.3"))?;
    assert_eq!(bed.node.hits()?, before + 1, "and in the kernel");
    Ok(())
}

/// What only the stub can do to its clients: none of it loses an answer.
#[test]
fn a_failing_api_server_loses_no_answer() -> Result<()> {
    let bed = plan().build()?;
    let stub = bed.node.run(ApiStub::start)??;
    let cluster = bed.node.run(|| Cluster::of_stub(stub))??;
    bed.node
        .run(|| cluster.create(&sample::service("default", "web", "10.96.30.1")))??;
    let (folder, path) = kubeconfig(&cluster)?;
    let node = Node::start(bed, &["--kubeconfig", &path], &[])?;
    let bed = Bed {
        node,
        cluster,
        _folder: folder,
    };
    let stub = bed.cluster.stub().context("this cluster is the stub")?;
    bed.expect("web", Some("10.96.30.1"))?;

    stub.drop_watches();
    bed.create(&sample::service("default", "second", "10.96.30.2"))?;
    bed.expect("second", Some("10.96.30.2"))?;

    stub.drop_watches();
    stub.compact();
    bed.create(&sample::service("default", "third", "10.96.30.3"))?;
    bed.expect("third", Some("10.96.30.3"))?;

    stub.go_away();
    for _ in 0..50 {
        assert_eq!(
            bed.node.resolve("web.default.svc.cluster.local.")?,
            Some("10.96.30.1".parse()?)
        );
    }
    bed.node.bed.node.run(|| stub.come_back())??;
    stub.create(&sample::service("default", "fourth", "10.96.30.4"))?;
    bed.expect("fourth", Some("10.96.30.4"))?;
    bed.expect("web", Some("10.96.30.1"))
}

#[test]
fn the_dns_services_address_is_found_in_the_cluster() -> Result<()> {
    let mut kube_dns = sample::service("kube-system", "kube-dns", "10.96.0.10");
    kube_dns["metadata"]["labels"] = json!({ "k8s-app": "kube-dns" });
    let bed = plan().build()?;
    let cluster = bed.node.run(Cluster::start)??;
    for object in [kube_dns, sample::service("default", "web", "10.96.30.1")] {
        bed.node.run(|| cluster.create(&object))??;
    }
    let (_folder, path) = kubeconfig(&cluster)?;
    let bpffs = Bpffs::mount()?;
    let mut command = dns_ctl(&bed.node)?;
    command.args(["run", "--kubeconfig", &path, "--interface", POD_INTERFACE]);
    command.args(["--listen", "10.96.0.10:53", "--upstream", "127.0.0.1:5300"]);
    command.args(["--metrics-listen", &METRICS.to_string(), "--bpffs"]);
    command.arg(bpffs.path().join("kxdns"));
    let child = Child::spawn("dns-ctl", &mut command)?;
    let mut node = Node { child, bpffs, bed };
    node.wait_until_ready()?;
    assert_eq!(
        node.resolve("web.default.svc.cluster.local.")?,
        Some("10.96.30.1".parse()?)
    );
    assert_eq!(node.hits()?, 1);
    Ok(())
}

/// Services of the large cluster.
const MANY: u16 = 10_000;

fn many(number: u16) -> (String, Ipv4Addr) {
    let [high, low] = number.to_be_bytes();
    (
        format!("service-{number}"),
        Ipv4Addr::new(10, 97, high, low),
    )
}

#[test]
fn ten_thousand_services_are_all_answered_by_the_kernel() -> Result<()> {
    let bed = plan().build()?;
    let cluster = bed.node.run(Cluster::start)??;
    let objects = (0..MANY).map(|number| {
        let (name, address) = many(number);
        sample::service("default", &name, &address.to_string())
    });
    match cluster.stub() {
        Some(stub) => {
            stub.create_all(objects)?;
        }
        None => {
            for object in objects {
                bed.node.run(|| cluster.create(&object))??;
            }
        }
    }
    let (_folder, path) = kubeconfig(&cluster)?;
    let mut node = Node::start(bed, &["--kubeconfig", &path], &[])?;
    println!("{}", node.child.wait_for_line("synced", PATIENCE)?);

    let client = UdpClient::bind(node.pod(), (Ipv4Addr::UNSPECIFIED, 0).into())?;
    let before = node.hits()?;
    for number in 0..MANY {
        let (name, address) = many(number);
        let name = format!("{name}.default.svc.cluster.local.");
        client.send(SERVICE, &testbed::query(number, &name, RecordType::A)?)?;
        let reply = client
            .receive(ANSWER)?
            .with_context(|| format!("no answer for {name}"))?;
        let message = Message::from_vec(&reply.bytes)?;
        assert_eq!(message.metadata.id, number, "{name}");
        let addresses: Vec<_> = message
            .answers
            .iter()
            .map(|record| record.data.ip_addr())
            .collect();
        assert_eq!(addresses, [Some(IpAddr::V4(address))], "{name}");
    }
    assert_eq!(
        node.hits()? - before,
        u64::from(MANY),
        "all were answered in the kernel"
    );
    Ok(())
}

/// What two servers have to agree on, order apart: the message without its id, its EDNS, and the serial number.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    rcode: ResponseCode,
    authoritative: bool,
    answers: Vec<String>,
    authorities: Vec<String>,
}

fn said(message: &Message) -> Said {
    let texts = |records: &[Record]| {
        let mut texts: Vec<_> = records.iter().map(text).collect();
        texts.sort();
        texts
    };
    Said {
        rcode: message.metadata.response_code,
        authoritative: message.metadata.authoritative,
        answers: texts(&message.answers),
        authorities: texts(&message.authorities),
    }
}

fn text(record: &Record) -> String {
    let owner = Name::to_lowercase(&record.name);
    let data = match &record.data {
        RData::SOA(soa) => format!(
            "SOA {} {} {} {} {} {}",
            soa.mname, soa.rname, soa.refresh, soa.retry, soa.expire, soa.minimum
        ),
        data => data.to_string(),
    };
    // CoreDNS lets the schema's version live for eight hours; the specification names no TTL.
    let ttl = if record.record_type() == RecordType::TXT {
        0
    } else {
        record.ttl
    };
    format!("{owner} {ttl} {} {data}", record.record_type())
}

#[test]
fn kernel_and_server_say_what_coredns_says() -> Result<()> {
    let bed = start(
        &[
            sample::namespace("shop"),
            sample::namespace("empty"),
            sample::service("default", "web", "10.96.30.1"),
            sample::service("shop", "web", "10.96.30.2"),
        ],
        &[],
    )?;
    // Fetched here if need be: there is no network inside the namespace.
    peer::coredns()?;
    let topology: &Topology = &bed.node.bed;
    let config = bed.cluster.kubeconfig();
    let mut peer = topology.node.run(|| CoreDns::start(&config, ""))??;
    topology.node.run(|| peer.wait_ready(PEER_PATIENCE))??;
    // It says that it is ready a moment before it answers.
    let query = testbed::query(1, "web.default.svc.cluster.local.", RecordType::A)?;
    let deadline = Instant::now() + PEER_PATIENCE;
    while udp_query(&topology.node, peer.address(), &query, ANSWER)?.is_none() {
        ensure!(
            Instant::now() < deadline,
            "CoreDNS does not answer: {}",
            peer.log()
        );
    }
    for (name, kind, in_kernel) in [
        ("web.default.svc.cluster.local.", RecordType::A, true),
        ("web.shop.svc.cluster.local.", RecordType::A, true),
        ("WEB.Shop.svc.Cluster.Local.", RecordType::A, true),
        ("web.default.svc.cluster.local.", RecordType::AAAA, true),
        ("web.default.svc.cluster.local.", RecordType::TXT, true),
        ("nobody.default.svc.cluster.local.", RecordType::A, true),
        ("web.nowhere.svc.cluster.local.", RecordType::A, true),
        ("nowhere.svc.cluster.local.", RecordType::A, true),
        ("default.svc.cluster.local.", RecordType::A, true),
        ("empty.svc.cluster.local.", RecordType::AAAA, true),
        ("nothing.cluster.local.", RecordType::A, true),
        ("dns-version.cluster.local.", RecordType::TXT, false),
    ] {
        let query = testbed::query(1, name, kind)?;
        let before = bed.node.hits()?;
        let ours = said(&Message::from_vec(&bed.node.ask(&query)?)?);
        assert_eq!(
            bed.node.hits()? - before,
            u64::from(in_kernel),
            "{name} {kind}"
        );
        let reply = udp_query(&topology.node, peer.address(), &query, ANSWER)?;
        let theirs = said(&Message::from_vec(
            &reply
                .with_context(|| format!("{name} {kind}: CoreDNS says:\n{}", peer.log()))?
                .bytes,
        )?);
        assert_eq!(ours, theirs, "{name} {kind} in {}", topology.pod(POD).label);
    }
    Ok(())
}
