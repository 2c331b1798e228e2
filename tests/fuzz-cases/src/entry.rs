//! The target `entry`: an entry answers what was put into it, and one that is not whole answers nothing else.

use std::net::{Ipv4Addr, Ipv6Addr};

use dns_common::{
    Hit, Maps, Miss,
    answer::Answer,
    entry::{Content as EntryContent, ENTRY_WORDS, Entry, EntryCells, EntryError},
    hash::{HashKeys, NameKey},
    head::Others,
    limit::BucketCell,
    maps::{ConfigCells, ServiceKey},
    respond,
    scratch::ScratchCells,
    state::StateCells,
    zones::{Zones, ZonesCells},
};

use crate::{
    cursor::Cursor,
    guarded::{Guarded, MARGIN},
    judge::judge,
    maps::{config, others, owner, result, state},
    model::{Data, of_content, reply},
    reader::{Asked, asked},
    wire::{ends, lower},
    world::{Content, Left, NOW, STAGES},
    wrap::Wrap,
};

/// Maps that hold one entry, under the key of the name that is asked for.
struct OneEntry {
    config: ConfigCells,
    state: StateCells,
    zones: ZonesCells,
    scratch: ScratchCells,
    cells: EntryCells,
}

/// Makes an entry of any content, asks it, damages a word of it, and mixes it with another.
///
/// The input is read by [`Cursor`]: the name, its content, the question, the damage, and the mixture.
///
/// # Panics
/// If an answer is not what was put in, or a damaged or mixed entry gives one that none of its parts gave.
pub fn entry(input: &[u8]) {
    let mut input = Cursor::new(input);
    let keys = crate::maps::keys();
    let flags = input.octet();
    if flags & 1 == 1 {
        return raw_name(&mut input, &keys);
    }
    let name = input.name();
    let content = content(&mut input, &name);
    let made = make(&keys, &name, &content);
    check_parts(&made, &name, &content);
    let query = query(&mut input, &name);
    let frame = Wrap(flags >> 1 & 0x0f).frame(&query);
    let asked = asked(&query);
    check_answer(&made, keys.name_key(&name), &content, asked.as_ref());

    let first = ask(&made, &frame);
    let expected = asked.as_ref().and_then(|asked| {
        let (kind, data) = of_content(&content, name.len(), asked)?;
        reply(kind, data, asked)
    });
    match (&first, expected) {
        (Ok((hit, response)), Some(expected)) => {
            assert_eq!(hit.label(), expected.kind);
            if let Err(fault) = judge(&frame, response, &expected, &STAGES[0]) {
                panic!("{fault}, of {content:?}");
            }
        }
        (Err(miss), None) => assert!(
            matches!(
                miss,
                Miss::TypeNotHeld | Miss::TooLong | Miss::TypeNotServed
            ),
            "{miss:?} of {content:?}"
        ),
        (outcome, expected) => panic!("{outcome:?} instead of {expected:?}"),
    }

    let mut words = words(&made);
    words[usize::from(input.octet()) % ENTRY_WORDS] ^= input.word().max(1);
    let damaged = ask(&bytemuck::cast(words), &frame);
    is_one_of(&damaged, &[&first]);

    let other_name = if flags & 0x80 == 0 {
        name.clone()
    } else {
        input.name()
    };
    let other = make(&keys, &other_name, &self::content(&mut input, &other_name));
    let mixed = ask(&mix(&made, &other, input.word()), &frame);
    if lower(&other_name) == lower(&name) {
        is_one_of(&mixed, &[&first, &ask(&other, &frame)]);
    } else {
        is_one_of(&mixed, &[&first]);
    }
}

