//! A client that only reads: what the API server by itself takes for a list, and for an event.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use testbed::Namespace;

/// What is listed.
const LISTS: [&str; 3] = [
    "/api/v1/namespaces",
    "/api/v1/services",
    "/apis/discovery.k8s.io/v1/endpointslices",
];
/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(30);
/// What stands before a Service's address.
const ADDRESS: &str = r#""clusterIP":""#;

/// Reads all lists, one after the other, and throws them away; how long that takes.
pub(super) fn list_all(namespace: &Namespace, server: SocketAddr) -> Result<Duration> {
    let start = Instant::now();
    for path in LISTS {
        let mut stream = ask(namespace, server, &format!("{path}?resourceVersion=0"))?;
        let mut buffer = vec![0; 1 << 20];
        let length = stream.read(&mut buffer)?;
        ensure!(is_good(&buffer[..length]), "{path} is refused");
        while stream.read(&mut buffer)? > 0 {}
    }
    Ok(start.elapsed())
}

/// A watch of the Services, from a version on.
#[derive(Debug)]
pub(super) struct Watch {
    lines: BufReader<TcpStream>,
}

impl Watch {
    /// Begins it.
    pub(super) fn begin(namespace: &Namespace, server: SocketAddr, version: u64) -> Result<Self> {
        let path = format!("/api/v1/services?watch=1&resourceVersion={version}");
        let mut lines = BufReader::new(ask(namespace, server, &path)?);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        ensure!(
            is_good(line.as_bytes()),
            "the watch is refused: {}",
            line.trim()
        );
        while line.trim() != "" {
            line.clear();
            lines.read_line(&mut line)?;
        }
        Ok(Self { lines })
    }

    /// The address of the next Service that has changed.
    pub(super) fn next(&mut self) -> Result<Ipv4Addr> {
        let mut line = String::new();
        loop {
            line.clear();
            let length = self.lines.read_line(&mut line)?;
            ensure!(length > 0, "the watch has ended");
            if let Some(address) = address(&line) {
                return Ok(address);
            }
        }
    }
}

/// The ClusterIP in a line of a watch.
fn address(line: &str) -> Option<Ipv4Addr> {
    let (_, rest) = line.split_once(ADDRESS)?;
    rest.split('"').next()?.parse().ok()
}

/// HTTP/1.0: what comes ends with the connection, and is in no chunks.
fn ask(namespace: &Namespace, server: SocketAddr, path: &str) -> Result<TcpStream> {
    let stream = namespace.run(|| TcpStream::connect(server))?;
    let mut stream = stream.with_context(|| format!("can't connect to {server}"))?;
    stream.set_read_timeout(Some(SILENCE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n")?;
    Ok(stream)
}

fn is_good(reply: &[u8]) -> bool {
    reply.starts_with(b"HTTP/1.0 200") || reply.starts_with(b"HTTP/1.1 200")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_services_address_is_found() {
        let line = r#"{"type":"MODIFIED","object":{"spec":{"clusterIP":"10.1.2.3","clusterIPs":["10.1.2.3"]}}}"#;
        assert_eq!(address(line), Some(Ipv4Addr::new(10, 1, 2, 3)));
        assert_eq!(address(r#"{"type":"BOOKMARK"}"#), None);
        assert_eq!(address(r#"{"clusterIP":"None"}"#), None);
    }
}
