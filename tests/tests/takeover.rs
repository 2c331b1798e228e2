//! One dns-ctl in the place of another that runs, and who may ask for that.

use std::{
    io::{Read as _, Write as _},
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            fs::PermissionsExt as _,
            net::{SocketAddr, UnixStream},
        },
    },
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use hickory_proto::rr::RecordType;
use kxdns_tests::node::{
    ANSWER, Node, PATIENCE, SERVICE, manifests, outcome, plan, run_command, services, unwrapped,
};
use testbed::{Child, Namespace, Scratch, Signal, UdpClient};

const NAME: &str = "web.default.svc.cluster.local.";
const ADDRESS: &str = "10.96.1.5";
/// A user that is nobody else here.
const NOBODY: &str = "65534";

/// A node with a Service, and the source's flags.
fn start() -> Result<(Node, Scratch, [String; 2])> {
    let folder = manifests(&services(&[("web", ADDRESS)]))?;
    let source = [
        "--manifests".to_owned(),
        folder.path().to_string_lossy().into_owned(),
    ];
    let node = Node::start(plan().build()?, &source.each_ref().map(String::as_str), &[])?;
    Ok((node, folder, source))
}

/// Connects to the socket by which an instance holds the network namespace.
fn connect(node: &Namespace) -> Result<UnixStream> {
    let stream = node.run(|| {
        let name = SocketAddr::from_abstract_name("kxdns")?;
        UnixStream::connect_addr(&name)
    })??;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Asks all the time; how many questions got no answer, of how many.
fn ask_until(stop: &AtomicBool, asked: &AtomicU64, client: &UdpClient) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        let [.., high, low] = number.to_be_bytes();
        let id = u16::from_be_bytes([high, low]);
        client.send(SERVICE, &testbed::query(id, NAME, RecordType::A)?)?;
        let reply = client.receive(ANSWER)?;
        let reply = reply.with_context(|| format!("no answer to query {number}"))?;
        ensure!(reply.bytes[..2] == [high, low]);
    }
    Ok(())
}

#[test]
fn no_answer_is_lost_when_one_takes_the_place_of_another() -> Result<()> {
    let (mut node, _folder, source) = start()?;
    let source = source.each_ref().map(String::as_str);
    let client = UdpClient::bind(node.pod(), ([0, 0, 0, 0], 0).into())?;
    let (stop, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| -> Result<()> {
        let load = scope.spawn(|| ask_until(&stop, &asked, &client));
        let rounds = (0..3).try_for_each(|_| -> Result<()> {
            let mut command = run_command(&node.bed, &node.bpffs, &source, &["--takeover"]);
            let next = Child::spawn("dns-ctl", &mut command)?;
            let mut before = std::mem::replace(&mut node.child, next);
            let status = before.wait(PATIENCE)?;
            let said = before.output();
            ensure!(status.code() == Some(0), "{status}: {said}");
            ensure!(said.contains("another dns-ctl takes over"), "{said}");
            node.wait_until_ready()?;
            let seen = asked.load(Ordering::Relaxed);
            // Some of the load meets the new one alone.
            node.eventually(|_| {
                ensure!(asked.load(Ordering::Relaxed) > seen + 10);
                Ok(())
            })
        });
        stop.store(true, Ordering::Relaxed);
        let load = load
            .join()
            .map_err(|_| anyhow::anyhow!("the load has panicked"))?;
        rounds.and(load)
    })?;
    assert_eq!(
        node.status()?["interfaces"].as_array().map(Vec::len),
        Some(1)
    );
    Ok(())
}

