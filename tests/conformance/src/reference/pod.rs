//! Names of pods.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Reference,
    node::{Node, Pair},
};
use crate::{
    plan::{Pod, Pods},
    row::Row,
};

impl Reference<'_> {
    /// What is at `before.namespace.pod`, in a namespace that is served.
    pub(super) fn pod(&self, before: &[&str], namespace: &str) -> Node {
        let pods = self.plan.settings.pods;
        let label = match before {
            _ if pods == Pods::Disabled => return Node::Missing,
            [] => return Node::Bare,
            [label] => label,
            [_, label] | [_, _, label] if !self.on(Row::BelowPod) => label,
            _ => return Node::Missing,
        };
        let addresses = if pods == Pods::Insecure {
            Vec::from_iter(self.by_rule(label))
        } else {
            let pods = self.plan.pods.iter().filter(|it| it.namespace == namespace);
            pods.filter_map(|it| self.address_of(it, label)).collect()
        };
        // CoreDNS has port 0 on each.
        let port = (!self.on(Row::PodSrv)).then(|| (String::new(), "", 0));
        let pair = |address| Pair {
            target: format!("{label}.{namespace}.pod"),
            address,
            port: port.clone(),
        };
        if addresses.is_empty() {
            Node::Missing
        } else {
            Node::Places(addresses.into_iter().map(pair).collect())
        }
    }

    /// The address of a pod that a label stands for.
    fn address_of(&self, pod: &Pod, label: &str) -> Option<IpAddr> {
        let listed = self.on(Row::PodLabels) || self.plan.lists(pod.team);
        if !listed || matches!(pod.phase, "Succeeded" | "Failed") {
            return None;
        }
        let known = if self.on(Row::PodAddresses) {
            pod.addresses.len()
        } else {
            1
        };
        pod.addresses.iter().take(known).copied().find(|&address| {
            let called = self.label(address);
            let colons = address.is_ipv6() && !self.on(Row::AddressForms);
            called == label || colons && called == label.replace(':', "-")
        })
    }

    /// The address that a label stands for.
    fn by_rule(&self, label: &str) -> Option<IpAddr> {
        // A separator inside the label would be another one.
        if label.contains('.') || label.contains(':') && self.on(Row::AddressForms) {
            return None;
        }
        if label.matches('-').count() == 3 && !label.contains("--") {
            return label
                .replace('-', ".")
                .parse::<Ipv4Addr>()
                .ok()
                .map(IpAddr::V4);
        }
        self.v6(&label.replace('-', ":"))
    }

    /// An IPv6 address; Go's parser takes any number of zeros before a group.
    pub(super) fn v6(&self, text: &str) -> Option<IpAddr> {
        let group = |group: &str| {
            let digits = group.trim_start_matches('0');
            if group.is_empty() || !digits.is_empty() {
                digits.to_owned()
            } else {
                "0".to_owned()
            }
        };
        let text = if self.on(Row::AddressForms) {
            text.to_owned()
        } else {
            text.split(':').map(group).collect::<Vec<_>>().join(":")
        };
        Some(text.parse::<Ipv6Addr>().ok()?.to_canonical())
    }
}
