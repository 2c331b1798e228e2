//! Life and death of dns-ctl: it leaves nothing behind, respects others, and says clearly what it can't do.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use aya::programs::{SchedClassifier, TcAttachType, XdpMode};
use dns_ctl::attach::kernel::{Kernel, OBJECT};
use kxdns_tests::node::{
    Node, PATIENCE, POD_INTERFACE, dns_ctl, manifests, plan, run_command, services,
};
use testbed::{Bpffs, Child, Namespace, Scratch, Signal, Topology};

const NAME: &str = "nginx.default.svc.cluster.local.";

fn one_service() -> Result<(Scratch, String)> {
    let folder = manifests(&services(&[("nginx", "10.96.1.5")]))?;
    let path = folder.path().to_string_lossy().into_owned();
    Ok((folder, path))
}

/// What is attached to the pod's interface: tcx programs, XDP programs, qdiscs, filters.
fn attached(node: &Namespace) -> Result<String> {
    let tcx = node.run(|| -> Result<Vec<String>> {
        let (_, programs) = SchedClassifier::query_tcx(POD_INTERFACE, TcAttachType::Ingress)?;
        let names = programs.iter().filter_map(|program| program.name_as_str());
        Ok(names.map(str::to_owned).collect())
    })??;
    let link = node.ip(&format!("-details link show dev {POD_INTERFACE}"))?;
    let xdp = link
        .lines()
        .filter(|line| line.contains("prog/xdp"))
        .collect::<String>();
    let tc = |arguments: &str| -> Result<String> {
        testbed::output(node.command("tc").args(arguments.split(' ')))
    };
    let qdiscs = tc(&format!("qdisc show dev {POD_INTERFACE}"))?;
    let filters = if qdiscs.contains("clsact") {
        tc(&format!("filter show dev {POD_INTERFACE} ingress"))?
    } else {
        String::new()
    };
    Ok(format!("tcx {tcx:?}\n{xdp}\n{qdiscs}{filters}"))
}

fn is_clean(node: &Namespace) -> Result<()> {
    let attached = attached(node)?;
    for trace in ["kxdns", "prog/xdp", "clsact"] {
        ensure!(!attached.contains(trace), "{attached}");
    }
    Ok(())
}

#[test]
fn nothing_is_left_on_any_hook_after_either_signal() -> Result<()> {
    let (_folder, path) = one_service()?;
    for (hook, signal) in [
        ("tcx", Signal::SIGTERM),
        ("tc", Signal::SIGINT),
        ("xdp-generic", Signal::SIGTERM),
        ("xdp-native", Signal::SIGINT),
    ] {
        let bed = plan().single_queue().build()?;
        let mut node = Node::start(bed, &["--manifests", &path], &["--hook", hook])?;
        is_clean(&node.bed.node).expect_err(hook);
        node.child.signal(signal)?;
        let status = node.child.wait(PATIENCE)?;
        assert_eq!(status.code(), Some(0), "{hook}: {}", node.child.output());
        is_clean(&node.bed.node).with_context(|| hook.to_owned())?;
        assert!(!node.folder().exists(), "{hook}: the pins are gone");
    }
    Ok(())
}

#[test]
fn a_killed_instance_can_be_started_again_on_any_hook() -> Result<()> {
    let (folder, path) = one_service()?;
    for (hook, next) in [
        ("tcx", "tcx"),
        ("tc", "tc"),
        ("tc", "tcx"),
        ("tc", "xdp-generic"),
        ("xdp-generic", "tc"),
    ] {
        let name = format!("{hook}, then {next}");
        folder.write("services.yaml", &services(&[("nginx", "10.96.1.5")]))?;
        let source = ["--manifests", &path];
        let mut node = Node::start(plan().build()?, &source, &["--hook", hook])?;
        node.child.signal(Signal::SIGKILL)?;
        node.child.wait(PATIENCE)?;
        let status = node.status()?;
        assert_eq!(status["running"], false, "{status}");
        // What the killed instance knew no longer holds.
        folder.write("services.yaml", &services(&[("other", "10.96.1.6")]))?;
        let mut again = run_command(&node.bed, &node.bpffs, &source, &["--hook", next]);
        node.child = Child::spawn("dns-ctl", &mut again)?;
        node.wait_until_ready()?;
        assert_eq!(node.resolve(NAME)?, None, "{name}");
        let other = node.resolve("other.default.svc.cluster.local.")?;
        assert_eq!(other, Some("10.96.1.6".parse()?), "{name}");
        let status = node.status()?;
        assert_eq!(status["running"], true);
        assert_eq!(
            status["hits"]["a"], 1,
            "{name}: once, by one program: {status}"
        );
        node.child.signal(Signal::SIGTERM)?;
        node.child.wait(PATIENCE)?;
        is_clean(&node.bed.node).with_context(|| name)?;
    }
    Ok(())
}

