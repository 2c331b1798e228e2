//! The capabilities that dns-ctl needs: with these it does everything; without any one of them it says which, and what
//! to do.

use std::process::Command;

use anyhow::{Result, ensure};
use hickory_proto::rr::RecordType;
use kxdns_tests::node::{
    Node, POD_INTERFACE, SERVICE, dns_ctl, manifests, outcome, plan, run_command, services,
    unwrapped,
};
use testbed::{Bpffs, Child, Scratch, Topology};

const NAME: &str = "web.default.svc.cluster.local.";
const ADDRESS: &str = "10.96.1.5";
/// All that it needs, and for what.
const NEEDED: [&str; 4] = ["bpf", "perfmon", "net_admin", "net_bind_service"];
/// Each way to attach that any interface has.
const HOOKS: [&str; 3] = ["tcx", "tc", "xdp-generic"];

struct Bed {
    topology: Topology,
    bpffs: Bpffs,
    folder: Scratch,
}

impl Bed {
    fn new() -> Result<Self> {
        Ok(Self {
            topology: plan().build()?,
            bpffs: Bpffs::mount()?,
            folder: manifests(&services(&[("web", ADDRESS)]))?,
        })
    }

    /// A command, with these capabilities and no way to more.
    fn confined(&self, command: &Command, capabilities: &[&str]) -> Command {
        let mut bounding = vec!["-all".to_owned()];
        bounding.extend(capabilities.iter().map(|name| format!("+{name}")));
        let mut confined = self.topology.node.command("setpriv");
        confined
            .arg(format!("--bounding-set={}", bounding.join(",")))
            .args(["--inh-caps=-all", "--no-new-privs"])
            .args(unwrapped(command));
        testbed::remove_settings(&mut confined);
        confined
    }

    fn run(&self, flags: &[&str], capabilities: &[&str]) -> Command {
        let source = ["--manifests", &self.folder.path().to_string_lossy()];
        let command = run_command(&self.topology, &self.bpffs, &source, flags);
        self.confined(&command, capabilities)
    }
}

#[test]
fn the_stated_capabilities_are_enough_for_every_hook() -> Result<()> {
    for hook in HOOKS {
        let bed = Bed::new()?;
        let command = &mut bed.run(&["--hook", hook, "--interface", "auto"], &NEEDED);
        let child = Child::spawn("dns-ctl", command)?;
        let Bed {
            topology,
            bpffs,
            folder,
        } = bed;
        let mut node = Node {
            child,
            bpffs,
            bed: topology,
        };
        node.wait_until_ready()?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", node.child.pid()))?;
        // Bits 10, 12, 38 and 39 of linux/capability.h.
        ensure!(
            status.contains("CapEff:\t000000c000001400"),
            "{hook}: {status}"
        );
        let expected = Some(ADDRESS.parse()?);
        ensure!(
            node.resolve(NAME)? == expected,
            "{hook}: {}",
            node.child.output()
        );
        ensure!(node.hits()? == 1, "{hook}: {}", node.child.output());
        let by_server = node.message_of_server(NAME, RecordType::A)?;
        ensure!(by_server.answers.len() == 1, "{hook}: {by_server:?}");
        node.child.signal(testbed::Signal::SIGTERM)?;
        let end = node.child.wait(kxdns_tests::node::PATIENCE)?;
        ensure!(end.code() == Some(0), "{hook}: {}", node.child.output());

        // And to take all of it off again.
        let bed = Bed {
            topology: node.bed,
            bpffs: node.bpffs,
            folder,
        };
        let mut uninstall = dns_ctl(&bed.topology.node)?;
        let pins = bed.bpffs.path().join("kxdns");
        uninstall.args(["uninstall", "--bpffs"]).arg(&pins);
        let (code, said) = outcome(&mut bed.confined(&uninstall, &NEEDED[..3]))?;
        ensure!(
            code == Some(0) && said.contains(POD_INTERFACE),
            "{hook}: {said}"
        );
        ensure!(!pins.exists(), "{hook}: {said}");
    }
    Ok(())
}

#[test]
fn a_missing_capability_is_named_with_what_to_do() -> Result<()> {
    for missing in NEEDED {
        let bed = Bed::new()?;
        let rest: Vec<&str> = NEEDED.into_iter().filter(|name| *name != missing).collect();
        let named = format!("CAP_{}", missing.to_uppercase());
        for hook in HOOKS {
            let (code, said) = outcome(&mut bed.run(&["--hook", hook], &rest))?;
            ensure!(code == Some(1), "{named}: {code:?}: {said}");
            let sentence = said.lines().filter(|line| line.starts_with("dns-ctl: "));
            let sentence: Vec<&str> = sentence.collect();
            ensure!(sentence.len() == 1, "{named}: {said}");
            for words in [&*named, "securityContext.capabilities.add"] {
                ensure!(sentence[0].contains(words), "{named}, {words}: {said}");
            }
            let others = NEEDED.iter().filter(|name| **name != missing);
            for other in others.map(|name| format!("CAP_{}", name.to_uppercase())) {
                ensure!(!sentence[0].contains(&other), "{named}, {other}: {said}");
            }
        }
        ensure!(
            !bed.bpffs.path().join("kxdns").exists(),
            "{named}: something stays"
        );
        // `check` says the same beforehand.
        let mut check = dns_ctl(&bed.topology.node)?;
        check
            .args(["check", "--manifests"])
            .arg(bed.folder.path())
            .args([
                "--interface",
                POD_INTERFACE,
                "--listen",
                &SERVICE.to_string(),
                "--upstream",
                "127.0.0.1:5300",
            ])
            .arg("--bpffs")
            .arg(bed.bpffs.path().join("kxdns"));
        let (code, said) = outcome(&mut bed.confined(&check, &rest))?;
        let line = said
            .lines()
            .find(|line| line.starts_with("fail") && line.contains(&named));
        ensure!(code == Some(1) && line.is_some(), "{named}: {said}");
    }
    Ok(())
}

#[test]
fn a_server_alone_needs_no_capability_but_for_its_port() -> Result<()> {
    let bed = Bed::new()?;
    for (capabilities, listen) in [
        (&[][..], "127.0.0.1:5353"),
        (&["net_bind_service"], "127.0.0.1:53"),
    ] {
        let flags = [
            "--manifests",
            &bed.folder.path().to_string_lossy(),
            "--hook",
            "off",
            "--listen",
            listen,
        ];
        let mut command = dns_ctl(&bed.topology.node)?;
        command
            .arg("run")
            .args(flags)
            .arg("--bpffs")
            .arg(bed.bpffs.path().join("kxdns"));
        let mut child = Child::spawn("dns-ctl", &mut bed.confined(&command, capabilities))?;
        child.wait_for_line("serving DNS", kxdns_tests::node::PATIENCE)?;
    }
    Ok(())
}
