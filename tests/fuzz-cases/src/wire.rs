//! Names in wire form, without help from the code under test.

use hickory_proto::rr::Name;

/// The name in wire form, root label included: its labels are what stands between the dots.
#[must_use]
pub fn wire(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    of_labels(labels.map(str::as_bytes))
}

/// The name of these labels in wire form.
pub fn of_labels<'l>(labels: impl IntoIterator<Item = &'l [u8]>) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in labels {
        wire.push(u8::try_from(label.len()).expect("a label has at most 63 octets"));
        wire.extend_from_slice(label);
    }
    wire.push(0);
    wire
}

/// A name of hickory-proto in wire form, in its case.
#[must_use]
pub fn of_name(name: &Name) -> Vec<u8> {
    of_labels(name)
}

/// The ends of a name that begin at a label, the whole name first, the root last.
pub fn ends(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = Some(wire);
    std::iter::from_fn(move || {
        let end = left?;
        let (&label, rest) = end.split_first()?;
        left = (label > 0)
            .then(|| rest.get(usize::from(label)..))
            .flatten();
        Some(end)
    })
}

/// The same name in lower case, which no octet of a length is changed by.
#[must_use]
pub fn lower(wire: &[u8]) -> Vec<u8> {
    wire.to_ascii_lowercase()
}
