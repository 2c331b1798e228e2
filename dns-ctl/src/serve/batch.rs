//! Datagrams by the batch: one call receives what has come, one sends the replies.

use std::{
    array,
    io::{self, IoSlice, IoSliceMut},
    ops::Range,
    os::fd::AsRawFd as _,
};

use nix::{
    cmsg_space,
    libc::in6_pktinfo,
    sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg},
};
use smallvec::SmallVec;

use super::udp::{Route, Socket, route, with_source};

/// Most datagrams of one batch.
pub(super) const BATCH: usize = 32;
/// The largest request over UDP that is read whole.
const MAX_REQUEST: usize = 4096;
/// Room for replies that need not grow.
const REPLIES: usize = BATCH * 512;

/// The requests of a batch.
pub(super) struct Inbox {
    headers: MultiHeaders<SockaddrStorage>,
    buffer: Box<[[u8; MAX_REQUEST]]>,
    /// The length of each datagram, and where it came from if that is known.
    received: Vec<(usize, Option<Route>)>,
}

/// The replies of a batch.
pub(super) struct Outbox {
    headers: MultiHeaders<SockaddrStorage>,
    /// The replies' octets, one after another.
    pub(super) bytes: Vec<u8>,
    replies: Vec<(Range<usize>, Route)>,
}

impl Inbox {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self {
            headers: headers(),
            buffer: vec![[0; MAX_REQUEST]; BATCH].into(),
            received: Vec::with_capacity(BATCH),
        }
    }

    /// Receives what has come; if nothing has, waits for it or fails with `WouldBlock`.
    ///
    /// What [`Socket::wake`] makes of a wait is an empty datagram.
    pub(super) fn receive(&mut self, socket: &Socket, waits: bool) -> io::Result<()> {
        self.received.clear();
        let flags = if waits {
            MsgFlags::MSG_WAITFORONE
        } else {
            MsgFlags::MSG_DONTWAIT
        };
        let mut slots = self.buffer.iter_mut();
        let mut slots: [_; BATCH] =
            array::from_fn(|_| [IoSliceMut::new(slots.next().map_or(&mut [], |slot| slot))]);
        let messages = recvmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            slots.iter_mut(),
            flags,
            None,
        )?;
        self.received
            .extend(messages.map(|message| (message.bytes, route(&message))));
        Ok(())
    }

    /// The datagrams of the last batch, and where they came from.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (&[u8], Route)> {
        let slots = self.buffer.iter();
        slots
            .zip(&self.received)
            .filter_map(|(slot, &(length, route))| Some((&slot[..length], route?)))
    }
}

impl Outbox {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self {
            headers: headers(),
            bytes: Vec::with_capacity(REPLIES),
            replies: Vec::with_capacity(BATCH),
        }
    }

    /// What stands in `bytes` from `start` on is a reply that goes along `route`.
    pub(super) fn add(&mut self, start: usize, route: Route) {
        self.replies.push((start..self.bytes.len(), route));
    }

    /// Sends all replies, and is empty again.
    pub(super) fn send(&mut self, socket: &Socket) {
        let mut rest = self.replies.as_slice();
        while let Some((_, first)) = rest.first() {
            // A call has one source for all its datagrams.
            let alike = rest
                .iter()
                .take_while(|(_, route)| route.local == first.local)
                .count();
            let sent = match send(&mut self.headers, socket, &self.bytes, &rest[..alike]) {
                Ok(sent) => sent,
                Err(error) => {
                    tracing::debug!(peer = %first.peer, %error, "a reply could not be sent");
                    if error.kind() == io::ErrorKind::WouldBlock {
                        break;
                    }
                    0
                }
            };
            // One that could not be sent is left out.
            rest = &rest[sent.max(1)..];
        }
        self.replies.clear();
        self.bytes.clear();
        if self.bytes.capacity() > 8 * REPLIES {
            self.bytes.shrink_to(REPLIES);
        }
    }
}

/// Sends replies that have one source; returns how many have been sent.
fn send(
    headers: &mut MultiHeaders<SockaddrStorage>,
    socket: &Socket,
    bytes: &[u8],
    replies: &[(Range<usize>, Route)],
) -> io::Result<usize> {
    let parts: SmallVec<[[IoSlice<'_>; 1]; BATCH]> = replies
        .iter()
        .map(|(range, _)| [IoSlice::new(&bytes[range.clone()])])
        .collect();
    let peers: SmallVec<[Option<SockaddrStorage>; BATCH]> = replies
        .iter()
        .map(|(_, route)| Some(route.peer.into()))
        .collect();
    let local = replies.first().and_then(|(_, route)| route.local);
    if let ([(range, route), ..], None) = (replies, local) {
        // The headers have room for a source, which must not stay empty.
        return socket.try_send(&bytes[range.clone()], *route).map(|()| 1);
    }
    let sent = with_source(local, |control| {
        let sent = sendmmsg(
            socket.as_raw_fd(),
            headers,
            parts.iter(),
            peers.as_slice(),
            control,
            MsgFlags::empty(),
        );
        sent.map(Iterator::count)
    });
    Ok(sent?)
}

/// Headers of a batch, with room for the address that a datagram was sent to.
fn headers() -> MultiHeaders<SockaddrStorage> {
    MultiHeaders::preallocate(BATCH, Some(cmsg_space!(in6_pktinfo)))
}
