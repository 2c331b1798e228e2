//! Every way to fail at the start: the exit code, one sentence with the place and the remedy, and nothing left behind.

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            fs::chown,
            net::{SocketAddr, UnixStream},
        },
    },
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use aya::maps::MapInfo;
use dns_ctl::attach::kernel::{Kernel, OBJECT};
use hickory_proto::{op::ResponseCode, rr::RecordType};
use kxdns_tests::{
    foreign,
    leftovers::{attached, is_clean},
    node::{
        METRICS, Node, PATIENCE, POD_INTERFACE, SERVICE, manifests, outcome, plan, run_command,
        services, unwrapped,
    },
};
use testbed::{Bpffs, Scratch, Signal, Topology};

const NAME: &str = "web.default.svc.cluster.local.";
const ADDRESS: &str = "10.96.1.5";
/// A user that is nobody else here.
const NOBODY: u32 = 65534;

/// A node on which dns-ctl does not come to run.
struct Bed {
    topology: Topology,
    bpffs: Bpffs,
    folder: Scratch,
}

impl Bed {
    fn new() -> Result<Self> {
        let folder = manifests(&services(&[("web", ADDRESS)]))?;
        fs::write(folder.path().join("file"), "")?;
        let broken = "apiVersion: v1\nkind: Config\nclusters: [";
        fs::write(folder.path().join("kubeconfig"), broken)?;
        Ok(Self {
            topology: plan().build()?,
            bpffs: Bpffs::mount()?,
            folder,
        })
    }

    /// The folder of pins.
    fn pins(&self) -> std::path::PathBuf {
        self.bpffs.path().join("kxdns")
    }

    /// The command with these flags; `@` stands for a folder with manifests, a file and a broken kubeconfig.
    fn command(&self, flags: &[&str]) -> Command {
        let here = self.folder.path().to_string_lossy();
        let flags: Vec<_> = flags.iter().map(|flag| flag.replace('@', &here)).collect();
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        let sources = ["--manifests", "--kubeconfig"];
        let source = if sources.iter().any(|source| flags.contains(source)) {
            &[][..]
        } else {
            &["--manifests", &here]
        };
        run_command(&self.topology, &self.bpffs, source, &flags)
    }

    /// Runs the command, which is to end with this code and these words, and checks that nothing has changed.
    fn refused(&self, command: &mut Command, code: i32, words: &[&str]) -> Result<()> {
        let before = tree(self.bpffs.path())?;
        let (got, said) = outcome(command)?;
        ensure!(got == Some(code), "{got:?}: {said}");
        for word in words {
            ensure!(said.contains(word), "it does not say `{word}`: {said}");
        }
        // clap has a form of its own, and shows the usage.
        let sentences = said.lines().filter(|line| line.starts_with("dns-ctl: "));
        let is_usage = code == 2 && said.starts_with("error: ");
        ensure!(
            sentences.count() == 1 || is_usage,
            "not one sentence: {said}"
        );
        ensure!(said.matches("os error").count() <= 1, "said twice: {said}");
        ensure!(
            !said.contains("ERROR") && !said.contains("panicked"),
            "{said}"
        );
        ensure!(
            tree(self.bpffs.path())? == before,
            "something stays: {said}"
        );
        is_clean(&self.topology.node)?;
        let claim = self.topology.node.run(|| {
            let name = SocketAddr::from_abstract_name("kxdns")?;
            UnixStream::connect_addr(&name)
        })?;
        ensure!(claim.is_err(), "somebody has the claim");
        Ok(())
    }
}

/// All that is in a folder, at any depth.
fn tree(path: &Path) -> Result<Vec<String>> {
    let find = testbed::output(Command::new("find").arg(path))?;
    let mut lines: Vec<_> = find.lines().map(str::to_owned).collect();
    lines.sort();
    Ok(lines)
}

