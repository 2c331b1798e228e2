//! Reverse names.

use std::{collections::BTreeSet, net::IpAddr};

use hickory_proto::rr::{Name, RecordType};

use super::{Place, Reference, labels, node::Node, positive};
use crate::{
    plan::{Exposure, Reach},
    row::Row,
    said::Said,
};

impl Reference<'_> {
    /// What the server itself says of a name in a reverse zone; `None` if it leaves that to others.
    pub(super) fn in_reverse(&self, name: &Name, record_type: RecordType) -> Option<Said> {
        let labels: Vec<_> = labels(name)
            .iter()
            .map(|it| it.to_ascii_lowercase())
            .collect();
        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
        let [before @ .., zone @ ("in-addr" | "ip6"), "arpa"] = labels.as_slice() else {
            return None;
        };
        if record_type == RecordType::PTR
            && let Some(address) = self.reversed(name, before, zone)
        {
            return self.pointers(name, address);
        }
        if self.on(Row::ReverseAuthority) {
            return None;
        }
        let zone = format!("{zone}.arpa");
        let is_apex = before.is_empty();
        let is_fixed = matches!(before, ["svc" | "pod"]);
        match record_type {
            RecordType::SOA if is_apex => Some(positive(vec![self.soa(&zone)])),
            RecordType::SOA => Some(self.no_data(&zone)),
            RecordType::TXT => None,
            _ => (is_apex || is_fixed).then(|| self.no_data(&zone)),
        }
    }

    /// The address that a name stands for.
    fn reversed(&self, name: &Name, before: &[&str], zone: &str) -> Option<IpAddr> {
        if zone == "ip6" && !self.on(Row::AddressForms) {
            // In fours from the right, however long they are; what is left over is passed over.
            let labels: Vec<_> = before.iter().rev().copied().collect();
            let groups: Vec<_> = labels.chunks_exact(4).map(<[&str]>::concat).collect();
            return self.v6(&groups.join(":"));
        }
        address(name)
    }

    /// The names that an address points back to, if there are any.
    fn pointers(&self, name: &Name, address: IpAddr) -> Option<Said> {
        let mut targets = self.service_of(address);
        if targets.is_empty() {
            targets = self.endpoints_at(address);
        }
        if self.on(Row::PtrTarget) {
            targets.retain(|target| self.has_address(target, address));
        }
        if targets.is_empty() {
            return None;
        }
        let owner = name.to_lowercase().to_string();
        let domain = &self.plan.settings.domains[0];
        let lines = targets.into_iter().map(|target| {
            let data = format!("{target}.{domain}.");
            self.line(&owner, RecordType::PTR, data)
        });
        Some(positive(lines.collect()))
    }

    /// The Service that has this ClusterIP.
    fn service_of(&self, address: IpAddr) -> BTreeSet<String> {
        let services = self.plan.services.iter();
        services
            .filter(|it| {
                self.plan.lists(it.team)
                    && self.may_point_to(&it.namespace)
                    && it.cluster_ips().contains(&address)
            })
            .map(|it| format!("{}.{}.svc", it.name, it.namespace))
            .collect()
    }

    fn endpoints_at(&self, address: IpAddr) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for slice in &self.plan.slices {
            if !self.sees(slice) || !self.may_point_to(&slice.namespace) {
                continue;
            }
            let service = self.plan.service(&slice.namespace, &slice.service);
            let by_host_name =
                self.on(Row::PtrHostName) && service.is_some_and(|it| it.reach != Reach::Headless);
            for endpoint in slice.ready() {
                if !endpoint.addresses.contains(&address)
                    || by_host_name && endpoint.hostname.is_none()
                {
                    continue;
                }
                let host = endpoint
                    .hostname
                    .clone()
                    .unwrap_or_else(|| self.label(address));
                names.insert(format!("{host}.{}.{}.svc", slice.service, slice.namespace));
            }
        }
        names
    }

    /// `CoreDNS` heeds a list of namespaces here, but neither a selector nor whether the Namespace exists.
    fn may_point_to(&self, namespace: &str) -> bool {
        !matches!(self.plan.settings.exposure, Exposure::Namespaces(_))
            || self.plan.serves(namespace)
    }

    fn has_address(&self, target: &str, address: IpAddr) -> bool {
        let place = Place {
            domain: &self.plan.settings.domains[0],
            labels: target.split('.').map(str::to_owned).collect(),
            lower: true,
        };
        match self.node(&place, RecordType::A) {
            Node::Places(pairs) => pairs.iter().any(|it| it.address == address),
            _ => false,
        }
    }
}

/// The address that a name stands for, if it stands for one in the usual way.
fn address(name: &Name) -> Option<IpAddr> {
    if !matches!(name.iter().len(), 6 | 34) {
        return None;
    }
    let address = name.parse_arpa_name().ok()?.addr();
    (Name::from(address) == *name).then_some(address)
}
