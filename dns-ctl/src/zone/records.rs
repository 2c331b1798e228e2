//! The records of one owner name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::name::{Domain, RelativeName};

/// The records that an owner name has of its own; none at all is an empty non-terminal (RFC 8020).
///
/// Each set is sorted and without duplicates, so that equal data is equal here, however it came about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// IPv4 addresses.
    pub a: Box<[Ipv4Addr]>,
    /// IPv6 addresses.
    pub aaaa: Box<[Ipv6Addr]>,
    /// Service locations.
    pub srv: Box<[Srv]>,
    /// The name that this one stands for; a name with an alias has nothing else (RFC 1034, section 3.6.2).
    pub alias: Option<Domain>,
}

/// A service location (RFC 2782); its priority is always 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Srv {
    /// Owner of the addresses, in the same cluster domain as the record.
    pub target: RelativeName,
    /// The port at these addresses.
    pub port: u16,
    /// The share among the records of one owner name.
    pub weight: u16,
}

impl Records {
    /// A name that has only these addresses.
    #[must_use]
    pub fn of_addresses(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let (mut a, mut aaaa) = (Vec::new(), Vec::new());
        for address in addresses {
            match address {
                IpAddr::V4(address) => a.push(address),
                IpAddr::V6(address) => aaaa.push(address),
            }
        }
        Self {
            a: set(a),
            aaaa: set(aaaa),
            ..Self::default()
        }
    }

    /// A name that stands for `target`.
    #[must_use]
    pub fn of_alias(target: Domain) -> Self {
        Self {
            alias: Some(target),
            ..Self::default()
        }
    }

    /// The same records with these service locations.
    #[must_use]
    pub fn with_srv(mut self, srv: impl IntoIterator<Item = Srv>) -> Self {
        self.srv = set(srv.into_iter().collect());
        self
    }
}

/// The elements sorted, each once.
pub(super) fn set<T: Ord>(mut elements: Vec<T>) -> Box<[T]> {
    elements.sort_unstable();
    elements.dedup();
    elements.into()
}
