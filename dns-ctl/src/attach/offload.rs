//! Whether the devices complete the checksums of what is sent: watched, and told to the tc program.
//!
//! A packet from a local pod comes with a checksum that is only begun. A veth that takes checksums over
//! hands it to the pod as it is, and the receiver does not mind: then the program may write a complete one.
//! Other devices, and the network stack for a veth that does not take checksums over, complete it on
//! sending, and would spoil a complete one. The program asks the kernel for each packet unless it is told
//! here that all its interfaces are such veths.

use std::collections::BTreeMap;

use anyhow::Context as _;
use ethtool::{EthtoolAttr, EthtoolFeatureAttr, EthtoolHandle, EthtoolHeader, EthtoolMessage};
use futures::TryStreamExt as _;

use super::{
    links::{Link, LinkKind},
    maps::SharedConfig,
};

/// The feature by which a device takes checksums of whatever protocol over, as ethtool calls it.
const GENERIC: &str = "tx-checksum-ip-generic";
/// The features by which it takes those of UDP over each version of IP over: the program is told one thing
/// for both, so one of them is not enough.
const BY_VERSION: [&str; 2] = ["tx-checksum-ipv4", "tx-checksum-ipv6"];

/// Keeps [`dns_common::maps::Config::offload`] true to the devices that have a tc program.
pub struct Offload {
    ethtool: EthtoolHandle,
    config: SharedConfig,
    /// The interfaces with a tc program, and whether the device of each is a veth that takes checksums over.
    devices: BTreeMap<u32, bool>,
}

impl Offload {
    /// No interface has a tc program yet.
    pub fn open(config: SharedConfig) -> anyhow::Result<Self> {
        let (connection, ethtool, _) =
            ethtool::new_connection().context("can't open a generic netlink socket")?;
        tokio::spawn(connection);
        Ok(Self {
            ethtool,
            config,
            devices: BTreeMap::new(),
        })
    }

    /// These interfaces are to get a tc program, have one, or have changed: looks at their devices.
    ///
    /// Has to be called before the program is attached: it must not believe of a new device what holds for the
    /// others. All that have a program at the beginning have to be among those of the first call.
    pub async fn look(&mut self, links: &[&Link]) {
        for link in links {
            let offloads = link.kind == LinkKind::Veth
                && self.offloads(link).await.unwrap_or_else(|error| {
                    let interface = &link.name;
                    tracing::debug!(
                        interface,
                        "checksums are settled packet by packet: {error:#}"
                    );
                    false
                });
            self.devices.insert(link.index, offloads);
        }
        self.tell();
    }

    /// Whether an interface has been looked at.
    #[must_use]
    pub fn knows(&self, index: u32) -> bool {
        self.devices.contains_key(&index)
    }

    /// An interface has no tc program any more.
    pub fn forget(&mut self, index: u32) {
        if self.devices.remove(&index).is_some() {
            self.tell();
        }
    }

    async fn offloads(&mut self, link: &Link) -> anyhow::Result<bool> {
        let messages = self.ethtool.feature().get(Some(&link.name)).execute().await;
        let messages = messages.context("can't ask for the features of a device")?;
        let messages: Vec<_> = messages.try_collect().await?;
        let mut devices = messages.iter().filter_map(|message| read(&message.payload));
        // By then the name may be another's.
        Ok(devices.any(|(index, offloads)| index == link.index && offloads))
    }

    fn tell(&self) {
        let offload = all_offload(&self.devices);
        let told = self.config.change(|config| config.offload = offload.into());
        if let Err(error) = told {
            tracing::error!("{error}");
        }
    }
}

/// Whether every device takes checksums over, and there is one.
fn all_offload(devices: &BTreeMap<u32, bool>) -> bool {
    !devices.is_empty() && devices.values().all(|&offloads| offloads)
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
        for (devices, expected) in [
            (&[(1, true), (2, true)][..], true),
            (&[(1, true), (2, true), (3, false)], false),
            (&[(3, false)], false),
            (&[], false),
        ] {
            let of = devices.iter().copied().collect();
            assert_eq!(all_offload(&of), expected, "{devices:?}");
        }
    }
}
