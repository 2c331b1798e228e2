//! A packet between octets that are known, so that neither a read nor a write outside of it is missed.

use dns_common::{Frame, Miss, Packet};

/// Octets on either side that are enough for any access of a header or a word that is wrong by a name.
pub(crate) const MARGIN: usize = 320;

/// A packet in a buffer that has a limit to its length, as a driver's has.
pub(crate) struct Guarded {
    octets: Vec<u8>,
    len: usize,
    margin: usize,
    guard: u8,
    limit: usize,
}

impl Guarded {
    /// A packet that can grow to `limit` octets, between `margin` octets of `guard` on either side.
    ///
    /// Without a margin the packet is the whole of its allocation: then the address sanitizer watches.
    pub(crate) fn new(packet: &[u8], margin: usize, guard: u8, limit: usize) -> Self {
        let mut guarded = Self {
            octets: Vec::new(),
            len: packet.len(),
            margin,
            guard,
            limit,
        };
        guarded.octets = guarded.around(packet, packet.len());
        guarded
    }

    /// A new buffer for `len` octets that begin with `packet`.
    fn around(&self, packet: &[u8], len: usize) -> Vec<u8> {
        let mut octets = Vec::with_capacity(len + 2 * self.margin);
        octets.resize(self.margin, self.guard);
        octets.extend_from_slice(packet);
        // What is added is not zero in the kernel, either.
        octets.resize(self.margin + len, !self.guard);
        octets.resize(len + 2 * self.margin, self.guard);
        octets
    }

    pub(crate) fn packet(&self) -> &[u8] {
        &self.octets[self.margin..self.margin + self.len]
    }

    /// Whether nothing was written outside.
    pub(crate) fn guards_hold(&self) -> bool {
        let before = &self.octets[..self.margin];
        let behind = &self.octets[self.margin + self.len..];
        let known = [self.guard; MARGIN];
        before == &known[..self.margin] && behind == &known[..self.margin]
    }
}

impl Packet for Guarded {
    fn frame(&mut self) -> Frame<'_> {
        Frame::from_slice(&mut self.octets[self.margin..self.margin + self.len])
    }

    fn resize(&mut self, from: usize, to: usize) -> Result<(), Miss> {
        assert_eq!(
            from, self.len,
            "the packet path knows the packet's own length"
        );
        if to > self.limit {
            return Err(Miss::NoRoom);
        }
        self.octets = self.around(&self.packet()[..to.min(from)], to);
        self.len = to;
        Ok(())
    }
}
