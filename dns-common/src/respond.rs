//! The whole way of a packet on one screen: parse, look up, make room, write.

use crate::{
    Frame, Hit, Miss,
    answer::{self, Answer, Stock, Sums},
    entry::EntryCells,
    hash::NameKey,
    maps::{ConfigCells, ServiceKey},
    query::{self, Query},
    scratch::ScratchCells,
    state::StateCells,
    zones::ZonesCells,
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

    /// The state of the map of names.
    fn state(&self) -> Option<&StateCells>;

    /// The zones in which names are denied.
    fn zones(&self) -> Option<&ZonesCells>;

    /// Whether clients reach the cluster's DNS at this address and port.
    fn is_service(&self, key: &ServiceKey) -> bool;

    /// The entry under this key.
    fn entry(&self, key: NameKey) -> Option<&EntryCells>;

    /// A place for a set of answers, which nobody else uses until this packet is done.
    fn scratch(&self) -> Option<&ScratchCells>;

    /// Ticks of the kernel's clock.
    fn now(&self) -> u64;
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
    let query = query::parse(&packet.frame(), config, |key| maps.is_service(key))?;
    let stock = Stock {
        config,
        state: maps.state().ok_or(Miss::NotConfigured)?,
        scratch: maps.scratch().ok_or(Miss::NotConfigured)?,
    };
    // Here, so that only queries to the cluster's DNS pay for the clock.
    stock.state.check_lease(maps.now())?;
    let query = stock.scratch.hand_over(&query);
    let answer = find(&packet.frame(), &query, &stock, maps)?;
    let answer = stock.scratch.hand_over(&answer);
    let message_len = answer::message_len(&query, &answer);
    if message_len > query.limit() {
        return Err(Miss::TooLong);
    }
    packet.resize(query.frame_len, query.transport.dns() + message_len)?;
    let mut frame = packet.frame();
    let sums =
        answer::write(&mut frame, &query, &answer, message_len, &stock).ok_or(Miss::NoRoom)?;
    packet.write_udp_checksum(query.transport.udp_checksum(), &sums, config);
    Ok(answer.hit)
}

/// What the maps have for a query.
#[inline(always)]
fn find(
    frame: &Frame<'_>,
    query: &Query,
    stock: &Stock<'_>,
    maps: &impl Maps,
) -> Result<Answer, Miss> {
    let key = query.name.key;
    let epoch = stock.state.epoch();
    let answer = if let Some(entry) = maps.entry(key) {
        let head = entry.head();
        query.name.matches(frame, entry, head)?;
        entry.answer(head, query.tail.qtype(), key, stock.config, stock.scratch)?
    } else {
        let zones = maps.zones().ok_or(Miss::NotConfigured)?;
        Answer {
            hit: Hit::NxDomain,
            number: zones.find(frame, &query.name)?,
        }
    };
    if answer.is_negative() {
        if !stock.config.may_deny() {
            return Err(Miss::NegativeOff);
        }
        // Read anew: the clock is a load from memory, and to keep it over the look-up would take a register.
        stock.state.check_denials(maps.now())?;
    }
    match answer.hit {
        Hit::NxDomain => stock.state.check_epoch(epoch)?,
        Hit::NoData => stock.state.check_listed()?,
        Hit::A | Hit::Aaaa | Hit::Ptr => {}
    }
    Ok(answer)
}