#[test]
fn without_the_flag_the_other_is_named() -> Result<()> {
    let (node, _folder, source) = start()?;
    let source = source.each_ref().map(String::as_str);
    // Neither those who say nothing nor those who say something else are in its way.
    let silent = (0..3).map(|_| connect(&node.bed.node));
    let _silent: Vec<_> = silent.collect::<Result<_>>()?;
    let mut command = run_command(&node.bed, &node.bpffs, &source, &[]);
    let (code, said) = outcome(&mut command)?;
    assert_eq!(code, Some(1), "{said}");
    let version = format!("version {}", dns_ctl::version::VERSION);
    let process = format!("process {}", node.child.pid());
    for word in [&version, &process, "--takeover", "--hook off"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert_eq!(said.lines().count(), 1, "one sentence: {said}");
    assert_eq!(node.resolve(NAME)?, Some(ADDRESS.parse()?));
    Ok(())
}

#[test]
fn who_says_nothing_or_nonsense_does_no_harm() -> Result<()> {
    let (mut node, _folder, source) = start()?;
    let here = &node.bed.node;
    let mut open = Vec::new();
    let long = vec![b'a'; 100_000];
    for words in [
        &b""[..],
        b"hello\n",
        b"\n",
        b"take",
        b"TAKEOVER\n",
        b"\xff\xfe\n",
        b"takeover please\n",
        &long,
    ] {
        let mut stream = connect(here)?;
        let mut hello = [0; 8];
        stream.read_exact(&mut hello)?;
        assert_eq!(&hello, b"version ");
        // It may have heard enough, and closed.
        let _closed = stream.write_all(words);
        open.push(stream);
    }
    drop(connect(here)?);
    // Each is let go of, at the latest when its time is over.
    for mut stream in open {
        let mut rest = Vec::new();
        let _reset = stream.read_to_end(&mut rest);
        let rest = String::from_utf8_lossy(&rest).into_owned();
        assert!(!rest.contains("refused"), "{rest}");
    }
    assert_eq!(node.page("/readyz")?.status, 200);
    assert_eq!(node.resolve(NAME)?, Some(ADDRESS.parse()?));

    // More of them than it listens to at once: one that means it waits no longer than they may be silent.
    let crowd = (0..40).map(|_| connect(&node.bed.node));
    let crowd: Vec<_> = crowd.collect::<Result<_>>()?;
    let source = source.each_ref().map(String::as_str);
    let mut command = run_command(&node.bed, &node.bpffs, &source, &["--takeover"]);
    let next = Child::spawn("dns-ctl", &mut command)?;
    let mut before = std::mem::replace(&mut node.child, next);
    assert_eq!(
        before.wait(PATIENCE)?.code(),
        Some(0),
        "{}",
        before.output()
    );
    drop(crowd);
    node.wait_until_ready()
}

/// It has been told to stop, and waits for its clients to go elsewhere: the next one is there for them.
#[test]
fn one_that_is_about_to_stop_makes_way_at_once() -> Result<()> {
    let folder = manifests(&services(&[("web", ADDRESS)]))?;
    let path = folder.path().to_string_lossy().into_owned();
    let source = ["--manifests", &path];
    let mut node = Node::start(plan().build()?, &source, &["--lameduck", "300"])?;
    node.child.signal(Signal::SIGTERM)?;
    node.child
        .wait_for_line("until clients are sent elsewhere", PATIENCE)?;
    let (code, said) = outcome(&mut run_command(&node.bed, &node.bpffs, &source, &[]))?;
    assert_eq!(code, Some(1), "{said}");
    let process = format!("process {}", node.child.pid());
    assert!(said.contains(&process), "{said}");

    let mut command = run_command(&node.bed, &node.bpffs, &source, &["--takeover"]);
    let next = Child::spawn("dns-ctl", &mut command)?;
    let mut before = std::mem::replace(&mut node.child, next);
    assert_eq!(
        before.wait(PATIENCE)?.code(),
        Some(0),
        "{}",
        before.output()
    );
    node.wait_until_ready()?;
    assert_eq!(node.resolve(NAME)?, Some(ADDRESS.parse()?));
    Ok(())
}

#[test]
fn another_user_can_not_ask_for_it() -> Result<()> {
    let (mut node, folder, source) = start()?;
    let everyone = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(folder.path(), everyone(0o755))?;
    let source = source.each_ref().map(String::as_str);
    let command = run_command(&node.bed, &node.bpffs, &source, &["--takeover"]);
    let mut nobody = node.bed.node.command("setpriv");
    nobody.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
    nobody.args(unwrapped(&command));
    let (code, said) = outcome(&mut nobody)?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("makes way for its own user only"), "{said}");
    let line = node
        .child
        .wait_for_line("refused", Duration::from_secs(30))?;
    assert!(line.contains(NOBODY), "{line}");
    assert_eq!(node.page("/readyz")?.status, 200);
    assert_eq!(node.resolve(NAME)?, Some(ADDRESS.parse()?));
    Ok(())
}