#[test]
fn wrong_flags_are_refused_in_a_sentence() -> Result<()> {
    let bed = Bed::new()?;
    for (flags, code, words) in [
        (
            &["--hook", "off"][..],
            2,
            &["--hook off", "--interface"][..],
        ),
        (&["--ttl", "9999"], 2, &["9999", "--ttl"]),
        (&["--lease", "9"], 2, &["9", "--lease"]),
        (&["--grace", "0"], 2, &["0", "--grace"]),
        (&["--frobnicate"], 2, &["--frobnicate"]),
        (
            &["--kubeconfig", "a", "--manifests", "b"],
            2,
            &["--kubeconfig", "--manifests"],
        ),
        (
            &["--state-dir", "a", "--manifests", "b"],
            2,
            &["--state-dir", "--manifests"],
        ),
        (
            &["--manifests", "/nonexistent"],
            1,
            &["/nonexistent", "--manifests"],
        ),
        (&["--kubeconfig", "/nonexistent"], 1, &["/nonexistent"]),
        (
            &["--kubeconfig", "@/kubeconfig"],
            1,
            &["kubeconfig:3: not a kubeconfig", "--kubeconfig"],
        ),
        (
            &["--interface", "eth7"],
            1,
            &["no interface `eth7`", POD_INTERFACE],
        ),
        (
            &["--listen", "192.0.2.1:53"],
            1,
            &["192.0.2.1:53", "--listen"],
        ),
        (
            &["--metrics-listen", "192.0.2.1:1"],
            1,
            &["192.0.2.1:1", "--metrics-listen"],
        ),
        (
            &["--bpffs", "/tmp/kxdns-no-bpffs"],
            1,
            &[
                "/tmp/kxdns-no-bpffs",
                "not on a BPF file system",
                "mount -t bpf",
            ],
        ),
        (
            &["--bpffs", "/tmp"],
            1,
            &["not on a BPF file system", "--bpffs"],
        ),
        (
            &["--bpffs", "/proc/nowhere/kxdns"],
            1,
            &["not on a BPF file system", "--bpffs"],
        ),
    ] {
        bed.refused(&mut bed.command(flags), code, words)
            .with_context(|| format!("{flags:?}"))?;
    }
    Ok(())
}

#[test]
fn a_place_for_the_snapshot_that_is_none() -> Result<()> {
    let bed = Bed::new()?;
    for (path, words) in [
        (
            "@/missing/state",
            &["@/missing/state can't be made", "--state-dir"][..],
        ),
        ("@/file", &["@/file is not a folder", "--state-dir"]),
        (
            "/proc/self/fd",
            &["nothing can be kept in", "/proc/self/fd", "--state-dir"],
        ),
    ] {
        // This one is whole, but leads nowhere: it is not asked before all else is right.
        let kubeconfig = api_stub::kubeconfig("http://127.0.0.1:1", None);
        fs::write(bed.folder.path().join("kubeconfig"), kubeconfig)?;
        let flags = ["--kubeconfig", "@/kubeconfig", "--state-dir", path];
        let here = bed.folder.path().to_string_lossy();
        let words: Vec<_> = words.iter().map(|word| word.replace('@', &here)).collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        bed.refused(&mut bed.command(&flags), 1, &words)
            .with_context(|| path.to_owned())?;
    }
    Ok(())
}

#[test]
fn a_port_that_is_taken() -> Result<()> {
    let bed = Bed::new()?;
    let node = &bed.topology.node;
    let tcp = node.run(|| TcpListener::bind(SERVICE))??;
    let who = [
        "in use by another process",
        "10.96.0.10:53",
        "--listen",
        "ss -lpn sport = :53",
    ];
    bed.refused(&mut bed.command(&[]), 1, &[&who[..], &["TCP"]].concat())?;
    drop(tcp);
    let udp = node.run(|| UdpSocket::bind(SERVICE))??;
    bed.refused(&mut bed.command(&[]), 1, &[&who[..], &["UDP"]].concat())?;
    drop(udp);
    let _metrics = node.run(|| TcpListener::bind(METRICS))??;
    let words = ["127.0.0.1:9153", "for metrics", "--metrics-listen"];
    bed.refused(&mut bed.command(&[]), 1, &words)
}

#[test]
fn a_pin_folder_that_is_not_ours() -> Result<()> {
    type Prepare = fn(&Path) -> Result<()>;
    let cases: [(Prepare, &[&str]); 6] = [
        (
            |pins| Ok(fs::create_dir_all(pins.join("cilium"))?),
            &["kxdns/cilium is not of dns-ctl", "--bpffs"],
        ),
        (
            |pins| Ok(fs::create_dir_all(pins.join("links/eth0"))?),
            &["kxdns/links/eth0 is not of dns-ctl", "--bpffs"],
        ),
        (
            |pins| {
                fs::create_dir(pins)?;
                Ok(chown(pins, Some(NOBODY), None)?)
            },
            &["kxdns belongs to user 65534", "user 0", "--bpffs"],
        ),
        (
            |pins| {
                fs::create_dir_all(pins.join("v4"))?;
                Ok(chown(pins.join("v4"), Some(NOBODY), None)?)
            },
            &["kxdns/v4 belongs to user 65534", "remove it"],
        ),
        (
            |pins| {
                fs::create_dir_all(pins.join("v4"))?;
                Kernel::load_pinned(OBJECT, 7, &pins.join("v4"))?;
                Ok(chown(pins.join("v4/NAMES"), Some(NOBODY), None)?)
            },
            &["kxdns/v4/NAMES belongs to user 65534"],
        ),
        (
            |pins| {
                let parent = pins.parent().context("it is in a mount")?;
                let mut mount = Command::new("mount");
                testbed::output(mount.args(["-o", "remount,ro"]).arg(parent)).map(drop)
            },
            &["is mounted read-only", "mount -o remount,rw"],
        ),
    ];
    for (prepare, words) in cases {
        let bed = Bed::new()?;
        prepare(&bed.pins())?;
        bed.refused(&mut bed.command(&[]), 1, words)
            .with_context(|| format!("{words:?}"))?;
    }
    Ok(())
}

