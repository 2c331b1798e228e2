//! Every kind that is read, alone and in lists, right and wrong, wanted and not.

use super::*;

/// One document of each kind that is read besides Services and Namespaces.
const OTHERS: &str = "\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.1.0.1]}]
---
apiVersion: v1
kind: Pod
metadata: {name: p}
status: {podIP: 10.1.0.2}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: dns}
data: {k: v}
";

#[test]
fn every_kind_is_read_by_itself_and_in_lists() {
    let expected = [
        "EndpointSlice default/web-1 Foreign web 10.1.0.1",
        "Pod default/p 10.1.0.2",
        "ConfigMap default/dns {\"k\": \"v\"}",
    ];
    let at = |lines: [u64; 3]| -> Vec<String> {
        let lines = lines.iter().zip(expected);
        lines
            .map(|(line, object)| format!("{line}: {object}"))
            .collect()
    };
    assert_eq!(summary(OTHERS), at([1, 7, 12]));

    let items: Vec<String> = OTHERS
        .split("---\n")
        .map(|document| format!("- {}", document.trim_end().replace('\n', "\n  ")))
        .collect();
    let list = format!("apiVersion: v1\nkind: List\nitems:\n{}\n", items.join("\n"));
    assert_eq!(summary(&list), at([4, 9, 13]));

    // Typed lists leave out kind and version of what is in them.
    let typed: Vec<String> = OTHERS
        .split("---\n")
        .map(|document| {
            let (version, rest) = document.split_once('\n').unwrap();
            let (kind, rest) = rest.split_once('\n').unwrap();
            let item = rest.trim_end().replace('\n', "\n  ");
            format!("{version}\n{kind}List\nitems:\n- {item}\n")
        })
        .collect();
    assert_eq!(summary(&typed.join("---\n")), at([4, 11, 17]));
}

#[test]
fn mistakes_in_every_kind_have_their_place() {
    for (case, from, to, problem) in [
        (
            "type of a slice",
            "endpoints: [",
            "endpoints: 3 #",
            "f.yaml:5: ",
        ),
        (
            "label of a slice",
            "service-name: web",
            "service-name: w.b",
            "f.yaml:1: EndpointSlice default/web-1 is left out: its label",
        ),
        (
            "address of a slice",
            "[10.1.0.1]",
            "[10.1.0]",
            "f.yaml:1: EndpointSlice default/web-1: its endpoint address `10.1.0`",
        ),
        (
            "type of a Pod",
            "podIP: 10.1.0.2",
            "podIP: []",
            "f.yaml:10: ",
        ),
        (
            "address of a Pod",
            "10.1.0.2",
            "10.1.0.x",
            "f.yaml:7: Pod default/p is left out: its address `10.1.0.x`",
        ),
        ("type of data", "data: {k: v}", "data: 7", "f.yaml:15: "),
        (
            "name of a ConfigMap",
            "name: dns",
            "name:",
            "f.yaml:12: a nameless ConfigMap is left out",
        ),
        (
            "version",
            "discovery.k8s.io/v1",
            "",
            "f.yaml:1: the document has no `apiVersion`",
        ),
    ] {
        let manifest = read(&OTHERS.replace(from, to));
        let told = manifest
            .problems
            .first()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(told.starts_with(problem), "{case}: {told}");
        assert_eq!(manifest.problems.len(), 1, "{case}");
    }
}

#[test]
fn only_what_is_wanted_is_read() {
    let nothing = Wanted::default();
    // Not even looked at: what DNS does not need may be wrong.
    let broken = OTHERS
        .replace("endpoints: [", "endpoints: 3 #")
        .replace("podIP: 10.1.0.2", "podIP: []")
        .replace("data: {k: v}", "data: 7");
    let manifest = parse(Path::new("f.yaml"), &broken, &nothing);
    assert_eq!(manifest, Manifest::default());

    let selecting = Wanted {
        service_selector: Some("team=a".parse().unwrap()),
        namespace_selector: Some("team=a".parse().unwrap()),
        config_map: Some(ObjectKey::new("kube-system", "dns")),
        slices: vec![SliceList::Headless, SliceList::Foreign],
        ..Wanted::default()
    };
    let labelled = |team: &str| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {team}, labels: {{team: {team}}}}}\n\
             spec: {{clusterIP: None}}\n---\napiVersion: v1\nkind: Namespace\n\
             metadata: {{name: {team}, labels: {{team: {team}}}}}\n"
        )
    };
    let managed = OTHERS.replace(
        "service-name: web",
        "service-name: web, endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io",
    );
    let text = labelled("a") + &labelled("b") + "---\n" + &managed;
    assert_eq!(
        summary_of(&parse(Path::new("f.yaml"), &text, &selecting)),
        [
            "2: Service default/a Headless",
            "7: Namespace a exists",
            "11: Service default/b none",
            "16: Namespace b none",
            "20: EndpointSlice default/web-1 none",
            "31: ConfigMap default/dns none",
        ]
    );
}
