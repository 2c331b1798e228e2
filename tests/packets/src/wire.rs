//! Names in wire form, made and taken apart without the packet path's code.

use hickory_proto::rr::Name;

/// The name in wire form, root label included, its letters as they are.
#[must_use]
pub fn wire(name: &str) -> Vec<u8> {
    let name = Name::from_ascii(name).expect("the tests' names are names");
    of_name(&name)
}

/// The wire form of a name that was read, its letters as they are.
#[must_use]
pub fn of_name(name: &Name) -> Vec<u8> {
    joined(name.iter())
}

/// The name of these labels in wire form, root label included.
#[must_use]
pub fn joined<'l>(labels: impl IntoIterator<Item = &'l [u8]>) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in labels {
        wire.push(u8::try_from(label.len()).expect("a label has at most 63 octets"));
        wire.extend_from_slice(label);
    }
    wire.push(0);
    wire
}

/// The labels of a name in wire form, without the root's.
#[must_use]
pub fn labels(wire: &[u8]) -> Vec<&[u8]> {
    let mut labels = Vec::new();
    let mut rest = wire;
    while let Some((&length, behind)) = rest.split_first() {
        if length == 0 {
            break;
        }
        let (label, behind) = behind.split_at(length.into());
        labels.push(label);
        rest = behind;
    }
    labels
}

/// The name of these octets, its letters as they are.
#[must_use]
pub fn name(wire: &[u8]) -> Name {
    let mut name = Name::from_labels(labels(wire)).expect("the tests' names are names");
    name.set_fqdn(true);
    name
}

/// Whether the name lies in the zone, or is its apex; both are lower-case.
#[must_use]
pub fn is_in(name: &[u8], zone: &[u8]) -> bool {
    labels(name).ends_with(&labels(zone))
}

/// A name of `len` octets in wire form that ends in `zone` and begins with `begin`.
#[must_use]
pub fn of_length(begin: &str, len: usize, zone: &str) -> Vec<u8> {
    let zone = wire(zone);
    let mut left = len - zone.len();
    let mut begin = begin.bytes();
    let mut name = Vec::with_capacity(len);
    while left > 0 {
        // No label may be left with nothing but its length octet.
        let taken = if left == 65 { 63 } else { left.min(64) };
        name.push(u8::try_from(taken - 1).expect("at most 63"));
        name.extend((1..taken).map(|_| begin.next().unwrap_or(b'x')));
        left -= taken;
    }
    name.extend(zone);
    assert_eq!(name.len(), len, "a name of that length can be made");
    name
}
