//! Which objects a list or a watch is about: namespace, labels, fields.

use super::field_selector::FieldSelector;
use super::label_selector::LabelSelector;
use super::object::Object;

/// Namespace and selectors of one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Only this namespace; `None` is the whole cluster.
    pub namespace: Option<String>,
    /// Only objects with such labels.
    pub labels: LabelSelector,
    /// Only objects with such fields.
    pub fields: FieldSelector,
}

impl Filter {
    /// Whether the request is about this object.
    #[must_use]
    pub fn matches(&self, object: &Object) -> bool {
        self.namespace
            .as_ref()
            .is_none_or(|namespace| *namespace == object.key().0)
            && self.labels.matches(object.labels())
            && self.fields.matches(object)
    }

    /// Whether a selector is in use: then a list cannot tell how many objects remain.
    #[must_use]
    pub fn selects(&self) -> bool {
        !self.labels.is_empty() || !self.fields.is_empty()
    }
}
