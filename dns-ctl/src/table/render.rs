//! Makes rows from the zone: one name, under each cluster domain, or the name of one address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dns_common::{
    hash::{HashKeys, NameKey},
    head::Others,
};

use super::{Content, reverse};
use crate::zone::{
    Touched, Zone,
    name::{Domain, RelativeName},
};

/// What the kernel should hold for a name: a row, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Key of the name.
    pub key: NameKey,
    /// The whole name in wire form, lower-case.
    pub name: Box<[u8]>,
    /// What is held for it, if the kernel is to know the name.
    pub content: Option<Content>,
}

/// How rows are made.
pub struct Rendering<'a> {
    /// The domains that the zone is served under; pointers lead into the first.
    pub domains: &'a [Domain],
    /// Whether the kernel may deny names and types; if not, it need not know names without addresses.
    pub negative: bool,
    /// Secret of the kernel's maps.
    pub keys: &'a HashKeys,
}

impl Rendering<'_> {
    /// What the kernel should hold for all that was touched.
    pub fn wanted(&self, zone: &Zone, touched: &Touched) -> impl Iterator<Item = Wanted> {
        let names = touched.names.iter();
        let names = names.flat_map(move |name| self.owners(zone, name));
        let addresses = touched.addresses.iter();
        names.chain(addresses.filter_map(move |&address| self.pointer(zone, address)))
    }

    /// What the kernel should hold for `name` under each domain; a domain in which the name would be
    /// longer than 255 octets has no such name.
    fn owners(&self, zone: &Zone, name: &RelativeName) -> impl Iterator<Item = Wanted> {
        let answers =
            answers(zone, name).filter(|answers| self.negative || answers.has_addresses());
        self.domains.iter().filter_map(move |domain| {
            let wire: Box<[u8]> = name.in_domain(domain)?.into();
            let content = answers.as_ref().map(|answers| Content::Owner {
                zone_len: domain.wire_len(),
                a: answers.a.into(),
                aaaa: answers.aaaa.into(),
                others: answers.others,
            });
            Some(self.row(wire, content))
        })
    }

    /// What the kernel should hold for the name of `address`: nothing, if there is more than one name that
    /// it points back to, or if the name is in a cluster domain.
    fn pointer(&self, zone: &Zone, address: IpAddr) -> Option<Wanted> {
        let wire: Box<[u8]> = reverse::name(address).into();
        if self
            .domains
            .iter()
            .any(|domain| RelativeName::within(&wire, domain).is_some())
        {
            return None;
        }
        let target = match zone.pointers(address) {
            [target] => self
                .domains
                .first()
                .and_then(|domain| target.in_domain(domain)),
            _ => None,
        };
        Some(self.row(wire, target.map(|target| Content::Pointer(target.into()))))
    }

    fn row(&self, name: Box<[u8]>, content: Option<Content>) -> Wanted {
        Wanted {
            key: self.keys.name_key(&name),
            name,
            content,
        }
    }
}

/// What there is at a name.
struct Answers<'z> {
    a: &'z [Ipv4Addr],
    aaaa: &'z [Ipv6Addr],
    others: Others,
}

impl Answers<'_> {
    const fn without_addresses(others: Others) -> Self {
        Self {
            a: &[],
            aaaa: &[],
            others,
        }
    }

    const fn has_addresses(&self) -> bool {
        !(self.a.is_empty() && self.aaaa.is_empty())
    }
}

/// What there is at `name`; `None` if it does not exist, or only by a rule.
fn answers<'z>(zone: &'z Zone, name: &RelativeName) -> Option<Answers<'z>> {
    if name.is_apex() {
        return Some(Answers::without_addresses(Others::APEX));
    }
    if name.is_schema_version() {
        return Some(Answers::without_addresses(Others::TXT));
    }
    let Some(records) = &zone.node(name)?.records else {
        return Some(Answers::without_addresses(Others::NONE));
    };
    let others = if records.alias.is_some() {
        Others::ANY
    } else if records.srv.is_empty() {
        Others::NONE
    } else {
        Others::SRV
    };
    Some(Answers {
        a: &records.a,
        aaaa: &records.aaaa,
        others,
    })
}

#[cfg(test)]
mod tests;
