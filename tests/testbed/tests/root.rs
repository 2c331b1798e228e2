//! The testbed itself, on real namespaces: needs root, so it is built with the feature `root` only.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, also in its arrangements"
)]

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{RData, RecordType},
};
use testbed::{
    Bpffs, Child, Form, Hostile, Namespace, PodFiles, Relay, Reply, Script, Side, Source, Stream,
    Table, Topology, UdpClient, Upstream, kubelet_resolv_conf, output, query, tcp_query, udp_query,
};

const SERVICE_IP: [u8; 4] = [10, 96, 0, 10];
const SECOND: Duration = Duration::from_secs(1);

/// A topology with two pods, a host outside and a server on the DNS service's address.
fn bed() -> (Topology, Upstream) {
    let bed = Topology::plan()
        .pod("frontend")
        .pod("logger")
        .outside("internet")
        .service_ip(SERVICE_IP)
        .build()
        .unwrap();
    let table = Table::new()
        .address("example.org", [203, 0, 113, 10])
        .address("example.org", "2001:db8::10".parse::<IpAddr>().unwrap())
        .address("cache.default.svc.cluster.local", [10, 96, 1, 1])
        .reply(
            "big.example",
            RecordType::A,
            Reply::Truncated(vec![RData::A(Ipv4Addr::new(192, 0, 2, 1).into())]),
        )
        .reply("silent.example", RecordType::A, Reply::Drop);
    let server = Upstream::start(&bed.node, (SERVICE_IP, 53).into(), table).unwrap();
    (bed, server)
}

fn ask(name: &str) -> Vec<u8> {
    query(1, name, RecordType::A).unwrap()
}

#[test]
fn pods_reach_the_service_address_each_other_and_the_host_outside() {
    let (bed, _server) = bed();
    let targets = [
        IpAddr::from(SERVICE_IP),
        bed.pod("logger").ipv4.into(),
        bed.outside().ipv4.into(),
    ];
    let v6 = [bed.pod("logger").ipv6, bed.outside().ipv6];
    for target in targets
        .into_iter()
        .chain(v6.into_iter().flatten().map(IpAddr::from))
    {
        let reached = bed
            .pod("frontend")
            .namespace
            .run(|| refuses(target))
            .unwrap();
        assert!(reached, "{target} does not answer");
    }
}

