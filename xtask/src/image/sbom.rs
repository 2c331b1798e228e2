//! The list of what dns-ctl is made of (`CycloneDX` 1.6), from what cargo knows of the build.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use testbed::output;

use crate::workspace::Workspace;

/// The file's name, beside the program in the image.
const FILE: &str = "dns-ctl.cdx.json";
/// The program's package, and the one whose programs are embedded in it.
const ROOTS: [&str; 2] = ["dns-ctl", ebpf_object::PACKAGE];

/// What `cargo metadata` says.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Debug, Deserialize)]
struct DependencyKind {
    /// Nothing for what is linked; `build` and `dev` for what is only used meanwhile.
    kind: Option<String>,
}

/// Writes the list into `folder`, and gives the file.
pub(super) fn write(workspace: &Workspace, target: &str, folder: &Path) -> Result<PathBuf> {
    let arguments = [
        "metadata",
        "--locked",
        "--format-version=1",
        "--filter-platform",
        target,
    ];
    let said = output(&mut workspace.cargo(&arguments))?;
    let metadata: Metadata =
        serde_json::from_str(&said).context("cargo metadata is not as expected")?;
    let lock = fs::read_to_string(workspace.root.join("Cargo.lock"))?;
    let mut bill = bill(&metadata, &checksums(&lock))?;
    if let Some(components) = bill["components"].as_array_mut() {
        components.push(authorities());
    }
    let file = folder.join(FILE);
    let mut text = serde_json::to_string_pretty(&bill)?;
    text.push('\n');
    fs::write(&file, text).with_context(|| format!("can't write {}", file.display()))?;
    Ok(file)
}

/// The certificate authorities, which are no package of cargo's; their version is known where they are Debian's.
fn authorities() -> Value {
    let mut component = json!({
        "type": "data",
        "bom-ref": "ca-certificates",
        "name": "ca-certificates",
        "licenses": [{ "expression": "MPL-2.0" }],
    });
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${Version}", "ca-certificates"]);
    if let Ok(version) = output(&mut query) {
        component["purl"] = format!("pkg:deb/debian/ca-certificates@{version}?arch=all").into();
        component["version"] = version.into();
    }
    component
}

/// The document. It has no date and no random number: the same source gives the same octets.
fn bill(metadata: &Metadata, checksums: &BTreeMap<(String, String), String>) -> Result<Value> {
    let packages: BTreeMap<&str, &Package> = metadata
        .packages
        .iter()
        .map(|package| (&*package.id, package))
        .collect();
    let nodes: BTreeMap<&str, &Node> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (&*node.id, node))
        .collect();
    let root_of = |name: &&str| {
        let found = metadata
            .packages
            .iter()
            .find(|package| package.name == **name);
        found
            .map(|package| &*package.id)
            .with_context(|| format!("there is no package {name}"))
    };
    let roots = ROOTS.iter().map(root_of).collect::<Result<Vec<_>>>()?;

    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut waiting = roots.clone();
    while let Some(id) = waiting.pop() {
        if reached.insert(id) {
            waiting.extend(nodes.get(id).into_iter().flat_map(|node| linked(node)));
        }
    }
    let known = |id: &str| {
        packages
            .get(id)
            .copied()
            .context("a dependency is a package")
    };
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    for &id in &reached {
        let package = known(id)?;
        if id != roots[0] {
            components.push(component(package, "library", checksums));
        }
        let mut on = nodes
            .get(id)
            .into_iter()
            .flat_map(|node| linked(node))
            .map(|id| Ok(reference(known(id)?)))
            .collect::<Result<Vec<_>>>()?;
        if id == roots[0] {
            on.push(reference(known(roots[1])?));
        }
        on.sort();
        on.dedup();
        dependencies.push(json!({ "ref": reference(package), "dependsOn": on }));
    }
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": component(known(roots[0])?, "application", checksums) },
        "components": components,
        "dependencies": dependencies,
    }))
}

/// What a package links, as opposed to what only builds or tests it.
fn linked(node: &Node) -> impl Iterator<Item = &str> {
    let is_linked =
        |dependency: &&Dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none());
    node.deps
        .iter()
        .filter(is_linked)
        .map(|dependency| &*dependency.pkg)
}

fn component(
    package: &Package,
    kind: &str,
    checksums: &BTreeMap<(String, String), String>,
) -> Value {
    let mut component = json!({
        "type": kind,
        "bom-ref": reference(package),
        "name": package.name,
        "version": package.version,
    });
    if package.source.is_some() {
        component["purl"] = reference(package).into();
    }
    if let Some(license) = &package.license {
        // Older crates write a slash where SPDX has OR.
        component["licenses"] = json!([{ "expression": license.replace('/', " OR ") }]);
    }
    if let Some(checksum) = checksums.get(&(package.name.clone(), package.version.clone())) {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    component
}

/// The package's name in the universal form of package URLs.
fn reference(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version)
}

/// The checksums that Cargo.lock has, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |block: &str, key: &str| {
        let line = block
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
        line.map(|value| value.trim_end_matches('"').to_owned())
    };
    let blocks = lock.split("[[package]]").skip(1);
    let found = blocks.filter_map(|block| {
        Some((
            (value(block, "name")?, value(block, "version")?),
            value(block, "checksum")?,
        ))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_has_what_is_linked_and_no_more() {
        let package = |name: &str, source: Option<&str>| json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT/ISC", "source": source });
        let dependency = |name: &str, kind: Option<&str>| json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [
                package("dns-ctl", None), package(ebpf_object::PACKAGE, None), package("linked", Some("registry")),
                package("deep", Some("registry")), package("builder", Some("registry")),
            ],
            "resolve": { "nodes": [
                { "id": "dns-ctl", "deps": [dependency("linked", None), dependency("builder", Some("build"))] },
                { "id": "linked", "deps": [dependency("deep", None)] },
                { "id": ebpf_object::PACKAGE, "deps": [] },
            ] },
        });
        let lock = "[[package]]\nname = \"deep\"\nversion = \"1.0.0\"\nchecksum = \"ab\"\n";
        let metadata = serde_json::from_value(metadata).unwrap();
        let bill = bill(&metadata, &checksums(lock)).unwrap();
        let names: Vec<&str> = bill["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|component| component["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["deep", ebpf_object::PACKAGE, "linked"]);
        assert_eq!(bill["metadata"]["component"]["name"], "dns-ctl");
        assert_eq!(bill["components"][0]["hashes"][0]["content"], "ab");
        assert_eq!(
            bill["components"][0]["licenses"][0]["expression"],
            "MIT OR ISC"
        );
        assert_eq!(bill["components"][0]["purl"], "pkg:cargo/deep@1.0.0");
        assert!(bill["components"][1]["purl"].is_null());
        let dependencies = bill["dependencies"].as_array().unwrap();
        let linked = dependencies
            .iter()
            .find(|dependency| dependency["ref"] == "pkg:cargo/linked@1.0.0");
        assert_eq!(
            linked.unwrap()["dependsOn"],
            json!(["pkg:cargo/deep@1.0.0"])
        );
    }
}
