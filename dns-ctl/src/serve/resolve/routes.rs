//! Which upstreams are asked for which names: the longest matching stub domain wins.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use super::{link::Network, peer::Peer};
use crate::{
    metrics::Metrics,
    serve::upstream::{Routes, Upstream, leads_to},
};

/// The upstreams of a domain, the first one preferred.
pub(super) type Group = Arc<[Arc<Peer>]>;

/// The routes in use.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By domain in wire form, lower-case.
    stubs: HashMap<Box<[u8]>, Group>,
    others: Group,
}

impl Table {
    /// The table for `routes`; what is known of upstreams that were in `previous` is kept.
    pub(super) fn new(
        routes: &Routes,
        previous: &Self,
        own: &[SocketAddr],
        network: &dyn Network,
        metrics: &Metrics,
    ) -> Self {
        let mut peers = previous.peers();
        let mut group = |upstreams: &[Upstream]| -> Group {
            upstreams
                .iter()
                .map(|upstream| {
                    let peer = peers.entry(upstream.clone()).or_insert_with(|| {
                        let metrics = metrics.upstream(&upstream.to_string());
                        let link = network.link(upstream);
                        Arc::new(Peer::new(upstream.clone(), link, metrics))
                    });
                    peer.set_own(own.iter().any(|own| leads_to(upstream, *own, |_| false)));
                    Arc::clone(peer)
                })
                .collect()
        };
        Self {
            stubs: routes
                .stubs
                .iter()
                .map(|stub| {
                    let domain = stub.domain.to_wire().to_ascii_lowercase();
                    (domain.into(), group(&stub.upstreams))
                })
                .collect(),
            others: group(&routes.upstreams),
        }
    }

    /// The upstreams for `name`, which is in wire form and lower-case.
    pub(super) fn find(&self, name: &[u8]) -> &Group {
        let mut rest = name;
        // From the whole name to ever shorter suffixes: the first domain found is the longest.
        while let Some((&length, labels)) = rest.split_first()
            && !self.stubs.is_empty()
        {
            if let Some(group) = self.stubs.get(rest) {
                return group;
            }
            rest = labels.get(usize::from(length)..).unwrap_or_default();
        }
        &self.others
    }

    /// Every upstream once.
    pub(super) fn peers(&self) -> HashMap<Upstream, Arc<Peer>> {
        self.stubs
            .values()
            .chain([&self.others])
            .flat_map(|group| group.iter())
            .map(|peer| (peer.upstream.clone(), Arc::clone(peer)))
            .collect()
    }

    /// Whether there is any upstream.
    pub(super) fn is_empty(&self) -> bool {
        self.stubs.is_empty() && self.others.is_empty()
    }
}

/// Whether both groups ask the same servers in the same order.
pub(super) fn same(a: &Group, b: &Group) -> bool {
    a.iter()
        .map(|peer| &peer.upstream)
        .eq(b.iter().map(|peer| &peer.upstream))
}
