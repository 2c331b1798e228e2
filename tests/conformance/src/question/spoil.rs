//! Names that are nearly right, or not at all.

use crate::dice::Dice;

/// The labels of a name, the leftmost first, without the root.
pub(super) type Labels = Vec<Vec<u8>>;

pub(super) fn labels(text: &str) -> Labels {
    let text = text.trim_end_matches('.');
    text.split('.').map(|it| it.as_bytes().to_vec()).collect()
}

/// The same name, letters written large and small.
pub(super) fn case(dice: &mut Dice, mut name: Labels) -> Labels {
    for octet in name.iter_mut().flatten() {
        if dice.one_in(2) {
            octet.make_ascii_uppercase();
        }
    }
    name
}

/// One octet of one label is changed, doubled or left out.
pub(super) fn letter(dice: &mut Dice, mut name: Labels) -> Option<Labels> {
    let at = dice.number(0..=name.len().checked_sub(1)?);
    let label = &mut name[at];
    let octet = dice.number(0..=label.len() - 1);
    match dice.number(0..=2) {
        0 => label[octet] = dice.octet(b'-'..=b'z'),
        1 => label.insert(octet, label[octet]),
        _ => drop(label.remove(octet)),
    }
    Some(name)
}

/// A label is put somewhere, mostly before the first.
pub(super) fn more(dice: &mut Dice, mut name: Labels) -> Labels {
    let at = if dice.one_in(4) {
        dice.number(0..=name.len())
    } else {
        0
    };
    let one: [&[u8]; 8] = [
        b"x",
        b"_tcp",
        b"_",
        b"*",
        b"web",
        b"svc",
        b"10-244-0-2",
        b"_http",
    ];
    for _ in 0..dice.weigh(&[(3, 1), (2, 2), (1, 3)]) {
        name.insert(at, dice.pick(&one).to_vec());
    }
    name
}

/// A label is left out, mostly the first.
pub(super) fn less(dice: &mut Dice, mut name: Labels) -> Option<Labels> {
    let last = name.len().checked_sub(1)?;
    let at = if dice.one_in(3) {
        dice.number(0..=last)
    } else {
        0
    };
    name.remove(at);
    (!name.is_empty()).then_some(name)
}

/// Two labels are swapped.
pub(super) fn swap(dice: &mut Dice, mut name: Labels) -> Option<Labels> {
    let last = name.len().checked_sub(2)?;
    let at = dice.number(0..=last);
    name.swap(at, at + 1);
    Some(name)
}

/// A label that looks like an address, and mostly is none.
pub(super) fn pod_label(dice: &mut Dice) -> String {
    let labels = [
        "1-2-3",
        "1-2-3-4-5",
        "256-1-1-1",
        "01-2-3-4",
        "1--2-3",
        "-1-2-3",
        "1-2-3-",
        "1-2-3-4-5-6-7-8",
        "1-2-3-4-5-6-7-8-9",
        "1-2-3-4-5-6-7--",
        "--",
        "---",
        "--1",
        "1--",
        "fd00--1--2",
        "fd00-0-0-0-0-0-0-1",
        "fd00-00-000-0000-0-0-0-1",
        "fd00--00001",
        "fd00-244-:2",
        "::1",
        "--ffff-102-304",
        "--102-304",
        "g--1",
        "fd00--%1",
        "0x1-2-3-4",
        "+1-2-3-4",
        "pod",
        "10-244-0-2-x",
        "0-0-0-0",
    ];
    (*dice.pick(&labels)).to_owned()
}

/// A name in a reverse zone that stands for no address, or for one in an unusual way.
pub(super) fn reverse(dice: &mut Dice, mut name: Labels) -> Labels {
    let last = name.len() - 2;
    match dice.number(0..=7) {
        0 => drop(name.drain(..dice.number(1..=last))),
        1 => name.insert(0, b"1".to_vec()),
        2 => name[0] = b"256".to_vec(),
        3 => name[0].insert(0, b'0'),
        4 => name[0] = b"_tcp".to_vec(),
        5 => {
            // CoreDNS takes a dot inside of a reverse name's label for a separator.
            let octet = dice.octet(0..=255);
            name[0] = vec![if octet == b'.' { b'/' } else { octet }];
        }
        6 => {
            let at = dice.number(0..=last - 1);
            name[at] = vec![dice.octet(b'f'..=b'h')];
        }
        _ => {
            let at = dice.number(0..=last - 1);
            name.remove(at);
        }
    }
    name
}

/// Labels of any octets below a domain.
pub(super) fn garbage(dice: &mut Dice, domain: Labels) -> Labels {
    let room = 253 - domain.iter().map(|label| label.len() + 1).sum::<usize>();
    let mut name: Labels = Vec::new();
    let mut length = 0;
    if dice.one_in(2) {
        let below: [&[u8]; 4] = [b"svc", b"pod", b"default", b"kubernetes"];
        for _ in 0..dice.number(1..=3) {
            name.push(dice.pick(&below).to_vec());
        }
        length = name.iter().map(|label| label.len() + 1).sum();
    }
    for _ in 0..dice.number(1..=5) {
        let size = *dice.pick(&[1, 2, 3, 10, 62, 63]);
        if length + size + 1 > room {
            break;
        }
        length += size + 1;
        let kind = dice.number(0..=2);
        let octet = |dice: &mut Dice| match kind {
            0 => dice.octet(0..=255),
            1 => *dice.pick(b".\\-_* \0\"@;()/$"),
            _ => dice.octet(b'a'..=b'c'),
        };
        name.insert(0, (0..size).map(|_| octet(dice)).collect());
    }
    name.into_iter().chain(domain).collect()
}
