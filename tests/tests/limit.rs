//! `--rate-limit` in namespaces: one pod asks for ten times what it may, beside ten that keep within it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hickory_proto::{
    op::Message,
    rr::{RData, RecordType, rdata::A},
};
use kxdns_tests::node::{
    ANSWER, Node, PATIENCE, SERVICE, SERVICE_IP, manifests, run_command, services,
};
use testbed::{
    Answer, Bpffs, Child, Load, Namespace, Question, Seen, Signal, Topology, UdpClient, query,
};

const NAME: &str = "web.default.svc.cluster.local.";
const ADDRESS: &str = "10.96.1.5";
/// Queries that a pod may ask in a second.
const RATE: u32 = 100;
/// Queries that it may ask at once: all that a modest one asks, which may come at once if this machine is held up.
const BURST: u32 = 200;
/// What the other pods ask in a second, and the one that floods.
const MODEST: u32 = 50;
const FLOOD: u32 = 10 * RATE;
const OTHERS: usize = 10;
/// How long.
const TIME: Duration = Duration::from_secs(3);

fn label(number: usize) -> String {
    format!("p{number}")
}

/// A node with many pods, and dns-ctl with this limit.
fn start(manifests: &str, hook: &str, over: &str) -> Result<Node> {
    let pods = (0..=OTHERS).fold(Topology::plan(), |plan, number| plan.pod(&label(number)));
    let service_6 = "fd00:96::a".parse::<std::net::IpAddr>()?;
    let bed = pods.service_ip(SERVICE_IP).service_ip(service_6).build()?;
    let (rate, burst) = (RATE.to_string(), BURST.to_string());
    let flags = [
        "--interface",
        "pod-*",
        "--hook",
        hook,
        "--rate-limit",
        &rate,
        "--rate-burst",
        &burst,
        "--rate-over",
        over,
        "--service-ip",
        "10.96.0.10,fd00:96::a",
    ];
    let bpffs = Bpffs::mount()?;
    let mut command = run_command(&bed, &bpffs, &["--manifests", manifests], &flags);
    let child = Child::spawn("dns-ctl", &mut command)?;
    let mut node = Node { child, bpffs, bed };
    node.wait_until_ready()?;
    Ok(node)
}

fn pod(node: &Node, number: usize) -> &Namespace {
    &node.bed.pod(&label(number)).namespace
}

fn load(namespace: &Namespace, rate: u32) -> Result<Load> {
    let address: A = A(ADDRESS.parse()?);
    let right = Answer::Records(vec![RData::A(address)]);
    let question = Question::new(NAME, RecordType::A, right);
    Load::start(namespace, SERVICE, vec![question], rate)
}

/// How often the kernel has counted the limit: told to ask over TCP, passed on, dropped.
fn counted(node: &Node) -> Result<[u64; 3]> {
    let status = node.status()?;
    let of = |kind: &str| {
        let count = status[kind]["rate_limited"].as_u64();
        count.with_context(|| format!("no counter in {kind}"))
    };
    Ok([of("hits")?, of("misses")?, of("drops")?])
}

#[test]
fn who_floods_is_held_back_and_others_are_not() -> Result<()> {
    let folder = manifests(&services(&[("web", ADDRESS)]))?;
    let path = folder.path().to_string_lossy();
    for (hook, over) in [
        ("tcx", "drop"),
        ("tcx", "truncate"),
        ("tcx", "pass"),
        ("tc", "drop"),
        ("xdp-generic", "truncate"),
    ] {
        flood(&path, hook, over).with_context(|| format!("{hook}, {over}"))?;
    }
    Ok(())
}

fn flood(manifests: &str, hook: &str, over: &str) -> Result<()> {
    let node = start(manifests, hook, over)?;
    let mut others = Vec::new();
    for number in 1..=OTHERS {
        others.push(load(pod(&node, number), MODEST)?);
    }
    let started = Instant::now();
    let mut flood = load(pod(&node, 0), FLOOD)?;
    std::thread::sleep(TIME);
    let flooded = flood.finish()?;
    for (number, load) in others.iter_mut().enumerate() {
        let seen = sum(&load.finish()?);
        ensure!(
            seen.sent > 0 && seen.right == seen.sent,
            "pod {number} beside the flood: {seen:?}"
        );
    }
    let seen = sum(&flooded);
    let [truncated, passed, dropped] = counted(&node)?;
    println!(
        "{hook}, {over}: {seen:?}; {truncated} told to ask over TCP, {passed} passed on, {dropped} dropped"
    );
    let held_back = truncated + passed + dropped;
    // By the time that the flood has really taken, however slow this machine is just now.
    let seconds = started.elapsed().as_secs() + 1;
    let most = u64::from(BURST) + u64::from(RATE) * seconds;
    ensure!(
        seen.sent - held_back <= most,
        "{held_back} of {} held back, and no more than {most} may get through",
        seen.sent
    );
    ensure!(
        seen.sent - held_back >= u64::from(BURST),
        "the burst is for everybody"
    );
    match over {
        "drop" => ensure!(held_back == dropped && seen.lost == dropped, "{seen:?}"),
        // The load takes an answer that is cut short for a wrong one.
        "truncate" => ensure!(
            held_back == truncated && seen.wrong == truncated,
            "{seen:?}"
        ),
        // The server answers.
        _ => ensure!(held_back == passed && seen.right == seen.sent, "{seen:?}"),
    }
    Ok(())
}

