//! Objects as they come from the API server: trimmed while they are read.
//!
//! The client library keeps a whole list of objects until it has handed out the last. As these are
//! trimmed one by one while the list is parsed, it never keeps more than DNS needs, whatever else
//! (managed fields, Pods' containers) an object has.

use std::borrow::Cow;

use k8s_openapi::{Metadata as _, Resource, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde::{Deserialize, Deserializer};

use super::trim::{Kind, Trimmed};

/// An object of which only the trimmed part is left.
#[derive(Clone, Debug)]
pub(super) struct Arriving<T> {
    pub(super) trimmed: Trimmed<T>,
    /// Nothing but what a watch needs to go on.
    metadata: ObjectMeta,
}

impl<'de, T: Kind> Deserialize<'de> for Arriving<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = T::Source::deserialize(deserializer)?;
        Ok(Self {
            trimmed: T::trim(&source),
            metadata: ObjectMeta {
                resource_version: source.metadata().resource_version.clone(),
                ..ObjectMeta::default()
            },
        })
    }
}

impl<T: Kind> kube::Resource for Arriving<T> {
    type DynamicType = ();
    type Scope = <T::Source as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        T::Source::KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        T::Source::GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        T::Source::VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        T::Source::URL_PATH_SEGMENT.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
