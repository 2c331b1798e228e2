//! The DNS server of dns-ctl alone: no kernel programs, real sockets on a namespace's loopback.

use std::{
    io::{self, Read as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use hickory_proto::op::{Message, ResponseCode};
use testbed::{Child, Namespace, Scratch, open_files, tcp_query, udp_query};

use crate::node::{PATIENCE, dns_ctl};

/// The port of metrics and health, at the server's own address.
const METRICS_PORT: u16 = 9153;
/// The name of the Service in [`Server::manifest`].
pub const SERVICE_NAME: &str = "web.default.svc.cluster.local.";
/// The address of that Service.
pub const SERVICE_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 1, 1));
/// The manifest that [`Server::start`] uses.
const MANIFEST: &str = "apiVersion: v1
kind: Namespace
metadata: {name: default}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.96.1.1, ports: [{name: http, port: 80}]}
";

/// A running server; it ends when dropped.
#[derive(Debug)]
pub struct Server {
    /// The program.
    pub child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    _manifests: Option<Scratch>,
}

/// What a client gets for a name's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// These addresses, in order.
    Addresses(Vec<IpAddr>),
    /// An error, or that there is none.
    Nothing(ResponseCode),
}

impl Server {
    /// Starts it at `address` with one Service, [`SERVICE_NAME`], and waits until it is ready.
    pub fn start(namespace: &Namespace, address: SocketAddr, flags: &[&str]) -> Result<Self> {
        let manifests = crate::node::manifests(MANIFEST)?;
        let path = manifests.path().to_string_lossy().into_owned();
        Ok(Self {
            _manifests: Some(manifests),
            ..Self::start_on(namespace, address, &["--manifests", &path], flags)?
        })
    }

    /// Starts it at `address` with the objects that the flags of `source` name, and waits until it is ready.
    pub fn start_on(
        namespace: &Namespace,
        address: SocketAddr,
        source: &[&str],
        flags: &[&str],
    ) -> Result<Self> {
        let metrics = SocketAddr::new(address.ip(), METRICS_PORT);
        let mut command = dns_ctl(namespace)?;
        command
            .args(["run", "--hook", "off"])
            .args(["--listen", &address.to_string()])
            .args(["--metrics-listen", &metrics.to_string()])
            .args(source)
            .args(flags);
        let mut child = Child::spawn("dns-ctl", &mut command)?;
        child.wait_for("readiness", PATIENCE, || {
            let reply = testbed::get(namespace, metrics, "/readyz", PATIENCE)?;
            ensure!(reply.status == 200, "{}", reply.body);
            Ok(Some(()))
        })?;
        Ok(Self {
            child,
            address,
            _manifests: None,
        })
    }

    /// Waits until it has no more files and sockets open than this: what has ended is closed soon after.
    pub fn expect_open_files(&mut self, most: usize) -> Result<()> {
        let pid = self.child.pid();
        self.child.wait_for("sockets to be closed", PATIENCE, || {
            let open = open_files(pid)?;
            ensure!(open <= most, "{open} are open, not {most}");
            Ok(Some(()))
        })
    }

    /// Asks as a stub resolver does: over UDP, and over TCP if that answer is truncated.
    pub fn ask(&self, namespace: &Namespace, query: &[u8], within: Duration) -> Result<Vec<u8>> {
        let reply = udp_query(namespace, self.address, query, within)?.context("no answer")?;
        ensure!(reply.from == self.address, "it comes from {}", reply.from);
        if reply.bytes.get(2).is_some_and(|flags| flags & 0x02 == 0) {
            return Ok(reply.bytes);
        }
        Ok(tcp_query(namespace, self.address, query, within)?.bytes)
    }
}

impl Said {
    /// Reads a reply to `query`, and makes sure that it is one and can be read.
    pub fn read(query: &[u8], reply: &[u8]) -> Result<Self> {
        let asked = Message::from_vec(query)?;
        let message =
            Message::from_vec(reply).with_context(|| format!("unreadable: {reply:x?}"))?;
        ensure!(message.metadata.id == asked.metadata.id, "another id");
        ensure!(message.queries == asked.queries, "another question");
        ensure!(!message.metadata.truncation, "truncated, over TCP");
        let rcode = message.metadata.response_code;
        let Some(question) = asked.queries.first() else {
            bail!("no question was asked");
        };
        let own = message
            .answers
            .iter()
            .filter(|record| record.name == *question.name());
        let addresses: Vec<_> = own.filter_map(|record| record.data.ip_addr()).collect();
        if addresses.is_empty() {
            return Ok(Self::Nothing(rcode));
        }
        ensure!(rcode == ResponseCode::NoError, "{rcode} with {addresses:?}");
        Ok(Self::Addresses(addresses))
    }

    /// One address.
    #[must_use]
    pub fn address(address: impl Into<IpAddr>) -> Self {
        Self::Addresses(vec![address.into()])
    }
}

/// Waits until the server closes the connection, no longer than the stream's time-out; what comes before that.
pub fn until_closed(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut octets = Vec::new();
    match stream.read_to_end(&mut octets) {
        Ok(_) => Ok(octets),
        // It has not read all that was sent.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(octets),
        Err(error) => Err(error).context("the server keeps the connection"),
    }
}