fn sum(seen: &Seen) -> testbed::Tally {
    let mut sum = testbed::Tally::default();
    for tally in seen.parts.iter().flat_map(|part| &part.tallies) {
        sum.sent += tally.sent;
        sum.right += tally.right;
        sum.failed += tally.failed;
        sum.wrong += tally.wrong;
        sum.lost += tally.lost;
    }
    sum
}

/// Both families have buckets, each address its own; and who is told to ask over TCP gets the answer there.
#[test]
fn a_real_client_comes_back_over_tcp() -> Result<()> {
    let folder = manifests(&services(&[("web", ADDRESS)]))?;
    let path = folder.path().to_string_lossy();
    let node = start(&path, "tcx", "truncate")?;
    let asked = query(7, NAME, RecordType::A)?;
    for (local, server) in [
        ("0.0.0.0:0", SERVICE),
        ("[::]:0", "[fd00:96::a]:53".parse()?),
    ] {
        let client = UdpClient::bind(pod(&node, 0), local.parse()?)?;
        let mut truncated = 0;
        // Far more than the bucket holds, however slow this machine is just now.
        for number in 0..20 * BURST {
            client.send(server, &asked)?;
            let reply = client.receive(ANSWER)?;
            let reply = reply.with_context(|| format!("no answer to query {number}"))?;
            let message = Message::from_vec(&reply.bytes)?;
            if message.metadata.truncation {
                ensure!(message.answers.is_empty(), "{message}");
                truncated += 1;
            } else {
                ensure!(message.answers.len() == 1, "{message}");
            }
        }
        ensure!(truncated > 0, "{server}: nothing was cut short");
    }
    let reply = testbed::tcp_query(pod(&node, 0), SERVICE, &asked, ANSWER)?;
    let message = Message::from_vec(&reply.bytes)?;
    ensure!(message.answers.len() == 1, "{message}");
    Ok(())
}

/// Asks one after the other; how many of so many answers were cut short.
fn cut_short(client: &UdpClient, queries: u32) -> Result<u32> {
    let asked = query(7, NAME, RecordType::A)?;
    let mut cut = 0;
    for number in 0..queries {
        client.send(SERVICE, &asked)?;
        let reply = client.receive(ANSWER)?;
        let reply = reply.with_context(|| format!("no answer to query {number}"))?;
        cut += u32::from(Message::from_vec(&reply.bytes)?.metadata.truncation);
    }
    Ok(cut)
}

/// A pod that forges another one's address uses up its own interface's bucket, not the other pod's.
#[test]
fn nobody_is_held_back_for_another_who_forges_the_address() -> Result<()> {
    let folder = manifests(&services(&[("web", ADDRESS)]))?;
    let path = folder.path().to_string_lossy();
    for hook in ["tcx", "xdp-generic"] {
        let node = start(&path, hook, "truncate")?;
        let victim = node.bed.pod(&label(0)).ipv4;
        pod(&node, 1).ip(&format!("address add {victim}/32 dev eth0"))?;
        let forger = UdpClient::bind(pod(&node, 1), (victim, 0).into())?;
        let cut = cut_short(&forger, 20 * BURST)?;
        ensure!(cut > 0, "{hook}: who forges is not held back");
        let client = UdpClient::bind(pod(&node, 0), (victim, 0).into())?;
        let cut = cut_short(&client, BURST)?;
        ensure!(cut == 0, "{hook}: {cut} of the other's answers");
    }
    Ok(())
}

/// The maps of the instance before go on being used, its limit does not.
#[test]
fn a_start_with_another_limit_has_that_one() -> Result<()> {
    let folder = manifests(&services(&[("web", ADDRESS)]))?;
    let path = folder.path().to_string_lossy().into_owned();
    for hook in ["tcx", "tc", "xdp-generic"] {
        let plan = Topology::plan().pod(&label(0)).pod(&label(1));
        let bed = plan.service_ip(SERVICE_IP).build()?;
        let source = ["--manifests", path.as_str()];
        let common = ["--interface", "pod-*", "--hook", hook];
        let limit = ["--rate-limit", "1", "--rate-burst", "5"];
        let mut node = Node::start(bed, &source, &common)?;
        for (number, is_limited) in [false, true, false].into_iter().enumerate() {
            if number > 0 {
                node.child.signal(Signal::SIGKILL)?;
                node.child.wait(PATIENCE)?;
                let flags = if is_limited { &limit[..] } else { &[] };
                let flags = [&common[..], flags].concat();
                let mut again = run_command(&node.bed, &node.bpffs, &source, &flags);
                node.child = Child::spawn("dns-ctl", &mut again)?;
                node.wait_until_ready()?;
            }
            let any = "0.0.0.0:0".parse()?;
            // In turns: a map with room for one client would begin anew with each.
            let clients = [0, 1].map(|number| UdpClient::bind(pod(&node, number), any));
            let mut cut = [0; 2];
            for _ in 0..100 {
                for (client, cut) in clients.iter().zip(&mut cut) {
                    let client = client
                        .as_ref()
                        .map_err(|error| anyhow::anyhow!("{error}"))?;
                    *cut += cut_short(client, 1)?;
                }
            }
            let is_held_back = cut.map(|cut| cut > 0);
            ensure!(is_held_back == [is_limited; 2], "{hook}, {number}: {cut:?}");
        }
    }
    Ok(())
}
