//! Which names a zone has, beyond what the objects say.

use std::collections::BTreeSet;

use super::object::SliceList;

/// Which names the zone has, beyond what the objects say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether pods have names.
    pub pods: PodNames,
    /// Which Services' endpoints have names of their own.
    pub endpoints: EndpointNames,
    /// The only namespaces that are served; `None`: all.
    pub namespaces: Option<BTreeSet<Box<str>>>,
    /// Whether a Service with ClusterIPs, but without a ready endpoint, does not exist.
    pub ignore_empty_services: bool,
    /// Whether the zone tells the endpoints of the cluster's DNS Service; no name depends on it.
    pub dns_endpoints: bool,
}

/// Whether `a-b-c-d.<namespace>.pod.<domain>` exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodNames {
    /// Never.
    Disabled,
    /// For every address that can be written so, in every namespace: nothing is watched for it.
    #[default]
    Insecure,
    /// For the addresses of the namespace's own Pods.
    Verified,
}

/// Whose endpoints have names of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndpointNames {
    /// Those of headless Services.
    #[default]
    Headless,
    /// Those of every Service.
    All,
}

impl Policy {
    /// The lists of EndpointSlices that this policy needs; `synced` waits for each of them.
    #[must_use]
    pub fn slice_lists(&self) -> &'static [SliceList] {
        if self.endpoints == EndpointNames::All || self.ignore_empty_services {
            &[SliceList::All]
        } else if self.dns_endpoints {
            &[SliceList::Headless, SliceList::Foreign, SliceList::Dns]
        } else {
            &[SliceList::Headless, SliceList::Foreign]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_slices_are_needed_only_where_endpoints_of_all_services_count() {
        let narrow: &[SliceList] = &[SliceList::Headless, SliceList::Foreign];
        let all: &[SliceList] = &[SliceList::All];
        let with_dns: &[SliceList] = &[SliceList::Headless, SliceList::Foreign, SliceList::Dns];
        for (endpoints, ignore_empty_services, dns_endpoints, lists) in [
            (EndpointNames::Headless, false, false, narrow),
            (EndpointNames::All, false, false, all),
            (EndpointNames::Headless, true, false, all),
            (EndpointNames::Headless, false, true, with_dns),
            (EndpointNames::All, false, true, all),
            (EndpointNames::Headless, true, true, all),
        ] {
            let policy = Policy {
                endpoints,
                ignore_empty_services,
                dns_endpoints,
                ..Policy::default()
            };
            assert_eq!(policy.slice_lists(), lists, "{policy:?}");
        }
    }
}
