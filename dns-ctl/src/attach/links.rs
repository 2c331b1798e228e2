//! The node's network interfaces, as netlink tells of them.

use anyhow::Context as _;
use futures::TryStreamExt as _;
use rtnetlink::packet_route::{
    link::{
        InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, LinkXdp,
        XdpAttached,
    },
    tc::{TcAttribute, TcHandle},
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
}

/// What an interface is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// One end of a pair, the other most likely in a pod.
    Veth,
    /// Other software: bridge, dummy, tunnel, loopback.
    Virtual,
    /// A device with a driver of its own.
    Device,
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

    /// Removes the clsact qdisc of an interface if no filter is left in it.
    ///
    /// A qdisc that is gone already, with its interface or without, is no error.
    pub async fn remove_empty_clsact(&self, index: u32) -> anyhow::Result<()> {
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
                return Ok(());
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
            Err(error) if !is_gone(&error) => Err(error).context("can't remove the clsact qdisc"),
            _ => Ok(()),
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

fn read_link(message: LinkMessage) -> Option<Link> {
    let mut name = None;
    let mut has_xdp = false;
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
                        LinkInfo::Kind(_) => kind = LinkKind::Virtual,
                        _ => {}
                    }
                }
            }
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
    })
}
