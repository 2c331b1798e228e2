//! The servers that a `forward` line names: addresses, files that list them, and what is neither.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use crate::serve::upstream::Upstream;

const DNS_PORT: u16 = 53;
/// The port of DNS over TLS (RFC 7858, section 3.1).
const TLS_PORT: u16 = 853;

/// A server as `--upstream` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    address: SocketAddr,
    over: Over,
}

/// How a server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Over {
    /// Over UDP and TCP.
    Plain,
    /// Over TLS; the certificate is for its address.
    Tls,
    /// Over TLS; the certificate is for this name.
    TlsNamed(String),
}

/// What a word behind `forward` means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A server.
    Server(Server),
    /// A file in the form of resolv.conf.
    File(String),
}

impl Target {
    /// Reads a word; the error says what can't be done with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("dns", text));
        let (port, over) = match scheme {
            "dns" => (DNS_PORT, Over::Plain),
            "tls" => (TLS_PORT, Over::Tls),
            _ => return Err(format!("{text}: upstreams are asked over UDP, TCP or TLS")),
        };
        let bare = rest.trim_start_matches('[').trim_end_matches(']');
        let address = rest
            .parse::<SocketAddr>()
            .or_else(|_| bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port)));
        match address {
            // What can't be asked at all is refused there.
            Ok(address) => match address.to_string().parse::<Upstream>() {
                Ok(_) => Ok(Self::Server(Server { address, over })),
                Err(error) => Err(error.to_string()),
            },
            Err(_) if rest.contains('/') && scheme == "dns" => Ok(Self::File(rest.to_owned())),
            Err(_) => Err(format!(
                "{text} is neither an address nor a file; write the server's address"
            )),
        }
    }
}

impl Server {
    /// Whether it is asked over TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.over != Over::Plain
    }

    /// The server with this name in its certificate; without effect unless it is asked over TLS.
    pub(super) fn named(self, name: &str) -> Self {
        let over = if self.is_tls() {
            Over::TlsNamed(name.to_owned())
        } else {
            self.over
        };
        Self { over, ..self }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = if self.is_tls() {
            f.write_str("tls://")?;
            TLS_PORT
        } else {
            DNS_PORT
        };
        match self.address {
            SocketAddr::V4(address) if address.port() == usual => address.ip().fmt(f)?,
            SocketAddr::V6(address) if address.port() == usual && address.scope_id() == 0 => {
                write!(f, "[{}]", address.ip())?;
            }
            address => address.fmt(f)?,
        }
        match &self.over {
            Over::TlsNamed(name) => write!(f, "#{name}"),
            Over::Plain | Over::Tls => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_servers_files_or_refused() {
        for (text, written) in [
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1:53", "10.0.0.1"),
            ("dns://10.0.0.1:5353", "10.0.0.1:5353"),
            ("tls://9.9.9.9", "tls://9.9.9.9"),
            ("tls://9.9.9.9:8853", "tls://9.9.9.9:8853"),
            ("2001:db8::1", "[2001:db8::1]"),
            ("[2001:db8::1]:54", "[2001:db8::1]:54"),
        ] {
            let Ok(Target::Server(server)) = Target::parse(text) else {
                panic!("{text} is a server");
            };
            assert_eq!(server.to_string(), written, "{text}");
        }
        assert_eq!(
            Target::parse("/etc/resolv.conf"),
            Ok(Target::File("/etc/resolv.conf".to_owned()))
        );
        for text in [
            "dns.google",
            "__PILLAR__UPSTREAM__SERVERS__",
            "https://dns.google",
            "tls:///etc/resolv.conf",
            "0.0.0.0",
            "10.0.0.1:0",
            "",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_tls_has_a_name() {
        let read = |text| match Target::parse(text) {
            Ok(Target::Server(server)) => server.named("dns.quad9.net").to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(read("tls://9.9.9.9"), "tls://9.9.9.9#dns.quad9.net");
        assert_eq!(read("9.9.9.9"), "9.9.9.9");
    }
}
