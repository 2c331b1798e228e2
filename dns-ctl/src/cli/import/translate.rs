//! Walks a Corefile in the order of its weight, and keeps account of every line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{
    account::{Entry, Fate},
    cache::Cache,
    corefile::{Corefile, Directive, Key, ServerBlock},
    flags::Flags,
    forward::Forward,
    http,
    kubernetes::Kubernetes,
    listen,
    overview::Overview,
    plugins,
    zone::{Cover, Zone},
};

/// A Corefile in terms of kxdns.
#[derive(Debug)]
pub(super) struct Translation {
    /// What is carried over.
    pub(super) flags: Flags,
    /// Every zone, directive and option with its fate, in the file's order.
    pub(super) entries: Vec<Entry>,
    /// What is different without any line saying so.
    pub(super) notes: Vec<String>,
}

/// What is known of the block that a directive stands in.
pub(super) struct Scope<'a> {
    /// Its zones, as far as they can be read.
    pub(super) zones: &'a [Zone],
    /// Why nothing in it is carried over, if so.
    pub(super) refused: Option<String>,
    /// Whether it only passes on to the cluster's DNS what kxdns answers itself.
    pub(super) passes_to_cluster: bool,
}

/// A directive on its way into flags.
///
/// The options come first, since some of them say what the directive's own line means.
pub(super) trait Plugin {
    /// Takes a line of the directive's block.
    fn option(&mut self, option: &Directive) -> Fate;
    /// Takes the directive's own line.
    fn directive(&mut self, directive: &Directive) -> Fate;
}

impl Scope<'_> {
    /// Whether the block is for every name that no other block covers.
    pub(super) fn is_root(&self) -> bool {
        self.zones.iter().any(|zone| zone.cover == Cover::Root)
    }

    /// The ports it is served at, each once.
    pub(super) fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<_> = self.zones.iter().map(|zone| zone.port).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}

/// Translates all blocks of a Corefile.
///
/// Where two lines contradict each other, the one that matters to more names is carried over: those of
/// the cluster come first, then those for all other names.
pub(super) fn translate(corefile: &Corefile) -> Translation {
    let blocks = corefile.blocks.as_slice();
    let overview = Overview::of(blocks);
    let zones: Vec<Vec<Zone>> = blocks.iter().map(readable_zones).collect();
    let mut flags = Flags::default();
    let mut entries: Vec<_> = corefile.empty_imports.iter().map(empty_import).collect();

    let mut order: Vec<(u8, &Directive, Scope<'_>)> = Vec::new();
    for (block, zones) in blocks.iter().zip(&zones) {
        for key in &block.keys {
            entries.push(Entry {
                place: key.place.clone(),
                text: key.text.clone(),
                fate: zone_fate(key, block, &mut flags),
            });
        }
        for directive in &block.directives {
            let scope = Scope {
                zones,
                refused: refusal(block),
                passes_to_cluster: overview.passes_to_cluster(block),
            };
            let weight = match directive.name.as_str() {
                "kubernetes" => 0,
                _ if scope.is_root() => 1,
                _ => 2,
            };
            order.push((weight, directive, scope));
        }
    }
    order.sort_by_key(|(weight, ..)| *weight);
    if let Some(domain) = &overview.cluster_behind {
        flags.domains.push(domain.clone());
    }
    for (_, directive, scope) in &order {
        account(directive, scope, &overview, &mut flags, &mut entries);
    }
    listen::settle(&mut flags.listen);
    let notes = finish(blocks, &overview, &mut flags);
    entries.sort_by(|one, other| one.place.cmp(&other.place));
    Translation {
        flags,
        entries,
        notes,
    }
}

/// Enters a directive and everything below it.
fn account(
    directive: &Directive,
    scope: &Scope<'_>,
    overview: &Overview,
    flags: &mut Flags,
    entries: &mut Vec<Entry>,
) {
    let mut plugin = plugin(directive, scope, overview, flags);
    let mut options = Vec::new();
    for option in &directive.options {
        let fate = plugin.option(option);
        options.push(entry(option, fate.clone()));
        below(option, &fate, &mut options);
    }
    entries.push(entry(directive, plugin.directive(directive)));
    entries.append(&mut options);
}

fn empty_import(import: &Key) -> Entry {
    Entry {
        place: import.place.clone(),
        text: import.text.clone(),
        fate: Fate::missing(
            "no file here matches, but there may be some where CoreDNS runs: bring them here, and import again",
        ),
    }
}

/// What stands below an option shares its fate: no option of CoreDNS's own has a block.
fn below(option: &Directive, fate: &Fate, entries: &mut Vec<Entry>) {
    for line in &option.options {
        entries.push(entry(line, fate.clone()));
        below(line, fate, entries);
    }
}

fn entry(line: &Directive, fate: Fate) -> Entry {
    Entry {
        place: line.place.clone(),
        text: line.line(),
        fate,
    }
}

fn plugin<'a>(
    directive: &Directive,
    scope: &'a Scope<'_>,
    overview: &'a Overview,
    flags: &'a mut Flags,
) -> Box<dyn Plugin + 'a> {
    if let Some(reason) = &scope.refused {
        return Box::new(plugins::Refused(reason.clone()));
    }
    match directive.name.as_str() {
        "kubernetes" => Box::new(Kubernetes::new(scope, flags)),
        "forward" => Box::new(Forward::new(directive, scope, overview, flags)),
        "cache" => Box::new(Cache::new(scope, flags)),
        "bind" => Box::new(listen::Bind { scope, flags }),
        "prometheus" | "health" | "ready" => Box::new(http::Endpoint { overview, flags }),
        _ => Box::new(plugins::Other { flags }),
    }
}

