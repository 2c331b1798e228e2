//! The DNS servers that answer for names outside the cluster: how they are written, and which are refused.

use std::{
    fmt,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    str::FromStr,
};

use resolv_conf::ScopedIp;

/// The port of DNS (RFC 1035, section 4.2).
const DNS_PORT: u16 = 53;

/// A DNS server that queries are passed on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Upstream(SocketAddr);

/// Why a text or an address is no upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The text is not an address.
    #[error(
        "`{0}` is not an upstream: write an IP address with an optional port, such as 10.0.0.53, \
         10.0.0.53:5353 or [2001:db8::53]:53 (a name can't be used, since this server resolves names)"
    )]
    Syntax(String),
    /// Queries can't be sent to this address.
    #[error("`{0}` is not an upstream: no query can be sent to this address")]
    Unusable(String),
    /// The upstream is this server itself.
    #[error(
        "upstream {upstream} is this server's own listen address {listen}: every outside name would \
         go in circles; give another server with --upstream, or another address with --listen"
    )]
    OwnAddress {
        /// The upstream asked for.
        upstream: Upstream,
        /// The listen address it meets.
        listen: SocketAddr,
    },
}

/// What a resolv.conf says about upstreams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvConf {
    /// The name servers, in the file's order, each once.
    pub upstreams: Vec<Upstream>,
    /// What could not be used, in words.
    pub ignored: Vec<String>,
}

impl Upstream {
    /// Address and port.
    #[must_use]
    pub const fn address(self) -> SocketAddr {
        self.0
    }

    fn new(address: SocketAddr, text: &str) -> Result<Self, UpstreamError> {
        if address.ip().is_unspecified() || address.ip().is_multicast() || address.port() == 0 {
            return Err(UpstreamError::Unusable(text.to_owned()));
        }
        Ok(Self(address))
    }
}

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Self, UpstreamError> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        let address = text
            .parse::<SocketAddr>()
            .or_else(|_| {
                bare.parse::<IpAddr>()
                    .map(|ip| SocketAddr::new(ip, DNS_PORT))
            })
            .map_err(|_| UpstreamError::Syntax(text.to_owned()))?;
        Self::new(address, text)
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The upstreams that the text of a resolv.conf names.
///
/// A line that can't be used is told and left out, as the C library does, so that one stray option
/// does not take the node's name servers away.
#[must_use]
pub fn upstreams(resolv_conf: &str) -> ResolvConf {
    let (config, errors) = resolv_conf::Config::parse_with_errors(resolv_conf.as_bytes());
    let mut found = ResolvConf {
        ignored: errors.iter().map(ToString::to_string).collect(),
        ..ResolvConf::default()
    };
    for server in config.nameservers {
        let text = server.to_string();
        match scoped_address(&server)
            .ok_or_else(|| UpstreamError::Unusable(text.clone()))
            .and_then(|address| Upstream::new(address, &text))
        {
            Ok(upstream) if !found.upstreams.contains(&upstream) => found.upstreams.push(upstream),
            Ok(_) => {}
            Err(error) => found.ignored.push(error.to_string()),
        }
    }
    found
}

/// Refuses an upstream that leads back to one of the addresses this server listens on.
///
/// `is_local` says whether an address belongs to this host, which matters for wildcard listeners.
pub fn check_not_own(
    upstreams: &[Upstream],
    listen: &[SocketAddr],
    is_local: impl Fn(IpAddr) -> bool,
) -> Result<(), UpstreamError> {
    for &upstream in upstreams {
        let address = upstream.address();
        let own = listen.iter().find(|listen| {
            listen.port() == address.port()
                && (listen.ip() == address.ip()
                    || (listen.ip().is_unspecified()
                        && listen.is_ipv4() == address.is_ipv4()
                        && (address.ip().is_loopback() || is_local(address.ip()))))
        });
        if let Some(&listen) = own {
            return Err(UpstreamError::OwnAddress { upstream, listen });
        }
    }
    Ok(())
}

/// The address with its scope; `None` if the scope is an interface's name and not its number.
fn scoped_address(server: &ScopedIp) -> Option<SocketAddr> {
    match server {
        ScopedIp::V4(ip) => Some(SocketAddr::new((*ip).into(), DNS_PORT)),
        ScopedIp::V6(ip, None) => Some(SocketAddr::new((*ip).into(), DNS_PORT)),
        ScopedIp::V6(ip, Some(scope)) => {
            let scope = scope.parse().ok()?;
            Some(SocketAddrV6::new(*ip, DNS_PORT, 0, scope).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(text: &str) -> Upstream {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_with_and_without_port() {
        for (text, address) in [
            ("10.0.0.1", "10.0.0.1:53"),
            ("10.0.0.1:5353", "10.0.0.1:5353"),
            ("[::1]:54", "[::1]:54"),
            ("[::1]", "[::1]:53"),
            ("2001:db8::1", "[2001:db8::1]:53"),
        ] {
            assert_eq!(upstream(text).to_string(), address, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_form_wanted() {
        for text in [
            "",
            "dns.google",
            "10.0.0.1:",
            "10.0.0",
            "1.2.3.4:99999",
            "[::1",
            "a:53",
        ] {
            let error = text.parse::<Upstream>().unwrap_err();
            assert_eq!(error, UpstreamError::Syntax(text.to_owned()));
            assert!(error.to_string().contains("10.0.0.53:5353"));
        }
        for text in ["0.0.0.0", "[::]:53", "10.0.0.1:0", "224.0.0.251"] {
            let error = text.parse::<Upstream>().unwrap_err();
            assert_eq!(error, UpstreamError::Unusable(text.to_owned()));
        }
    }

    #[test]
    fn resolv_conf_keeps_order_and_tells_what_it_leaves_out() {
        let found = upstreams(
            "# made by hand\nsearch example.com\nnameserver 10.0.0.2\nnameserver 10.0.0.1\n\
             nameserver 10.0.0.2\nnameserver fe80::1%eth0\nnameserver fe80::1%3\n\
             nameserver nonsense\noptions ndots:5 edns0 no-such-option\n",
        );
        let addresses: Vec<_> = found.upstreams.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["10.0.0.2:53", "10.0.0.1:53", "[fe80::1%3]:53"]);
        assert!(
            found
                .ignored
                .iter()
                .any(|line| line.contains("fe80::1%eth0")),
            "{found:?}"
        );
        assert!(found.ignored.len() >= 2, "{found:?}");
        assert_eq!(upstreams("").upstreams, []);
    }

    #[test]
    fn an_upstream_must_not_be_this_server() {
        let local: IpAddr = "192.0.2.7".parse().unwrap();
        for (upstream_text, listen, own) in [
            ("10.0.0.1", "10.0.0.1:53", true),
            ("10.0.0.1:5353", "10.0.0.1:53", false),
            ("10.0.0.2", "10.0.0.1:53", false),
            ("127.0.0.1", "0.0.0.0:53", true),
            ("192.0.2.7", "0.0.0.0:53", true),
            ("192.0.2.8", "0.0.0.0:53", false),
            ("::1", "0.0.0.0:53", false),
            ("::1", "[::]:53", true),
        ] {
            let result = check_not_own(
                &[upstream("198.51.100.1"), upstream(upstream_text)],
                &[listen.parse().unwrap()],
                |address| address == local,
            );
            assert_eq!(result.is_err(), own, "{upstream_text} at {listen}");
            if let Err(error) = result {
                assert!(error.to_string().contains(listen), "{error}");
            }
        }
    }
}
