//! The zones in front of a server block: transport, name and port.

use std::net::IpAddr;

use crate::zone::name::Domain;

/// A zone of a server block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Zone {
    /// What stands before `://`, `dns` if nothing does.
    pub(super) transport: String,
    /// The names it covers.
    pub(super) cover: Cover,
    /// The port it is served at.
    pub(super) port: u16,
}

/// Which names a zone covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cover {
    /// All of them.
    Root,
    /// Those in these domains; several for a network whose prefix ends within a label.
    Domains(Vec<Domain>),
}

impl Zone {
    /// Reads a key of a server block, as `tls://example.org:853` or `10.0.0.0/24`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (transport, rest) = text.split_once("://").unwrap_or(("dns", text));
        let usual = match transport {
            "dns" => 53,
            "tls" | "quic" => 853,
            "https" | "https3" | "grpc" => 443,
            _ => {
                return Err(format!(
                    "`{transport}` is not a transport that CoreDNS knows"
                ));
            }
        };
        let (name, port) = match rest.rsplit_once(':') {
            Some((name, port)) if is_number(port) => {
                let port = port
                    .parse()
                    .map_err(|_| format!("`{port}` is not a port; the highest is 65535"))?;
                (name, port)
            }
            _ => (rest, usual),
        };
        Ok(Self {
            transport: transport.to_owned(),
            cover: Cover::parse(name)?,
            port,
        })
    }
}

impl Cover {
    /// Reads a name: `.`, a domain, or a network in CIDR notation.
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        if name == "." || name.is_empty() {
            return Ok(Self::Root);
        }
        let network = name
            .split_once('/')
            .and_then(|(address, bits)| Some((address.parse().ok()?, bits.parse().ok()?)));
        if let Some((address, bits)) = network {
            return reverse_domains(address, bits)
                .ok_or_else(|| format!("`{name}` is not a network: its prefix is too long"))
                .map(Self::Domains);
        }
        let domain = name.parse().map_err(|error| format!("{error}"))?;
        Ok(Self::Domains(vec![domain]))
    }

    /// The domains; none for the root.
    pub(super) fn domains(&self) -> &[Domain] {
        match self {
            Self::Root => &[],
            Self::Domains(domains) => domains,
        }
    }
}

/// Whether a domain holds the names of addresses.
pub(super) fn is_reverse(domain: &Domain) -> bool {
    let text = domain.to_string();
    ["in-addr.arpa", "ip6.arpa"].into_iter().any(|suffix| {
        text.strip_suffix(suffix)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The domains of a network's reverse names (RFC 1035, section 3.5; RFC 3596, section 2.5); `None` if the
/// prefix is longer than an address.
fn reverse_domains(address: IpAddr, bits: u32) -> Option<Vec<Domain>> {
    // The address stands at the upper end, so that both families can be cut into labels alike.
    let (value, length, per_label, suffix) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32, 8, "in-addr.arpa"),
        IpAddr::V6(address) => (address.to_bits(), 128, 4, "ip6.arpa"),
    };
    if bits > length {
        return None;
    }
    let labels = bits.div_ceil(per_label);
    if labels == 0 {
        return Some(vec![suffix.parse().ok()?]);
    }
    let below = 128 - labels * per_label;
    let network = value & (u128::MAX << (128 - bits));
    (0..1_u128 << (labels * per_label - bits))
        .map(|number| {
            let network = network | (number << below);
            let digits = (0..labels).rev().map(|label| {
                let digit = network >> (128 - (label + 1) * per_label) & ((1 << per_label) - 1);
                if address.is_ipv4() {
                    digit.to_string()
                } else {
                    format!("{digit:x}")
                }
            });
            let name: Vec<_> = digits.chain([suffix.to_owned()]).collect();
            name.join(".").parse().ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_apart() {
        for (text, transport, names, port) in [
            (".", "dns", &[][..], 53),
            (".:1053", "dns", &[], 1053),
            ("tls://.", "tls", &[], 853),
            ("dns://Example.org.:5300", "dns", &["example.org"], 5300),
            ("https://example.org", "https", &["example.org"], 443),
            ("10.0.0.0/24", "dns", &["0.0.10.in-addr.arpa"], 53),
            ("10.0.0.0/8:54", "dns", &["10.in-addr.arpa"], 54),
            (
                "192.168.4.0/23",
                "dns",
                &["4.168.192.in-addr.arpa", "5.168.192.in-addr.arpa"],
                53,
            ),
            ("0.0.0.0/0", "dns", &["in-addr.arpa"], 53),
            ("2001:db8::/32:53", "dns", &["8.b.d.0.1.0.0.2.ip6.arpa"], 53),
        ] {
            let zone = Zone::parse(text).unwrap();
            let found: Vec<_> = zone
                .cover
                .domains()
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(
                (zone.transport.as_str(), found.as_slice(), zone.port),
                (
                    transport,
                    names
                        .iter()
                        .map(|&name| name.to_owned())
                        .collect::<Vec<_>>()
                        .as_slice(),
                    port
                ),
                "{text}"
            );
        }
        for text in [
            "gopher://a",
            "a..b",
            "10.0.0.0/33",
            "a b",
            "example.org:99999",
        ] {
            assert!(Zone::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reverse_domains_are_known() {
        for (text, reverse) in [
            ("in-addr.arpa", true),
            ("10.in-addr.arpa", true),
            ("ip6.arpa", true),
            ("xin-addr.arpa", false),
            ("arpa", false),
        ] {
            assert_eq!(is_reverse(&text.parse().unwrap()), reverse, "{text}");
        }
    }
}