/// Why nothing of a block can be carried over.
fn refusal(block: &ServerBlock) -> Option<String> {
    let zones: Vec<_> = block
        .keys
        .iter()
        .filter_map(|key| Zone::parse(&key.text).ok())
        .collect();
    if let [first, ..] = zones.as_slice()
        && zones.iter().all(|zone| zone.transport != "dns")
    {
        return Some(format!(
            "its server block is served over {}, which kxdns does not offer",
            first.transport
        ));
    }
    if block.directives.iter().any(|line| line.name == "view") {
        return Some(
            "its server block is for some clients only (view); kxdns answers all alike".to_owned(),
        );
    }
    zones
        .is_empty()
        .then(|| "the zones of its server block can't be served; see there".to_owned())
}

fn readable_zones(block: &ServerBlock) -> Vec<Zone> {
    block
        .keys
        .iter()
        .filter_map(|key| Zone::parse(&key.text).ok())
        .filter(|zone| zone.transport == "dns")
        .collect()
}

/// What becomes of a zone in front of a block.
fn zone_fate(key: &Key, block: &ServerBlock, flags: &mut Flags) -> Fate {
    let zone = match Zone::parse(&key.text) {
        Ok(zone) => zone,
        Err(error) => return Fate::Missing(error),
    };
    if zone.transport != "dns" {
        return Fate::Missing(format!(
            "kxdns serves DNS over UDP and TCP only; put a proxy that ends {} in front of it",
            zone.transport
        ));
    }
    if let Some(reason) = refusal(block) {
        return Fate::Missing(reason);
    }
    let has = |name: &str| block.directives.iter().any(|line| line.name == name);
    if !has("bind") {
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), zone.port);
        if !flags.listen.contains(&address) {
            flags.listen.push(address);
        }
    }
    if !has("kubernetes") && !has("forward") && zone.cover != Cover::Root {
        return Fate::missing(
            "no directive in its block has a counterpart that answers these names, so they go to the upstreams",
        );
    }
    if has("bind") {
        Fate::built_in("served at the addresses of `bind`, as every name is")
    } else if zone.port == 53 {
        Fate::built_in("IPv4 is served at 0.0.0.0:53 by default; for IPv6 add --listen [::]:53")
    } else {
        Fate::Carried(format!("--listen 0.0.0.0:{}", zone.port))
    }
}

/// Fills in what the absence of a line says; the notes tell it.
fn finish(blocks: &[ServerBlock], overview: &Overview, flags: &mut Flags) -> Vec<String> {
    let mut notes = Vec::new();
    let Some(place) = blocks
        .iter()
        .flat_map(|block| &block.keys)
        .map(|key| &key.place)
        .next()
    else {
        return vec![
            "the Corefile has no server block, so there is nothing to carry over".to_owned(),
        ];
    };
    if !overview.has_kubernetes && overview.cluster_behind.is_none() {
        notes.push(
            "no line serves a cluster domain, but kxdns always does: cluster.local, unless --cluster-domain is given"
                .to_owned(),
        );
    }
    if let Some(domain) = &overview.cluster_behind {
        notes.push(format!(
            "the cluster's own DNS answers for {domain}, and kxdns takes its place: import its Corefile, too"
        ));
    }
    if flags.upstreams.is_none() && !flags.has("--resolv-conf") && !overview.root_resolv_conf {
        flags.set("--resolv-conf", "/dev/null", place);
        notes.push(
            "no line forwards all other names, and kxdns would take the node's servers: --resolv-conf /dev/null says that there are none"
                .to_owned(),
        );
    }
    if !overview.has_cache {
        flags.set("--cache-size", "0", place);
        notes.push(
            "no line asks for a cache, and kxdns has one: --cache-size 0 turns it off".to_owned(),
        );
    }
    notes
}
