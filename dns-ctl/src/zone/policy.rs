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
        for (endpoints, ignore_empty_services, lists) in [
            (EndpointNames::Headless, false, narrow),
            (EndpointNames::All, false, &[SliceList::All]),
            (EndpointNames::Headless, true, &[SliceList::All]),
        ] {
            let policy = Policy {
                endpoints,
                ignore_empty_services,
                ..Policy::default()
            };
            assert_eq!(policy.slice_lists(), lists, "{policy:?}");
        }
    }
}