/// Octets that need not be a name: an entry is made of them if they are as many as a name may have.
fn raw_name(input: &mut Cursor<'_>, keys: &HashKeys) {
    let len = usize::from(input.short() % 300);
    let name = input.slice(len);
    let content = EntryContent::Reverse(b"\x01x\0");
    let made = Entry::new(keys, name, &content);
    if name.is_empty() || name.len() > 255 {
        assert_eq!(made, Err(EntryError::NameLength));
    } else {
        let made = made.expect("as many octets as a name may have");
        assert_eq!(made.wire_name().wire(), lower(name));
        assert_eq!(made.set_octets(), (&b"\x01x\0"[..], &[][..]));
        let zone_len = usize::from(input.short());
        let content = EntryContent::Owner {
            zone_len,
            a: &[],
            aaaa: &[],
            others: Others::NONE,
        };
        let is_inside = (1..=name.len()).contains(&zone_len);
        let made = Entry::new(keys, name, &content);
        assert_eq!(made.is_ok(), is_inside, "a zone of {zone_len} octets");
    }
}

fn content(input: &mut Cursor<'_>, name: &[u8]) -> Content {
    let kind = input.octet();
    if kind & 7 == 5 {
        return Content::Pointer(input.name());
    }
    let left = match kind & 7 {
        0 => Left::Nothing,
        1 => Left::Srv,
        2 => Left::Apex,
        3 => Left::Txt,
        _ => Left::Anything,
    };
    // A zone is short enough for `hostmaster` to be in it.
    let zones: Vec<_> = ends(name).filter(|end| end.len() <= 244).collect();
    let zone = lower(zones[usize::from(kind >> 3) % zones.len()]);
    let counts: [u8; 2] = input.octets();
    let (v4, v6) = (u32::from_be_bytes(input.octets()), input.word());
    let a = |index| Ipv4Addr::from(v4.wrapping_add(0x9e37_79b9_u32.wrapping_mul(index)));
    let aaaa = |index| {
        let high = v6.wrapping_mul(u64::from(index) + 1);
        Ipv6Addr::from(u128::from(high) << 64 | u128::from(v6 ^ u64::from(index)))
    };
    // Few, most of the time; and up to more than there can be.
    let count = |octet: u8| u32::from(if octet < 128 { octet % 8 } else { octet - 128 }) * 2;
    let odd = |octet: u8| u32::from(octet >> 3 & 1);
    Content::Owner {
        zone,
        a: (0..count(counts[0]) + odd(counts[0])).map(a).collect(),
        aaaa: (0..count(counts[1]) / 2).map(aaaa).collect(),
        left,
    }
}

fn make(keys: &HashKeys, name: &[u8], content: &Content) -> Entry {
    match content {
        Content::Owner {
            zone,
            a,
            aaaa,
            left,
        } => owner(keys, name, zone.len(), (a, aaaa), others(*left)),
        Content::Pointer(target) => {
            Entry::new(keys, name, &EntryContent::Reverse(target)).expect("the name is a name")
        }
        Content::Damaged(_) => unreachable!("none is made here"),
    }
}

/// The entry's own account of what it holds.
fn check_parts(made: &Entry, name: &[u8], content: &Content) {
    assert_eq!(made.wire_name().wire(), lower(name));
    let held = |qtype| {
        let asked = Asked {
            id: 0,
            name: name.to_vec(),
            qtype,
            edns: None,
        };
        match of_content(content, name.len(), &asked) {
            Some((_, Data::A(set))) => set.iter().flat_map(Ipv4Addr::octets).collect(),
            Some((_, Data::Aaaa(set))) => set.iter().flat_map(Ipv6Addr::octets).collect(),
            Some((_, Data::Ptr(target))) => target,
            _ => Vec::new(),
        }
    };
    let is_pointer = matches!(content, Content::Pointer(_));
    let (first, second) = made.set_octets();
    assert_eq!(first, held(if is_pointer { 12 } else { 1 }));
    assert_eq!(second, held(28));
    assert_eq!(made.head().others() == Others::REVERSE, is_pointer);
}

/// A query for the name, in letters of any case.
fn query(input: &mut Cursor<'_>, name: &[u8]) -> Vec<u8> {
    let [id_high, id_low, cases, edns] = input.octets();
    let [qtype_high, qtype_low] = match input.octet() {
        0..64 => [0, 1],
        64..128 => [0, 28],
        128..160 => [0, 12],
        _ => input.octets(),
    };
    let mut message = vec![id_high, id_low, 1, 0, 0, 1, 0, 0, 0, 0, 0, edns & 1];
    message.extend(name.iter().enumerate().map(|(at, &octet)| {
        let is_letter = octet.is_ascii_alphabetic();
        octet ^ (u8::from(is_letter && cases >> (at % 8) & 1 == 1) << 5)
    }));
    message.extend([qtype_high, qtype_low, 0, 1]);
    if edns & 1 == 1 {
        message.extend([0, 0, 41, edns >> 4, 0, 0, 0, edns << 6 & 0x80, 0, 0, 0]);
    }
    message
}

