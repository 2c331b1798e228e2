//! Addresses to listen on: the port may be left out, and brackets may be around an address of either family.

use std::net::{IpAddr, SocketAddr};

/// Reads `ADDR`, `ADDR:PORT` or `[ADDR]:PORT`; without a port it is `port`.
///
/// A DaemonSet is told a node's address by Kubernetes, and can't tell which family it is of: IPv6 needs brackets in
/// front of a port, so that IPv4 may have them, too.
fn parse(text: &str, port: u16) -> Result<SocketAddr, String> {
    let bracketed = || {
        let (address, port) = text.strip_prefix('[')?.split_once("]:")?;
        Some(SocketAddr::new(address.parse().ok()?, port.parse().ok()?))
    };
    let bare = || text.parse::<IpAddr>().ok();
    text.parse()
        .ok()
        .or_else(bracketed)
        .or_else(|| Some(SocketAddr::new(bare()?, port)))
        .ok_or_else(|| {
            format!("`{text}` is not an address to listen on; write 192.0.2.1:{port}, or [2001:db8::1]:{port}")
        })
}

/// Reads an address for DNS.
pub(super) fn dns(text: &str) -> Result<SocketAddr, String> {
    parse(text, 53)
}

/// Reads an address for metrics.
pub(super) fn metrics(text: &str) -> Result<SocketAddr, String> {
    parse(text, 9153)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_port_and_brackets() {
        for (text, expected) in [
            ("192.0.2.1", Some("192.0.2.1:53")),
            ("192.0.2.1:5353", Some("192.0.2.1:5353")),
            ("[192.0.2.1]:5353", Some("192.0.2.1:5353")),
            ("2001:db8::1", Some("[2001:db8::1]:53")),
            ("[2001:db8::1]:5353", Some("[2001:db8::1]:5353")),
            ("::", Some("[::]:53")),
            ("[192.0.2.1]", None),
            ("[192.0.2.1]:", None),
            ("[192.0.2.1]:65536", None),
            ("192.0.2.1:", None),
            (":53", None),
            ("dns.example:53", None),
            ("", None),
        ] {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(dns(text).ok(), expected, "{text}");
        }
        assert_eq!(metrics("::1"), Ok("[::1]:9153".parse().unwrap()));
        assert!(dns("$(HOST_IP)").unwrap_err().contains("`$(HOST_IP)`"));
    }
}
