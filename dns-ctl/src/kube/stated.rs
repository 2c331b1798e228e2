//! The kinds of objects that manifests may state, and which of them are wanted.

use std::collections::BTreeMap;

use super::{
    trim::{ConfigMap, Kind},
    wanted::Wanted,
};
use crate::zone::object::{EndpointSlice, Namespace, Pod, Reach, Service, SliceList};

/// An object of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A Namespace.
    Namespace(Namespace),
    /// A Service.
    Service(Service),
    /// An EndpointSlice, and the list in which it comes.
    EndpointSlice(SliceList, EndpointSlice),
    /// A Pod.
    Pod(Pod),
    /// A ConfigMap.
    ConfigMap(ConfigMap),
}

/// A kind that manifests may state.
pub(super) trait Stated: Kind {
    /// Whether objects of this kind are wanted at all.
    fn is_wanted(wanted: &Wanted) -> bool;

    /// The object, if one with these labels is wanted.
    fn select(self, labels: &BTreeMap<String, String>, wanted: &Wanted) -> Option<Object>;

    /// What an API server would have to add before the object can be served.
    fn lack(&self) -> Option<String> {
        None
    }
}

impl Stated for Namespace {
    fn is_wanted(_: &Wanted) -> bool {
        true
    }

    fn select(self, labels: &BTreeMap<String, String>, wanted: &Wanted) -> Option<Object> {
        wanted
            .selects_namespace(&self.key.name, labels)
            .then_some(Object::Namespace(self))
    }
}

impl Stated for Service {
    fn is_wanted(_: &Wanted) -> bool {
        true
    }

    fn select(self, labels: &BTreeMap<String, String>, wanted: &Wanted) -> Option<Object> {
        wanted
            .selects_service(labels)
            .then_some(Object::Service(self))
    }

    fn lack(&self) -> Option<String> {
        (self.reach == Reach::Pending).then(|| {
            format!(
                "Service {} has no clusterIP and no API server gives it one: write an address, or `None` if \
                 it is headless; until then its name can't be answered",
                self.key
            )
        })
    }
}

impl Stated for EndpointSlice {
    fn is_wanted(wanted: &Wanted) -> bool {
        !wanted.slices.is_empty()
    }

    fn select(self, labels: &BTreeMap<String, String>, wanted: &Wanted) -> Option<Object> {
        let list = wanted.slice_list(&self.key.namespace, labels)?;
        Some(Object::EndpointSlice(list, self))
    }
}

impl Stated for Pod {
    fn is_wanted(wanted: &Wanted) -> bool {
        wanted.pods
    }

    fn select(self, _: &BTreeMap<String, String>, _: &Wanted) -> Option<Object> {
        Some(Object::Pod(self))
    }
}

impl Stated for ConfigMap {
    fn is_wanted(wanted: &Wanted) -> bool {
        wanted.config_map.is_some()
    }

    fn select(self, _: &BTreeMap<String, String>, wanted: &Wanted) -> Option<Object> {
        (wanted.config_map.as_ref() == Some(&self.key)).then_some(Object::ConfigMap(self))
    }
}