#[test]
fn a_second_instance_is_refused_and_does_no_harm() -> Result<()> {
    let (_folder, path) = one_service()?;
    let node = Node::start(plan().build()?, &["--manifests", &path], &["--hook", "tc"])?;
    let elsewhere = Bpffs::mount()?;
    for folder in [node.folder(), elsewhere.path().join("kxdns")] {
        let mut command = dns_ctl(&node.bed.node)?;
        command.args([
            "run",
            "--manifests",
            &path,
            "--interface",
            POD_INTERFACE,
            "--hook",
            "tc",
        ]);
        command
            .args(["--listen", "127.0.0.1:5353", "--bpffs"])
            .arg(folder);
        let (code, said) = outcome(&mut command)?;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("another dns-ctl"), "{said}");
    }
    assert_eq!(node.resolve(NAME)?, Some("10.96.1.5".parse()?));
    assert_eq!(node.hits()?, 1);
    Ok(())
}

#[test]
fn a_foreign_xdp_program_is_left_alone() -> Result<()> {
    let (_folder, path) = one_service()?;
    let bed = plan().build()?;
    let _foreign = bed.node.run(|| -> Result<Kernel> {
        let mut kernel = Kernel::load(OBJECT, 1)?;
        kernel.xdp()?.attach(POD_INTERFACE, XdpMode::Skb)?;
        Ok(kernel)
    })??;
    let before = attached(&bed.node)?;
    assert!(before.contains("prog/xdp"), "{before}");
    let bpffs = Bpffs::mount()?;
    for hook in ["xdp-generic", "xdp-native"] {
        let mut command = run_command(&bed, &bpffs, &["--manifests", &path], &["--hook", hook]);
        let (code, said) = outcome(&mut command)?;
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains("another XDP program is attached and is left alone"),
            "{said}"
        );
        assert_eq!(attached(&bed.node)?, before);
    }
    Ok(())
}

#[test]
fn what_can_not_be_done_is_said_in_a_sentence_with_the_remedy() -> Result<()> {
    let (folder, path) = one_service()?;
    let bed = plan().build()?;
    let bpffs = Bpffs::mount()?;
    let good = ["--manifests", path.as_str()];
    let broken = folder.path().join("kubeconfig");
    fs::write(&broken, "apiVersion: v1\nkind: Config\nclusters: [")?;
    let broken = broken.to_string_lossy().into_owned();
    for (source, flags, code, words) in [
        (
            &good[..],
            &["--interface", "eth7"][..],
            1,
            &["no interface `eth7`", POD_INTERFACE][..],
        ),
        (
            &good,
            &["--bpffs", "/tmp/kxdns-no-bpffs"],
            1,
            &["not on a BPF file system", "mount -t bpf"],
        ),
        (&good, &["--hook", "off"], 2, &["--hook off", "--interface"]),
        (&good, &["--ttl", "9999"], 2, &["9999", "--ttl"]),
        (
            &good,
            &["--bpffs", "/tmp"],
            1,
            &["not on a BPF file system"],
        ),
        (
            &good,
            &["--listen", "192.0.2.1:53"],
            1,
            &["192.0.2.1:53", "--listen"],
        ),
        (&good, &["--frobnicate"], 2, &["--frobnicate"]),
        (
            &good,
            &["--kubeconfig", "a"],
            2,
            &["--kubeconfig", "--manifests"],
        ),
        (
            &["--manifests", "/nonexistent"],
            &[],
            1,
            &["/nonexistent", "--manifests"],
        ),
        (&["--kubeconfig", "/nonexistent"], &[], 1, &["/nonexistent"]),
        (&["--kubeconfig", &broken], &[], 1, &["kubeconfig"]),
    ] {
        let (got, said) = outcome(&mut run_command(&bed, &bpffs, source, flags))?;
        assert_eq!(got, Some(code), "{flags:?}: {said}");
        for word in words {
            assert!(
                said.contains(word),
                "{flags:?} does not say `{word}`: {said}"
            );
        }
        is_clean(&bed.node).with_context(|| format!("{flags:?}"))?;
    }
    Ok(())
}

#[test]
fn missing_privileges_are_named() -> Result<()> {
    let (_folder, path) = one_service()?;
    let bed = plan().build()?;
    let bpffs = Bpffs::mount()?;
    let command = run_command(&bed, &bpffs, &["--manifests", &path], &[]);
    for (dropped, missing) in [
        ("-bpf,-sys_admin,-perfmon", &["CAP_BPF", "CAP_PERFMON"][..]),
        ("-sys_admin,-perfmon", &["CAP_PERFMON"]),
        ("-net_admin", &["CAP_NET_ADMIN"]),
    ] {
        let mut unprivileged = bed.node.command("setpriv");
        // The arguments begin with the way into the namespace, which this command has gone already.
        let arguments = command
            .get_args()
            .skip_while(|word| !word.as_encoded_bytes().ends_with(b"dns-ctl"));
        unprivileged
            .arg(format!("--bounding-set={dropped}"))
            .args(arguments);
        let (code, said) = outcome(&mut unprivileged)?;
        assert_eq!(code, Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "one sentence: {said}");
        assert!(said.contains("--hook off"), "{said}");
        for name in ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"] {
            assert_eq!(
                said.contains(name),
                missing.contains(&name),
                "{name}: {said}"
            );
        }
    }
    is_clean(&bed.node)
}

