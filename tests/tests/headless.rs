//! Headless Services of a thousand endpoints: whole over TCP, and over UDP as much as fits, marked as cut.

use std::{
    collections::BTreeSet,
    fmt::Debug,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use api_stub::{Cluster, sample};
use hickory_proto::{
    op::{Edns, Message, ResponseCode},
    rr::{RData, RecordType},
};
use kxdns_tests::server::Server;
use serde_json::{Value, json};
use testbed::{Namespace, Scratch, tcp_query, udp_query};

/// Endpoints of each Service.
const ENDPOINTS: u16 = 1000;
/// Endpoints of a slice: as many as the controller puts into one.
const PER_SLICE: usize = 100;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where the server listens.
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53);
/// The largest datagram to a client, whatever it asks for.
const LARGEST_DATAGRAM: usize = 1232;
/// A namespace and a Service with names so short that a thousand SRV records fit into a message.
const SHORT: (&str, &str) = ("n", "m");
/// The same in IPv6.
const SHORT_V6: (&str, &str) = ("n", "s");
/// As long as names may be: the message can't hold all.
const LONG: (&str, &str) = (
    "a-namespace-that-has-a-name-of-so-many-letters-as-there-may-be1",
    "a-service-that-has-a-name-of-so-many-letters-as-there-may-be-12",
);

fn v4(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(10, 244, high, low).into()
}

fn v6(number: u16) -> IpAddr {
    Ipv6Addr::new(0xFD00, 0x10, 0x244, 0, 0, 0, 0, number).into()
}

/// The addresses of a Service's endpoints.
fn addresses(of: fn(u16) -> IpAddr) -> Vec<IpAddr> {
    (1..=ENDPOINTS).map(of).collect()
}

/// A headless Service of one family, and its slices.
fn objects((namespace, service): (&str, &str), addresses: &[IpAddr]) -> Vec<Value> {
    let family = if addresses.iter().all(IpAddr::is_ipv6) {
        "IPv6"
    } else {
        "IPv4"
    };
    let mut headless = sample::service(namespace, service, "None");
    headless["spec"]["ipFamilies"] = json!([family]);
    headless["spec"]["ipFamilyPolicy"] = "SingleStack".into();
    let slices = addresses.chunks(PER_SLICE).enumerate();
    let slices = slices.map(|(number, addresses)| {
        let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let endpoints: Vec<_> = texts.iter().map(|text| (text.as_str(), "")).collect();
        let mut slice = sample::slice(namespace, service, &endpoints);
        // As the controller cuts long names.
        slice["metadata"]["name"] = format!("{service:.50}-{number}").into();
        slice["addressType"] = family.into();
        slice
    });
    [headless].into_iter().chain(slices).collect()
}

struct Bed {
    namespace: Namespace,
    server: Server,
    _cluster: Cluster,
    _folder: Scratch,
}

impl Bed {
    fn start() -> Result<Self> {
        let namespace = Namespace::new("headless")?;
        let cluster = namespace.run(Cluster::start)??;
        let mut all = vec![sample::namespace(SHORT.0), sample::namespace(LONG.0)];
        all.extend(objects(SHORT, &addresses(v4)));
        all.extend(objects(SHORT_V6, &addresses(v6)));
        all.extend(objects(LONG, &addresses(v4)));
        namespace.run(|| {
            all.iter()
                .try_for_each(|object| cluster.create(object).map(drop))
        })??;
        let folder = Scratch::new("kubeconfig")?;
        let path = folder.path().join("kubeconfig");
        cluster.write_kubeconfig(&path)?;
        let path = path.to_string_lossy().into_owned();
        // Nothing here is asked of others.
        let flags = ["--upstream", "127.0.0.2:53"];
        let source = ["--kubeconfig", path.as_str()];
        let server = Server::start_on(&namespace, SERVER, &source, &flags)?;
        Ok(Self {
            namespace,
            server,
            _cluster: cluster,
            _folder: folder,
        })
    }

    /// Asks over UDP, with so many octets in EDNS.
    fn over_udp(&self, name: &str, kind: RecordType, size: Option<u16>) -> Result<Answer> {
        let mut query = Message::from_vec(&testbed::query(7, name, kind)?)?;
        if let Some(size) = size {
            let mut edns = Edns::new();
            edns.set_max_payload(size);
            query.set_edns(edns);
        }
        let reply = udp_query(
            &self.namespace,
            self.server.address,
            &query.to_vec()?,
            PATIENCE,
        )?;
        Answer::read(&reply.context("no answer")?.bytes)
    }

    fn over_tcp(&self, name: &str, kind: RecordType) -> Result<Answer> {
        let query = testbed::query(7, name, kind)?;
        let reply = tcp_query(&self.namespace, self.server.address, &query, PATIENCE)?;
        Answer::read(&reply.bytes)
    }

