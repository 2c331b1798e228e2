//! What DNS needs of a Namespace: that it exists.

use k8s_openapi::api::core::v1;

use super::{Kind, Outcome, Trimmed, check_name};
use crate::{
    metrics::label::SourceKind,
    zone::object::{Namespace, ObjectKey},
};

impl Kind for Namespace {
    type Source = v1::Namespace;
    const LABEL: SourceKind = SourceKind::Namespace;

    fn trim(source: &v1::Namespace) -> Trimmed<Self> {
        let key = ObjectKey::new("", source.metadata.name.as_deref().unwrap_or_default());
        let outcome = check_name(&key).map(|()| Outcome::whole(Self { key: key.clone() }));
        Trimmed::new(key, outcome)
    }
}