/// Whether a host refuses a connection: packets go there and back, and no program is needed at the other end.
fn refuses(host: IpAddr) -> bool {
    std::net::TcpStream::connect_timeout(&SocketAddr::new(host, 9), SECOND)
        .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

#[test]
fn server_answers_over_udp_and_tcp_and_counts() {
    let (bed, server) = bed();
    let pod = &bed.pod("frontend").namespace;

    let reply = udp_query(pod, server.address(), &ask("example.org."), SECOND)
        .unwrap()
        .unwrap();
    let message = Message::from_vec(&reply.bytes).unwrap();
    assert_eq!(
        message.answers[0].data,
        RData::A(Ipv4Addr::new(203, 0, 113, 10).into())
    );
    assert_eq!(reply.from, server.address());

    let reply = udp_query(pod, server.address(), &ask("big.example."), SECOND)
        .unwrap()
        .unwrap();
    assert!(Message::from_vec(&reply.bytes).unwrap().metadata.truncation);
    let reply = tcp_query(pod, server.address(), &ask("big.example."), SECOND).unwrap();
    let message = Message::from_vec(&reply.bytes).unwrap();
    assert!(!message.metadata.truncation);
    assert_eq!(message.answers.len(), 1);

    let silence = udp_query(pod, server.address(), &ask("silent.example."), SECOND / 10).unwrap();
    assert!(silence.is_none());

    assert_eq!(server.queries_of("Big.Example"), 2);
    assert_eq!(server.queries(), 4);
}

#[test]
fn table_can_be_replaced_and_answers_delayed() {
    let (bed, server) = bed();
    let pod = &bed.pod("frontend").namespace;
    let late = Duration::from_millis(80);
    server.replace(
        Table::new()
            .address("late.example", [192, 0, 2, 7])
            .delay("late.example", late),
    );

    let client = UdpClient::bind(pod, "0.0.0.0:0".parse().unwrap()).unwrap();
    client
        .send(server.address(), &ask("late.example."))
        .unwrap();
    client.send(server.address(), &ask("example.org.")).unwrap();
    // The delayed answer does not hold up the other one.
    let first = Message::from_vec(&client.receive(SECOND).unwrap().unwrap().bytes).unwrap();
    let second = client.receive(SECOND).unwrap().unwrap();
    assert_eq!(first.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(Message::from_vec(&second.bytes).unwrap().answers.len(), 1);
    assert!(second.elapsed > late / 2);
}

#[test]
fn hostile_servers_follow_their_script() {
    let namespace = Namespace::new("hostile").unwrap();
    let server: SocketAddr = "127.0.0.1:53".parse().unwrap();
    let (truth, lie) = (Ipv4Addr::new(203, 0, 113, 1), Ipv4Addr::new(192, 0, 2, 66));
    let mut script = Script::new(truth, lie, 1, &[Form::OtherId, Form::Truth, Form::Truth]);
    script.datagrams[0].source = Source::NextAddress;
    script.datagrams[1].source = Source::OtherPort;
    script.datagrams[2].delay = Duration::from_millis(20);
    script.stream = Stream::Half;
    let hostile = Hostile::start(&namespace, server, script).unwrap();

    let client = UdpClient::bind(&namespace, "0.0.0.0:0".parse().unwrap()).unwrap();
    client.send(server, &ask("example.org.")).unwrap();
    let replies = [(); 3].map(|()| client.receive(SECOND).unwrap().unwrap());
    assert_eq!(replies[0].from, "127.0.0.2:53".parse().unwrap());
    assert_eq!(replies[1].from.ip(), server.ip());
    assert_ne!(replies[1].from.port(), server.port());
    assert_eq!(replies[2].from, server);
    assert_eq!(replies[1].bytes, replies[2].bytes);
    assert!(tcp_query(&namespace, server, &ask("example.org."), SECOND).is_err());
    assert_eq!(hostile.queries(), 2);
}

#[test]
fn a_relay_passes_on_and_back() {
    let namespace = Namespace::new("relay").unwrap();
    let table = Table::new().address("example.org", [203, 0, 113, 10]);
    let server = Upstream::start(&namespace, "127.0.0.1:53".parse().unwrap(), table).unwrap();
    let front = "127.0.0.2:53".parse().unwrap();
    let relay = Relay::start(&namespace, front, server.address()).unwrap();
    let reply = udp_query(&namespace, front, &ask("example.org."), SECOND).unwrap();
    let message = Message::from_vec(&reply.unwrap().bytes).unwrap();
    assert_eq!(message.answers.len(), 1);
    assert_eq!((relay.queries(), server.queries()), (1, 1));
}

#[test]
fn real_programs_resolve_as_in_a_pod_and_nobody_else_sees_it() {
    let (bed, server) = bed();
    let before = fs::read("/etc/resolv.conf").unwrap();
    let files = PodFiles::new(&kubelet_resolv_conf(
        SERVICE_IP.into(),
        "default",
        "cluster.local",
    ))
    .unwrap();
    let pod = &bed.pod("frontend").namespace;

    let found = output(
        pod.pod_command(&files, "getent")
            .args(["ahostsv4", "cache"]),
    )
    .unwrap();
    assert!(found.starts_with("10.96.1.1 "), "{found}");
    let missing = output(
        pod.pod_command(&files, "getent")
            .args(["ahostsv4", "nowhere"]),
    );
    assert!(missing.is_err());
    // Through the search list, then as it is.
    assert_eq!(server.queries_of("nowhere.default.svc.cluster.local"), 1);
    assert_eq!(server.queries_of("nowhere"), 1);

    assert_eq!(fs::read("/etc/resolv.conf").unwrap(), before);
}

#[test]
fn options_of_the_plan_are_set() {
    let bed = Topology::plan()
        .pod("a")
        .mtu(9001)
        .single_queue()
        .offload(Side::Pod, "gro", true)
        .build()
        .unwrap();
    let pod = &bed.pod("a").namespace;
    let near = bed.node.ip("-details link show pod-a").unwrap();
    assert!(near.contains("mtu 9001"), "{near}");
    assert!(near.contains("numtxqueues 1 numrxqueues 1 "), "{near}");
    let far = pod.ip("-details link show eth0").unwrap();
    assert!(far.contains("numtxqueues 1 numrxqueues 1 "), "{far}");
    let offloads = output(pod.command("ethtool").args(["-k", "eth0"])).unwrap();
    assert!(
        offloads.contains("generic-receive-offload: on"),
        "{offloads}"
    );
}

#[test]
fn nothing_is_left_behind() {
    let bed = Topology::plan().pod("a").build().unwrap();
    let path = bed.node.path();
    let bpffs = Bpffs::mount().unwrap();
    let mounted = bpffs.path().to_owned();
    let child = Child::spawn("sleep", bed.node.command("sleep").arg("100")).unwrap();
    let process = Path::new("/proc").join(child.pid().to_string());
    assert!(path.exists() && process.exists());
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    assert!(
        mounts.contains(&format!("{} bpf ", mounted.display())),
        "{mounts}"
    );

    let panicked = std::panic::catch_unwind(move || {
        let _guards = (child, bpffs, bed);
        panic!("as a test does that fails");
    });
    assert!(panicked.is_err());
    assert!(!path.exists());
    assert!(!process.exists());
    assert!(!mounted.exists());
}

#[test]
fn what_a_killed_process_left_is_removed() {
    // Process ids end at 2^22: this one never ran.
    let name = "kxdns-4194305-node-0";
    output(std::process::Command::new("ip").args(["netns", "add", name])).unwrap();
    let folder = std::env::temp_dir().join(name);
    fs::create_dir(&folder).unwrap();

    // Removal happens once per process: in one that has not made a namespace yet.
    let this = std::env::current_exe().unwrap();
    output(std::process::Command::new(this).args(["--exact", "closures_run_inside"])).unwrap();
    assert!(!Path::new("/run/netns").join(name).exists());
    assert!(!folder.exists());
}

#[test]
fn closures_run_inside() {
    let namespace = Namespace::new("inside").unwrap();
    let links = namespace
        .run(|| fs::read_to_string("/proc/thread-self/net/dev").unwrap())
        .unwrap();
    // Two lines of headings, and `lo`.
    assert_eq!(links.lines().count(), 3, "{links}");
    let panicked = std::panic::catch_unwind(|| namespace.run(|| panic!("passed on")));
    assert!(panicked.is_err());
}
