//! The headers below DNS: Ethernet with up to two VLAN tags, IPv4 or IPv6, UDP.

use crate::{
    Frame, Miss,
    headers::{
        DONT_FRAGMENT, Dns, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_SERVICE_VLAN, ETHERTYPE_VLAN,
        Ethernet, Ipv4, Ipv6, PROTOCOL_UDP, Udp, VERSION_IHL, VlanTag,
    },
    maps::{ConfigCells, ServiceKey},
    verifier::forget_range,
};

/// The bit of an Ethernet address's first octet that says that it is a group's (IEEE 802).
const GROUP: u8 = 1;
/// Extension headers of IPv6 (IANA, Protocol Numbers): hop-by-hop, routing, fragment, ESP, AH, destination,
/// mobility, HIP, shim6.
const EXTENSIONS: [u8; 9] = [0, 43, 44, 50, 51, 60, 135, 139, 140];

/// Where the headers of a UDP packet for a DNS service address stand.
#[derive(Clone, Copy, Debug)]
pub struct Transport {
    /// Offset of the IP header.
    pub ip: usize,
    /// Offset of the UDP header.
    pub udp: usize,
}

/// What an IP header leads to.
struct Network {
    /// Offset of the UDP header.
    udp: usize,
    /// Octets of UDP header and payload, as the IP header has them.
    len: usize,
    address: [u32; 4],
    needs_checksum: bool,
}

impl Transport {
    /// Checks everything below DNS; gives the octets of the DNS message, too.
    ///
    /// # Errors
    /// The [`Miss`] that says why the packet is none for a DNS service address.
    #[inline(always)]
    pub fn find(
        frame: &Frame<'_>,
        config: &ConfigCells,
        is_service: impl FnOnce(&ServiceKey) -> bool,
    ) -> Result<(Self, usize), Miss> {
        let ethernet: &Ethernet = frame.get(0).ok_or(Miss::Truncated)?;
        if ethernet.destination[0] & GROUP != 0 {
            return Err(Miss::NotUnicast);
        }
        let (ethertype, ip) = untag(frame, ethernet.ethertype)?;
        // One offset for all that follows: the verifier need not follow each number of tags by itself.
        let ip = forget_range(ip);
        let network = match ethertype {
            ETHERTYPE_IPV4 => ipv4(frame, ip)?,
            ETHERTYPE_IPV6 => ipv6(frame, ip)?,
            _ => return Err(Miss::NotIp),
        };
        let at = forget_range(network.udp);
        let udp: &Udp = frame.get(at).ok_or(Miss::Truncated)?;
        if !config.may_have_port(udp.destination) {
            return Err(Miss::OtherPort);
        }
        let len = usize::from(u16::from_be_bytes(udp.length));
        let has_checksum = udp.checksum != [0, 0];
        let key = ServiceKey::new(network.address, udp.destination);
        if !config.is_usual(&key) && !is_service(&key) {
            return Err(Miss::OtherAddress);
        }
        if network.len < size_of::<Udp>() {
            return Err(Miss::IpHeader);
        }
        if len != network.len {
            return Err(Miss::UdpLength);
        }
        if network.needs_checksum && !has_checksum {
            return Err(Miss::NoChecksum);
        }
        if at + len > frame.len() {
            return Err(Miss::Truncated);
        }
        Ok((Self { ip, udp: at }, len - size_of::<Udp>()))
    }

    /// The client's IPv6 address, or its IPv4 address as [`ServiceKey::mapped`] has it.
    #[inline(always)]
    #[must_use]
    pub fn client(&self, frame: &Frame<'_>) -> Option<[u32; 4]> {
        Some(match frame.get::<u8>(self.ip)? >> 4 {
            4 => ServiceKey::mapped(frame.get::<Ipv4>(self.ip)?.source),
            _ => bytemuck::cast(frame.get::<Ipv6>(self.ip)?.source),
        })
    }

    /// Offset of the DNS header.
    #[inline(always)]
    #[must_use]
    pub const fn dns(&self) -> usize {
        self.udp + size_of::<Udp>()
    }

    /// Offset of the UDP checksum.
    #[inline(always)]
    #[must_use]
    pub const fn udp_checksum(&self) -> usize {
        self.udp + core::mem::offset_of!(Udp, checksum)
    }

    /// Offset of the question.
    #[inline(always)]
    #[must_use]
    pub const fn question(&self) -> usize {
        self.dns() + size_of::<Dns>()
    }
}

/// Steps over the VLAN tags; gives the type of the payload and its offset.
#[inline(always)]
fn untag(frame: &Frame<'_>, ethertype: [u8; 2]) -> Result<([u8; 2], usize), Miss> {
    let first = size_of::<Ethernet>();
    if !matches!(ethertype, ETHERTYPE_VLAN | ETHERTYPE_SERVICE_VLAN) {
        return Ok((ethertype, first));
    }
    let tag: &VlanTag = frame.get(first).ok_or(Miss::Truncated)?;
    let second = first + size_of::<VlanTag>();
    if tag.ethertype != ETHERTYPE_VLAN {
        return Ok((tag.ethertype, second));
    }
    let tag: &VlanTag = frame.get(second).ok_or(Miss::Truncated)?;
    Ok((tag.ethertype, second + size_of::<VlanTag>()))
}

#[inline(always)]
fn ipv4(frame: &Frame<'_>, at: usize) -> Result<Network, Miss> {
    let ip: &Ipv4 = frame.get(at).ok_or(Miss::Truncated)?;
    if ip.version_ihl != VERSION_IHL {
        let has_options = ip.version_ihl > VERSION_IHL && ip.version_ihl >> 4 == 4;
        return Err(if has_options {
            Miss::IpOptions
        } else {
            Miss::IpHeader
        });
    }
    if ip.protocol != PROTOCOL_UDP {
        return Err(Miss::NotUdp);
    }
    // Neither more fragments, nor an offset, nor the reserved bit.
    if ip.fragment[0] & !DONT_FRAGMENT != 0 || ip.fragment[1] != 0 {
        return Err(Miss::Fragment);
    }
    let len = usize::from(u16::from_be_bytes(ip.total_length));
    Ok(Network {
        udp: at + size_of::<Ipv4>(),
        // A length below the header's own becomes 0, which is too little for UDP.
        len: len.saturating_sub(size_of::<Ipv4>()),
        address: ServiceKey::mapped(ip.destination),
        needs_checksum: false,
    })
}

#[inline(always)]
fn ipv6(frame: &Frame<'_>, at: usize) -> Result<Network, Miss> {
    let ip: &Ipv6 = frame.get(at).ok_or(Miss::Truncated)?;
    if ip.version_class_flow[0] >> 4 != 6 {
        return Err(Miss::IpHeader);
    }
    if ip.next_header != PROTOCOL_UDP {
        return Err(if EXTENSIONS.contains(&ip.next_header) {
            Miss::IpOptions
        } else {
            Miss::NotUdp
        });
    }
    let address = bytemuck::cast(ip.destination);
    // The key of an IPv4 address, which no packet on IPv6 is for (RFC 4038, section 4.2).
    if ServiceKey::is_mapped(&address) {
        return Err(Miss::OtherAddress);
    }
    Ok(Network {
        udp: at + size_of::<Ipv6>(),
        len: usize::from(u16::from_be_bytes(ip.payload_length)),
        address,
        // Over IPv6 it is not optional (RFC 8200, section 8.1).
        needs_checksum: true,
    })
}
