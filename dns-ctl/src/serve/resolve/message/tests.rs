//! Messages that hold together, and many that don't.

use proptest::prelude::*;

use super::*;
use crate::serve::resolve::tests::messages::any_message;

/// `a.` A IN, with the given counts.
fn head(answers: u8, authorities: u8, additionals: u8) -> Vec<u8> {
    let mut bytes = b"\x12\x34\x81\x80\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01".to_vec();
    (bytes[7], bytes[9], bytes[11]) = (answers, authorities, additionals);
    bytes
}

/// A record: owner, type, and data behind TTL 1.
fn record(owner: &[u8], record_type: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [owner, &[0, record_type, 0, 1, 0, 0, 0, 1], &length, data].concat()
}

const POINTER: &[u8] = b"\xC0\x0C";
const ADDRESS: &[u8] = &[192, 0, 2, 1];
const OPT: &[u8] = b"\0\0\x29\x04\xD0\0\0\0\0\0\0";

/// A message with one answer.
fn with(record: &[u8]) -> Vec<u8> {
    [&head(1, 0, 0), record].concat()
}

#[test]
fn sections_have_to_be_whole() {
    let whole = record(POINTER, 1, ADDRESS);
    for (case, message, fault) in [
        ("nothing", Vec::new(), Malformed::Cut),
        (
            "half a header",
            head(0, 0, 0)[..11].to_vec(),
            Malformed::Cut,
        ),
        (
            "two questions",
            [&head(0, 0, 0)[..5], &[2], &head(0, 0, 0)[6..]].concat(),
            Malformed::Question,
        ),
        (
            "question cut",
            head(0, 0, 0)[..16].to_vec(),
            Malformed::Question,
        ),
        ("a record that is not there", with(b""), Malformed::Cut),
        ("record cut", with(&whole[..11]), Malformed::Cut),
        ("data cut", with(&whole[..15]), Malformed::Cut),
        ("OPT as an answer", with(OPT), Malformed::Opt),
        (
            "two OPT records",
            [&head(0, 0, 2), OPT, OPT].concat(),
            Malformed::Opt,
        ),
        (
            "OPT with a name",
            [&head(0, 0, 1)[..], POINTER, &OPT[1..]].concat(),
            Malformed::Opt,
        ),
    ] {
        assert_eq!(Layout::read(&message), Err(fault), "{case}");
    }
}

#[test]
fn names_end_within_255_octets_and_lead_backwards() {
    let owned_by = |owner: &[u8]| with(&record(owner, 1, ADDRESS));
    let label = [&[63][..], &[b'x'; 63]].concat();
    let three_labels = [&label.repeat(3)[..], b"\x3c", &[b'x'; 60], POINTER].concat();
    // The TTL of the first answer, at 25, reads as a label of one octet and the root.
    let mut named_by_ttl = [
        &head(2, 0, 0)[..],
        &record(POINTER, 1, ADDRESS),
        &record(b"\xC0\x19", 1, ADDRESS),
    ]
    .concat();
    named_by_ttl[25..29].copy_from_slice(b"\x01x\0\0");
    for (case, message, fault) in [
        ("to itself", owned_by(b"\xC0\x13"), Malformed::Pointer),
        ("forwards", owned_by(b"\xC0\x20"), Malformed::Pointer),
        (
            "in a circle",
            owned_by(b"\x01x\xC0\x13"),
            Malformed::Pointer,
        ),
        (
            "in a circle in the data",
            with(&record(POINTER, 5, b"\x01x\xC0\x1F")),
            Malformed::Pointer,
        ),
        ("into the header", owned_by(b"\xC0\x04"), Malformed::Pointer),
        ("to a TTL", named_by_ttl, Malformed::Pointer),
        ("pointer cut", with(b"\xC0"), Malformed::Cut),
        ("label 0x40", owned_by(b"\x40"), Malformed::Label),
        ("label 0x80", owned_by(b"\x80\0"), Malformed::Label),
        (
            "256 octets",
            owned_by(&[&label.repeat(4)[..], b"\0"].concat()),
            Malformed::LongName,
        ),
        (
            "too long with its end",
            with(&record(POINTER, 5, &three_labels)),
            Malformed::LongName,
        ),
    ] {
        assert_eq!(Layout::read(&message), Err(fault), "{case}");
    }
}

