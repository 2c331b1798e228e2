//! The objects of one release: rendered just now, or committed as plain manifests.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Where `cargo xtask chart` tells the tests to look.
const RENDERED: &str = "KXDNS_RENDERED";

/// The objects of a release.
#[derive(Clone, Debug)]
pub struct Release {
    /// The case, as its file is called.
    pub name: String,
    /// Its objects, as JSON.
    pub objects: Vec<Value>,
}

impl Release {
    /// Reads a file of manifests.
    pub fn read(file: &Path) -> Result<Self> {
        let shown = file.display();
        let text = fs::read_to_string(file).with_context(|| format!("can't read {shown}"))?;
        let objects = serde_saphyr::from_multiple(&text);
        let stem = file.file_stem().context("a file has a name")?;
        Ok(Self {
            name: stem.to_string_lossy().into_owned(),
            objects: objects.with_context(|| format!("{shown} is not YAML"))?,
        })
    }

    /// A committed manifest of deploy/manifests.
    pub fn committed(name: &str) -> Result<Self> {
        Self::read(&deploy().join("manifests").join(name).with_extension("yaml"))
    }

    /// All committed manifests.
    pub fn all_committed() -> Result<Vec<Self>> {
        Self::all(&deploy().join("manifests"))
    }

    /// Each case that `cargo xtask chart` has rendered.
    pub fn all_rendered() -> Result<Vec<Self>> {
        let folder = env::var_os(RENDERED);
        let folder =
            folder.with_context(|| format!("{RENDERED} is not set: run `cargo xtask chart`"))?;
        Self::all(Path::new(&folder))
    }

    fn all(folder: &Path) -> Result<Vec<Self>> {
        let mut files = Vec::new();
        for entry in
            fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))?
        {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                files.push(path);
            }
        }
        files.sort();
        ensure!(!files.is_empty(), "{} is empty", folder.display());
        files.iter().map(|file| Self::read(file)).collect()
    }

    /// The objects of a kind.
    pub fn of<'a>(&'a self, kind: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        let kind = kind.to_owned();
        self.objects
            .iter()
            .filter(move |object| object["kind"] == *kind)
    }

    /// The pod of the DaemonSet.
    pub fn pod(&self) -> Result<&Value> {
        let set = self.of("DaemonSet").next();
        set.map(|set| &set["spec"]["template"])
            .with_context(|| format!("{} has no DaemonSet", self.name))
    }

    /// The container of dns-ctl.
    pub fn container(&self) -> Result<&Value> {
        Ok(&self.pod()?["spec"]["containers"][0])
    }

    /// What that container is to do, with the node's addresses in place of their variables.
    pub fn arguments(&self, addresses: &[&str]) -> Result<Vec<String>> {
        let arguments = self.container()?["args"].as_array();
        let arguments = arguments.context("the container has arguments")?;
        let texts = arguments.iter().map(|argument| {
            let text = argument.as_str().context("an argument is a text")?;
            let text = text.replace("$(HOST_IPS)", &addresses.join(","));
            Ok(text.replace("$(HOST_IP)", addresses.first().copied().unwrap_or_default()))
        });
        texts.collect()
    }
}

/// The folder deploy/.
fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}