#[test]
fn missing_privileges_are_named() -> Result<()> {
    let bed = Bed::new()?;
    for (dropped, words, others) in [
        (
            "-bpf,-sys_admin,-perfmon",
            &["CAP_BPF and CAP_PERFMON", "--hook off"][..],
            &["CAP_NET_ADMIN"][..],
        ),
        (
            "-sys_admin,-perfmon",
            &["CAP_PERFMON", "--hook off"],
            &["CAP_BPF", "CAP_NET_ADMIN"],
        ),
        (
            "-net_admin",
            &["CAP_NET_ADMIN", "--hook off"],
            &["CAP_BPF", "CAP_PERFMON"],
        ),
        (
            "-net_bind_service",
            &["10.96.0.10:53", "CAP_NET_BIND_SERVICE", "--listen"],
            &["CAP_BPF"],
        ),
    ] {
        let command = bed.command(&[]);
        let mut unprivileged = bed.topology.node.command("setpriv");
        unprivileged.arg(format!("--bounding-set={dropped}"));
        unprivileged.args(unwrapped(&command));
        bed.refused(&mut unprivileged, 1, words)
            .with_context(|| dropped.to_owned())?;
        let (_, said) = outcome(&mut unprivileged)?;
        for other in others {
            assert!(!said.contains(other), "{other}: {said}");
        }
    }
    Ok(())
}

/// One that fails late, when it has loaded its programs, leaves those of the one before as they are.
#[test]
fn a_start_that_fails_leaves_what_was_there() -> Result<()> {
    let folder = manifests(&services(&[("web", ADDRESS)]))?;
    let path = folder.path().to_string_lossy().into_owned();
    let source = ["--manifests", path.as_str()];
    let mut node = Node::start(plan().build()?, &source, &["--hook", "tcx"])?;
    node.child.signal(Signal::SIGKILL)?;
    node.child.wait(PATIENCE)?;
    let _xdp = foreign::xdp(&node.bed.node, POD_INTERFACE)?;
    let (pins, before) = (tree(&node.folder())?, attached(&node.bed.node)?);
    for more in [
        &[][..],
        &["--max-names", "100"],
        &["--ttl", "60"],
        &["--cluster-domain", "other.local"],
        &["--kernel-negative", "off"],
    ] {
        let flags = [&["--hook", "xdp-generic"], more].concat();
        let mut command = run_command(&node.bed, &node.bpffs, &source, &flags);
        let (code, said) = outcome(&mut command)?;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("another XDP program is attached"), "{said}");
        assert_eq!(tree(&node.folder())?, pins, "{more:?}: {said}");
        assert_eq!(attached(&node.bed.node)?, before, "{more:?}: {said}");
        let hits = node.hits()?;
        let answer = node.message(NAME, RecordType::A)?;
        let [record] = &*answer.answers else {
            anyhow::bail!("{more:?}: {answer}");
        };
        assert_eq!(record.data.ip_addr(), Some(ADDRESS.parse()?));
        assert_eq!(record.ttl, 5, "{more:?}");
        let denied = node.message(&format!("no-{NAME}"), RecordType::A)?;
        let code = denied.metadata.response_code;
        assert_eq!(code, ResponseCode::NXDomain, "{more:?}");
        assert_eq!(node.hits()?, hits + 2, "{more:?}");
    }
    Ok(())
}

/// That is no reason to fail: they are exchanged for maps that fit.
#[test]
fn maps_of_another_shape_are_exchanged() -> Result<()> {
    let bed = Bed::new()?;
    let maps = bed.pins().join("v4");
    fs::create_dir_all(&maps)?;
    drop(Kernel::load_pinned(OBJECT, 7, &maps)?);
    assert_eq!(MapInfo::from_pin(maps.join("NAMES"))?.max_entries(), 7);
    let child = testbed::Child::spawn("dns-ctl", &mut bed.command(&[]))?;
    let Bed {
        topology,
        bpffs,
        folder: _folder,
    } = bed;
    let mut node = Node {
        child,
        bpffs,
        bed: topology,
    };
    node.wait_until_ready()?;
    node.eventually(|node| {
        ensure!(MapInfo::from_pin(maps.join("NAMES"))?.max_entries() == 131_072);
        ensure!(!node.folder().join("v4-next").exists());
        Ok(())
    })?;
    assert_eq!(node.resolve(NAME)?, Some(ADDRESS.parse()?));
    assert_eq!(node.hits()?, 1);
    Ok(())
}
