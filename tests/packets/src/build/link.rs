//! Frames in VLANs, and over IPv6.

use etherparse::{
    IpHeaders, IpNumber, Ipv4Extensions, Ipv6Extensions, Ipv6Header, PacketBuilder, VlanId,
};

use super::{CLIENT_MAC, CLIENT_PORT, CLIENT6, NODE_MAC, ip_header};
use crate::fixture::SERVICE6;

/// The VLAN tags of a frame, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tags {
    /// None.
    None,
    /// One of IEEE 802.1Q.
    One(u16),
    /// One of IEEE 802.1ad.
    Service(u16),
    /// Two of IEEE 802.1Q.
    Two(u16, u16),
    /// One of IEEE 802.1ad, and in it one of IEEE 802.1Q.
    ServiceAndOne(u16, u16),
}

/// `EtherType`s of tags.
const VLAN: [u8; 2] = [0x81, 0x00];
const SERVICE_VLAN: [u8; 2] = [0x88, 0xa8];

/// A frame to port 53 with this payload; lengths and checksums are filled in.
#[must_use]
pub fn frame_over(tags: Tags, ip: IpHeaders, payload: &[u8]) -> Vec<u8> {
    let ethernet = PacketBuilder::ethernet2(CLIENT_MAC, NODE_MAC);
    let id = |number| VlanId::try_new(number).expect("the tests' VLANs have twelve bits");
    let builder = match tags {
        Tags::None => ethernet.ip(ip),
        Tags::One(one) | Tags::Service(one) => ethernet.single_vlan(id(one)).ip(ip),
        Tags::Two(outer, inner) | Tags::ServiceAndOne(outer, inner) => {
            ethernet.double_vlan(id(outer), id(inner)).ip(ip)
        }
    }
    .udp(CLIENT_PORT, 53);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder
        .write(&mut frame, payload)
        .expect("a vector takes every octet");
    let outer = match tags {
        Tags::None => return frame,
        Tags::One(_) | Tags::Two(..) => VLAN,
        Tags::Service(_) | Tags::ServiceAndOne(..) => SERVICE_VLAN,
    };
    frame[12..14].copy_from_slice(&outer);
    frame
}

/// A frame of IPv6 from the client to the DNS service with this payload.
#[must_use]
pub fn over_ip6(payload: &[u8]) -> Vec<u8> {
    let ip = IpHeaders::Ipv6(ip6_header(), Ipv6Extensions::default());
    frame_over(Tags::None, ip, payload)
}

/// An IPv6 header from the client to the service.
#[must_use]
pub fn ip6_header() -> Ipv6Header {
    Ipv6Header {
        source: CLIENT6.octets(),
        destination: SERVICE6.octets(),
        next_header: IpNumber::UDP,
        hop_limit: 64,
        ..Ipv6Header::default()
    }
}

impl Tags {
    /// A frame with these tags over IPv4.
    #[must_use]
    pub fn over_ip4(self, payload: &[u8]) -> Vec<u8> {
        let ip = IpHeaders::Ipv4(ip_header(), Ipv4Extensions::default());
        frame_over(self, ip, payload)
    }

    /// A frame with these tags over IPv6.
    #[must_use]
    pub fn over_ip6(self, payload: &[u8]) -> Vec<u8> {
        let ip = IpHeaders::Ipv6(ip6_header(), Ipv6Extensions::default());
        frame_over(self, ip, payload)
    }

    /// Octets of the tags.
    #[must_use]
    pub const fn len(self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) | Self::Service(_) => 4,
            Self::Two(..) | Self::ServiceAndOne(..) => 8,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// Offset of the DNS message in a frame that was built here.
#[must_use]
pub const fn dns_at(tags: Tags, is_ip6: bool) -> usize {
    14 + tags.len() + if is_ip6 { 40 } else { 20 } + 8
}
