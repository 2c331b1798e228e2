//! How many series there are, and what a page costs, in a cluster of ten thousand Services with traffic of all kinds.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use hickory_proto::rr::RecordType;
use kxdns_tests::node::{Node, PATIENCE, SERVICE, manifests, plan, services};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use testbed::{Reply, Table, UdpClient, Upstream, tcp_query, udp_query};

/// Services of the cluster.
const SERVICES: u32 = 10_000;
/// Clients on the node, each with an address of its own.
const CLIENTS: u8 = 250;
/// Questions of the pod, which meet the kernel.
const QUESTIONS: u16 = 600;
/// The bound that docs/metrics.md states: all series but those of upstreams and probes, and those of each of them.
const MOST: usize = 1000;
const MOST_OF_UPSTREAM: usize = 30;

/// The series of a page, without their values.
fn series(page: &str) -> BTreeSet<&str> {
    page.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(series, _)| series)
        .collect()
}

/// A query of any name and type, some of them spoilt.
fn any_query(random: &mut SmallRng) -> Result<Vec<u8>> {
    let label: String = (0..random.random_range(1..20))
        .map(|_| char::from(random.random_range(b'a'..=b'z')))
        .collect();
    let name = match random.random_range(0..6) {
        0 => format!(
            "service-{}.default.svc.cluster.local.",
            random.random_range(0..SERVICES)
        ),
        1 => format!("{label}.default.svc.cluster.local."),
        2 => format!("{label}.{label}.svc.cluster.local."),
        3 => format!("broken.{label}.com."),
        4 => format!("{}.7.96.10.in-addr.arpa.", random.random_range(0..256)),
        _ => format!("{label}.com."),
    };
    let kind = RecordType::from(random.random_range(1..70_u16));
    let mut query = testbed::query(random.random(), &name, kind)?;
    match random.random_range(0..8) {
        0 => query[2] ^= random.random::<u8>() & 0x7F,
        1 => query.truncate(random.random_range(0..query.len())),
        2 => {
            let at = random.random_range(0..query.len());
            query[at] = random.random();
        }
        // EDNS, of a version that there is or not.
        3 => {
            query[11] = 1;
            query.extend_from_slice(&[0, 0, 41, 4, 208, 0, random.random_range(0..2), 0, 0, 0, 0]);
        }
        _ => {}
    }
    Ok(query)
}

#[test]
fn the_number_of_series_is_bounded_whatever_clients_ask() -> Result<()> {
    let names: Vec<_> = (0..SERVICES)
        .map(|at| {
            let address = IpAddr::from((0x0A60_0000 + 256 + at).to_be_bytes()).to_string();
            (format!("service-{at}"), address)
        })
        .collect();
    let pairs: Vec<_> = names
        .iter()
        .map(|(name, address)| (&**name, &**address))
        .collect();
    let folder = manifests(&services(&pairs))?;
    let bed = plan().build()?;
    let table = Table::new().reply("broken.a.com.", RecordType::A, Reply::Refused);
    let _upstream = Upstream::start(&bed.node, "127.0.0.1:5300".parse()?, table)?;
    let path = folder.path().to_string_lossy().into_owned();
    let node = Node::start(bed, &["--manifests", &path], &[])?;

    let seed = rand::random();
    println!("seed {seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    for number in 0..QUESTIONS {
        let query = any_query(&mut random)?;
        let pod = UdpClient::bind(node.pod(), "0.0.0.0:0".parse()?)?;
        pod.send(SERVICE, &query)?;
        if number % 8 == 0 {
            // Garbage may be answered by closing the connection.
            let _answered = tcp_query(node.pod(), SERVICE, &query, PATIENCE);
        }
    }
    let clients = (0..CLIENTS)
        .map(|last| UdpClient::bind(&node.bed.node, SocketAddr::new([127, 8, 8, last].into(), 0)))
        .collect::<Result<Vec<_>>>()?;
    for client in clients.iter().cycle().take(usize::from(QUESTIONS)) {
        client.send(SERVICE, &any_query(&mut random)?)?;
    }
    let last = testbed::query(1, "service-1.default.svc.cluster.local.", RecordType::A)?;
    udp_query(node.pod(), SERVICE, &last, PATIENCE)?.context("the kernel is silent")?;

    let begun = Instant::now();
    let page = node.page("/metrics")?;
    let took = begun.elapsed();
    ensure!(page.status == 200, "{}", page.body);
    let held = testbed::sum(&page.body, "kxdns_kernel_names").unwrap_or(0.0);
    ensure!(held >= f64::from(SERVICES), "{held} names");
    let all = series(&page.body);
    let (of_upstreams, others): (Vec<&str>, Vec<&str>) = all
        .iter()
        .copied()
        .partition(|series| series.contains("upstream=\""));
    println!(
        "{} series, {} of them of one upstream; {} octets in {took:?}",
        all.len(),
        of_upstreams.len(),
        page.body.len()
    );
    ensure!(others.len() <= MOST, "{}: {others:#?}", others.len());
    ensure!(of_upstreams.len() <= MOST_OF_UPSTREAM, "{of_upstreams:#?}");
    ensure!(others.len() > 200, "was there any traffic?");

    // The maps are held by the process: without their pins, the page is as it was.
    fs::remove_dir_all(node.folder()).or_else(|_| remove_files(&node.folder()))?;
    let page = node.page("/metrics")?;
    ensure!(
        page.body.contains("kxdns_kernel_counters_readable 1"),
        "{}",
        page.body
    );
    ensure!(series(&page.body).len() >= all.len(), "some are gone");
    Ok(())
}

/// Removes all pins of a folder that can be removed.
fn remove_files(folder: &std::path::Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_files(&path)?;
        } else {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
