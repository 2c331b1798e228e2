//! What a frame deserves, by the content of the maps as `world` tells it.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, Ipv6Addr},
    sync::OnceLock,
};

use crate::{
    reader::{Asked, asked, datagram},
    wire::{ends, lower, wire},
    world::{AREA, Content, Left, NOW, SERVICES, Stage, ZONES, held},
};

/// An answer that a query deserves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The label of the kind of answer.
    pub kind: &'static str,
    /// What is in it.
    pub(crate) data: Data,
    /// The DO bit, if an OPT record is due.
    pub(crate) edns: Option<bool>,
    /// Octets of the DNS message.
    pub(crate) len: usize,
}

/// The records of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// In the order in which they have to be.
    A(Vec<Ipv4Addr>),
    Aaaa(Vec<Ipv6Addr>),
    /// The name pointed to, in wire form.
    Ptr(Vec<u8>),
    /// The zone that has no such name or type, in wire form and lower case.
    No {
        rcode: u16,
        zone: Vec<u8>,
    },
}

/// The answer that the packet path has to give; `None` if the frame has to pass.
#[must_use]
pub fn deserved(frame: &[u8], stage: &Stage) -> Option<Reply> {
    let datagram = datagram(frame)?;
    let is_service = SERVICES.contains(&(datagram.address, datagram.port));
    if !stage.ready || !is_service || stage.lease <= NOW {
        return None;
    }
    let asked = asked(datagram.payload)?;
    let (kind, data) = find(&asked, stage)?;
    reply(kind, data, &asked)
}

/// The reply that carries `data`, unless it is too long for the client.
pub(crate) fn reply(kind: &'static str, data: Data, asked: &Asked) -> Option<Reply> {
    let records = match &data {
        Data::A(addresses) => 16 * addresses.len(),
        Data::Aaaa(addresses) => 28 * addresses.len(),
        Data::Ptr(target) => 12 + target.len(),
        Data::No { .. } => 54,
    };
    let opt = if asked.edns.is_some() { 11 } else { 0 };
    let len = 12 + asked.name.len() + 4 + records + opt;
    let limit = asked
        .edns
        .map_or(512, |edns| edns.udp_size.clamp(512, 1232));
    (len <= usize::from(limit)).then(|| Reply {
        kind,
        data,
        edns: asked.edns.map(|edns| edns.dnssec_ok),
        len,
    })
}

fn find(asked: &Asked, stage: &Stage) -> Option<(&'static str, Data)> {
    let name = lower(&asked.name);
    let may_deny = stage.negative && stage.denials > NOW;
    let Some(content) = names().get(&name) else {
        let zone = zone(&name).filter(|_| may_deny && stage.epoch != 0)?;
        return Some(("nxdomain", Data::No { rcode: 3, zone }));
    };
    match of_content(content, name.len(), asked)? {
        denied @ ("nodata", _) => (may_deny && stage.listed != 0).then_some(denied),
        found => Some(found),
    }
}

/// What is held for the type by a name of `len` octets; `None` if only the server knows.
pub(crate) fn of_content(
    content: &Content,
    len: usize,
    asked: &Asked,
) -> Option<(&'static str, Data)> {
    let (zone, a, aaaa, left) = match content {
        Content::Damaged(_) => return None,
        Content::Pointer(target) => {
            let fits = target.len() < 255 && words(len) + words(target.len()) <= AREA;
            return (asked.qtype == 12 && fits && !target.is_empty())
                .then(|| ("ptr", Data::Ptr(target.clone())));
        }
        Content::Owner {
            zone,
            a,
            aaaa,
            left,
        } => (zone, a, aaaa, *left),
    };
    let room = AREA - words(len);
    let a_words = words(4 * a.len());
    // A set that does not fit takes no room from the other.
    let a_fits = a.len() < 255 && a_words <= room;
    let room = if a_fits { room - a_words } else { room };
    let aaaa_fits = aaaa.len() < 255 && words(16 * aaaa.len()) <= room;
    let turn = usize::from(asked.id);
    let denied = || {
        (
            "nodata",
            Data::No {
                rcode: 0,
                zone: zone.clone(),
            },
        )
    };
    match (asked.qtype, left) {
        (1, _) if !a.is_empty() => a_fits.then(|| ("a", Data::A(rotated(a, turn)))),
        (28, _) if !aaaa.is_empty() => aaaa_fits.then(|| ("aaaa", Data::Aaaa(rotated(aaaa, turn)))),
        (_, Left::Anything) | (33, Left::Srv) | (16, Left::Txt) | (2 | 6, Left::Apex) => None,
        _ => Some(denied()),
    }
}

fn rotated<T: Copy>(set: &[T], turn: usize) -> Vec<T> {
    let mut set = set.to_vec();
    let len = set.len();
    set.rotate_left(turn % len);
    set
}

/// The zone that denies a name; `None` if there is none, or the name may exist by a rule.
fn zone(name: &[u8]) -> Option<Vec<u8>> {
    static CUTS: OnceLock<Vec<(Vec<u8>, bool)>> = OnceLock::new();
    let cuts = CUTS.get_or_init(|| {
        let cuts = ZONES.iter();
        cuts.map(|&(zone, by_rule)| (wire(zone), by_rule)).collect()
    });
    let mut cuts = cuts.iter();
    let (zone, by_rule) = cuts.find(|(zone, _)| ends(name).any(|end| end == zone))?;
    (!by_rule).then(|| zone.clone())
}

/// The held names, in wire form and lower case.
fn names() -> &'static HashMap<Vec<u8>, Content> {
    static NAMES: OnceLock<HashMap<Vec<u8>, Content>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let held = held().into_iter();
        held.map(|held| (lower(&held.name), held.content)).collect()
    })
}

/// Words that octets take.
const fn words(octets: usize) -> usize {
    octets.div_ceil(8)
}