#[test]
fn data_has_the_form_of_its_type() {
    for (case, record_type, data) in [
        ("short address", 1, &[1, 2, 3][..]),
        ("short IPv6 address", 28, ADDRESS),
        ("CNAME without a name", 5, b""),
        ("CNAME and more", 5, b"\x01x\0\0"),
        ("SOA without numbers", 6, b"\0\0"),
        ("MX without a name", 15, b"\0\x01"),
        ("SRV without a name", 33, b"\0\x01\0\x01\0\x35"),
        ("a name that runs over", 12, b"\x09x"),
    ] {
        let message = [&with(&record(POINTER, record_type, data))[..], &[0; 16]].concat();
        assert_eq!(Layout::read(&message), Err(Malformed::Data), "{case}");
    }
    // What is in a type that nobody here knows is not looked at.
    assert!(Layout::read(&with(&record(POINTER, 99, b"\xC0\xFF"))).is_ok());
}

#[test]
fn many_pointers_in_a_row_are_not_followed() {
    // Pointers to pointers, each leading one back; the first leads to the question.
    let mut chain = Vec::new();
    for at in 0_u16..200 {
        let target = if at == 0 { 12 } else { 31 + 2 * (at - 1) };
        chain.extend_from_slice(&(0xC000 | target).to_be_bytes());
    }
    let message = |links: u16| {
        let last = (0xC000 | (31 + 2 * (links - 1))).to_be_bytes();
        [
            &head(2, 0, 0)[..],
            &record(POINTER, 99, &chain),
            &record(&last, 1, ADDRESS),
        ]
        .concat()
    };
    assert!(Layout::read(&message(100)).is_ok());
    assert_eq!(Layout::read(&message(200)), Err(Malformed::Pointer));
}

#[test]
fn what_follows_opt_or_tsig_is_left_out_and_what_follows_the_message_too() {
    let kept = record(POINTER, 1, ADDRESS);
    let tsig = record(b"\0", 250, &[0; 20]);
    for (case, additionals, opt) in [
        ("OPT last", vec![&kept[..], OPT], Some(0)),
        ("OPT before another", vec![&kept, OPT, &kept], Some(0)),
        ("TSIG", vec![&kept, &tsig], None),
        ("TSIG and OPT", vec![&kept, &tsig, OPT], Some(0)),
        ("bytes behind", vec![&kept], None),
    ] {
        let count = u8::try_from(additionals.len()).unwrap();
        let mut message = [&head(1, 0, count), &kept[..], &additionals.concat()].concat();
        message.extend_from_slice(b"behind");
        let layout = Layout::read(&message).unwrap();
        assert_eq!(layout.records.len(), 2, "{case}");
        assert_eq!(layout.additional_count, 1, "{case}");
        assert_eq!(layout.opt, opt, "{case}");
        assert_eq!(layout.end, 19 + 2 * kept.len(), "{case}");
        assert_eq!(layout.additional_at, 19 + kept.len(), "{case}");
    }
    let mut extended = OPT.to_vec();
    extended[5] = 1;
    let layout = Layout::read(&[&head(0, 0, 1), &extended[..]].concat()).unwrap();
    assert_eq!(layout.opt, Some(1));
}

#[test]
fn an_error_may_come_without_its_question() {
    let layout = Layout::read(b"\x12\x34\x81\x81\0\0\0\0\0\0\0\0").unwrap();
    assert_eq!((layout.question_end, layout.end), (12, 12));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Layout::read(&bytes);
    }

    #[test]
    fn damage_is_read_without_a_panic(
        message in any_message(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = message.to_vec().unwrap();
        for (at, octet) in damage {
            let at = at.index(bytes.len());
            bytes[at] = octet;
        }
        let _ = Layout::read(&bytes);
        let _ = Layout::read(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn records_are_found_where_an_independent_composer_put_them(message in any_message()) {
        let bytes = message.to_vec().unwrap();
        let layout = Layout::read(&bytes).unwrap();
        for (section, records) in [
            (Section::Answer, &message.answers),
            (Section::Authority, &message.authorities),
            (Section::Additional, &message.additionals),
        ] {
            let found: Vec<_> = layout
                .section(section)
                .map(|record| (record.record_type, number(&bytes, record.ttl_at).unwrap()))
                .collect();
            let expected: Vec<_> = records
                .iter()
                .map(|record| (record.record_type().into(), record.ttl))
                .collect();
            prop_assert_eq!(found, expected);
        }
        prop_assert_eq!(layout.opt, message.edns.map(|_| 0));
    }
}