/// The cells' answer, with nothing around it.
fn check_answer(made: &Entry, key: NameKey, content: &Content, asked: Option<&Asked>) {
    let Some(asked) = asked else {
        return;
    };
    let cells = EntryCells::from(*made);
    let (config, scratch) = (config(&STAGES[0]).into(), ScratchCells::default());
    let have = cells.answer(cells.head(), asked.qtype, key, &config, &scratch);
    let want = match of_content(content, asked.name.len(), asked) {
        None => Err(Miss::TypeNotHeld),
        Some((_, data)) => Ok(match data {
            Data::A(set) => (Hit::A, set.len()),
            Data::Aaaa(set) => (Hit::Aaaa, set.len()),
            Data::Ptr(target) => (Hit::Ptr, target.len()),
            Data::No { zone, .. } => (Hit::NoData, zone.len()),
        }),
    };
    assert_eq!(have, want.map(|(hit, number)| Answer { hit, number }));
}

type Outcome = Result<(Hit, Vec<u8>), Miss>;

/// Puts the query to maps that have this entry under the key of the name asked for.
fn ask(entry: &Entry, frame: &[u8]) -> Outcome {
    let maps = OneEntry {
        config: config(&STAGES[0]).into(),
        state: state(&STAGES[0]).into(),
        zones: <Zones as bytemuck::Zeroable>::zeroed().into(),
        scratch: ScratchCells::default(),
        cells: (*entry).into(),
    };
    let mut packet = Guarded::new(frame, MARGIN, 0x77, usize::MAX);
    let outcome = result(respond(&mut packet, &maps));
    assert!(packet.guards_hold(), "written outside of the packet");
    if outcome.is_err() {
        assert_eq!(
            packet.packet(),
            frame,
            "a packet that passes is not touched"
        );
    }
    outcome.map(|hit| (hit, packet.packet().to_vec()))
}

/// Checks that what came out is one of these, or a reason to distrust the entry.
fn is_one_of(outcome: &Outcome, whole: &[&Outcome]) {
    let is_distrust = matches!(
        outcome,
        Err(Miss::Torn | Miss::OtherName | Miss::TypeNotHeld)
    );
    assert!(
        is_distrust || whole.contains(&outcome),
        "an entry that is not whole gives {outcome:?}; whole ones give {whole:?}"
    );
}

fn words(entry: &Entry) -> [u64; ENTRY_WORDS] {
    bytemuck::cast(*entry)
}

/// Each word is one or the other entry's.
fn mix(one: &Entry, other: &Entry, mask: u64) -> Entry {
    let mut mixed = words(one);
    for (at, (word, other)) in mixed.iter_mut().zip(words(other)).enumerate() {
        if mask >> at & 1 == 1 {
            *word = other;
        }
    }
    bytemuck::cast(mixed)
}

impl Maps for OneEntry {
    fn config(&self) -> Option<&ConfigCells> {
        Some(&self.config)
    }

    fn state(&self) -> Option<&StateCells> {
        Some(&self.state)
    }

    fn zones(&self) -> Option<&ZonesCells> {
        Some(&self.zones)
    }

    fn is_service(&self, _: &ServiceKey) -> bool {
        true
    }

    fn entry(&self, _: NameKey) -> Option<&EntryCells> {
        Some(&self.cells)
    }

    fn scratch(&self) -> Option<&ScratchCells> {
        Some(&self.scratch)
    }

    fn bucket(&self, _: &[u32; 4], _: u64, _: impl FnOnce(&BucketCell) -> bool) -> bool {
        true
    }

    fn now(&self) -> u64 {
        NOW
    }
}
