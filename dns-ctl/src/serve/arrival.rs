//! How and when a message came in.

use std::time::Instant;

use crate::metrics::label::Transport;

/// How and when a message came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) transport: Transport,
    pub(super) at: Instant,
}

impl Arrival {
    /// Of a message that has just been read.
    pub(super) fn by(transport: Transport) -> Self {
        let at = Instant::now();
        Self { transport, at }
    }

    /// The largest reply for a client that takes datagrams of `datagram` octets.
    pub(super) const fn limit(self, datagram: u16) -> u16 {
        match self.transport {
            Transport::Udp => datagram,
            Transport::Tcp => u16::MAX,
        }
    }
}
