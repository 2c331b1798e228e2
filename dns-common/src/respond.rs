//! The whole way of a packet on one screen: parse, look up, make room, write.

use crate::{
    Frame, Hit, Miss,
    answer::{self, Sums},
    entry::EntryCells,
    hash::NameKey,
    maps::{ConfigCells, ServiceKey},
    query,
};

/// A packet that can change its length.
///
/// A [`Frame`] borrows the packet, so none outlives a change of length.
pub trait Packet {
    /// The packet's octets, beginning with the Ethernet header.
    fn frame(&mut self) -> Frame<'_>;

    /// Makes a packet of `from` octets one of `to` octets, cutting or adding at its end.
    ///
    /// # Errors
    /// [`Miss::NoRoom`] if the packet can't take that length; it is then as it was.
    fn resize(&mut self, from: usize, to: usize) -> Result<(), Miss>;

    /// Writes the UDP checksum that `sums` lead to at offset `at`.
    #[inline(always)]
    fn write_udp_checksum(&mut self, at: usize, sums: &Sums, _config: &ConfigCells) {
        if let Some(checksum) = self.frame().get_mut(at) {
            *checksum = sums.pseudo.add_sum(sums.datagram).udp_checksum();
        }
    }
}

/// What the packet path asks of the maps.
pub trait Maps {
    /// The configuration, if the map that holds it is there.
    fn config(&self) -> Option<&ConfigCells>;

    /// Whether clients reach the cluster's DNS at this address and port.
    fn is_service(&self, key: &ServiceKey) -> bool;

    /// The entry under this key.
    fn entry(&self, key: NameKey) -> Option<&EntryCells>;
}

/// Answers the packet in place, or says why it has to be passed on.
///
/// On success the packet is a complete response to be sent out of the interface it came in by.
///
/// # Errors
/// The [`Miss`] that is the reason to pass the packet on; its octets are then untouched, as long as
/// [`Packet::resize`] gives the length that it says.
#[inline(always)]
pub fn respond(packet: &mut impl Packet, maps: &impl Maps) -> Result<Hit, Miss> {
    let config = maps
        .config()
        .filter(|config| config.is_ready())
        .ok_or(Miss::NotConfigured)?;
    let frame = packet.frame();
    let query = query::parse(&frame, config, |key| maps.is_service(key))?;
    let kind = query.kind()?;
    let entry = maps.entry(query.name.key).ok_or(Miss::UnknownName)?;
    query.name.matches(&frame, entry)?;
    let record = entry.answer(kind, query.name.key, config)?;
    packet.resize(query.frame_len, answer::frame_len(&query))?;
    let sums = answer::write(&mut packet.frame(), &query, &record, config).ok_or(Miss::NoRoom)?;
    packet.write_udp_checksum(answer::UDP_CHECKSUM, &sums, config);
    Ok(kind)
}
