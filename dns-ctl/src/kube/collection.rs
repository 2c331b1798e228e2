//! The objects of several manifest files together: what holds after each reading, as a list of events.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    path::{Path, PathBuf},
};

use super::manifest::{self, Located, Manifest, Problem};
use crate::zone::object::{Change, Event, Namespace, ObjectKey, Service};

/// The files as last read, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Collection {
    files: BTreeMap<PathBuf, Manifest>,
}

/// What reading each file gave.
pub(super) type Reading = BTreeMap<PathBuf, io::Result<String>>;

impl Collection {
    /// The collection after a reading.
    ///
    /// A mistake never removes a name: a file that can't be read keeps all it had, and one with a part
    /// that can't be read keeps the objects it lost, until it is right again.
    pub(super) fn after(&self, reading: Reading) -> Self {
        let files = reading
            .into_iter()
            .map(|(file, text)| {
                let before = self.files.get(&file);
                let manifest = match text {
                    Ok(text) => manifest::parse(&file, &text),
                    Err(error) => unreadable(&file, &error),
                };
                let manifest = match before {
                    Some(before) if manifest.incomplete => keep_lost(manifest, before),
                    _ => manifest,
                };
                (file, manifest)
            })
            .collect();
        Self { files }
    }

    /// Everything that is wrong.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self
            .files
            .values()
            .flat_map(|manifest| manifest.problems.iter().cloned())
            .collect();
        problems.extend(duplicates(
            "Service",
            self.located(|manifest| &manifest.services),
            |service: &Service| &service.key,
        ));
        problems.extend(duplicates(
            "Namespace",
            self.located(|manifest| &manifest.namespaces),
            |namespace: &Namespace| &namespace.key,
        ));
        problems.sort();
        problems
    }

    /// Complete lists of both kinds. Of objects with one name, the last holds.
    pub(super) fn events(&self) -> Vec<Event> {
        let services = self.located(|manifest| &manifest.services);
        let namespaces = self.located(|manifest| &manifest.namespaces);
        let mut events = Vec::new();
        events.push(Event::Service(Change::Init));
        events.extend(services.map(|(_, at)| Event::Service(Change::InitApply(at.object.clone()))));
        events.push(Event::Service(Change::InitDone));
        events.push(Event::Namespace(Change::Init));
        events.extend(
            namespaces.map(|(_, at)| Event::Namespace(Change::InitApply(at.object.clone()))),
        );
        events.push(Event::Namespace(Change::InitDone));
        events
    }

    fn located<'c, T: 'c>(
        &'c self,
        kind: impl Fn(&'c Manifest) -> &'c Vec<Located<T>> + 'c,
    ) -> impl Iterator<Item = (&'c Path, &'c Located<T>)> {
        self.files
            .iter()
            .flat_map(move |(file, manifest)| kind(manifest).iter().map(|at| (file.as_path(), at)))
    }
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
    let services = lost(&before.services, &manifest.services, |service| &service.key);
    let namespaces = lost(&before.namespaces, &manifest.namespaces, |namespace| {
        &namespace.key
    });
    let kept = services.len() + namespaces.len();
    if kept > 0
        && let Some(problem) = manifest.problems.first_mut()
    {
        let kept = format!("{kept} of its former objects are kept as they were");
        problem.message = format!("{}; until the file is right, {kept}", problem.message);
    }
    manifest.services.extend(services);
    manifest.namespaces.extend(namespaces);
    manifest
}

fn lost<T: Clone>(
    before: &[Located<T>],
    now: &[Located<T>],
    key: impl Fn(&T) -> &ObjectKey,
) -> Vec<Located<T>> {
    let now: HashSet<&ObjectKey> = now.iter().map(|at| key(&at.object)).collect();
    before
        .iter()
        .filter(|at| !now.contains(key(&at.object)))
        .cloned()
        .collect()
}

