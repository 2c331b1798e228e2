//! Readings one after the other, and what holds then.

use super::*;
use crate::zone::{Policy, object::SliceList, store::Store};

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
    let mut store = Store::new(Policy::default());
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

fn everything() -> Collection {
    Collection::new(Wanted::from(&Policy::default()))
}

#[test]
fn a_mistake_never_removes_a_name() {
    let both = service("a", "10.0.0.1") + &service("b", "10.0.0.2");
    let first = everything().after(reading(&[("f", Some(both))]));
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
    let both = everything().after(files);
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
    let collection = everything().after(files);
    assert_eq!(names(&collection), ["a.default.svc 10.0.0.2"]);
    let problems = collection.problems();
    assert_eq!(
        problems[0].to_string(),
        "2.yaml:2: Service default/a replaces the one of 1.yaml:2"
    );
}

/// A file with one object of each kind whose absence a zone or a server would notice.
fn of_each_kind() -> String {
    service("web", "None")
        + "\
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.1.0.1]}]
---
apiVersion: v1
kind: Pod
metadata: {name: p}
status: {podIP: 10.1.0.1}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: dns}
data: {k: v}
---
apiVersion: v1
kind: Namespace
metadata: {name: stated, labels: {team: a}}
"
}

fn wanted() -> Wanted {
    Wanted {
        slices: vec![SliceList::Headless, SliceList::Foreign],
        pods: true,
        config_map: Some(ObjectKey::new("default", "dns")),
        ..Wanted::default()
    }
}

/// The objects of all events, in short, and whether every list is whole.
fn objects(collection: &Collection) -> Vec<String> {
    let mut open = None;
    let mut found = Vec::new();
    for event in collection.events() {
        let (list, step) = match event {
            Event::Namespace(change) => ("namespace".to_owned(), step(change, |at| at.key)),
            Event::Service(change) => ("service".to_owned(), step(change, |at| at.key)),
            Event::EndpointSlice(list, change) => (
                format!("{list:?}").to_lowercase(),
                step(change, |at| at.key),
            ),
            Event::Pod(change) => ("pod".to_owned(), step(change, |at| at.key)),
        };
        match step {
            Change::Init => assert_eq!(open.replace(list), None),
            Change::InitApply(key) => {
                assert_eq!(open.as_deref(), Some(list.as_str()));
                found.push(format!("{list} {key}"));
            }
            Change::InitDone => {
                assert_eq!(open.take(), Some(list.clone()));
                found.push(format!("{list} done"));
            }
            Change::Apply(_) | Change::Delete(_) => panic!("no list: {step:?}"),
        }
    }
    assert_eq!(open, None);
    found
}

fn step<T>(change: Change<T>, key: impl Fn(T) -> ObjectKey) -> Change<ObjectKey> {
    match change {
        Change::Init => Change::Init,
        Change::InitApply(object) => Change::InitApply(key(object)),
        Change::InitDone => Change::InitDone,
        Change::Apply(object) => Change::Apply(key(object)),
        Change::Delete(key) => Change::Delete(key),
    }
}

const WHOLE: [&str; 10] = [
    "namespace default",
    "namespace stated",
    "namespace done",
    "service default/web",
    "service done",
    "headless done",
    "foreign default/web-1",
    "foreign done",
    "pod default/p",
    "pod done",
];

#[test]
fn every_kind_that_is_wanted_comes_as_a_list() {
    let text = of_each_kind();
    let files = || reading(&[("f", Some(text.clone()))]);
    let all = Collection::new(wanted()).after(files());
    assert_eq!(all.problems(), []);
    assert_eq!(objects(&all), WHOLE);
    let data = all.config_map().unwrap();
    assert_eq!(data, BTreeMap::from([("k".to_owned(), "v".to_owned())]));

    let few = Collection::new(Wanted::default()).after(files());
    let expected = [
        "namespace default",
        "namespace stated",
        "namespace done",
        "service default/web",
        "service done",
    ];
    assert_eq!(objects(&few), expected);
    assert_eq!(few.config_map(), None);
}

