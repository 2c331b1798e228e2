//! Entries that are replaced while they are read: whatever words a reader sees, the answer is the old one, the new
//! one, or none.

use std::net::{Ipv4Addr, Ipv6Addr};

use dns_common::{
    Outcome,
    entry::{Entry, EntryCells},
};
use packets::{
    build::frame,
    fixture::{Beside, Known, Records, keys},
    guarded::run,
    host::HostMaps,
    model::{self, Question},
    oracle,
    wire::wire,
};
use proptest::prelude::*;

use crate::asked::{any_opt, any_type, payload};

/// The names whose entries may lie in the same memory, one after the other.
const NAMES: [&str; 3] = [
    "web.default.svc.cluster.local",
    "api.default.svc.cluster.local",
    "4.3.2.10.in-addr.arpa",
];
const ZONE: &str = "cluster.local";

fn any_records() -> impl Strategy<Value = Records> {
    let a = proptest::collection::vec(any::<u32>().prop_map(Ipv4Addr::from_bits), 0..6);
    let aaaa = proptest::collection::vec(any::<u128>().prop_map(Ipv6Addr::from_bits), 0..4);
    let beside = proptest::sample::select(vec![
        Beside::Nothing,
        Beside::Srv,
        Beside::Apex,
        Beside::Txt,
        Beside::Unknown,
    ]);
    let owner = (a, aaaa, beside).prop_map(|(a, aaaa, beside)| Records::Owner {
        zone: Some(ZONE),
        a,
        aaaa,
        beside,
    });
    let targets = [
        "web.default.svc.cluster.local",
        "api.default.svc.cluster.local",
        "a.b.c",
    ];
    let target = proptest::sample::select(targets.to_vec());
    prop_oneof![
        5 => owner,
        1 => target.prop_map(|target| Records::Reverse(wire(target))),
    ]
}

fn any_known() -> impl Strategy<Value = Known> {
    (0..6_usize, any_records()).prop_map(|(name, records)| {
        // Mostly the same name; that of an address lies in no zone.
        let name = match records {
            Records::Reverse(_) => NAMES[2],
            Records::Owner { .. } => NAMES[usize::from(name == 5)],
        };
        Known {
            name: wire(name),
            records,
            flaw: None,
        }
    })
}

/// An entry as the words that a reader sees.
type Words = [u64; size_of::<Entry>() / 8];

/// The words of one entry or the other, as the bits of `which` say.
fn mixed(old: &Entry, new: &Entry, which: u64) -> Entry {
    let old: &Words = bytemuck::cast_ref(old);
    let new: &Words = bytemuck::cast_ref(new);
    let words: Words = std::array::from_fn(|at| {
        let from = if which >> at & 1 == 1 { new } else { old };
        from[at]
    });
    bytemuck::cast(words)
}

/// Some words of one, the rest of the other: all up to a point, or any.
fn any_mixture() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), (0..=56_u32).prop_map(|from| u64::MAX << from)]
}

thread_local! {
    static MAPS: std::cell::RefCell<HostMaps> = {
        let mut maps = HostMaps::fixture();
        maps.names.clear();
        maps.into()
    };
}

proptest! {
    #[test]
    fn an_entry_read_while_it_is_replaced_is_never_answered_wrongly(
        old in any_known(),
        new in any_known(),
        which in any_mixture(),
        flip in proptest::option::weighted(0.2, (0..56_usize, 0..64_u32)),
        qtype in any_type(),
        opt in proptest::option::of(any_opt()),
        id: u16,
    ) {
        let keys = keys();
        let mut words = mixed(&old.entry(&keys), &new.entry(&keys), which);
        if let Some((word, bit)) = flip {
            let words: &mut [u64] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut words));
            words[word] ^= 1 << bit;
        }
        let question = Question { name: new.name.clone(), qtype, edns: None };
        let (question, payload) = payload(question, id, opt.as_ref());
        let packet = frame(&payload);
        let (outcome, response) = MAPS.with_borrow_mut(|maps| {
            // The map finds memory under the key of the name; what is in it is another matter.
            maps.names.clear();
            maps.names.insert(keys.name_key(&new.name), EntryCells::from(words));
            run(maps, &packet)
        });
        if outcome.is_hit() {
            let said = [&old, &new].map(|known| {
                if known.name != question.name {
                    return Err("another name".to_owned());
                }
                let expected = model::answer_for(Some(known), &question)
                    .map_err(|miss| format!("{miss:?}"))?;
                oracle::check(&packet, &response, &expected)
            });
            prop_assert!(said.iter().any(Result::is_ok), "neither: {:?}", said);
        }
        // Nothing was amiss: then the answer is given.
        if flip.is_none() && which & ((1 << 56) - 1) == (1 << 56) - 1 {
            let expected = model::answer_for(Some(&new), &question);
            let expected = expected.map_or_else(Outcome::Miss, |expected| Outcome::Hit(expected.hit()));
            prop_assert_eq!(outcome, expected);
        }
    }
}
