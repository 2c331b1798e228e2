//! A frame taken apart by etherparse, its lengths and the UDP checksum checked.

use etherparse::{
    Ipv4Header, Ipv6Header, NetSlice, SlicedPacket, TransportSlice, checksum::Sum16BitWords,
};

/// The parts of a frame.
#[derive(Clone, Debug)]
pub struct Opened<'f> {
    /// Destination and source of the frame.
    pub ethernet: ([u8; 6], [u8; 6]),
    /// The octets between the Ethernet addresses and the IP header: types and VLAN tags.
    pub tags: &'f [u8],
    /// The IP header.
    pub network: Network,
    /// Source and destination port.
    pub ports: (u16, u16),
    /// The UDP payload.
    pub payload: &'f [u8],
    /// Octets of the frame behind the datagram.
    pub behind: usize,
}

/// An IP header.
#[derive(Clone, Debug)]
pub enum Network {
    /// IPv4.
    V4(Ipv4),
    /// IPv6.
    V6(Ipv6Header),
}

/// An IPv4 header, and whether its checksum is right.
#[derive(Clone, Debug)]
pub struct Ipv4 {
    /// The header.
    pub header: Ipv4Header,
    /// Whether its checksum is right.
    pub checksum_holds: bool,
}

/// Takes a frame apart that carries UDP.
///
/// # Errors
/// What is wrong with it.
pub fn open(frame: &[u8]) -> Result<Opened<'_>, String> {
    let packet = SlicedPacket::from_ethernet(frame).map_err(|error| error.to_string())?;
    let (network, header) = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => {
            let octets = ip.header().slice();
            let sum = Sum16BitWords::new().add_slice(octets);
            let network = Network::V4(Ipv4 {
                header: ip.header().to_header(),
                checksum_holds: sum.ones_complement() == 0,
            });
            (network, octets)
        }
        Some(NetSlice::Ipv6(ip)) => {
            let octets = ip.header().slice();
            (Network::V6(ip.header().to_header()), octets)
        }
        _ => return Err("no IP".to_owned()),
    };
    let Some(TransportSlice::Udp(udp)) = packet.transport else {
        return Err("no UDP".to_owned());
    };
    if udp.slice().len() != usize::from(udp.length()) {
        return Err(format!("UDP length {}", udp.length()));
    }
    let link = packet.link.and_then(|link| link.to_header());
    let ethernet = link
        .and_then(etherparse::LinkHeader::ethernet2)
        .ok_or("no Ethernet")?;
    let place = |part: &[u8]| part.as_ptr().addr() - frame.as_ptr().addr();
    let end = place(udp.slice()) + udp.slice().len();
    Ok(Opened {
        ethernet: (ethernet.destination, ethernet.source),
        tags: &frame[12..place(header)],
        network,
        ports: (udp.source_port(), udp.destination_port()),
        payload: udp.payload(),
        behind: frame.len() - end,
    })
}

/// Checks the UDP checksum of a whole frame.
///
/// # Errors
/// The checksum that it should have, beside the one it has.
pub fn check_udp_checksum(frame: &[u8]) -> Result<(), String> {
    let packet = SlicedPacket::from_ethernet(frame).map_err(|error| error.to_string())?;
    let Some(TransportSlice::Udp(udp)) = packet.transport else {
        return Err("no UDP".to_owned());
    };
    let (header, payload) = (udp.to_header(), udp.payload());
    let wanted = match packet.net {
        Some(NetSlice::Ipv4(ip)) => header.calc_checksum_ipv4(&ip.header().to_header(), payload),
        Some(NetSlice::Ipv6(ip)) => header.calc_checksum_ipv6(&ip.header().to_header(), payload),
        _ => return Err("no IP".to_owned()),
    }
    .map_err(|error| error.to_string())?;
    super::equal("UDP checksum", wanted, udp.checksum())
}
