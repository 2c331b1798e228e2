//! Manifest texts as people write them, right and wrong, and what is read of them.

mod kinds;

use std::net::IpAddr;

use super::*;
use crate::zone::object::{Reach, SliceList};

/// Everything, and the ConfigMap `dns`.
fn wanted() -> Wanted {
    Wanted {
        slices: vec![SliceList::Headless, SliceList::Foreign],
        pods: true,
        config_map: Some(ObjectKey::new("default", "dns")),
        ..Wanted::default()
    }
}

fn read(text: &str) -> Manifest {
    parse(Path::new("f.yaml"), text, &wanted())
}

/// What is read, in short: objects with their lines, then problems.
fn summary(text: &str) -> Vec<String> {
    summary_of(&read(text))
}

fn summary_of(manifest: &Manifest) -> Vec<String> {
    let list = |addresses: &mut dyn Iterator<Item = &IpAddr>| {
        addresses
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    };
    let objects = manifest.objects.iter().map(|at| {
        let content = match &at.object {
            None => "none".to_owned(),
            Some(Object::Namespace(_)) => "exists".to_owned(),
            Some(Object::Service(service)) => match &service.reach {
                Reach::ClusterIps(ips) => list(&mut ips.iter()),
                other => format!("{other:?}"),
            },
            Some(Object::EndpointSlice(in_list, slice)) => {
                let mut ips = slice
                    .endpoints
                    .iter()
                    .flat_map(|endpoint| &endpoint.addresses);
                format!("{in_list:?} {} {}", slice.service, list(&mut ips))
            }
            Some(Object::Pod(pod)) => list(&mut pod.addresses.iter()),
            Some(Object::ConfigMap(config_map)) => format!("{:?}", config_map.data),
        };
        format!("{}: {} {} {content}", at.line, at.kind, at.key)
    });
    objects
        .chain(manifest.problems.iter().map(ToString::to_string))
        .collect()
}

const NGINX: &str = "\
apiVersion: v1
kind: Service
metadata:
  name: nginx
spec:
  clusterIP: 10.0.0.1
  ports:
  - port: 80
    targetPort: http
";

#[test]
fn several_documents_and_lists_are_read() {
    let text = format!(
        "# A comment first.\n---\n{NGINX}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: shared}}\n\
         ---\n# nothing here\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  \
         metadata: {{name: queue, namespace: shared}}\n  spec: {{clusterIP: None}}\n- apiVersion: apps/v1\n  \
         kind: Deployment\n"
    );
    assert_eq!(
        summary(&text),
        [
            "3: Service default/nginx 10.0.0.1",
            "13: Namespace shared exists",
            "22: Service shared/queue Headless",
        ]
    );
}

#[test]
fn typed_lists_may_leave_out_the_kind() {
    let text = "apiVersion: v1\nkind: ServiceList\nitems:\n- metadata: {name: a}\n  spec: {clusterIP: 10.0.0.2}\n";
    assert_eq!(summary(text), ["4: Service default/a 10.0.0.2"]);
}

#[test]
fn other_kinds_and_versions_are_passed_over() {
    for text in [
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n",
        "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: x}\n",
        "",
        "---\n---\n",
        "# only a comment\n",
    ] {
        assert_eq!(read(text), Manifest::default(), "{text}");
    }
}

