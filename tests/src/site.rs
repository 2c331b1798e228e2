//! A node beside an API server that goes away and comes back, on which dns-ctl is ended and started again.

use std::{net::IpAddr, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use api_stub::{ApiStub, sample};
use hickory_proto::{op::ResponseCode, rr::RecordType};
use serde_json::Value;
use testbed::{Bpffs, Child, Scratch, Signal, Topology};

use crate::node::{Node, PATIENCE, run_command};

/// The node, its API server, and a folder for what outlives dns-ctl.
#[derive(Debug)]
pub struct Site {
    /// The node; its program may have ended.
    pub node: Node,
    /// The API server.
    pub api: ApiStub,
    folder: Scratch,
}

impl Site {
    /// Starts an API server with Services of these names and addresses, and dns-ctl with these flags; waits
    /// until it is ready.
    ///
    /// `@` in a flag stands for the folder of the site.
    pub fn start(bed: Topology, services: &[(&str, &str)], flags: &[&str]) -> Result<Self> {
        let mut site = Self::prepare(bed, services, flags, |_| {})?;
        site.node.wait_until_ready()?;
        Ok(site)
    }

    /// Does so once the API server is prepared, and does not wait.
    pub fn prepare(
        bed: Topology,
        services: &[(&str, &str)],
        flags: &[&str],
        prepare: impl FnOnce(&ApiStub),
    ) -> Result<Self> {
        let api = bed.node.run(ApiStub::start)??;
        for (name, address) in services {
            api.create(&sample::service("default", name, address))?;
        }
        let folder = Scratch::new("site")?;
        api.write_kubeconfig(&folder.path().join("kubeconfig"))?;
        prepare(&api);
        let bpffs = Bpffs::mount()?;
        let child = spawn(&bed, &bpffs, &folder, flags)?;
        Ok(Self {
            node: Node { child, bpffs, bed },
            api,
            folder,
        })
    }

    /// Starts dns-ctl, which is taken to have ended, again; does not wait until it is ready.
    pub fn restart(&mut self, flags: &[&str]) -> Result<()> {
        let Node { bed, bpffs, child } = &mut self.node;
        *child = spawn(bed, bpffs, &self.folder, flags)?;
        Ok(())
    }

    /// Kills dns-ctl, which has no time to do anything about it.
    pub fn kill(&mut self) -> Result<()> {
        self.node.child.signal(Signal::SIGKILL)?;
        self.node.child.wait(PATIENCE).map(drop)
    }

    /// Tells dns-ctl to stop, and waits until it has.
    pub fn terminate(&mut self) -> Result<()> {
        self.node.child.signal(Signal::SIGTERM)?;
        let status = self.node.child.wait(PATIENCE)?;
        ensure!(
            status.code() == Some(0),
            "{status}: {}",
            self.node.child.output()
        );
        Ok(())
    }

    /// Has the BPF file system be gone with all that it held, as after a reboot, and another one in its place.
    pub fn wipe(&mut self) -> Result<()> {
        self.node.bpffs = Bpffs::mount()?;
        Ok(())
    }

    /// A path in the folder of the site.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Has the API server be reachable again.
    pub fn come_back(&self) -> Result<()> {
        self.node.bed.node.run(|| self.api.come_back())?
    }

    /// Creates an object there.
    pub fn create(&self, object: &Value) -> Result<()> {
        self.api.create(object).map(drop).map_err(Into::into)
    }

    /// Waits until a Service's name has this address for the pod, or is denied.
    pub fn expect(&self, service: &str, address: Option<&str>) -> Result<()> {
        self.node.eventually(|node| {
            let message = node.message(&full(service), RecordType::A)?;
            let found = message.answers.first().and_then(|it| it.data.ip_addr());
            let expected: Option<IpAddr> = address.map(str::parse).transpose()?;
            let code = message.metadata.response_code;
            let fits = match expected {
                Some(_) => code == ResponseCode::NoError,
                None => code == ResponseCode::NXDomain,
            };
            ensure!(fits && found == expected, "{service}: {code} {found:?}");
            Ok(())
        })
    }

    /// Checks that a Service's name has this address for the pod, and that the kernel says so.
    pub fn in_kernel(&self, service: &str, address: Option<&str>) -> Result<()> {
        let before = self.node.hits()?;
        self.expect(service, address)?;
        let hits = self.node.hits()? - before;
        ensure!(hits == 1, "{service}: {hits} of one by the kernel");
        Ok(())
    }

    /// Checks that nobody knows about a Service's name.
    pub fn unknown(&self, service: &str) -> Result<()> {
        let message = self.node.message(&full(service), RecordType::A)?;
        let code = message.metadata.response_code;
        ensure!(code == ResponseCode::ServFail, "{service}: {code}");
        Ok(())
    }

    /// The value of a metric.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let page = self.node.page("/metrics")?;
        testbed::sum(&page.body, name).with_context(|| format!("no {name}: {}", page.body))
    }

    /// What `/readyz` says.
    pub fn readiness(&self) -> Result<u16> {
        Ok(self.node.page("/readyz")?.status)
    }
}

/// The whole name of a Service of the namespace `default`.
#[must_use]
pub fn full(service: &str) -> String {
    format!("{service}.default.svc.cluster.local.")
}

fn spawn(bed: &Topology, bpffs: &Bpffs, folder: &Scratch, flags: &[&str]) -> Result<Child> {
    let here = folder.path().to_string_lossy();
    let kubeconfig = format!("{here}/kubeconfig");
    let flags: Vec<_> = flags.iter().map(|flag| flag.replace('@', &here)).collect();
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let source = ["--kubeconfig", &kubeconfig];
    Child::spawn("dns-ctl", &mut run_command(bed, bpffs, &source, &flags))
}
