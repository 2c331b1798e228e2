//! Frames that are right down to DNS, for messages that need not be.

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::{PacketBuilder, VlanId};

/// How a message is wrapped, by the bits of an octet.
///
/// | bits | meaning |
/// | --- | --- |
/// | 0 | 1: IPv6 |
/// | 1..3 | VLAN tags: none, one, two, one |
/// | 3 | 1: octets follow the IP packet, as in short frames |
/// | 4 | 1: no UDP checksum, unless over IPv6 |
/// | 5 | 1: to the other service address, unless over IPv6 |
#[derive(Clone, Copy, Debug)]
pub struct Wrap(pub u8);

const CLIENT: ([u8; 6], [u8; 6]) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
/// Odd, so that sums of octets in the wrong order are wrong.
const PORT: u16 = 0xc351;

impl Wrap {
    const fn bit(self, at: u8) -> bool {
        self.0 >> at & 1 == 1
    }

    /// The frame that carries the message to a service address.
    #[must_use]
    pub fn frame(self, message: &[u8]) -> Vec<u8> {
        let vlan = |id| VlanId::try_new(id).expect("twelve bits");
        let ethernet = PacketBuilder::ethernet2(CLIENT.0, CLIENT.1);
        let (service, port) = if self.bit(5) {
            (Ipv4Addr::new(169, 254, 20, 10), 9053)
        } else {
            (Ipv4Addr::new(10, 96, 0, 10), 53)
        };
        let v4 = (Ipv4Addr::new(10, 244, 1, 7).octets(), service.octets());
        let v6 = (
            Ipv6Addr::new(0xfd00, 0x10, 0x244, 0, 0, 0, 0xabcd, 7).octets(),
            Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 10).octets(),
        );
        let step = match (self.0 >> 1 & 3, self.bit(0)) {
            (0, false) => ethernet.ipv4(v4.0, v4.1, 63),
            (0, true) => ethernet.ipv6(v6.0, v6.1, 63),
            (2, false) => ethernet.double_vlan(vlan(7), vlan(8)).ipv4(v4.0, v4.1, 63),
            (2, true) => ethernet.double_vlan(vlan(7), vlan(8)).ipv6(v6.0, v6.1, 63),
            (_, false) => ethernet.single_vlan(vlan(7)).ipv4(v4.0, v4.1, 63),
            (_, true) => ethernet.single_vlan(vlan(7)).ipv6(v6.0, v6.1, 63),
        };
        let step = step.udp(PORT, if self.bit(0) { 53 } else { port });
        let mut frame = Vec::with_capacity(step.size(message.len()) + 8);
        step.write(&mut frame, message)
            .expect("the message is shorter than a datagram can be");
        if self.bit(4) && !self.bit(0) {
            let checksum = frame.len() - message.len() - 2;
            frame[checksum..checksum + 2].fill(0);
        }
        if self.bit(3) {
            frame.extend([0x5a; 8]);
        }
        frame
    }
}