#[test]
fn json_is_read_too() {
    let text = "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Service\",\n\t\"metadata\": {\"name\": \"j\"},\n\t\
                \"spec\": {\"clusterIP\": \"10.0.0.9\"}\n}\n";
    assert_eq!(summary(text), ["1: Service default/j 10.0.0.9"]);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_do_no_harm() {
    let text = format!(
        "\u{feff}{}",
        format!("{NGINX}---\n{NGINX}").replace('\n', "\r\n")
    );
    assert_eq!(
        summary(&text),
        [
            "1: Service default/nginx 10.0.0.1",
            "11: Service default/nginx 10.0.0.1"
        ]
    );
}

#[test]
fn a_bad_document_is_told_with_its_line_in_the_file_and_the_rest_is_read() {
    let good = NGINX.lines().count();
    for (case, bad, line, message) in [
        (
            "open bracket",
            "apiVersion: v1\nkind: [Service\n",
            3,
            "expected",
        ),
        (
            "tab",
            "apiVersion: v1\nkind: Service\nmetadata:\n\tname: x\n",
            5,
            "tab",
        ),
        (
            "wrong type",
            "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec:\n  ports: 3\n",
            6,
            "sequence",
        ),
        (
            "wrong number",
            "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec:\n  ports:\n  - port: web\n",
            7,
            "i32",
        ),
        (
            "key twice",
            "apiVersion: v1\nkind: Service\nkind: Service\n",
            4,
            "kind",
        ),
        ("no kind", "\napiVersion: v1\n", 3, "`kind`"),
        ("no version", "kind: Service\n", 2, "`apiVersion`"),
        (
            "no name",
            "apiVersion: v1\nkind: Service\nmetadata: {}\n",
            2,
            "metadata.name",
        ),
        ("plain text", "hello\n", 2, "expected"),
        (
            "item's type",
            "apiVersion: v1\nkind: List\nitems:\n- kind: Service\n  apiVersion: v1\n  spec: 3\n",
            5,
            "invalid type",
        ),
        (
            "block left open",
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: |\n",
            2,
            "metadata.name",
        ),
    ] {
        let text = format!("{NGINX}---\n{bad}---\n{NGINX}");
        let manifest = read(&text);
        assert_eq!(manifest.objects.len(), 2, "{case}");
        assert!(manifest.incomplete, "{case}");
        let problem = manifest
            .problems
            .first()
            .unwrap_or_else(|| panic!("{case}"));
        let wanted = u64::try_from(good + line).unwrap();
        assert_eq!(problem.line, Some(wanted), "{case}: {problem}");
        assert!(problem.message.contains(message), "{case}: {problem}");
    }
}

#[test]
fn a_service_without_an_address_is_told_and_kept_and_an_invalid_one_is_not() {
    for (case, spec, objects, problems, incomplete) in [
        ("none", "{}", 1, 1, false),
        ("empty", "{clusterIP: ''}", 1, 1, false),
        ("wrong", "{clusterIP: 10.0.0}", 0, 1, true),
        (
            "external",
            "{type: ExternalName, externalName: example.com}",
            1,
            0,
            false,
        ),
        (
            "external address",
            "{type: ExternalName, externalName: 10.0.0.1}",
            0,
            1,
            true,
        ),
        ("headless", "{clusterIP: None}", 1, 0, false),
        (
            "odd port",
            "{clusterIP: 10.0.0.1, ports: [{port: 1, protocol: X}]}",
            1,
            1,
            false,
        ),
    ] {
        let manifest = read(&format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec: {spec}\n"
        ));
        assert_eq!(manifest.objects.len(), objects, "{case}");
        assert_eq!(
            manifest.problems.len(),
            problems,
            "{case}: {:?}",
            manifest.problems
        );
        assert_eq!(manifest.incomplete, incomplete, "{case}");
    }
}

#[test]
fn a_list_of_a_whole_cluster_is_read() {
    let item = |number: u32| {
        let ip = std::net::Ipv4Addr::from(0x0A00_0000 + number);
        format!(
            "- {{apiVersion: v1, kind: Service, metadata: {{name: s{number}, labels: {{a: b, c: d, e: f}}}}, \
             spec: {{clusterIP: {ip}, ports: [{{port: 80}}, {{port: 443}}]}}}}\n"
        )
    };
    let items: String = (0..8_000).map(item).collect();
    let text = format!("apiVersion: v1\nkind: List\nitems:\n{items}");
    let manifest = read(&text);
    assert_eq!(manifest.problems, []);
    assert_eq!(manifest.objects.len(), 8_000);
}
