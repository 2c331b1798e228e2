//! The objects of several manifest files together: what holds after each reading, as a list of events.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    io,
    path::{Path, PathBuf},
};

use k8s_openapi::{Resource as _, api::core::v1};

use super::{
    config_map::ConfigMapData,
    manifest::{self, Located, Manifest, Object, Problem},
    wanted::Wanted,
};
use crate::zone::object::{Change, Event, Namespace, ObjectKey};

/// The files as last read, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Collection {
    wanted: Wanted,
    files: BTreeMap<PathBuf, Manifest>,
}

/// What reading each file gave.
pub(super) type Reading = BTreeMap<PathBuf, io::Result<String>>;

/// What tells objects apart: kind, namespace and name.
type Identity<'c> = (&'static str, &'c ObjectKey);

impl Collection {
    /// No files yet; of those to come, what is `wanted` counts.
    pub(super) fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            files: BTreeMap::new(),
        }
    }

    /// The collection after a reading.
    ///
    /// A mistake never removes a name: a file that can't be read keeps all it had, and one with a part
    /// that can't be read or served keeps the objects it lost, until it is right again.
    pub(super) fn after(&self, reading: Reading) -> Self {
        let files = reading
            .into_iter()
            .map(|(file, text)| {
                let before = self.files.get(&file);
                let manifest = match text {
                    Ok(text) => manifest::parse(&file, &text, &self.wanted),
                    Err(error) => unreadable(&file, &error),
                };
                let manifest = match before {
                    Some(before) if manifest.incomplete => keep_lost(manifest, before),
                    _ => manifest,
                };
                (file, manifest)
            })
            .collect();
        Self {
            wanted: self.wanted.clone(),
            files,
        }
    }

    /// Everything that is wrong.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self
            .files
            .values()
            .flat_map(|manifest| manifest.problems.iter().cloned())
            .collect();
        problems.extend(self.duplicates());
        problems.sort();
        problems
    }

    /// Complete lists of every kind that is wanted.
    pub(super) fn events(&self) -> Vec<Event> {
        let objects = self.standing();
        let mut events = Vec::new();
        list(&mut events, Event::Namespace, self.namespaces(&objects));
        let services = objects.values().filter_map(|at| match &at.object {
            Some(Object::Service(service)) => Some(service.clone()),
            _ => None,
        });
        list(&mut events, Event::Service, services);
        for &wanted in &self.wanted.slices {
            let slices = objects.values().filter_map(|at| match &at.object {
                Some(Object::EndpointSlice(list, slice)) if *list == wanted => Some(slice.clone()),
                _ => None,
            });
            let event = |change| Event::EndpointSlice(wanted, change);
            list(&mut events, event, slices);
        }
        if self.wanted.pods {
            let pods = objects.values().filter_map(|at| match &at.object {
                Some(Object::Pod(pod)) => Some(pod.clone()),
                _ => None,
            });
            list(&mut events, Event::Pod, pods);
        }
        events
    }

    /// What the ConfigMap that is wanted holds.
    pub(super) fn config_map(&self) -> ConfigMapData {
        self.standing()
            .into_values()
            .find_map(|at| match &at.object {
                Some(Object::ConfigMap(config_map)) => Some(config_map.data.clone()),
                _ => None,
            })
    }

    /// The Namespaces that are stated, and those that are not, but have an object in them: manifests
    /// usually leave Namespaces out, while a Service is served only in one that exists.
    fn namespaces<'c>(
        &'c self,
        objects: &BTreeMap<Identity<'c>, &'c Located>,
    ) -> impl Iterator<Item = Namespace> + use<'c> {
        let stated = objects.values().filter_map(|at| match &at.object {
            Some(Object::Namespace(namespace)) => Some(namespace.key.name.clone()),
            _ => None,
        });
        let none = BTreeMap::new();
        let implied = objects
            .values()
            .map(|at| &at.key.namespace)
            .filter(|name| !name.is_empty())
            .filter(|name| !objects.contains_key(&(v1::Namespace::KIND, &ObjectKey::new("", name))))
            .filter(|name| self.wanted.selects_namespace(name, &none))
            .cloned();
        let names: BTreeSet<Box<str>> = stated.chain(implied).collect();
        names.into_iter().map(|name| Namespace {
            key: ObjectKey::new("", &name),
        })
    }

    /// Every object once: of those with one name, the last holds.
    fn standing(&self) -> BTreeMap<Identity<'_>, &Located> {
        self.located().map(|(_, at)| (identity(at), at)).collect()
    }

    fn duplicates(&self) -> Vec<Problem> {
        let mut seen: HashMap<Identity<'_>, (&Path, u64)> = HashMap::new();
        let mut problems = Vec::new();
        for (file, at) in self.located() {
            if let Some((first, line)) = seen.insert(identity(at), (file, at.line)) {
                let first = first.display();
                problems.push(Problem {
                    file: file.to_owned(),
                    line: Some(at.line),
                    message: format!("{} {} replaces the one of {first}:{line}", at.kind, at.key),
                });
            }
        }
        problems
    }

    fn located(&self) -> impl Iterator<Item = (&Path, &Located)> {
        self.files
            .iter()
            .flat_map(|(file, manifest)| manifest.objects.iter().map(|at| (file.as_path(), at)))
    }
}

fn identity(at: &Located) -> Identity<'_> {
    (at.kind, &at.key)
}

/// One complete list.
fn list<T>(
    events: &mut Vec<Event>,
    event: impl Fn(Change<T>) -> Event,
    objects: impl Iterator<Item = T>,
) {
    events.push(event(Change::Init));
    events.extend(objects.map(|object| event(Change::InitApply(object))));
    events.push(event(Change::InitDone));
}

fn unreadable(file: &Path, error: &io::Error) -> Manifest {
    Manifest {
        problems: vec![Problem {
            file: file.to_owned(),
            line: None,
            message: format!("can't be read: {error}"),
        }],
        incomplete: true,
        ..Manifest::default()
    }
}

/// `manifest` and the objects of `before` that it lacks.
fn keep_lost(mut manifest: Manifest, before: &Manifest) -> Manifest {
    let now: HashSet<Identity<'_>> = manifest.objects.iter().map(identity).collect();
    let lost: Vec<Located> = before
        .objects
        .iter()
        .filter(|at| !now.contains(&identity(at)))
        .cloned()
        .collect();
    if !lost.is_empty()
        && let Some(problem) = manifest.problems.first_mut()
    {
        let kept = format!("{} of its former objects are kept as they were", lost.len());
        problem.message = format!("{}; until the file is right, {kept}", problem.message);
    }
    manifest.objects.extend(lost);
    manifest
}

#[cfg(test)]
mod tests;
