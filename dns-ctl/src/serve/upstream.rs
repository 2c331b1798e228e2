//! The DNS servers that answer for names outside the cluster: how they are written, and which are refused.

use std::{
    fmt,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    str::FromStr,
};

use resolv_conf::ScopedIp;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::zone::name::{Domain, NameError};

/// The port of DNS (RFC 1035, section 4.2).
const DNS_PORT: u16 = 53;
/// The port of DNS over TLS (RFC 7858, section 3.1).
const TLS_PORT: u16 = 853;
/// What an upstream that is asked over TLS begins with.
const TLS_SCHEME: &str = "tls://";

/// A DNS server that is asked for names outside the cluster.
///
/// Its text is `[tls://]ADDR[:PORT][#NAME]`, with the name for which a certificate has to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    address: SocketAddr,
    transport: Transport,
}

/// How an upstream is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Transport {
    /// Over UDP, and over TCP what does not fit.
    Plain,
    /// Over TLS (RFC 7858), with a certificate for this name or address.
    Tls(ServerName<'static>),
}

/// Why a text or an address is no upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The text is not an address.
    #[error(
        "`{0}` is not an upstream: write an IP address with an optional port, such as 10.0.0.53, \
         10.0.0.53:5353, [2001:db8::53]:53 or tls://10.0.0.53#dns.example (a name can't be used in \
         place of the address, since this server resolves names)"
    )]
    Syntax(String),
    /// What stands behind `#` is not a name that a certificate could be for.
    #[error(
        "`{0}` is not an upstream: write the name in its certificate behind the #, such as dns.example"
    )]
    ServerName(String),
    /// A name is given, but no certificate will be seen.
    #[error(
        "`{0}` is not an upstream: a name behind # is what a certificate is checked against, and only \
         tls:// has one; write tls://{0}, or leave the name out"
    )]
    NameWithoutTls(String),
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
        upstream: Box<Upstream>,
        /// The listen address it meets.
        listen: SocketAddr,
    },
}

/// A domain whose names are asked at servers of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StubDomain {
    /// The domain.
    pub domain: Domain,
    /// Its servers, the first one preferred; never empty.
    pub upstreams: Vec<Upstream>,
}

/// Which servers are asked for which names outside the cluster domains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// Domains with servers of their own; for a name in several of them the longest one counts.
    pub stubs: Vec<StubDomain>,
    /// The servers for all other names, the first one preferred.
    pub upstreams: Vec<Upstream>,
}

/// Why a text is not a stub domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StubDomainError {
    /// The parts are not there.
    #[error(
        "`{0}` is not a stub domain: write a domain and its servers, as acme.local=10.0.0.1:53,10.0.0.2"
    )]
    Syntax(String),
    /// The domain is not a name.
    #[error(transparent)]
    Domain(#[from] NameError),
    /// One of the servers is not an upstream.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

impl FromStr for StubDomain {
    type Err = StubDomainError;

    fn from_str(text: &str) -> Result<Self, StubDomainError> {
        let (domain, upstreams) = text
            .split_once('=')
            .filter(|(_, upstreams)| !upstreams.is_empty())
            .ok_or_else(|| StubDomainError::Syntax(text.to_owned()))?;
        Ok(Self {
            domain: domain.parse()?,
            upstreams: upstreams
                .split(',')
                .map(str::parse)
                .collect::<Result<_, _>>()?,
        })
    }
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
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its certificate has to be for; `None` if it is asked over UDP and TCP.
    #[must_use]
    pub const fn server_name(&self) -> Option<&ServerName<'static>> {
        match &self.transport {
            Transport::Plain => None,
            Transport::Tls(name) => Some(name),
        }
    }

    fn plain(address: SocketAddr, text: &str) -> Result<Self, UpstreamError> {
        check_usable(address, text)?;
        Ok(Self {
            address,
            transport: Transport::Plain,
        })
    }

    fn tls(address: SocketAddr, name: Option<&str>, text: &str) -> Result<Self, UpstreamError> {
        check_usable(address, text)?;
        let name = match name {
            None => ServerName::from(address.ip()),
            Some(name) => ServerName::try_from(name.to_owned())
                .map_err(|_| UpstreamError::ServerName(text.to_owned()))?,
        };
        Ok(Self {
            address,
            transport: Transport::Tls(name),
        })
    }
}

fn check_usable(address: SocketAddr, text: &str) -> Result<(), UpstreamError> {
    if address.ip().is_unspecified() || address.ip().is_multicast() || address.port() == 0 {
        return Err(UpstreamError::Unusable(text.to_owned()));
    }
    Ok(())
}

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(text: &str) -> Result<Self, UpstreamError> {
        let (is_tls, rest) = match text.strip_prefix(TLS_SCHEME) {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (address, name) = match rest.split_once('#') {
            Some((address, name)) => (address, Some(name)),
            None => (rest, None),
        };
        let port = if is_tls { TLS_PORT } else { DNS_PORT };
        let address =
            parse_address(address, port).ok_or_else(|| UpstreamError::Syntax(text.to_owned()))?;
        match (is_tls, name) {
            (true, name) => Self::tls(address, name, text),
            (false, None) => Self::plain(address, text),
            (false, Some(_)) => Err(UpstreamError::NameWithoutTls(text.to_owned())),
        }
    }
}

/// An address with a port, or with `port` if it has none.
fn parse_address(text: &str, port: u16) -> Option<SocketAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    text.parse()
        .or_else(|_| bare.parse::<IpAddr>().map(|ip| (ip, port).into()))
        .ok()
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.transport {
            Transport::Plain => self.address.fmt(f),
            Transport::Tls(name) => {
                write!(f, "{TLS_SCHEME}{}", self.address)?;
                if *name == ServerName::from(self.address.ip()) {
                    return Ok(());
                }
                write!(f, "#{}", name.to_str())
            }
        }
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
            .and_then(|address| Upstream::plain(address, &text))
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
    for upstream in upstreams {
        let own = listen
            .iter()
            .find(|own| leads_to(upstream, **own, &is_local));
        if let Some(&listen) = own {
            return Err(UpstreamError::OwnAddress {
                upstream: Box::new(upstream.clone()),
                listen,
            });
        }
    }
    Ok(())
}

/// Whether what is sent to `upstream` comes in at the listen address `own`.
///
/// `is_local` says whether an address belongs to this host, which matters for wildcard listeners.
pub(super) fn leads_to(
    upstream: &Upstream,
    own: SocketAddr,
    is_local: impl Fn(IpAddr) -> bool,
) -> bool {
    let address = upstream.address();
    own.port() == address.port()
        && (own.ip() == address.ip()
            || (own.ip().is_unspecified()
                && own.is_ipv4() == address.is_ipv4()
                && (address.ip().is_loopback() || is_local(address.ip()))))
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
mod tests;