#[test]
fn a_manifest_with_a_mistake_is_named_and_the_rest_is_served() -> Result<()> {
    let folder = manifests(&services(&[("nginx", "10.96.1.5")]))?;
    folder.write(
        "broken.yaml",
        "apiVersion: v1\nkind: Service\nmetadata: {name: [\n",
    )?;
    let path = folder.path().to_string_lossy().into_owned();
    let mut node = Node::start(plan().build()?, &["--manifests", &path], &[])?;
    let line = node.child.wait_for_line("broken.yaml", PATIENCE)?;
    assert!(line.contains("broken.yaml:"), "with its line: {line}");
    assert_eq!(node.resolve(NAME)?, Some("10.96.1.5".parse()?));
    Ok(())
}

#[test]
fn a_manifest_written_while_it_runs_takes_effect() -> Result<()> {
    let (folder, path) = one_service()?;
    let mut node = Node::start(plan().build()?, &["--manifests", &path], &[])?;
    for (text, name, address) in [
        (
            services(&[("nginx", "10.96.1.6"), ("late", "10.96.1.7")]),
            NAME,
            Some("10.96.1.6"),
        ),
        (
            services(&[("late", "10.96.1.8")]),
            "late.default.svc.cluster.local.",
            Some("10.96.1.8"),
        ),
        (services(&[("late", "10.96.1.8")]), NAME, None),
    ] {
        folder.write("services.yaml", &text)?;
        let expected = address.map(str::parse).transpose()?;
        eventually(&mut node, |node| {
            let found = node.resolve(name)?;
            ensure!(found == expected, "{name}: {found:?}");
            Ok(())
        })?;
    }
    Ok(())
}

/// Waits until `check` holds.
fn eventually(node: &mut Node, check: impl Fn(&Node) -> Result<()>) -> Result<()> {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        match check(node) {
            Ok(()) => return Ok(()),
            Err(error) if std::time::Instant::now() > deadline => {
                return Err(error).with_context(|| node.child.output());
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Runs a program that ends by itself: its exit code and all that it said.
fn outcome(command: &mut Command) -> Result<(Option<i32>, String)> {
    let mut child = Child::spawn("dns-ctl", command)?;
    let status = child.wait(PATIENCE)?;
    Ok((status.code(), child.output()))
}

#[test]
fn an_interface_that_goes_does_not_end_it() -> Result<()> {
    let (_folder, path) = one_service()?;
    let bed: Topology = plan().pod("other").build()?;
    let mut node = Node::start(bed, &["--manifests", &path], &["--interface", "pod-other"])?;
    node.bed.node.ip("link del pod-other")?;
    assert_eq!(node.resolve(NAME)?, Some("10.96.1.5".parse()?));
    node.child.signal(Signal::SIGTERM)?;
    assert_eq!(
        node.child.wait(PATIENCE)?.code(),
        Some(0),
        "{}",
        node.child.output()
    );
    is_clean(&node.bed.node)
}

#[test]
fn accelerate_needs_no_server_and_stays() -> Result<()> {
    let (_folder, path) = one_service()?;
    let bed = plan().build()?;
    let bpffs = Bpffs::mount()?;
    let mut command = dns_ctl(&bed.node)?;
    command.args(["run", "--mode", "accelerate", "--manifests", &path]);
    command.args(["--interface", POD_INTERFACE, "--service-ip", "10.96.0.10"]);
    command.args(["--metrics-listen", "127.0.0.1:9153", "--bpffs"]);
    command.arg(bpffs.path().join("kxdns"));
    let child = Child::spawn("dns-ctl", &mut command)?;
    let mut node = Node { child, bpffs, bed };
    node.wait_until_ready()?;
    for _ in 0..20 {
        assert_eq!(node.resolve(NAME)?, Some("10.96.1.5".parse()?));
    }
    node.child.signal(Signal::SIGTERM)?;
    assert_eq!(
        node.child.wait(PATIENCE)?.code(),
        Some(0),
        "{}",
        node.child.output()
    );
    is_clean(&node.bed.node)
}

/// Somebody empties the qdisc while we run, and puts a filter of their own where ours was.
#[test]
fn a_foreign_filter_in_our_place_is_left_alone() -> Result<()> {
    let (_folder, path) = one_service()?;
    let mut node = Node::start(plan().build()?, &["--manifests", &path], &["--hook", "tc"])?;
    // One classic instruction: no packet matches.
    let bytecode = ["bpf", "bytecode", "1,6 0 0 0"];
    let place = "filter add dev pod-client ingress pref 49152 handle 1";
    for (arguments, more) in [
        ("qdisc del dev pod-client clsact", &[][..]),
        ("qdisc add dev pod-client clsact", &[]),
        (place, &bytecode),
    ] {
        let mut tc = node.bed.node.command("tc");
        testbed::output(tc.args(arguments.split(' ')).args(more))?;
    }
    let before = attached(&node.bed.node)?;
    assert!(before.contains("bytecode"), "{before}");
    node.child.signal(Signal::SIGTERM)?;
    node.child.wait(PATIENCE)?;
    assert_eq!(attached(&node.bed.node)?, before);
    Ok(())
}
