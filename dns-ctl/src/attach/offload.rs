//! Whether the devices complete the checksums of what is sent: watched, and told to the tc program.
//!
//! A packet from a local pod comes with a checksum that is only begun. A veth that takes checksums over
//! hands it to the pod as it is, and the receiver does not mind: then the program may write a complete one.
//! Other devices, and the network stack for a veth that does not take checksums over, complete it on
//! sending, and would spoil a complete one. The program asks the kernel for each packet unless it is told
//! here that all its interfaces are such veths.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use aya::maps::MapData;
use dns_common::maps::{Config, map_name};
use ethtool::{EthtoolAttr, EthtoolFeatureAttr, EthtoolHandle, EthtoolHeader, EthtoolMessage};
use futures::{StreamExt as _, TryStreamExt as _, channel::mpsc::UnboundedReceiver};
use rtnetlink::{
    MulticastGroup, packet_core::NetlinkMessage, packet_route::RouteNetlinkMessage, sys::SocketAddr,
};

use super::{
    kernel::{ConfigMap, access},
    links::{Link, LinkKind},
};

/// The feature by which a device takes checksums of whatever protocol over, as ethtool calls it.
const GENERIC: &str = "tx-checksum-ip-generic";
/// The features by which it takes those of UDP over each version of IP over: the program is told one thing
/// for both, so one of them is not enough.
const BY_VERSION: [&str; 2] = ["tx-checksum-ipv4", "tx-checksum-ipv6"];

/// Most changes that one look takes in.
const EVENTS: usize = 1024;

/// Keeps [`Config::offload`] true to the devices.
pub struct OffloadWatch {
    ethtool: EthtoolHandle,
    changes: UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>,
    interfaces: BTreeSet<u32>,
    only_veths: bool,
    map: ConfigMap<MapData>,
    config: Config,
}

impl OffloadWatch {
    /// A watch of these interfaces, all that have a tc program; `config` is what the map holds.
    pub fn open<'l>(
        links: impl IntoIterator<Item = &'l Link>,
        map: ConfigMap<MapData>,
        config: Config,
    ) -> anyhow::Result<Self> {
        let (connection, ethtool, _) =
            ethtool::new_connection().context("can't open a generic netlink socket")?;
        tokio::spawn(connection);
        let (connection, _, changes) = rtnetlink::new_multicast_connection(&[MulticastGroup::Link])
            .context("can't listen to changes of interfaces")?;
        tokio::spawn(connection);
        let mut interfaces = BTreeSet::new();
        let mut only_veths = true;
        for link in links {
            interfaces.insert(link.index);
            only_veths &= link.kind == LinkKind::Veth;
        }
        Ok(Self {
            ethtool,
            changes,
            interfaces,
            only_veths,
            map,
            config,
        })
    }

    /// Looks at the devices whenever one has changed, for as long as the kernel tells of changes.
    pub async fn run(mut self) {
        while self
            .changes
            .by_ref()
            .ready_chunks(EVENTS)
            .next()
            .await
            .is_some()
        {
            self.look().await;
        }
        tracing::warn!(
            "changes of interfaces are no longer told; checksums are settled packet by packet"
        );
        self.tell(false);
    }

    /// Looks at the devices as they are now.
    pub async fn look(&mut self) {
        let offload = match self.offloading().await {
            Ok(devices) => self.only_veths && all_offload(&devices, &self.interfaces),
            Err(error) => {
                tracing::debug!("checksums are settled packet by packet: {error:#}");
                false
            }
        };
        self.tell(offload);
    }

    /// Every interface, and whether its device takes checksums over.
    async fn offloading(&mut self) -> anyhow::Result<BTreeMap<u32, bool>> {
        let messages = self.ethtool.feature().get(None).execute().await;
        let messages = messages.context("can't ask for the features of devices")?;
        let messages: Vec<_> = messages.try_collect().await?;
        Ok(messages
            .into_iter()
            .filter_map(|message| read(&message.payload))
            .collect())
    }

    fn tell(&mut self, offload: bool) {
        if self.config.offload == u64::from(offload) {
            return;
        }
        self.config.offload = offload.into();
        let words: [u64; size_of::<Config>() / 8] = bytemuck::cast(self.config);
        match self.map.set(0, words, 0).map_err(access(map_name::CONFIG)) {
            Ok(()) => tracing::debug!(offload, "checksum offload of the devices with a tc program"),
            Err(error) => tracing::error!("{error}"),
        }
    }
}