    /// The lines that dig prints, each once and in order.
    fn dig(&self, arguments: &[&str]) -> Result<BTreeSet<String>> {
        let mut dig = self.namespace.command("dig");
        dig.args(["+short", "+tries=1", "+time=20", "@127.0.0.1"]);
        let text = testbed::output(dig.args(arguments))?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

/// A reply.
struct Answer {
    length: usize,
    truncated: bool,
    records: Vec<RData>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Result<Self> {
        let message = Message::from_vec(bytes)?;
        let rcode = message.metadata.response_code;
        ensure!(rcode == ResponseCode::NoError, "{rcode}");
        Ok(Self {
            length: bytes.len(),
            truncated: message.metadata.truncation,
            records: message
                .answers
                .into_iter()
                .map(|record| record.data)
                .collect(),
        })
    }

    fn addresses(&self) -> Result<BTreeSet<IpAddr>> {
        once(self.records.iter().filter_map(RData::ip_addr))
    }

    /// The targets of SRV records; port and weight are checked.
    fn targets(&self) -> Result<BTreeSet<String>> {
        let srv = self.records.iter().filter_map(|record| match record {
            RData::SRV(srv) => Some(srv),
            _ => None,
        });
        let srv: Vec<_> = srv.collect();
        for srv in &srv {
            ensure!((srv.priority, srv.weight, srv.port) == (0, 1, 80), "{srv}");
        }
        once(srv.iter().map(|srv| srv.target.to_string()))
    }
}

/// The values as a set; an error if one comes twice.
fn once<T: Ord + Debug + Clone>(values: impl Iterator<Item = T>) -> Result<BTreeSet<T>> {
    let mut set = BTreeSet::new();
    for value in values {
        ensure!(set.insert(value.clone()), "{value:?} comes twice");
    }
    Ok(set)
}

fn service_name((namespace, service): (&str, &str)) -> String {
    format!("{service}.{namespace}.svc.cluster.local.")
}

fn srv_name(service: (&str, &str)) -> String {
    format!("_http._tcp.{}", service_name(service))
}

/// The endpoints' own names.
fn targets(service: (&str, &str), of: fn(u16) -> IpAddr) -> BTreeSet<String> {
    let dashed = |address: IpAddr| address.to_string().replace(['.', ':'], "-");
    let name = |address| format!("{}.{}", dashed(address), service_name(service));
    addresses(of).into_iter().map(name).collect()
}

#[test]
fn a_thousand_addresses() -> Result<()> {
    let bed = Bed::start()?;
    for (service, kind, of) in [
        (SHORT, RecordType::A, v4 as fn(u16) -> IpAddr),
        (SHORT_V6, RecordType::AAAA, v6),
        (LONG, RecordType::A, v4),
    ] {
        let name = service_name(service);
        let all: BTreeSet<_> = addresses(of).into_iter().collect();
        for (size, limit) in [
            (None, 512),
            (Some(512), 512),
            (Some(1232), 1232),
            (Some(4096), LARGEST_DATAGRAM),
            (Some(65_535), LARGEST_DATAGRAM),
        ] {
            let answer = bed.over_udp(&name, kind, size)?;
            let what = format!("{name} {kind} {size:?}");
            assert!(answer.truncated, "{what}");
            assert!(answer.length <= limit, "{what}: {} octets", answer.length);
            let some = answer.addresses().context(what.clone())?;
            assert!(some.is_subset(&all), "{what}: {some:?}");
        }
        let whole = bed.over_tcp(&name, kind)?;
        assert!(!whole.truncated, "{name}");
        assert_eq!(whole.addresses()?, all, "{name}");
    }
    Ok(())
}

#[test]
fn a_thousand_locations() -> Result<()> {
    let bed = Bed::start()?;
    for (service, of) in [(SHORT, v4 as fn(u16) -> IpAddr), (SHORT_V6, v6)] {
        let (name, all) = (srv_name(service), targets(service, of));
        let part = bed.over_udp(&name, RecordType::SRV, None)?;
        assert!(part.truncated && part.length <= 512, "{}", part.length);
        assert!(part.targets()?.is_subset(&all));
        let whole = bed.over_tcp(&name, RecordType::SRV)?;
        assert!(!whole.truncated, "{name}: {} octets", whole.length);
        assert_eq!(whole.targets()?, all);
    }
    Ok(())
}

#[test]
fn more_locations_than_a_message_holds() -> Result<()> {
    let bed = Bed::start()?;
    let all = targets(LONG, v4);
    let answer = bed.over_tcp(&srv_name(LONG), RecordType::SRV)?;
    let some = answer.targets()?;
    assert!(some.is_subset(&all));
    assert!(some.len() < all.len() && answer.truncated);
    // No further one would fit: a record has its target (175 octets and the address), and 18 more at most.
    assert!(answer.length > 65_535 - 210, "{} octets", answer.length);
    Ok(())
}

#[test]
fn dig_gets_all_of_them() -> Result<()> {
    let bed = Bed::start()?;
    let texts = |of| {
        addresses(of)
            .iter()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>()
    };
    let (v4, v6) = (texts(v4), texts(v6));
    for transport in ["+notcp", "+tcp"] {
        let name = service_name(SHORT);
        assert_eq!(bed.dig(&[transport, &name, "A"])?, v4, "{transport}");
        let name = service_name(SHORT_V6);
        assert_eq!(bed.dig(&[transport, &name, "AAAA"])?, v6, "{transport}");
    }
    let part = bed.dig(&[
        "+notcp",
        "+ignore",
        "+bufsize=1232",
        &service_name(SHORT),
        "A",
    ])?;
    assert!(part.is_subset(&v4), "{part:?}");
    Ok(())
}
