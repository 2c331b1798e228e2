//! The whole way of a packet on one screen: parse, look up, make room, write.

use crate::{
    Dropped, Frame, Hit, Miss, Outcome,
    answer::{self, Answer, Stock, Sums},
    entry::EntryCells,
    hash::NameKey,
    limit::{self, BucketCell, Over},
    maps::{ConfigCells, ServiceKey},
    query::{self, Query},
    scratch::ScratchCells,
    state::StateCells,
    transport::Transport,
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

    /// What `take` says of the bucket of a client on the packet's interface; if it has none yet, it gets one that is paid
    /// for up to `paid`, and the answer is yes.
    fn bucket(&self, client: &[u32; 4], paid: u64, take: impl FnOnce(&BucketCell) -> bool) -> bool;

    /// A place for a set of answers, which nobody else uses until this packet is done.
    fn scratch(&self) -> Option<&ScratchCells>;

    /// Ticks of the kernel's clock.
    fn now(&self) -> u64;
}

/// Answers the packet in place, or says why it has to be passed on or dropped.
///
/// After a [`Hit`] the packet is a complete response to be sent out of the interface it came in by. After anything else its
/// octets are untouched, as long as [`Packet::resize`] gives the length that it says.
#[inline(always)]
pub fn respond(packet: &mut impl Packet, maps: &impl Maps) -> Outcome {
    match answer(packet, maps) {
        Ok(hit) => Outcome::Hit(hit),
        Err(outcome) => outcome,
    }
}

#[inline(always)]
fn answer(packet: &mut impl Packet, maps: &impl Maps) -> Result<Hit, Outcome> {
    let config = maps
        .config()
        .filter(|config| config.is_ready())
        .ok_or(Miss::NotConfigured)?;
    let frame = packet.frame();
    let (transport, dns_len) = Transport::find(&frame, config, |key| maps.is_service(key))?;
    let stock = Stock {
        config,
        state: maps.state().ok_or(Miss::NotConfigured)?,
        scratch: maps.scratch().ok_or(Miss::NotConfigured)?,
    };
    // Here, so that only packets to the cluster's DNS pay for the clock, and before the limit: whoever has set it is gone
    // if nobody renews the lease.
    let now = maps.now();
    stock.state.check_lease(now)?;
    // Before the name, which is the longest part: so floods of anything cost little, and count.
    let is_over = is_over_limit(&frame, &transport, config, maps, now)?;
    stock.scratch.note_over(is_over);
    let query = match query::parse(&frame, transport, dns_len, config, stock.scratch) {
        Ok(query) => stock.scratch.hand_over(&query),
        // What is no plain query can't be told to ask over TCP; passed on, it would be a way around the limit.
        Err(_) if stock.scratch.is_over() => {
            return Err(Outcome::Dropped(Dropped::RateLimited));
        }
        Err(miss) => return Err(miss.into()),
    };
    let answer = if stock.scratch.is_over() {
        Answer::TRUNCATED
    } else {
        find(&packet.frame(), &query, &stock, maps)?
    };
    let answer = stock.scratch.hand_over(&answer);
    let message_len = answer::message_len(&query, &answer);
    if message_len > query.limit() {
        return Err(Miss::TooLong.into());
    }
    packet.resize(query.frame_len, query.transport.dns() + message_len)?;
    let mut frame = packet.frame();
    let sums =
        answer::write(&mut frame, &query, &answer, message_len, &stock).ok_or(Miss::NoRoom)?;
    packet.write_udp_checksum(query.transport.udp_checksum(), &sums, config);
    Ok(answer.hit)
}

/// Whether the packet's client asks more often than it may, and is to be told so.
///
/// # Errors
/// What becomes of the packet, if it is passed on or dropped for that.
#[inline(always)]
fn is_over_limit(
    frame: &Frame<'_>,
    transport: &Transport,
    config: &ConfigCells,
    maps: &impl Maps,
    now: u64,
) -> Result<bool, Outcome> {
    let cost = config.cost();
    if cost == 0 {
        return Ok(false);
    }
    let client = transport.client(frame).ok_or(Miss::Truncated)?;
    let now = limit::time(now);
    let take = |bucket: &BucketCell| bucket.take(now, cost, config.ahead());
    if maps.bucket(&client, now + cost, take) {
        return Ok(false);
    }
    match config.over() {
        Over::Pass => Err(Miss::RateLimited.into()),
        Over::Drop => Err(Outcome::Dropped(Dropped::RateLimited)),
        Over::Truncate => Ok(true),
    }
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
        query.name.matches(entry, head, stock.scratch)?;
        entry.answer(head, query.tail.qtype(), key, stock.config, stock.scratch)?
    } else {
        let zones = maps.zones().ok_or(Miss::NotConfigured)?;
        Answer {
            hit: Hit::NxDomain,
            number: zones.find(frame, &query.name, stock.scratch)?,
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
        Hit::A | Hit::Aaaa | Hit::Ptr | Hit::Truncated => {}
    }
    Ok(answer)
}