/// Whether every one of the interfaces that is still there takes checksums over, and there is one.
fn all_offload(devices: &BTreeMap<u32, bool>, interfaces: &BTreeSet<u32>) -> bool {
    let mut present = interfaces
        .iter()
        .filter_map(|index| devices.get(index))
        .peekable();
    present.peek().is_some() && present.all(|&offloads| offloads)
}

/// The device that a message is about, and whether it takes checksums over.
fn read(message: &EthtoolMessage) -> Option<(u32, bool)> {
    let mut index = None;
    let mut offloads = false;
    for attribute in &message.nlas {
        match attribute {
            EthtoolAttr::Feature(EthtoolFeatureAttr::Header(header)) => {
                index = header.iter().find_map(|header| match header {
                    EthtoolHeader::DevIndex(index) => Some(*index),
                    _ => None,
                });
            }
            EthtoolAttr::Feature(EthtoolFeatureAttr::Active(features)) => {
                let is_on = |name: &str| {
                    let mut features = features.iter();
                    features.any(|feature| feature.value && feature.name == name)
                };
                offloads = is_on(GENERIC) || BY_VERSION.into_iter().all(is_on);
            }
            _ => {}
        }
    }
    Some((index?, offloads))
}

#[cfg(test)]
mod tests {
    use ethtool::{EthtoolCmd, EthtoolFeatureBit};

    use super::*;

    #[test]
    fn checksums_are_taken_over_for_both_versions_of_ip_or_not_at_all() {
        for (active, expected) in [
            (&[][..], false),
            (&[GENERIC], true),
            (&["tx-checksum-ipv4"], false),
            (&["tx-checksum-ipv6"], false),
            (&["tx-checksum-ipv4", "tx-checksum-ipv6"], true),
            (&["tx-checksum-sctp", "tx-checksum-fcoe-crc"], false),
        ] {
            let names = [GENERIC, "tx-checksum-ipv4", "tx-checksum-ipv6"];
            let off = names.iter().filter(|name| !active.contains(name));
            let bits = active.iter().map(|name| (name, true));
            let bits = bits.chain(off.map(|name| (name, false)));
            let bits = bits.map(|(&name, value)| EthtoolFeatureBit {
                index: 0,
                name: name.to_owned(),
                value,
            });
            let nlas = [
                EthtoolFeatureAttr::Header(vec![EthtoolHeader::DevIndex(7)]),
                EthtoolFeatureAttr::Active(bits.collect()),
            ];
            let message = EthtoolMessage {
                cmd: EthtoolCmd::FeatureGetReply,
                nlas: nlas.map(EthtoolAttr::Feature).into(),
            };
            assert_eq!(read(&message), Some((7, expected)), "{active:?}");
        }
    }

    #[test]
    fn one_device_without_offload_decides_for_all() {
        let devices = BTreeMap::from([(1, true), (2, true), (3, false)]);
        for (interfaces, expected) in [
            (&[1, 2][..], true),
            (&[1, 2, 3], false),
            (&[3], false),
            // One that has gone has no say.
            (&[1, 9], true),
            (&[9], false),
            (&[], false),
        ] {
            let interfaces = interfaces.iter().copied().collect();
            assert_eq!(
                all_offload(&devices, &interfaces),
                expected,
                "{interfaces:?}"
            );
        }
    }
}
