//! A bare HTTP GET from inside a namespace: enough to ask a health or metrics endpoint.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::Namespace;

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReply {
    /// The status code, such as 200.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Asks for a path; waits no longer than `timeout` for each step.
pub fn get(
    namespace: &Namespace,
    server: SocketAddr,
    path: &str,
    timeout: Duration,
) -> Result<HttpReply> {
    read(
        namespace.run(|| exchange(server, path, timeout))?,
        server,
        path,
    )
}

/// Asks from where this process is; otherwise as [`get`].
pub fn get_here(server: SocketAddr, path: &str, timeout: Duration) -> Result<HttpReply> {
    read(exchange(server, path, timeout), server, path)
}

fn read(reply: std::io::Result<String>, server: SocketAddr, path: &str) -> Result<HttpReply> {
    parse(&reply.with_context(|| format!("no reply from http://{server}{path}"))?)
        .with_context(|| format!("http://{server}{path} does not speak HTTP"))
}

fn exchange(server: SocketAddr, path: &str, timeout: Duration) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    // HTTP/1.0: the body is everything up to the end, never in chunks.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n")?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(reply)
}

fn parse(reply: &str) -> Option<HttpReply> {
    let (head, body) = reply.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some(HttpReply {
        status,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_is_status_and_body() {
        let reply =
            parse("HTTP/1.0 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nwait").unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (503, "wait"));
        assert_eq!(parse("SSH-2.0-OpenSSH"), None);
    }
}
