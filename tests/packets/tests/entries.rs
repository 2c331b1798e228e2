//! What an entry takes: every length of a name with sets up to the last word, and one more.

use dns_common::{
    entry::{AREA_WORDS, Content, Entry, EntryError},
    head::{NOT_HELD, Others},
};
use packets::{
    fixture::keys,
    wire::{of_length, wire},
};

/// Octets of an entry for its name and its sets.
const AREA: usize = 8 * AREA_WORDS;

fn words(octets: usize) -> usize {
    octets.div_ceil(8)
}

fn addresses<const N: usize>(count: usize, mark: u8) -> Vec<[u8; N]> {
    (0..count)
        .map(|at| {
            let mut address = [mark; N];
            address[N - 2..].copy_from_slice(&u16::try_from(at).expect("few").to_be_bytes());
            address
        })
        .collect()
}

fn owner(name: &[u8], a: &[[u8; 4]], aaaa: &[[u8; 16]]) -> Entry {
    let content = Content::Owner {
        zone_len: 1,
        a,
        aaaa,
        others: Others::NONE,
    };
    Entry::new(&keys(), name, &content).expect("a name")
}

/// Checks that the sets are those given, or not held, and that nothing else is in the area.
fn check(entry: &Entry, name: &[u8], first: Option<&[u8]>, second: Option<&[u8]>) {
    assert_eq!(entry.wire_name().wire(), name.to_ascii_lowercase());
    assert_eq!(
        entry.set_octets(),
        (first.unwrap_or(&[]), second.unwrap_or(&[]))
    );
    assert_eq!(entry.head().first() == NOT_HELD, first.is_none());
    assert_eq!(entry.head().second() == NOT_HELD, second.is_none());
    // The name is held from its end, so that what it has in common with others comes first.
    let mut area = vec![];
    for octets in name.to_ascii_lowercase().rchunks(8) {
        area.resize(area.len() + 8 - octets.len(), 0);
        area.extend(octets);
    }
    for part in [first.unwrap_or(&[]), second.unwrap_or(&[])] {
        area.extend(part);
        area.resize(area.len().next_multiple_of(8), 0);
    }
    area.resize(AREA, 0);
    let have: Vec<u8> = entry
        .area
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    assert_eq!(have, area);
}

#[test]
fn an_entry_holds_what_fits_and_nothing_else() {
    for len in (3..=255).chain([1]) {
        let name = if len == 1 {
            vec![0]
        } else {
            of_length("NaMe", len, "")
        };
        let room = AREA_WORDS - words(len);
        for a in [
            0,
            1,
            2,
            3,
            2 * room - 1,
            2 * room,
            2 * room + 1,
            2 * room + 2,
            254,
            255,
            256,
        ] {
            let holds_a = a < 255 && words(4 * a) <= room;
            let left = room - if holds_a { words(4 * a) } else { 0 };
            for aaaa in [0, 1, left / 2, left / 2 + 1, 255] {
                let holds_aaaa = aaaa < 255 && 2 * aaaa <= left;
                let (a, aaaa) = (addresses(a, 0xa4), addresses(aaaa, 0xa6));
                let entry = owner(&name, &a, &aaaa);
                let first = holds_a.then_some(a.as_flattened());
                let second = holds_aaaa.then_some(aaaa.as_flattened());
                check(&entry, &name, first, second);
            }
        }
    }
}

#[test]
fn a_target_of_up_to_254_octets_is_held() {
    for len in (3..=255).chain([1]) {
        let target = if len == 1 {
            vec![0]
        } else {
            of_length("TarGet", len, "")
        };
        for name in ["1.0.0.10.in-addr.arpa", "12.0.0.10.in-addr.arpa"] {
            let name = wire(name);
            let entry = Entry::new(&keys(), &name, &Content::Reverse(&target)).unwrap();
            check(&entry, &name, (len < 255).then_some(&target[..]), None);
        }
        // A name of 255 octets leaves room for 160 octets.
        let name = of_length("n", 255, "");
        let entry = Entry::new(&keys(), &name, &Content::Reverse(&target)).unwrap();
        check(&entry, &name, (len <= 160).then_some(&target[..]), None);
    }
}

#[test]
fn what_is_no_name_has_no_entry() {
    for name in [&[][..], &[1; 256], &[0; 1000]] {
        let content = Content::Reverse(&[0]);
        let entry = Entry::new(&keys(), name, &content);
        assert_eq!(entry, Err(EntryError::NameLength));
    }
}

#[test]
fn a_name_lies_in_its_zone() {
    let name = [1, b'a', 0];
    for (zone_len, others, result) in [
        (0, Others::ANY, Ok(())),
        (0, Others::NONE, Err(EntryError::ZoneLength)),
        (1, Others::NONE, Ok(())),
        (3, Others::NONE, Ok(())),
        (4, Others::NONE, Err(EntryError::ZoneLength)),
        (300, Others::ANY, Err(EntryError::ZoneLength)),
    ] {
        let content = Content::Owner {
            zone_len,
            a: &[],
            aaaa: &[],
            others,
        };
        let entry = Entry::new(&keys(), &name, &content);
        assert_eq!(entry.map(drop), result, "{zone_len} {others:?}");
    }
}

/// A set that has another number, another order or another name is another set to the seals.
#[test]
fn seals_differ_with_all_that_they_cover() {
    let a = addresses(3, 1);
    let mut turned = a.clone();
    turned.rotate_left(1);
    let aaaa = addresses(2, 2);
    let entry = owner(&wire("a.k"), &a, &aaaa);
    let seals = |entry: &Entry| [entry.head_seal, entry.first_seal, entry.second_seal];
    for (name, other, are_same) in [
        ("the same", owner(&wire("A.K"), &a, &aaaa), [true; 3]),
        ("another name", owner(&wire("b.k"), &a, &aaaa), [false; 3]),
        ("one less", owner(&wire("a.k"), &a[..2], &aaaa), [false; 3]),
        (
            "another order",
            owner(&wire("a.k"), &turned, &aaaa),
            [true, false, true],
        ),
        ("no second set", owner(&wire("a.k"), &a, &[]), [false; 3]),
    ] {
        let same: Vec<_> = seals(&entry)
            .iter()
            .zip(seals(&other))
            .map(|(a, b)| *a == b)
            .collect();
        assert_eq!(same, are_same, "{name}");
    }
}
