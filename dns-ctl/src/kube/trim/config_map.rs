//! What DNS needs of a ConfigMap: its texts.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1;

use super::{Kind, Outcome, Trimmed, check_namespaced, namespaced_key};
use crate::{metrics::label::SourceKind, zone::object::ObjectKey};

/// A ConfigMap (`core/v1`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMap {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `data`; `binaryData` is left out.
    pub data: BTreeMap<String, String>,
}

impl Kind for ConfigMap {
    type Source = v1::ConfigMap;
    const LABEL: SourceKind = SourceKind::ConfigMap;

    fn trim(source: &v1::ConfigMap) -> Trimmed<Self> {
        let key = namespaced_key(&source.metadata);
        let outcome = check_namespaced(&key).map(|()| {
            Outcome::whole(Self {
                key: key.clone(),
                data: source.data.clone().unwrap_or_default(),
            })
        });
        Trimmed::new(key, outcome)
    }
}
