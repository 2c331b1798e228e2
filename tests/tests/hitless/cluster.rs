//! What is asked for: names that stay, by those that come and go; and what is right to answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::{
    Name, RData, RecordType,
    rdata::{PTR, SRV, TXT},
};
use testbed::{Answer, Question, Table};

/// Services with an address of each family.
const DUAL: u8 = 16;
/// Services with an IPv4 address only.
const SINGLE: u8 = 4;
/// Endpoints of the headless Service.
const ENDPOINTS: u8 = 3;
/// Services that there may be besides.
const PASSING: u8 = 40;
/// A name outside the cluster.
const OUTSIDE: &str = "www.example.org.";
const OUTSIDE_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

fn service(name: &str, addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    let first = texts.first().map_or("None", String::as_str);
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n\
         spec: {{clusterIP: \"{first}\", clusterIPs: {texts:?}, ports: [{{name: http, port: 80}}]}}\n---\n"
    )
}

fn v4(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 96, 1, number).into()
}

fn v6(number: u8) -> IpAddr {
    Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 1, number.into()).into()
}

fn endpoint(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 244, 9, number).into()
}

/// The manifest of what stays.
pub(crate) fn lasting() -> String {
    let dual = (0..DUAL).map(|n| service(&format!("dual-{n}"), &[v4(n), v6(n)]));
    let single = (0..SINGLE).map(|n| service(&format!("single-{n}"), &[v4(100 + n)]));
    let ring = "apiVersion: v1\nkind: Service\nmetadata: {name: ring, namespace: default}\n\
                spec: {clusterIP: None, ports: [{name: http, port: 80}]}\n---\n";
    let slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
                 metadata: {name: ring-1, namespace: default, labels: {kubernetes.io/service-name: ring}}\n\
                 addressType: IPv4\nports: [{name: http, port: 80}]\nendpoints:\n";
    let endpoints = (0..ENDPOINTS).map(|n| format!("- addresses: [{}]\n", endpoint(n)));
    let mut text: String = dual.chain(single).collect();
    text.extend([ring, slice]);
    text.extend(endpoints);
    text
}

/// The manifest of what comes and goes, in its `turn`: some of the Services, each with another address each time.
pub(crate) fn passing(turn: u64) -> String {
    let is_there = |n: &u8| (u64::from(*n) * 7 + turn * turn).is_multiple_of(3);
    let there = (0..PASSING).filter(is_there);
    let marker = service("turn", &[marker(turn)]);
    let services = there.map(|n| service(&format!("passing-{n}"), &[of_turn(turn, n)]));
    services.chain([marker]).collect()
}

/// The name that tells which turn it is.
pub(crate) const MARKER: &str = "turn.default.svc.cluster.local";

/// The address of [`MARKER`] in a turn.
pub(crate) fn marker(turn: u64) -> IpAddr {
    of_turn(turn, 200)
}

fn of_turn(turn: u64, number: u8) -> IpAddr {
    let [.., high, low] = turn.to_be_bytes();
    Ipv4Addr::new(10, 128 | high & 127, low, number).into()
}

/// The Internet's DNS.
pub(crate) fn internet() -> Table {
    Table::new().address(OUTSIDE, OUTSIDE_ADDRESS)
}

fn records(addresses: &[IpAddr]) -> Answer {
    let data = |&address: &IpAddr| match address {
        IpAddr::V4(address) => RData::A(address.into()),
        IpAddr::V6(address) => RData::AAAA(address.into()),
    };
    Answer::Records(addresses.iter().map(data).collect())
}

fn full(name: &str) -> String {
    format!("{name}.default.svc.cluster.local.")
}

fn domain(name: &str) -> Name {
    Name::from_ascii(name).expect("a domain name")
}

fn pointer(address: IpAddr, name: &str) -> Question {
    let reverse = Name::from(address).to_string();
    let data = RData::PTR(PTR(domain(name)));
    Question::new(&reverse, RecordType::PTR, Answer::Records(vec![data]))
}

/// Questions that the kernel answers all the time: addresses and names of addresses.
pub(crate) fn held() -> Vec<Question> {
    use RecordType::{A, AAAA};
    let mut questions = Vec::new();
    for n in 0..DUAL {
        let name = full(&format!("dual-{n}"));
        questions.push(Question::new(&name, A, records(&[v4(n)])));
        questions.push(Question::new(&name, AAAA, records(&[v6(n)])));
        questions.push(pointer(v4(n), &name));
        questions.push(pointer(v6(n), &name));
    }
    for n in 0..SINGLE {
        let name = full(&format!("single-{n}"));
        questions.push(Question::new(&name, A, records(&[v4(100 + n)])));
    }
    let endpoints: Vec<IpAddr> = (0..ENDPOINTS).map(endpoint).collect();
    questions.push(Question::new(&full("ring"), A, records(&endpoints)));
    questions
}

/// Questions that the kernel denies, but passes on while its map of names is being changed.
pub(crate) fn denied() -> Vec<Question> {
    let single = (0..SINGLE).map(|n| {
        let name = full(&format!("single-{n}"));
        Question::new(&name, RecordType::AAAA, Answer::NoData)
    });
    let absent = (0..DUAL).map(|n| full(&format!("absent-{n}")));
    // As a pod's search list has them.
    let searched = ["default.svc.cluster.local.", "svc.cluster.local."];
    let searched = searched.map(|suffix| format!("{OUTSIDE}{suffix}"));
    let absent = absent.chain(searched);
    let absent = absent.map(|name| Question::new(&name, RecordType::A, Answer::NxDomain));
    single.chain(absent).collect()
}

/// Questions that only the server answers.
pub(crate) fn served() -> Vec<Question> {
    let name = full("dual-0");
    // For each of two addresses (CoreDNS has it so).
    let service = SRV::new(0, 50, 80, domain(&name));
    let version = TXT::new(vec!["1.1.0".to_owned()]);
    vec![
        Question::new(
            &format!("_http._tcp.{name}"),
            RecordType::SRV,
            Answer::Records(vec![RData::SRV(service)]),
        ),
        Question::new(
            "dns-version.cluster.local.",
            RecordType::TXT,
            Answer::Records(vec![RData::TXT(version)]),
        ),
        Question::new(OUTSIDE, RecordType::A, records(&[OUTSIDE_ADDRESS.into()])),
    ]
}
