//! Who answers, and how one is named on the command line and in reports.

use clap::{ValueEnum, builder::PossibleValue};
use serde::{Serialize, Serializer};

use crate::{
    neighbours::Hook,
    peers::{Peer, coredns::Tuning},
};

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// kxdns in the kernel.
    Kxdns(Hook),
    /// CoreDNS.
    CoreDns(Tuning),
    /// Another server.
    Peer(Peer),
}

impl Subject {
    /// What others are compared with.
    pub(super) const REFERENCES: [Self; 2] =
        [Self::CoreDns(Tuning::Stock), Self::CoreDns(Tuning::Tuned)];

    /// The name.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Kxdns(Hook::Tcx) => "kxdns-tcx",
            Self::Kxdns(Hook::Tc) => "kxdns-tc",
            Self::Kxdns(Hook::XdpGeneric) => "kxdns-xdp-generic",
            Self::CoreDns(Tuning::Stock) => "coredns",
            Self::CoreDns(Tuning::Tuned) => "coredns-tuned",
            Self::Peer(Peer::Unbound) => "unbound",
            Self::Peer(Peer::Dnsmasq) => "dnsmasq",
        }
    }

    const fn help(self) -> &'static str {
        match self {
            Self::Kxdns(Hook::Tcx) => "kxdns by a tcx link",
            Self::Kxdns(Hook::Tc) => "kxdns by a filter of the clsact qdisc",
            Self::Kxdns(Hook::XdpGeneric) => "kxdns by XDP on socket buffers",
            Self::CoreDns(Tuning::Stock) => "CoreDNS as kubeadm sets it up",
            Self::CoreDns(Tuning::Tuned) => "CoreDNS made faster",
            Self::Peer(Peer::Unbound) => "unbound with the names as local data",
            Self::Peer(Peer::Dnsmasq) => "dnsmasq with the names in a hosts file",
        }
    }
}

impl ValueEnum for Subject {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Kxdns(Hook::Tcx),
            Self::Kxdns(Hook::Tc),
            Self::Kxdns(Hook::XdpGeneric),
            Self::CoreDns(Tuning::Stock),
            Self::CoreDns(Tuning::Tuned),
            Self::Peer(Peer::Unbound),
            Self::Peer(Peer::Dnsmasq),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.label()).help(self.help()))
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.label())
    }
}

/// The name of the reflector at a hook: the least that an answer from there can cost.
pub(super) const fn reflector(hook: Hook) -> &'static str {
    match hook {
        Hook::Tcx => "reflector-tcx",
        Hook::Tc => "reflector-tc",
        Hook::XdpGeneric => "reflector-xdp-generic",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_name_is_another_and_is_read_again() {
        let all = Subject::value_variants();
        let labels: HashSet<_> = all.iter().map(|subject| subject.label()).collect();
        assert_eq!(labels.len(), all.len());
        for subject in all {
            assert_eq!(Subject::from_str(subject.label(), false), Ok(*subject));
        }
    }
}
