//! Life and death of dns-ctl: it leaves nothing behind, respects others, and can be started again.

use anyhow::{Context as _, Result, ensure};
use aya::programs::XdpMode;
use dns_ctl::attach::kernel::{Kernel, OBJECT};
use kxdns_tests::{
    leftovers::{attached, is_clean},
    node::{
        Node, PATIENCE, POD_INTERFACE, dns_ctl, manifests, outcome, plan, run_command, services,
    },
};
use testbed::{Bpffs, Child, Scratch, Signal, Topology};

const NAME: &str = "nginx.default.svc.cluster.local.";

fn one_service() -> Result<(Scratch, String)> {
    let folder = manifests(&services(&[("nginx", "10.96.1.5")]))?;
    let path = folder.path().to_string_lossy().into_owned();
    Ok((folder, path))
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
        let flags = ["--hook", hook, "--on-exit", "remove"];
        let mut node = Node::start(bed, &["--manifests", &path], &flags)?;
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
        let flags = ["--hook", next, "--on-exit", "remove"];
        let mut again = run_command(&node.bed, &node.bpffs, &source, &flags);
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
    let node = Node::start(plan().build()?, &["--manifests", &path], &[])?;
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
        node.eventually(|node| {
            let found = node.resolve(name)?;
            ensure!(found == expected, "{name}: {found:?}");
            Ok(())
        })?;
    }
    Ok(())
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
    command.args([
        "--metrics-listen",
        "127.0.0.1:9153",
        "--on-exit",
        "remove",
        "--bpffs",
    ]);
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
    let mut node = Node::start(
        plan().build()?,
        &["--manifests", &path],
        &["--hook", "tc", "--on-exit", "remove"],
    )?;
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
