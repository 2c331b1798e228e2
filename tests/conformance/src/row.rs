//! The differences that are meant: the rows of `docs/compatibility.md`.

use std::{collections::BTreeSet, fmt};

/// A way in which dns-ctl answers otherwise than `CoreDNS`, on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    /// A name with names below it exists, though it has no records (RFC 8020).
    EmptyNonTerminal,
    /// The owner of an SRV record has two underscores (RFC 2782).
    SrvUnderscores,
    /// The owner of an SRV record has no addresses.
    PortAddresses,
    /// With an SRV record come all addresses of its target.
    SrvGlue,
    /// What does not exist does not exist for SOA queries, either.
    SoaOfNothing,
    /// A name without TXT records exists for TXT queries, too.
    TxtOfSomething,
    /// `dns-version` exists for other types than TXT.
    SchemaVersionTypes,
    /// The zone names a server, whose addresses are those of the cluster's DNS Service.
    NameServer,
    /// An SOA record's TTL is not cut at five minutes.
    SoaTtl,
    /// An alias is followed for every type (RFC 1034, section 3.6.2).
    AliasTypes,
    /// An alias that leads to nothing is told together with that (RFC 2308, section 2).
    AliasDeadEnd,
    /// An alias that leads in a circle, or too far, is a failure.
    AliasCircle,
    /// An alias to a name that can't be resolved is a failure.
    AliasFailure,
    /// There are no names below a pod's.
    BelowPod,
    /// Pods have no SRV records.
    PodSrv,
    /// A pod is known by all its addresses.
    PodAddresses,
    /// Which Services are selected says nothing of Pods.
    PodLabels,
    /// Which Services are selected says nothing of EndpointSlices.
    SliceLabels,
    /// Endpoints of Services with ClusterIPs have no names, unless asked for.
    EndpointNames,
    /// An endpoint's label does not end in a hyphen (RFC 1123, section 2.1).
    Ipv6Label,
    /// A name of an address is made in one way: separators are hyphens, groups have four digits (RFC 4291,
    /// section 2.2), and a reverse name has 32 of one (RFC 3596, section 2.5).
    AddressForms,
    /// An address points back to names that exist and have it.
    PtrTarget,
    /// Of Services with ClusterIPs, endpoints with a host name are pointed back to.
    PtrHostName,
    /// The reverse zones as such are not this server's.
    ReverseAuthority,
}

impl Row {
    /// All rows, in the order of the document.
    pub const ALL: [Self; 24] = [
        Self::EmptyNonTerminal,
        Self::SrvUnderscores,
        Self::PortAddresses,
        Self::SrvGlue,
        Self::SoaOfNothing,
        Self::TxtOfSomething,
        Self::SchemaVersionTypes,
        Self::NameServer,
        Self::SoaTtl,
        Self::AliasTypes,
        Self::AliasDeadEnd,
        Self::AliasCircle,
        Self::AliasFailure,
        Self::BelowPod,
        Self::PodSrv,
        Self::PodAddresses,
        Self::PodLabels,
        Self::SliceLabels,
        Self::EndpointNames,
        Self::Ipv6Label,
        Self::AddressForms,
        Self::PtrTarget,
        Self::PtrHostName,
        Self::ReverseAuthority,
    ];

    /// What the document calls it.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::EmptyNonTerminal => "empty-non-terminal",
            Self::SrvUnderscores => "srv-underscores",
            Self::PortAddresses => "port-addresses",
            Self::SrvGlue => "srv-glue",
            Self::SoaOfNothing => "soa-of-nothing",
            Self::TxtOfSomething => "txt-of-something",
            Self::SchemaVersionTypes => "schema-version-types",
            Self::NameServer => "name-server",
            Self::SoaTtl => "soa-ttl",
            Self::AliasTypes => "alias-types",
            Self::AliasDeadEnd => "alias-dead-end",
            Self::AliasCircle => "alias-circle",
            Self::AliasFailure => "alias-failure",
            Self::BelowPod => "below-pod",
            Self::PodSrv => "pod-srv",
            Self::PodAddresses => "pod-addresses",
            Self::PodLabels => "pod-labels",
            Self::SliceLabels => "slice-labels",
            Self::EndpointNames => "endpoint-names",
            Self::Ipv6Label => "ipv6-label",
            Self::AddressForms => "address-forms",
            Self::PtrTarget => "ptr-target",
            Self::PtrHostName => "ptr-host-name",
            Self::ReverseAuthority => "reverse-authority",
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// Some of the rows.
pub type Rows = BTreeSet<Row>;
