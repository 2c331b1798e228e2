//! The table of packets once the lease is past: nothing is answered, and packets that are no queries have their reasons.
//! Once only denials are past, all else is as it was.

use dns_common::{Hit, Miss, Outcome, state::State};
use packets::{
    build::a_query,
    cases::cases,
    fixture::{self, NOW},
    host::HostMaps,
};

fn until(lease: u64) -> HostMaps {
    HostMaps::in_state(State {
        lease,
        ..fixture::state()
    })
}

#[test]
fn past_the_lease_queries_pass_and_other_packets_have_their_own_reasons() {
    let mut expired = 0;
    for lease in [0, 1, NOW - 1, NOW] {
        let maps = until(lease);
        for case in cases() {
            let (outcome, octets) = maps.run(&case.frame);
            let name = format!("{}, {lease}", case.name);
            let late = if case.is_for_dns() {
                Outcome::Miss(Miss::LeaseExpired)
            } else {
                // What is wrong with the packet itself is found out before.
                case.outcome
            };
            assert_eq!(outcome, late, "{name}");
            assert_eq!(octets, case.frame, "{name}");
            expired += u32::from(outcome == Outcome::Miss(Miss::LeaseExpired));
        }
    }
    assert!(expired > 0);
}

#[test]
fn up_to_its_end_the_lease_changes_nothing() {
    for lease in [NOW + 1, u64::MAX] {
        let maps = until(lease);
        for case in cases() {
            let outcome = maps.run(&case.frame).0;
            assert_eq!(outcome, case.outcome, "{}, {lease}", case.name);
        }
    }
}

fn denying_until(denials: u64) -> HostMaps {
    HostMaps::in_state(State {
        lease: NOW + 1,
        denials,
        ..fixture::state()
    })
}

#[test]
fn past_the_time_for_denials_all_else_is_answered() {
    let (mut answered, mut no_data, mut nx_domain) = (0, 0, 0);
    for denials in [0, 1, NOW - 1, NOW] {
        let maps = denying_until(denials);
        for case in cases() {
            let (outcome, octets) = maps.run(&case.frame);
            let name = format!("{}, {denials}", case.name);
            let expected = match case.outcome {
                Outcome::Hit(Hit::NoData | Hit::NxDomain) => Outcome::Miss(Miss::Incomplete),
                other => other,
            };
            assert_eq!(outcome, expected, "{name}");
            match case.outcome {
                Outcome::Hit(Hit::NoData) => no_data += 1,
                Outcome::Hit(Hit::NxDomain) => nx_domain += 1,
                Outcome::Hit(_) => answered += 1,
                Outcome::Miss(_) | Outcome::Dropped(_) => {}
            }
            assert_eq!(octets != case.frame, outcome.is_hit(), "{name}");
        }
    }
    assert!(answered > 0 && no_data > 0 && nx_domain > 0);
}

#[test]
fn up_to_their_end_names_and_types_are_denied() {
    for denials in [NOW + 1, u64::MAX] {
        let maps = denying_until(denials);
        for case in cases() {
            let outcome = maps.run(&case.frame).0;
            assert_eq!(outcome, case.outcome, "{}, {denials}", case.name);
        }
    }
}

#[test]
fn maps_that_are_not_written_come_first() {
    let frame = a_query("nginx.default.svc.cluster.local");
    let written: [fn(&mut HostMaps); 3] = [
        |maps| maps.config = None,
        |maps| maps.state = None,
        |maps| maps.scratch = None,
    ];
    for take in written {
        let mut maps = until(0);
        take(&mut maps);
        assert_eq!(
            maps.run(&frame),
            (Outcome::Miss(Miss::NotConfigured), frame.clone())
        );
    }
}
