//! What has to be known of a whole Corefile before its lines can be judged.

use std::net::SocketAddr;

use super::{
    corefile::{Directive, ServerBlock},
    http,
    zone::{Cover, Zone, is_reverse},
};
use crate::zone::name::Domain;

/// The domain of a cluster unless it was set up otherwise.
const USUAL_DOMAIN: &str = "cluster.local";
/// Where the node's name servers are told, here and in CoreDNS's examples.
pub(super) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// A Corefile as a whole.
#[derive(Debug, Default)]
pub(super) struct Overview {
    /// Whether any block answers for a cluster.
    pub(super) has_kubernetes: bool,
    /// Whether any block has a cache.
    pub(super) has_cache: bool,
    /// The cluster's domain, if all is passed to a cluster's DNS, as NodeLocal DNSCache does.
    pub(super) cluster_behind: Option<Domain>,
    /// Whether all other names are asked at the servers of /etc/resolv.conf.
    pub(super) root_resolv_conf: bool,
    /// Domains with servers of their own, or of the cluster.
    pub(super) apart: Vec<Domain>,
    /// The one address for metrics and health.
    pub(super) http: Option<SocketAddr>,
}

impl Overview {
    /// Looks through all blocks.
    pub(super) fn of(blocks: &[ServerBlock]) -> Self {
        let directives = || blocks.iter().flat_map(|block| &block.directives);
        let has = |name: &str| directives().any(|line| line.name == name);
        Self {
            has_kubernetes: has("kubernetes"),
            has_cache: has("cache"),
            cluster_behind: if has("kubernetes") {
                None
            } else {
                cluster_behind(blocks)
            },
            root_resolv_conf: blocks
                .iter()
                .filter(|block| domains(block).is_empty())
                .flat_map(targets)
                .any(|target| target == RESOLV_CONF),
            apart: apart(blocks),
            http: ["prometheus", "health", "ready"]
                .into_iter()
                .find_map(|name| {
                    directives()
                        .filter(|line| line.name == name)
                        .find_map(|line| http::address(line).ok())
                }),
        }
    }

    /// Whether a block does nothing but pass the cluster's own names to the cluster's DNS.
    pub(super) fn passes_to_cluster(&self, block: &ServerBlock) -> bool {
        let domains = domains(block);
        self.cluster_behind.as_ref().is_some_and(|cluster| {
            !domains.is_empty()
                && domains
                    .iter()
                    .all(|domain| domain == cluster || is_whole_reverse(domain))
        })
    }
}

/// The domain whose names are passed to the same servers as the reverse names of all addresses: only a
/// cluster's DNS knows both.
fn cluster_behind(blocks: &[ServerBlock]) -> Option<Domain> {
    let reverse = blocks
        .iter()
        .find(|block| domains(block).iter().any(is_whole_reverse))
        .map(targets);
    let forwards = |block: &&ServerBlock| !targets(block).is_empty();
    blocks.iter().filter(forwards).find_map(|block| {
        let same_servers = reverse.as_ref() == Some(&targets(block));
        domains(block)
            .into_iter()
            .find(|domain| !is_reverse(domain) && (same_servers || is_usual(domain)))
    })
}

fn is_usual(domain: &Domain) -> bool {
    domain.to_string() == USUAL_DOMAIN
}

fn is_whole_reverse(domain: &Domain) -> bool {
    ["in-addr.arpa", "ip6.arpa"].contains(&domain.to_string().as_str())
}

/// The domains that blocks and lines single out.
fn apart(blocks: &[ServerBlock]) -> Vec<Domain> {
    let from_lines = blocks
        .iter()
        .flat_map(|block| &block.directives)
        .flat_map(|line| match line.name.as_str() {
            "kubernetes" => line.arguments.as_slice(),
            "forward" => line.arguments.get(..1).unwrap_or_default(),
            _ => &[],
        })
        .filter_map(|name| Cover::parse(name).ok())
        .flat_map(|cover| cover.domains().to_vec());
    blocks.iter().flat_map(domains).chain(from_lines).collect()
}

/// The domains of a block's zones; none if it is for all names.
fn domains(block: &ServerBlock) -> Vec<Domain> {
    let covers: Vec<_> = block
        .keys
        .iter()
        .filter_map(|key| Zone::parse(&key.text).ok())
        .map(|zone| zone.cover)
        .collect();
    if covers.contains(&Cover::Root) {
        return Vec::new();
    }
    covers
        .iter()
        .flat_map(|cover| cover.domains().to_vec())
        .collect()
}

/// What a block's lines `forward . TO...` name behind the dot.
fn targets(block: &ServerBlock) -> Vec<&str> {
    let all = |line: &&Directive| {
        line.name == "forward" && line.arguments.first().is_some_and(|from| from == ".")
    };
    block
        .directives
        .iter()
        .filter(all)
        .flat_map(|line| line.arguments.iter().skip(1))
        .map(String::as_str)
        .collect()
}