fn duplicates<'c, T: 'c>(
    kind: &str,
    located: impl Iterator<Item = (&'c Path, &'c Located<T>)>,
    key: impl Fn(&T) -> &ObjectKey,
) -> Vec<Problem> {
    let mut seen: HashMap<&ObjectKey, (&Path, u64)> = HashMap::new();
    let mut problems = Vec::new();
    for (file, at) in located {
        let key = key(&at.object);
        if let Some((first, line)) = seen.insert(key, (file, at.line)) {
            let separator = if key.namespace.is_empty() { "" } else { "/" };
            problems.push(Problem {
                file: file.to_owned(),
                line: Some(at.line),
                message: format!(
                    "{kind} {}{separator}{} replaces the one of {}:{line}",
                    key.namespace,
                    key.name,
                    first.display()
                ),
            });
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::store::Store;

    const BAD: &str = "kind: [\n";

    fn service(name: &str, ip: &str) -> String {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{clusterIP: {ip}}}\n"
        )
    }

    fn reading(files: &[(&str, Option<String>)]) -> Reading {
        files
            .iter()
            .map(|(file, text)| {
                let text = text.clone().ok_or_else(|| io::Error::other("no"));
                (PathBuf::from(file), text)
            })
            .collect()
    }

    fn names(collection: &Collection) -> Vec<String> {
        let mut store = Store::new();
        for event in collection.events() {
            store.apply(event);
        }
        assert!(store.zone().synced());
        let mut names: Vec<_> = store
            .zone()
            .nodes()
            .filter_map(|(name, node)| {
                let address = node.records.as_ref()?.a.first()?;
                Some(format!("{name} {address}"))
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_mistake_never_removes_a_name() {
        let both = service("a", "10.0.0.1") + &service("b", "10.0.0.2");
        let first = Collection::default().after(reading(&[("f", Some(both))]));
        assert_eq!(first.problems(), []);
        let whole = ["a.default.svc 10.0.0.1", "b.default.svc 10.0.0.2"];
        assert_eq!(names(&first), whole);

        // One document broken: it is kept as it was, the other one changes.
        let edited = service("a", "10.0.0.9") + "---\n" + BAD;
        let second = first.after(reading(&[("f", Some(edited.clone()))]));
        assert_eq!(
            names(&second),
            ["a.default.svc 10.0.0.9", "b.default.svc 10.0.0.2"]
        );
        assert!(
            second.problems()[0]
                .message
                .contains("1 of its former objects")
        );

        // Still broken, then unreadable, then right without `b`: only that removes it.
        let third = second
            .after(reading(&[("f", Some(edited))]))
            .after(reading(&[("f", None)]));
        assert_eq!(names(&third), names(&second));
        let last = third.after(reading(&[("f", Some(service("a", "10.0.0.9")))]));
        assert_eq!(names(&last), ["a.default.svc 10.0.0.9"]);
        assert_eq!(last.problems(), []);
    }

    #[test]
    fn a_file_that_is_gone_takes_its_names_along() {
        let files = reading(&[
            ("a", Some(service("a", "10.0.0.1"))),
            ("b", Some(service("b", "10.0.0.2"))),
        ]);
        let both = Collection::default().after(files);
        let one = both.after(reading(&[("b", Some(service("b", "10.0.0.2")))]));
        assert_eq!(names(&one), ["b.default.svc 10.0.0.2"]);
        assert_eq!(names(&one.after(Reading::new())), [] as [&str; 0]);
    }

    #[test]
    fn of_duplicates_the_last_holds_and_is_told() {
        let files = reading(&[
            ("1.yaml", Some(service("a", "10.0.0.1"))),
            ("2.yaml", Some(service("a", "10.0.0.2"))),
        ]);
        let collection = Collection::default().after(files);
        assert_eq!(names(&collection), ["a.default.svc 10.0.0.2"]);
        let problems = collection.problems();
        assert_eq!(
            problems[0].to_string(),
            "2.yaml:2: Service default/a replaces the one of 1.yaml:2"
        );
    }
}
