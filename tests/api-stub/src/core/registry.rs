//! Writes: create, replace, merge, delete, with the checks of a real API server, on top of the store.

use std::sync::Arc;

use serde_json::{Value, json};

use super::address::{Pool, Ranges};
use super::admit::{admit, first_status, typed};
use super::filter::Filter;
use super::guard::{place, unchanged};
use super::kind::Kind;
use super::object::{Key, Object, key_of, metadata_mut, text};
use super::patch::merge;
use super::service;
use super::stamp::{random, uid};
use super::status::ApiError;
use super::store::Store;

/// Objects, history, and the rules for changing them.
#[derive(Debug)]
pub struct Registry {
    store: Store,
    pool: Pool,
    /// The time now, as `creationTimestamp` writes it.
    clock: fn() -> String,
}

/// What must be true of an object for its deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// It is this very object, not a later one of that name.
    pub uid: Option<String>,
    /// It has not changed since.
    pub revision: Option<String>,
}

/// The name of one object: kind, namespace (`None` for cluster-wide kinds), name.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
}

impl Target<'_> {
    fn key(&self) -> Key {
        (
            self.namespace.unwrap_or_default().to_owned(),
            self.name.to_owned(),
        )
    }
}

impl Registry {
    /// A registry with what every cluster has: its first namespaces and the `kubernetes` Service.
    pub fn new(
        history: usize,
        any_service_ip: bool,
        clock: fn() -> String,
    ) -> Result<Self, ApiError> {
        let pool = Pool::new(Ranges::default(), any_service_ip);
        let mut registry = Self {
            store: Store::new(history),
            pool,
            clock,
        };
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            registry.create(
                Kind::Namespace,
                None,
                &json!({ "metadata": { "name": name } }),
            )?;
        }
        let service = json!({
            "metadata": { "name": "kubernetes", "labels": { "component": "apiserver", "provider": "kubernetes" } },
            "spec": { "clusterIP": "10.96.0.1", "ports": [{ "name": "https", "port": 443, "targetPort": 6443 }] },
        });
        registry.create(Kind::Service, Some("default"), &service)?;
        Ok(registry)
    }

    /// The objects and their history.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Forgets the history, so that older versions are gone.
    pub fn compact(&mut self) {
        self.store.compact();
    }

    /// One object, or 404.
    pub fn get(&self, target: Target<'_>) -> Result<Arc<Object>, ApiError> {
        let found = self.store.get(target.kind, &target.key()).cloned();
        found.ok_or_else(|| ApiError::not_found(target.kind, target.name))
    }

    /// Creates an object; `namespace` is the one the request's path names.
    pub fn create(
        &mut self,
        kind: Kind,
        namespace: Option<&str>,
        value: &Value,
    ) -> Result<Arc<Object>, ApiError> {
        let mut value = typed(kind, value)?;
        place(kind, namespace, &mut value)?;
        let metadata = metadata_mut(&mut value);
        if metadata
            .get("resourceVersion")
            .and_then(Value::as_str)
            .is_some_and(|version| !version.is_empty())
        {
            return Err(ApiError::bad_request(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        if let Some(space) = namespace.filter(|_| kind.resource().namespaced)
            && self
                .store
                .get(Kind::Namespace, &(String::new(), space.to_owned()))
                .is_none()
        {
            return Err(ApiError::not_found(Kind::Namespace, space));
        }
        if text(&value, "/metadata/name").is_empty()
            && !text(&value, "/metadata/generateName").is_empty()
        {
            let name = format!(
                "{}{:05x}",
                text(&value, "/metadata/generateName"),
                random() & 0xf_ffff
            );
            metadata_mut(&mut value).insert("name".into(), name.into());
        }
        self.stamp(kind, &mut value);
        if let Some(status) = first_status(kind) {
            value["status"] = status;
        }
        admit(kind, &mut value, None, &mut self.pool)?;
        let key = key_of(&value);
        if self.store.get(kind, &key).is_some() {
            return Err(ApiError::already_exists(kind, &key.1));
        }
        Ok(self.put(kind, value))
    }

    /// Replaces an object, or its status alone; says whether it was created instead (some kinds allow that).
    pub fn replace(
        &mut self,
        target: Target<'_>,
        value: &Value,
        status: bool,
    ) -> Result<(Arc<Object>, bool), ApiError> {
        let Target {
            kind,
            namespace,
            name,
        } = target;
        let mut value = typed(kind, value)?;
        place(kind, namespace, &mut value)?;
        if text(&value, "/metadata/name") != name {
            let given = text(&value, "/metadata/name");
            return Err(ApiError::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            )));
        }
        let Some(old) = self.store.get(kind, &target.key()).cloned() else {
            if kind.resource().create_on_update && !status {
                return self
                    .create(kind, namespace, &value)
                    .map(|object| (object, true));
            }
            return Err(ApiError::not_found(kind, name));
        };
        let was = old.value();
        unchanged(target, &value, &was)?;
        for field in ["uid", "creationTimestamp", "generation"] {
            metadata_mut(&mut value).insert(field.into(), was["metadata"][field].clone());
        }
        metadata_mut(&mut value)
            .insert("resourceVersion".into(), old.revision().to_string().into());
        if status {
            let new = value["status"].take();
            value = was.clone();
            value["status"] = new;
        } else {
            if kind.resource().has_status {
                value["status"] = was["status"].clone();
            }
            admit(kind, &mut value, Some(&was), &mut self.pool)?;
        }
        let mut value = typed(kind, &value)?;
        if value == was {
            // Writing what is there makes no new version.
            return Ok((old, false));
        }
        if let Some(generation) = was["metadata"]["generation"].as_i64().filter(|_| !status) {
            metadata_mut(&mut value).insert("generation".into(), (generation + 1).into());
        }
        self.pool.release(&service::addresses(&was));
        Ok((self.put(kind, value), false))
    }

    /// Changes an object by a merge patch (RFC 7396).
    pub fn merge(
        &mut self,
        target: Target<'_>,
        patch: &Value,
        status: bool,
    ) -> Result<Arc<Object>, ApiError> {
        if !patch.is_object() {
            return Err(ApiError::bad_request("a merge patch is a JSON object"));
        }
        let mut value = self.get(target)?.value();
        merge(&mut value, patch);
        self.replace(target, &value, status)
            .map(|(object, _)| object)
    }

    /// Deletes an object; a namespace takes everything in it with it.
    pub fn delete(
        &mut self,
        target: Target<'_>,
        only_if: &Preconditions,
    ) -> Result<Arc<Object>, ApiError> {
        let Target { kind, name, .. } = target;
        let object = self.get(target)?;
        let differs =
            |wanted: &Option<String>, is: &str| wanted.as_ref().is_some_and(|wanted| wanted != is);
        if differs(&only_if.uid, text(&object.value(), "/metadata/uid")) {
            return Err(ApiError::conflict(
                kind,
                name,
                "the UID in the precondition is not the UID of the object",
            ));
        }
        if differs(&only_if.revision, &object.revision().to_string()) {
            return Err(ApiError::conflict(
                kind,
                name,
                "the ResourceVersion in the precondition is not that of the object",
            ));
        }
        if kind == Kind::Namespace {
            self.empty_namespace(&object)?;
        }
        self.remove(kind, object.key());
        Ok(object)
    }

    /// Deletes all objects a filter matches; how many there were.
    pub fn delete_collection(&mut self, kind: Kind, filter: &Filter) -> Result<usize, ApiError> {
        if kind == Kind::Namespace {
            return Err(ApiError::method_not_allowed(
                "DELETE",
                "/api/v1/namespaces",
                "GET, POST",
            ));
        }
        let keys: Vec<_> = self
            .store
            .all(kind)
            .filter(|object| filter.matches(object))
            .map(|object| object.key().clone())
            .collect();
        for key in &keys {
            self.remove(kind, key);
        }
        Ok(keys.len())
    }

    /// Writes an object whatever the rules say, status included: state that no client could bring about.
    pub fn force(&mut self, kind: Kind, value: &Value) -> Result<Arc<Object>, ApiError> {
        let mut value = typed(kind, value)?;
        let namespace = text(&value, "/metadata/namespace").to_owned();
        place(
            kind,
            (!namespace.is_empty()).then_some(namespace.as_str()),
            &mut value,
        )?;
        match self.store.get(kind, &key_of(&value)) {
            Some(old) => {
                let was = old.value();
                self.pool.release(&service::addresses(&was));
                for field in ["uid", "creationTimestamp"] {
                    metadata_mut(&mut value).insert(field.into(), was["metadata"][field].clone());
                }
            }
            None => self.stamp(kind, &mut value),
        }
        Ok(self.put(kind, value))
    }

    fn stamp(&self, kind: Kind, value: &mut Value) {
        let metadata = metadata_mut(value);
        metadata.insert("uid".into(), uid().into());
        metadata.insert("creationTimestamp".into(), (self.clock)().into());
        if matches!(kind, Kind::EndpointSlice | Kind::Pod) {
            metadata.insert("generation".into(), 1.into());
        }
    }

    fn put(&mut self, kind: Kind, value: Value) -> Arc<Object> {
        if kind == Kind::Service {
            self.pool.take(&service::addresses(&value));
        }
        self.store.put(kind, value)
    }

    fn remove(&mut self, kind: Kind, key: &Key) {
        let removed = self.store.remove(kind, key);
        if let Some(object) = removed.filter(|_| kind == Kind::Service) {
            self.pool.release(&service::addresses(&object.value()));
        }
    }

    fn empty_namespace(&mut self, namespace: &Object) -> Result<(), ApiError> {
        let name = &namespace.key().1;
        if matches!(name.as_str(), "default" | "kube-public" | "kube-system") {
            return Err(ApiError::forbidden(&format!(
                "namespaces {name:?}: this namespace may not be deleted"
            )));
        }
        let mut value = namespace.value();
        value["status"]["phase"] = "Terminating".into();
        metadata_mut(&mut value).insert("deletionTimestamp".into(), (self.clock)().into());
        self.put(Kind::Namespace, value);
        let filter = Filter {
            namespace: Some(name.clone()),
            ..Filter::default()
        };
        for kind in Kind::ALL
            .into_iter()
            .filter(|kind| kind.resource().namespaced)
        {
            self.delete_collection(kind, &filter)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
