//! A node on which `dns-ctl check` finds nothing amiss, and what it says there.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use api_stub::{ApiStub, Cluster};
use kxdns_tests::node::{PATIENCE, POD_INTERFACE, SERVICE, SERVICE_IP, dns_ctl, plan};
use serde_json::Value;
use testbed::{Bpffs, Child, Scratch, Table, Topology, Upstream};

/// Where the upstream answers.
pub(crate) const UPSTREAM: SocketAddr = local(5300);
/// Where nobody answers.
pub(crate) const NOBODY: SocketAddr = local(5399);

pub(crate) const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// A node on which everything is as it should be.
pub(crate) struct Bed {
    pub(crate) upstream: Upstream,
    pub(crate) cluster: Cluster,
    pub(crate) kubeconfig: String,
    pub(crate) folder: Scratch,
    pub(crate) bpffs: Bpffs,
    pub(crate) node: Topology,
}

impl Bed {
    pub(crate) fn new(start: impl FnOnce() -> Result<Cluster> + Send) -> Result<Self> {
        let node = plan().build()?;
        let cluster = node.node.run(start)??;
        let folder = Scratch::new("check")?;
        let kubeconfig = folder.path().join("kubeconfig");
        cluster.write_kubeconfig(&kubeconfig)?;
        Ok(Self {
            upstream: Upstream::start(&node.node, UPSTREAM, Table::new())?,
            cluster,
            kubeconfig: kubeconfig.to_string_lossy().into_owned(),
            folder,
            bpffs: Bpffs::mount()?,
            node,
        })
    }

    /// With the API stub, whose faults can be chosen.
    pub(crate) fn with_stub() -> Result<Self> {
        Self::new(|| Cluster::of_stub(ApiStub::start()?))
    }

    pub(crate) fn stub(&self) -> Result<&ApiStub> {
        self.cluster.stub().context("this is a stub")
    }

    /// The folder for pinned maps.
    fn pins(&self) -> PathBuf {
        self.bpffs.path().join("kxdns")
    }

    /// `dns-ctl check` with flags for which all is well; those in `flags` replace them, and an empty value leaves
    /// one out.
    pub(crate) fn command(&self, flags: &[(&str, &str)]) -> Result<Command> {
        let mut command = dns_ctl(&self.node.node)?;
        command.arg("check");
        let pins = self.pins();
        let usual = [
            ("--kubeconfig", self.kubeconfig.as_str()),
            ("--interface", POD_INTERFACE),
            ("--service-ip", &SERVICE_IP.to_string()),
            ("--listen", &SERVICE.to_string()),
            ("--upstream", &UPSTREAM.to_string()),
            ("--bpffs", &pins.to_string_lossy()),
            ("--output", "json"),
        ];
        let is_given = |name: &str| flags.iter().any(|(flag, _)| *flag == name);
        let kept = usual.into_iter().filter(|(name, _)| !is_given(name));
        for (name, value) in kept.chain(flags.iter().copied()) {
            if !value.is_empty() {
                command.args([name, value]);
            }
        }
        Ok(command)
    }

    pub(crate) fn check(&self, flags: &[(&str, &str)]) -> Result<Report> {
        Report::of(&mut self.command(flags)?)
    }
}

/// What a run of `check` said.
pub(crate) struct Report {
    pub(crate) code: Option<i32>,
    pub(crate) json: Value,
}

impl Report {
    pub(crate) fn of(command: &mut Command) -> Result<Self> {
        let (code, said) = outcome(command)?;
        let json = serde_json::from_str(&said).with_context(|| said)?;
        Ok(Self { code, json })
    }

    pub(crate) fn lines(&self) -> Result<&Vec<Value>> {
        self.json["checks"].as_array().context("`checks` is a list")
    }

    /// Whether the exit code is this, only these checks are not passed, each as bad as stated, and what was found
    /// and is to be done about it has these words.
    pub(crate) fn expect(&self, code: i32, problems: &[(&str, &str, &str)]) -> Result<()> {
        let json = &self.json;
        ensure!(self.code == Some(code), "{:?}: {json:#}", self.code);
        ensure!(json["ok"] == (code == 0), "{json:#}");
        let bad = self.lines()?.iter().filter(|line| line["result"] != "pass");
        let bad: Vec<&Value> = bad.collect();
        ensure!(bad.len() == problems.len(), "{json:#}");
        for (check, result, words) in problems {
            let fits = |line: &&&Value| {
                let text = format!("{} {}", line["found"], line["remedy"]);
                line["check"] == *check && line["result"] == *result && text.contains(words)
            };
            let count = bad.iter().filter(fits).count();
            ensure!(count == 1, "{check} {result} {words}: {json:#}");
        }
        Ok(())
    }
}

/// Runs a program that ends by itself: its exit code and all that it said.
pub(crate) fn outcome(command: &mut Command) -> Result<(Option<i32>, String)> {
    let mut child = Child::spawn("dns-ctl check", command)?;
    let status = child.wait(PATIENCE)?;
    Ok((status.code(), child.output()))
}

/// What of the node a check might change.
pub(crate) fn traces(bed: &Bed) -> Result<String> {
    let node = &bed.node.node;
    let mut seen = node.ip("-details link show")?;
    let tc = ["qdisc", "show"];
    seen += &testbed::output(node.command("tc").args(tc))?;
    seen += &testbed::output(node.command("ss").args(["-lntuH"]))?;
    for folder in [bed.bpffs.path(), bed.folder.path()] {
        let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name()));
        let mut names = names.collect::<Result<Vec<_>>>()?;
        names.sort();
        seen.extend(names.iter().map(|name| format!("{}\n", name.display())));
    }
    Ok(seen)
}
