//! Removes from a node what an instance has left there.

use std::{future::Ready, path::Path};

use aya::maps::Map;
use dns_common::maps::map_name;
use serde::Serialize;

use super::{
    attacher::owns_clsact,
    folder::PinFolder,
    hooks::remove_filters,
    kernel::{TC_PROGRAM, XDP_PROGRAM},
    layout::LinkFile,
    links::{Link, Netlink},
    maps::AttachedMap,
    pins,
};
use crate::instance::{Claim, ClaimError};

/// Something that was removed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Removed {
    /// What it was.
    pub kind: &'static str,
    /// The interface, or the file.
    pub at: String,
}

/// Removes links, filters, maps and programs; gives what there was.
pub async fn remove(bpffs: &Path) -> anyhow::Result<Vec<Removed>> {
    // Nobody may attach anything meanwhile.
    let _claim = Claim::take(bpffs, None, None::<Ready<_>>)
        .await
        .map_err(|error| match error {
            ClaimError::Held(_) => anyhow::anyhow!("{error}; stop it first"),
            error => error.into(),
        })?;
    let folder = PinFolder::claim_for_removal(bpffs)?;
    let netlink = Netlink::open()?;
    let links = netlink.links().await?;
    // Filters first: which qdiscs were made for them is in a map.
    let mut removed = filters(&netlink, &links, bpffs).await?;
    if let Some(folder) = folder {
        let files = folder.remove_all()?;
        removed.extend(files.iter().map(|file| describe(file, &links)));
    }
    Ok(removed)
}

/// Removes the filters of every interface, and the qdiscs that were made for them.
async fn filters(netlink: &Netlink, links: &[Link], bpffs: &Path) -> anyhow::Result<Vec<Removed>> {
    // Without the map, in doubt: an empty qdisc is of no use to anybody.
    let attached = pins::open(bpffs, map_name::ATTACHED)
        .ok()
        .and_then(|map| AttachedMap::try_from(Map::from_map_data(map).ok()?).ok());
    let mut removed = Vec::new();
    for link in links {
        let of = |kind| Removed {
            kind,
            at: link.name.clone(),
        };
        if netlink.filters(link.index, TC_PROGRAM).await?.is_empty() {
            continue;
        }
        let owned = attached
            .as_ref()
            .is_none_or(|map| owns_clsact(map, link.index));
        if !remove_filters(link)? {
            continue;
        }
        removed.push(of("filter"));
        if owned && netlink.remove_empty_clsact(link.index).await? {
            removed.push(of("qdisc clsact"));
        }
    }
    Ok(removed)
}

/// What a pinned file was, in words.
fn describe(path: &Path, links: &[Link]) -> Removed {
    let file = path.file_name().and_then(|name| name.to_str());
    let name = file.unwrap_or_default();
    if let Ok(LinkFile { index, place, .. }) = name.parse() {
        let interface = links.iter().find(|link| link.index == index);
        let gone = || format!("interface {index}, which has gone");
        return Removed {
            kind: place.rung().link_name(),
            at: interface.map_or_else(gone, |link| link.name.clone()),
        };
    }
    let is_program = [TC_PROGRAM, XDP_PROGRAM].contains(&name);
    Removed {
        kind: if is_program { "program" } else { "map" },
        at: path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attach::links::LinkKind;

    fn links() -> Vec<Link> {
        vec![Link {
            index: 7,
            name: "veth7".to_owned(),
            kind: LinkKind::Veth,
            has_xdp: false,
            is_ethernet: true,
            leads_elsewhere: true,
            mtu: None,
        }]
    }

    #[test]
    fn files_are_told_by_what_they_were() {
        for (path, kind, at) in [
            ("/b/links/tcx-last-7-1", "tcx link", "veth7"),
            (
                "/b/links/xdp-generic-9-1",
                "xdp-generic link",
                "interface 9, which has gone",
            ),
            ("/b/v3/kxdns_tc", "program", "/b/v3/kxdns_tc"),
            ("/b/v3/NAMES", "map", "/b/v3/NAMES"),
        ] {
            let expected = Removed {
                kind,
                at: at.to_owned(),
            };
            assert_eq!(describe(Path::new(path), &links()), expected);
        }
    }
}
