//! The node's network interfaces, as netlink tells of them.

use anyhow::Context as _;
use futures::TryStreamExt as _;
use rtnetlink::packet_route::{
    link::{
        InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, LinkXdp,
        XdpAttached,
    },
    tc::{TcAttribute, TcFilterBpfOption, TcHandle, TcMessage, TcOption},
};

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The interface's index.
    pub index: u32,
    /// The interface's name.
    pub name: String,
    /// What it is made of.
    pub kind: LinkKind,
    /// Whether an XDP program is attached.
    pub has_xdp: bool,
    /// Whether its frames begin with an Ethernet header.
    pub is_ethernet: bool,
    /// Whether what it is paired with is in another network namespace, as the other end of a pod's pair is.
    pub leads_elsewhere: bool,
    /// Largest packet in octets, if the kernel tells.
    pub mtu: Option<u32>,
}

/// What an interface is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// One end of a pair, the other most likely in a pod.
    Veth,
    /// The same, of the kind that is made for BPF programs (Linux 6.7).
    Netkit,
    /// Other software: bridge, dummy, tunnel, loopback.
    Virtual,
    /// A device with a driver of its own.
    Device,
}

/// A BPF filter of the clsact qdisc, on ingress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Its priority, by which filters are ordered.
    pub priority: u16,
    /// Its number among those of one priority.
    pub handle: u32,
}

/// A netlink socket in the namespace that this process is in.
#[derive(Clone, Debug)]
pub struct Netlink {
    handle: rtnetlink::Handle,
}

impl Netlink {
    /// Opens the socket; its task ends when the last clone is dropped.
    pub fn open() -> anyhow::Result<Self> {
        let (connection, handle, _) =
            rtnetlink::new_connection().context("can't open a netlink socket")?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// Every interface.
    pub async fn links(&self) -> anyhow::Result<Vec<Link>> {
        let messages: Vec<LinkMessage> = self
            .handle
            .link()
            .get()
            .execute()
            .try_collect()
            .await
            .context("can't list the network interfaces")?;
        Ok(messages.into_iter().filter_map(read_link).collect())
    }

    /// The BPF filters on ingress of an interface whose program has this name, in the order in which they run.
    ///
    /// An interface that has gone, or has no qdisc for filters, has none.
    pub async fn filters(&self, index: u32, program: &str) -> anyhow::Result<Vec<Filter>> {
        let index = i32::try_from(index).context("an interface index beyond 2^31")?;
        let request = self.handle.traffic_filter(index).get().ingress();
        let messages: Result<Vec<TcMessage>, _> = request.execute().try_collect().await;
        match messages {
            Err(error) if is_gone(&error) => Ok(Vec::new()),
            Err(error) => Err(error).context("can't list the filters of an interface"),
            Ok(messages) => Ok(messages
                .iter()
                .filter(|message| has_program(message, program))
                .map(read_filter)
                .collect()),
        }
    }

    /// Removes the clsact qdisc of an interface if no filter is left in it; gives whether it did.
    ///
    /// A qdisc that is gone already, with its interface or without, is no error.
    pub async fn remove_empty_clsact(&self, index: u32) -> anyhow::Result<bool> {
        let index = i32::try_from(index).context("an interface index beyond 2^31")?;
        for ingress in [true, false] {
            let filters = self.handle.traffic_filter(index).get();
            let filters = if ingress {
                filters.ingress()
            } else {
                filters.egress()
            };
            let filters: Result<Vec<_>, _> = filters.execute().try_collect().await;
            // What can't be listed may be somebody's: then the qdisc stays.
            if !filters.is_ok_and(|filters| filters.is_empty()) {
                return Ok(false);
            }
        }
        let mut request = self.handle.qdisc().del(index);
        let message = request.message_mut();
        message.header.parent = TcHandle::CLSACT;
        message.header.handle = TcHandle::from(0xffff_0000);
        message
            .attributes
            .push(TcAttribute::Kind("clsact".to_owned()));
        match request.execute().await {
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) => Err(error).context("can't remove the clsact qdisc"),
            Ok(()) => Ok(true),
        }
    }
}

/// Whether the kernel says that the object, or its interface, does not exist.
fn is_gone(error: &rtnetlink::Error) -> bool {
    use nix::errno::Errno;
    let rtnetlink::Error::NetlinkError(message) = error else {
        return false;
    };
    let errno = message.code.map_or(0, |code| -code.get());
    [Errno::ENODEV, Errno::ENOENT, Errno::EINVAL].contains(&Errno::from_raw(errno))
}

/// Whether the filter runs a program of this name: dns-ctl gives its filters the name of their program.
fn has_program(message: &TcMessage, program: &str) -> bool {
    message.attributes.iter().any(|attribute| {
        let TcAttribute::Options(options) = attribute else {
            return false;
        };
        options.iter().any(|option| {
            matches!(option, TcOption::Bpf(TcFilterBpfOption::ProgName(name)) if name == program)
        })
    })
}

fn read_filter(message: &TcMessage) -> Filter {
    let [_, _, low, high] = message.header.info.to_le_bytes();
    Filter {
        priority: u16::from_le_bytes([low, high]),
        handle: message.header.handle.into(),
    }
}

/// The interface that a message of the kernel is about.
pub(super) fn read_link(message: LinkMessage) -> Option<Link> {
    let mut name = None;
    let mut has_xdp = false;
    let mut leads_elsewhere = false;
    let mut mtu = None;
    let mut kind = if message.header.flags.contains(LinkFlags::Loopback) {
        LinkKind::Virtual
    } else {
        LinkKind::Device
    };
    let is_ethernet = matches!(
        message.header.link_layer_type,
        LinkLayerType::Ether | LinkLayerType::Loopback
    );
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = Some(text),
            LinkAttribute::LinkInfo(info) => {
                for info in info {
                    match info {
                        LinkInfo::Kind(InfoKind::Veth) => kind = LinkKind::Veth,
                        LinkInfo::Kind(InfoKind::Netkit) => kind = LinkKind::Netkit,
                        LinkInfo::Kind(_) => kind = LinkKind::Virtual,
                        _ => {}
                    }
                }
            }
            LinkAttribute::Mtu(octets) => mtu = Some(octets),
            LinkAttribute::LinkNetNsId(_) => leads_elsewhere = true,
            LinkAttribute::Xdp(state) => {
                has_xdp = state.iter().any(|state| {
                    matches!(state, LinkXdp::Attached(attached) if *attached != XdpAttached::None)
                });
            }
            _ => {}
        }
    }
    Some(Link {
        index: message.header.index,
        name: name?,
        kind,
        has_xdp,
        is_ethernet,
        leads_elsewhere,
        mtu,
    })
}
