//! What of a cluster is to be read, in the terms of both sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use kube::core::Expression;

use super::selector::LabelSelector;
use crate::zone::{
    PodNames, Policy,
    object::{ObjectKey, SliceList},
};

/// The label of the EndpointSlices of headless Services.
const HEADLESS: &str = "service.kubernetes.io/headless";
/// The label that tells who made an EndpointSlice, and its value for those that Kubernetes made.
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const KUBERNETES: &str = "endpointslice-controller.k8s.io";
/// The label that every Namespace has: its own name.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// What of a cluster is to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The lists of EndpointSlices.
    pub slices: Vec<SliceList>,
    /// Whether Pods are.
    pub pods: bool,
    /// The only namespaces; `None`: all. If it is just one, nothing outside it is asked for.
    pub namespaces: Option<BTreeSet<Box<str>>>,
    /// Only Namespaces with such labels.
    pub namespace_selector: Option<LabelSelector>,
    /// Only Services with such labels.
    pub service_selector: Option<LabelSelector>,
    /// This ConfigMap, wherever it is.
    pub config_map: Option<ObjectKey>,
}

/// What the zone needs; selectors and ConfigMap are no matter of it.
impl From<&Policy> for Wanted {
    fn from(policy: &Policy) -> Self {
        Self {
            slices: policy.slice_lists().to_vec(),
            pods: policy.pods == PodNames::Verified,
            namespaces: policy.namespaces.clone(),
            ..Self::default()
        }
    }
}

impl Wanted {
    /// The namespace, if it is a single one.
    #[must_use]
    pub fn only_namespace(&self) -> Option<&str> {
        match self.namespaces.iter().flatten().collect::<Vec<_>>()[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Whether a Service with these labels is wanted.
    #[must_use]
    pub fn selects_service(&self, labels: &BTreeMap<String, String>) -> bool {
        let selector = self.service_selector.as_ref();
        selector.is_none_or(|selector| selector.matches(labels))
    }

    /// Whether the Namespace of this name and these labels is wanted.
    #[must_use]
    pub fn selects_namespace(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.namespace_selector.as_ref().is_none_or(|selector| {
            let mut labels = labels.clone();
            // The API server adds it; in a manifest it may be missing.
            labels.insert(NAMESPACE_NAME.to_owned(), name.to_owned());
            selector.matches(&labels)
        })
    }

    /// The list in which an EndpointSlice with these labels comes, if any.
    #[must_use]
    pub fn slice_list(&self, labels: &BTreeMap<String, String>) -> Option<SliceList> {
        let holds = |list: &SliceList| {
            slice_selector(*list).is_none_or(|selector| selector.matches(labels))
        };
        self.slices.iter().copied().find(holds)
    }
}

/// What selects the EndpointSlices of a list; `None`: they all belong to it.
pub(super) fn slice_selector(list: SliceList) -> Option<&'static LabelSelector> {
    static HEADLESS_SLICES: LazyLock<LabelSelector> = LazyLock::new(|| {
        [Expression::Exists(HEADLESS.to_owned())]
            .into_iter()
            .collect()
    });
    static FOREIGN_SLICES: LazyLock<LabelSelector> = LazyLock::new(|| {
        [
            Expression::DoesNotExist(HEADLESS.to_owned()),
            Expression::NotEqual(MANAGED_BY.to_owned(), KUBERNETES.to_owned()),
        ]
        .into_iter()
        .collect()
    });
    match list {
        SliceList::All => None,
        SliceList::Headless => Some(&HEADLESS_SLICES),
        SliceList::Foreign => Some(&FOREIGN_SLICES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::EndpointNames;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn the_zones_policy_decides_what_is_watched() {
        let everywhere = Wanted::from(&Policy::default());
        assert_eq!(everywhere.slices, [SliceList::Headless, SliceList::Foreign]);
        assert!(!everywhere.pods);
        assert_eq!(everywhere.only_namespace(), None);
        let narrow = Wanted::from(&Policy {
            pods: PodNames::Verified,
            endpoints: EndpointNames::All,
            namespaces: Some(BTreeSet::from(["a".into()])),
            ignore_empty_services: false,
        });
        assert_eq!(narrow.slices, [SliceList::All]);
        assert!(narrow.pods);
        assert_eq!(narrow.only_namespace(), Some("a"));
        let two = Wanted {
            namespaces: Some(BTreeSet::from(["a".into(), "b".into()])),
            ..narrow
        };
        assert_eq!(two.only_namespace(), None);
    }

    #[test]
    fn a_slice_comes_in_one_list() {
        let default = Wanted::from(&Policy::default());
        let all = Wanted {
            slices: vec![SliceList::All],
            ..Wanted::default()
        };
        for (case, given, expected) in [
            (
                "headless",
                labels(&[(HEADLESS, ""), (MANAGED_BY, KUBERNETES)]),
                Some(SliceList::Headless),
            ),
            (
                "headless and mirrored",
                labels(&[
                    (HEADLESS, ""),
                    (MANAGED_BY, "endpointslicemirroring-controller.k8s.io"),
                ]),
                Some(SliceList::Headless),
            ),
            (
                "mirrored",
                labels(&[(MANAGED_BY, "endpointslicemirroring-controller.k8s.io")]),
                Some(SliceList::Foreign),
            ),
            ("by hand", labels(&[]), Some(SliceList::Foreign)),
            (
                "of a Service with ClusterIPs",
                labels(&[(MANAGED_BY, KUBERNETES)]),
                None,
            ),
        ] {
            assert_eq!(default.slice_list(&given), expected, "{case}");
            assert_eq!(all.slice_list(&given), Some(SliceList::All), "{case}");
        }
        assert_eq!(Wanted::default().slice_list(&labels(&[])), None);
    }

    #[test]
    fn the_selectors_of_slices_are_those_that_the_api_server_takes() {
        let text = |list| slice_selector(list).map(ToString::to_string);
        assert_eq!(text(SliceList::All), None);
        assert_eq!(text(SliceList::Headless).unwrap(), HEADLESS);
        assert_eq!(
            text(SliceList::Foreign).unwrap(),
            "!service.kubernetes.io/headless,\
             endpointslice.kubernetes.io/managed-by!=endpointslice-controller.k8s.io"
        );
    }

    #[test]
    fn namespaces_have_a_label_with_their_name() {
        let wanted = |selector: &str| Wanted {
            namespace_selector: Some(selector.parse().unwrap()),
            ..Wanted::default()
        };
        let none = labels(&[]);
        let by_name = wanted("kubernetes.io/metadata.name in (a,b)");
        assert!(by_name.selects_namespace("a", &none));
        assert!(!by_name.selects_namespace("c", &none));
        let by_team = wanted("team=a");
        assert!(by_team.selects_namespace("x", &labels(&[("team", "a")])));
        assert!(!by_team.selects_namespace("x", &none));
        assert!(Wanted::default().selects_namespace("x", &none));
    }
}
