//! What of a cluster is to be read, in the terms of both sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use kube::core::Expression;

use super::{
    selector::LabelSelector,
    trim::{DNS_LABEL, DNS_NAMESPACE},
};
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

    /// The first list in which an EndpointSlice of this namespace and these labels comes, if any.
    #[must_use]
    pub fn slice_list(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
    ) -> Option<SliceList> {
        let holds = |list: &SliceList| {
            slice_namespace(*list, None).is_none_or(|only| only == namespace)
                && slice_selector(*list).is_none_or(|selector| selector.matches(labels))
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
    // The controller of EndpointSlices copies a Service's labels to them.
    static DNS_SLICES: LazyLock<LabelSelector> = LazyLock::new(|| {
        let (label, value) = DNS_LABEL;
        [Expression::Equal(label.to_owned(), value.to_owned())]
            .into_iter()
            .collect()
    });
    match list {
        SliceList::All => None,
        SliceList::Headless => Some(&HEADLESS_SLICES),
        SliceList::Foreign => Some(&FOREIGN_SLICES),
        SliceList::Dns => Some(&DNS_SLICES),
    }
}

/// The namespace in which a list of EndpointSlices is asked for; `only`: the single one that is wanted.
pub(super) const fn slice_namespace(list: SliceList, only: Option<&str>) -> Option<&str> {
    match list {
        SliceList::Dns => Some(DNS_NAMESPACE),
        SliceList::All | SliceList::Headless | SliceList::Foreign => only,
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
            ..Policy::default()
        });
        assert_eq!(narrow.slices, [SliceList::All]);
        assert!(narrow.pods);
        assert_eq!(narrow.only_namespace(), Some("a"));
        let with_dns = Wanted::from(&Policy {
            dns_endpoints: true,
            ..Policy::default()
        });
        let lists = [SliceList::Headless, SliceList::Foreign, SliceList::Dns];
        assert_eq!(with_dns.slices, lists);
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
        let with_dns = Wanted::from(&Policy {
            dns_endpoints: true,
            ..Policy::default()
        });
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
            assert_eq!(default.slice_list("a", &given), expected, "{case}");
            assert_eq!(with_dns.slice_list("a", &given), expected, "{case}");
            assert_eq!(all.slice_list("a", &given), Some(SliceList::All), "{case}");
        }
        assert_eq!(Wanted::default().slice_list("a", &labels(&[])), None);

        let of_dns = |namespace: &str, value: &str, more: &[(&str, &str)]| {
            let own = [("k8s-app", value), (MANAGED_BY, KUBERNETES)];
            let given = labels(&[&own, more].concat());
            (
                default.slice_list(namespace, &given),
                with_dns.slice_list(namespace, &given),
            )
        };
        let dns = (None, Some(SliceList::Dns));
        assert_eq!(of_dns("kube-system", "kube-dns", &[]), dns);
        assert_eq!(of_dns("default", "kube-dns", &[]), (None, None));
        assert_eq!(of_dns("kube-system", "other", &[]), (None, None));
        let headless = (Some(SliceList::Headless), Some(SliceList::Headless));
        assert_eq!(
            of_dns("kube-system", "kube-dns", &[(HEADLESS, "")]),
            headless
        );
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
        assert_eq!(text(SliceList::Dns).unwrap(), "k8s-app=kube-dns");
    }

    #[test]
    fn dns_is_looked_for_in_its_own_namespace() {
        for list in [SliceList::All, SliceList::Headless, SliceList::Foreign] {
            assert_eq!(slice_namespace(list, Some("a")), Some("a"));
            assert_eq!(slice_namespace(list, None), None);
        }
        assert_eq!(
            slice_namespace(SliceList::Dns, Some("a")),
            Some("kube-system")
        );
        assert_eq!(slice_namespace(SliceList::Dns, None), Some("kube-system"));
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
