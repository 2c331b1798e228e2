//! A packet between two regions of known octets, so that nothing outside of it is read or written unseen.

use dns_common::{Frame, Miss, Outcome, Packet, respond};

use crate::host::HostMaps;

/// A packet, and what lies around it.
struct Guarded {
    octets: Vec<u8>,
    len: usize,
    guard: u8,
}

/// Octets on either side: more than a name has.
const MARGIN: usize = 320;

impl Guarded {
    fn new(packet: &[u8], guard: u8) -> Self {
        let mut octets = vec![guard; MARGIN];
        octets.extend_from_slice(packet);
        octets.extend(std::iter::repeat_n(guard, MARGIN));
        Self {
            octets,
            len: packet.len(),
            guard,
        }
    }

    fn packet(&self) -> &[u8] {
        &self.octets[MARGIN..MARGIN + self.len]
    }

    fn guards_hold(&self) -> bool {
        let after = &self.octets[MARGIN + self.len..];
        let mut guards = self.octets[..MARGIN].iter().chain(after);
        guards.all(|&octet| octet == self.guard)
    }
}

impl Packet for Guarded {
    fn frame(&mut self) -> Frame<'_> {
        Frame::from_slice(&mut self.octets[MARGIN..MARGIN + self.len])
    }

    /// What the packet gains has the guard's octets: they must not be left in an answer.
    fn resize(&mut self, from: usize, to: usize) -> Result<(), Miss> {
        assert_eq!(from, self.len);
        let guard = self.guard;
        self.octets.truncate(MARGIN + to.min(from));
        self.octets.resize(MARGIN + to + MARGIN, guard);
        self.len = to;
        Ok(())
    }
}

/// Runs the packet twice, among different neighbours: a read outside would make a difference.
///
/// # Panics
/// If something outside of the packet is read or written, or a packet that passes is touched.
pub fn run(maps: &HostMaps, packet: &[u8]) -> (Outcome, Vec<u8>) {
    let results = [0x00, 0xff].map(|guard| {
        let mut guarded = Guarded::new(packet, guard);
        let outcome = respond(&mut guarded, maps);
        assert!(guarded.guards_hold(), "written outside of the packet");
        (outcome, guarded.packet().to_vec())
    });
    let [first, second] = results;
    assert_eq!(first, second, "what lies outside of the packet was read");
    if !first.0.is_hit() {
        assert_eq!(
            first.1, packet,
            "a packet that is not answered is not touched"
        );
    }
    first
}
