//! A Prometheus that scrapes a dns-ctl, and promtool.

use std::{
    fmt::Write as _,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use kxdns_tests::node::{METRICS, PATIENCE};
use serde_json::Value;
use testbed::{Child, Namespace, Scratch, unpacked};

use crate::files::shipped;

/// Debian's package.
const PACKAGE: &str = "prometheus";
/// Where it is asked.
const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);
/// How it is to scrape and to look at the rules.
const CONFIG: &str =
    "global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}\n";

/// A running Prometheus; it ends when dropped.
pub(crate) struct Prometheus<'n> {
    child: Child,
    namespace: &'n Namespace,
    _folder: Scratch,
}

impl<'n> Prometheus<'n> {
    /// Starts one in the namespace of a dns-ctl, with the rules that are shipped.
    pub(crate) fn start(namespace: &'n Namespace) -> Result<Self> {
        let folder = Scratch::new("prometheus")?;
        let rules = shipped("alerts.yaml").canonicalize()?;
        let config = format!(
            "{CONFIG}rule_files: [{}]\nscrape_configs: [{{job_name: kxdns, static_configs: [{{targets: ['{METRICS}']}}]}}]\n",
            rules.display()
        );
        let config = folder.write("prometheus.yml", &config)?;
        let mut command = namespace.command(unpacked(PACKAGE, "prometheus")?);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={ADDRESS}"))
            .arg("--log.level=warn")
            .current_dir(folder.path());
        let child = Child::spawn("prometheus", &mut command)?;
        let mut prometheus = Self {
            child,
            namespace,
            _folder: folder,
        };
        prometheus.child.wait_for("Prometheus", PATIENCE, || {
            let reply = testbed::get(namespace, ADDRESS, "/-/ready", PATIENCE)?;
            ensure!(reply.status == 200, "{}", reply.body);
            Ok(Some(()))
        })?;
        Ok(prometheus)
    }

    /// The samples that a query has now, or an error if it is none that Prometheus understands.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<f64>> {
        let data = self.api(&format!("/api/v1/query?query={}", encoded(query)))?;
        let samples = data["result"].as_array().context("not a vector")?;
        samples
            .iter()
            .map(|sample| {
                let value = sample["value"][1].as_str().context("no value")?;
                Ok(value.parse()?)
            })
            .collect()
    }

    /// What it says of the rules.
    pub(crate) fn rules(&self) -> Result<Vec<Value>> {
        let data = self.api("/api/v1/rules")?;
        let groups = data["groups"].as_array().context("no groups")?;
        let rules = groups.iter().filter_map(|group| group["rules"].as_array());
        Ok(rules.flatten().cloned().collect())
    }

    fn api(&self, path: &str) -> Result<Value> {
        let reply = testbed::get(self.namespace, ADDRESS, path, PATIENCE)?;
        ensure!(reply.status == 200, "{}", reply.body);
        let mut reply: Value = serde_json::from_str(&reply.body)?;
        Ok(reply["data"].take())
    }
}

/// Runs promtool with an input; all that it said, as an error if it is not content.
pub(crate) fn promtool(arguments: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new(unpacked(PACKAGE, "promtool")?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .context("it has an input")?
        .write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(output.status.success(), "promtool {arguments:?}: {said}");
    Ok(said)
}

/// A query as a part of an address.
fn encoded(query: &str) -> String {
    query.bytes().fold(String::new(), |mut text, octet| {
        if octet.is_ascii_alphanumeric() {
            text.push(octet.into());
        } else {
            // Writing to a `String` can't fail.
            let _infallible = write!(text, "%{octet:02X}");
        }
        text
    })
}