#[test]
fn a_mistake_never_removes_an_object_of_any_kind() {
    let first = Collection::new(wanted()).after(reading(&[("f", Some(of_each_kind()))]));
    let invalid = of_each_kind()
        .replace("clusterIP: None", "clusterIP: 10.0.0.300")
        .replace("service-name: web", "service-name: w.b")
        .replace("10.1.0.1}", "10.1.0.300}")
        .replace("name: dns", "name:")
        .replace("name: stated", "name: Stated");
    let unreadable = of_each_kind()
        .replace("spec: {", "spec: 3 #")
        .replace("addressType: IPv4", "addressType: []")
        .replace("status: {podIP", "status: {podIP: [] }#")
        .replace("data: {k: v}", "data: 3")
        .replace("labels: {team: a}", "labels: 3");
    for (case, text) in [
        ("invalid", Some(invalid)),
        ("not readable as objects", Some(unreadable)),
        ("not YAML", Some(BAD.to_owned())),
        ("not readable", None),
    ] {
        let next = first.after(reading(&[("f", text)]));
        assert_eq!(objects(&next), WHOLE, "{case}");
        assert_eq!(next.config_map(), first.config_map(), "{case}");
        let problems = next.problems();
        assert!(
            problems
                .iter()
                .any(|problem| problem.message.contains("5 of its former objects")),
            "{case}: {problems:?}"
        );
    }
    let empty = first.after(reading(&[("f", Some(String::new()))]));
    assert_eq!(
        objects(&empty),
        [
            "namespace done",
            "service done",
            "headless done",
            "foreign done",
            "pod done"
        ]
    );
    assert_eq!(empty.config_map(), None);
}

#[test]
fn an_object_that_is_no_longer_selected_goes_also_while_another_is_wrong() {
    let selecting = Collection::new(Wanted {
        service_selector: Some("!internal".parse().unwrap()),
        ..Wanted::from(&Policy::default())
    });
    let both = service("a", "10.0.0.1") + &service("b", "10.0.0.2");
    let first = selecting.after(reading(&[("f", Some(both))]));
    let labelled = service("a", "10.0.0.1").replace("name: a", "name: a, labels: {internal: ''}");
    let second = first.after(reading(&[("f", Some(labelled + "---\n" + BAD))]));
    assert_eq!(names(&second), ["b.default.svc 10.0.0.2"]);
}

#[test]
fn namespaces_are_those_stated_and_those_implied() {
    let namespace = |name: &str, team: &str| {
        format!(
            "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{team: {team}}}}}\n"
        )
    };
    let in_namespace = |name: &str| {
        service("s", "10.0.0.1").replace("name: s", &format!("name: s, namespace: {name}"))
    };
    let text = namespace("alone", "a")
        + &namespace("stated", "b")
        + &in_namespace("stated")
        + &in_namespace("implied");
    for (selector, expected) in [
        (None, vec!["alone", "implied", "stated"]),
        (Some("team=a"), vec!["alone"]),
        (Some("team!=a"), vec!["implied", "stated"]),
        (Some("team"), vec!["alone", "stated"]),
        (Some("!team"), vec!["implied"]),
        (
            Some("kubernetes.io/metadata.name in (implied,alone)"),
            vec!["alone", "implied"],
        ),
    ] {
        let wanted = Wanted {
            namespace_selector: selector.map(|selector| selector.parse().unwrap()),
            ..Wanted::default()
        };
        let collection = Collection::new(wanted).after(reading(&[("f", Some(text.clone()))]));
        let namespaces: Vec<_> = collection
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Namespace(Change::InitApply(namespace)) => Some(namespace.key.name),
                _ => None,
            })
            .collect();
        let namespaces: Vec<&str> = namespaces.iter().map(AsRef::as_ref).collect();
        assert_eq!(namespaces, expected, "{selector:?}");
    }
}

#[test]
fn a_duplicate_that_is_not_selected_hides_the_one_before() {
    let selecting = Collection::new(Wanted {
        service_selector: Some("!internal".parse().unwrap()),
        ..Wanted::from(&Policy::default())
    });
    let labelled = service("a", "10.0.0.1").replace("name: a", "name: a, labels: {internal: ''}");
    let collection = selecting.after(reading(&[
        ("1", Some(service("a", "10.0.0.1"))),
        ("2", Some(labelled)),
    ]));
    assert_eq!(names(&collection), [] as [&str; 0]);
    assert_eq!(collection.problems().len(), 1);
}

#[test]
fn the_slices_of_dns_come_in_their_list() {
    let wanted = Wanted {
        slices: vec![SliceList::Headless, SliceList::Foreign, SliceList::Dns],
        ..Wanted::default()
    };
    let text = |name: &str, namespace: &str| {
        format!(
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\nendpoints: []\n\
             metadata:\n  name: {name}\n  namespace: {namespace}\n  labels:\n    k8s-app: kube-dns\n    \
             kubernetes.io/service-name: dns\n    \
             endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io\n"
        )
    };
    let text = text("a", "kube-system") + &text("b", "default");
    let collection = Collection::new(wanted).after(reading(&[("f", Some(text))]));
    assert_eq!(collection.problems(), []);
    let expected = [
        "headless done",
        "foreign done",
        "dns kube-system/a",
        "dns done",
    ];
    let all = objects(&collection);
    assert_eq!(all[all.len() - expected.len()..], expected);
}
