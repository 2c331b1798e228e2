//! Looks at what the kernel has of us: programs on interfaces, pins, maps, counters.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use aya::{
    maps::{Map, MapData, MapInfo, loaded_maps},
    programs::{ProgramInfo, SchedClassifier, TcAttachType},
};
use dns_common::maps::map_name;
use dns_ctl::attach::{
    counters::Outcomes,
    kernel::{TC_PROGRAM, XDP_PROGRAM},
    maps::OutcomeMap,
};
use kxdns_tests::node::{Build, Node};
use serde_json::Value;
use testbed::Namespace;

/// The folder of maps of a build.
pub(crate) fn folder_of(build: Build) -> &'static str {
    match build {
        Build::Plain | Build::Other => "v4",
        Build::Next => "v5",
    }
}

/// Packets by outcome, over all maps that there were.
#[derive(Default)]
pub(crate) struct Counters {
    /// By their numbers; open, so that those of replaced maps can still be read.
    maps: BTreeMap<u32, OutcomeMap<MapData>>,
}

impl Counters {
    /// Counts those of a build's maps too.
    pub(crate) fn add(&mut self, node: &Node, build: Build) -> Result<()> {
        let path = node.folder().join(folder_of(build));
        let map = MapData::from_pin(path.join(map_name::OUTCOMES))?;
        let id = map.info()?.id();
        let map = OutcomeMap::try_from(Map::from_map_data(map)?)?;
        self.maps.entry(id).or_insert(map);
        Ok(())
    }

    /// The sums, by label.
    pub(crate) fn read(&self) -> Result<BTreeMap<&'static str, u64>> {
        let mut sums = BTreeMap::new();
        for map in self.maps.values() {
            let outcomes = Outcomes::read(map)?;
            let hits = outcomes.hits().map(|(hit, count)| (hit.label(), count));
            let misses = outcomes.misses().map(|(miss, count)| (miss.label(), count));
            for (label, count) in hits.chain(misses) {
                *sums.entry(label).or_default() += count;
            }
        }
        Ok(sums)
    }
}

/// The map of names that is pinned.
pub(crate) fn names(node: &Node, build: Build) -> Result<u32> {
    let path = node.folder().join(folder_of(build)).join(map_name::NAMES);
    Ok(MapInfo::from_pin(path)?.id())
}

/// Checks that all is as one instance of this build should have it on these interfaces, and nothing else.
pub(crate) fn check(node: &Node, build: Build, hook: &str) -> Result<()> {
    let folder = node.folder();
    let pins = entries(&folder)?;
    let expected = [folder_of(build), "links"].map(str::to_owned);
    ensure!(
        pins == BTreeSet::from(expected),
        "in the pin folder are {pins:?}"
    );
    let program = if hook.starts_with("xdp") {
        XDP_PROGRAM
    } else {
        TC_PROGRAM
    };
    let program = ProgramInfo::from_pin(folder.join(folder_of(build)).join(program))?.id();

    let interfaces = interfaces(&node.bed.node)?;
    for name in interfaces.values() {
        let found = programs(&node.bed.node, name)?;
        ensure!(
            found == [program],
            "on {name} are {found:?}, not {program} alone"
        );
    }
    let links: BTreeSet<u32> = entries(&folder.join("links"))?
        .iter()
        .map(|name| {
            ensure!(name.starts_with(hook), "a link {name}");
            let index = name.rsplit('-').nth(1).context("a name with an index")?;
            Ok(index.parse()?)
        })
        .collect::<Result<_>>()?;
    let expected: BTreeSet<u32> = match hook {
        "tc" => BTreeSet::new(),
        _ => interfaces.keys().copied().collect(),
    };
    ensure!(links == expected, "links of {links:?}, not {expected:?}");

    let ours = maps_of(node.child.pid())?;
    let names = names(node, build)?;
    ensure!(
        ours == [names],
        "the process has maps of names {ours:?}, not {names} alone"
    );
    let status = node.status_of(build)?;
    ensure!(status["running"] == true, "it runs: {status}");
    let shown: Vec<_> = status["interfaces"]
        .as_array()
        .context("`interfaces` is a list")?
        .iter()
        .map(|interface| (interface["name"].as_str(), interface["hook"].as_str()))
        .collect();
    let mut expected: Vec<_> = interfaces
        .values()
        .map(|name| (Some(name.as_str()), Some(hook)))
        .collect();
    expected.sort_unstable();
    let mut sorted = shown.clone();
    sorted.sort_unstable();
    ensure!(sorted == expected, "it shows {shown:?}, not {expected:?}");
    ensure!(status["denies"] == true, "it denies: {status}");
    Ok(())
}

/// Whether there is a map of this number.
pub(crate) fn is_there(map: u32) -> bool {
    loaded_maps().flatten().any(|found| found.id() == map)
}

fn entries(folder: &Path) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    Ok(entries
        .map(|entry| entry.map(name))
        .collect::<Result<_, _>>()?)
}

/// The interfaces that are meant, by index.
fn interfaces(node: &Namespace) -> Result<BTreeMap<u32, String>> {
    let links: Vec<Value> = serde_json::from_str(&node.ip("-json link show")?)?;
    let links = links.iter().filter_map(|link| {
        let name = link["ifname"].as_str()?;
        let index = u32::try_from(link["ifindex"].as_u64()?).ok()?;
        name.starts_with("pod-").then(|| (index, name.to_owned()))
    });
    Ok(links.collect())
}

/// The numbers of our programs on an interface, on any hook.
fn programs(node: &Namespace, interface: &str) -> Result<Vec<u32>> {
    let mut ids = node.run(|| -> Result<Vec<u32>> {
        let (_, programs) = SchedClassifier::query_tcx(interface, TcAttachType::Ingress)?;
        let ours = programs
            .iter()
            .filter(|it| it.name_as_str() == Some(TC_PROGRAM));
        Ok(ours.map(ProgramInfo::id).collect())
    })??;
    let link = node.ip(&format!("-details link show dev {interface}"))?;
    let mut tc = node.command("tc");
    // Without the qdisc there is nothing to be shown, which is an error.
    let filters = testbed::output(tc.args(["filter", "show", "dev", interface, "ingress"]));
    let filters = filters.unwrap_or_default();
    let xdp = link.lines().filter(|line| line.contains("prog/xdp"));
    let filters = filters.lines().filter(|line| line.contains(TC_PROGRAM));
    for line in xdp.chain(filters) {
        let mut words = line.split_whitespace().skip_while(|&word| word != "id");
        let id = words.nth(1).with_context(|| format!("no id in {line}"))?;
        ids.push(id.parse()?);
    }
    Ok(ids)
}

/// The maps of names that a process has open.
fn maps_of(pid: u32) -> Result<Vec<u32>> {
    // Of others, some go while they are looked at.
    let maps = loaded_maps().flatten();
    let names: BTreeSet<u32> = maps
        .filter(|map| map.name_as_str() == Some(map_name::NAMES))
        .map(|map| map.id())
        .collect();
    let mut found = BTreeSet::new();
    for entry in entries(&PathBuf::from(format!("/proc/{pid}/fdinfo")))? {
        // It may have been closed meanwhile.
        let text = fs::read_to_string(format!("/proc/{pid}/fdinfo/{entry}")).unwrap_or_default();
        let id = text.lines().find_map(|line| line.strip_prefix("map_id:"));
        if let Some(id) = id {
            found.insert(id.trim().parse()?);
        }
    }
    Ok(found.intersection(&names).copied().collect())
}
