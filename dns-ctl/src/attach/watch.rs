//! Tells of interfaces that come, change and go, as the kernel does.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
};

use anyhow::Context as _;
use futures::{Stream, StreamExt as _, stream::ReadyChunks};
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};
use rtnetlink::{
    MulticastGroup,
    packet_core::{NetlinkMessage, NetlinkPayload},
    packet_route::{AddressFamily, RouteNetlinkMessage},
    sys::AsyncSocket as _,
};

use super::links::{Link, read_link};

/// Most messages that are taken in at once.
const MESSAGES: usize = 1024;
/// Octets of messages that may wait in the kernel: some thousands of them.
const BUFFER: usize = 4 << 20;

type Messages = Pin<Box<dyn Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + Send>>;

/// What has happened to interfaces since the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The interfaces that went; others may have their indices now.
    pub gone: BTreeSet<u32>,
    /// The interfaces that came or changed, as they are now.
    pub links: BTreeMap<u32, Link>,
    /// Whether messages were lost, so that the interfaces have to be listed anew.
    pub lost: bool,
}

/// The kernel's messages about interfaces.
pub struct LinkWatch {
    messages: ReadyChunks<Messages>,
}

impl LinkWatch {
    /// Opens a watch: whatever happens from now on is told.
    pub fn open() -> anyhow::Result<Self> {
        let (mut connection, _, messages) =
            rtnetlink::new_multicast_connection(&[MulticastGroup::Link])
                .context("can't listen to changes of interfaces")?;
        let socket = connection.socket_mut().socket_mut();
        // Only some may have more than the system's limit; with less, messages are lost sooner, and noticed.
        let forced = setsockopt(socket, RcvBufForce, &BUFFER);
        if forced.is_err()
            && socket
                .set_rx_buf_sz(i32::try_from(BUFFER).unwrap_or(i32::MAX))
                .is_err()
        {
            tracing::debug!("the buffer for changes of interfaces stays as it is");
        }
        tokio::spawn(connection);
        let messages: Messages = Box::pin(messages.map(|(message, _)| message));
        Ok(Self {
            messages: messages.ready_chunks(MESSAGES),
        })
    }

    /// Waits for changes; `None` if the kernel tells of no more.
    pub async fn next(&mut self) -> Option<Changes> {
        Some(summary(self.messages.next().await?))
    }
}

/// What messages lead to, taken together.
fn summary(messages: Vec<NetlinkMessage<RouteNetlinkMessage>>) -> Changes {
    let mut changes = Changes::default();
    for message in messages {
        match message.payload {
            // A bridge tells of its ports in this way, too: one that leaves it has not gone, and what such a
            // message says of an interface is not all that there is to say.
            NetlinkPayload::InnerMessage(
                RouteNetlinkMessage::NewLink(message) | RouteNetlinkMessage::DelLink(message),
            ) if message.header.interface_family == AddressFamily::Bridge => {}
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(message)) => {
                let index = message.header.index;
                if let Some(link) = read_link(message) {
                    changes.links.insert(index, link);
                }
            }
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(message)) => {
                changes.links.remove(&message.header.index);
                changes.gone.insert(message.header.index);
            }
            NetlinkPayload::Overrun(_) => changes.lost = true,
            _ => {}
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};

    use super::*;

    fn named(index: u32, name: &str) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        message
    }

    #[test]
    fn a_bridge_speaks_of_its_ports_only() {
        let mut port = named(3, "veth3");
        port.header.interface_family = AddressFamily::Bridge;
        let changes = summary(vec![
            NetlinkMessage::from(RouteNetlinkMessage::NewLink(port.clone())),
            NetlinkMessage::from(RouteNetlinkMessage::DelLink(port)),
        ]);
        assert_eq!(changes, Changes::default());
    }

    #[test]
    fn the_last_word_on_each_interface_counts() {
        let inner = |message: RouteNetlinkMessage| NetlinkMessage::from(message);
        let mut overrun = inner(RouteNetlinkMessage::NewLink(named(1, "x")));
        overrun.payload = NetlinkPayload::Overrun(Vec::new());
        let changes = summary(vec![
            inner(RouteNetlinkMessage::NewLink(named(3, "veth3"))),
            inner(RouteNetlinkMessage::NewLink(named(4, "old"))),
            inner(RouteNetlinkMessage::DelLink(named(3, "veth3"))),
            inner(RouteNetlinkMessage::NewLink(named(4, "new"))),
        ]);
        assert!(!changes.lost);
        assert!(!changes.links.contains_key(&3));
        assert_eq!(changes.gone, BTreeSet::from([3]));
        assert_eq!(changes.links[&4].name, "new");
        assert!(summary(vec![overrun]).lost);
    }
}
