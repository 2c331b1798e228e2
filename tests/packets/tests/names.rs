//! Octets that are nearly a name that is held.

use dns_common::{Hit, Miss, Outcome};
use packets::{
    build::{DNS, a_query, frame},
    fixture,
    host::HostMaps,
    wire::wire,
};

/// A query for the octets as they are, whether they are a name or not.
fn asking(octets: &[u8]) -> Vec<u8> {
    let query = a_query("nginx.default.svc.cluster.local");
    let header = &query[DNS..DNS + 12];
    frame(&[header, octets, &[0, 1, 0, 1]].concat())
}

#[test]
fn zeros_before_a_name_are_not_taken_for_it() {
    let maps = HostMaps::fixture();
    for name in [
        "nginx.default.svc.cluster.local",
        "kubernetes.default.svc.cluster.local",
    ] {
        let wire = wire(name);
        for zeros in 1..=16 {
            let octets = [vec![0; zeros], wire.clone()].concat();
            let (outcome, _) = maps.run(&asking(&octets));
            // The root's name, and what comes after it.
            assert_eq!(
                outcome,
                Outcome::Miss(Miss::TrailingOctets),
                "{zeros} before {name}"
            );
            assert_ne!(
                fixture::keys().name_key(&octets),
                fixture::keys().name_key(&wire)
            );
        }
    }
    let (outcome, _) = maps.run(&asking(&wire("nginx.default.svc.cluster.local")));
    assert_eq!(outcome, Outcome::Hit(Hit::A));
}
