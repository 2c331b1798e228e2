//! At which addresses queries are answered.

use std::net::Ipv4Addr;

use dns_common::{Hit, Miss, Outcome, maps::Config};
use hickory_proto::rr::RecordType;
use packets::{
    build::{a_query, frame_to, message, octets},
    fixture,
    host::HostMaps,
};

#[test]
fn without_a_usual_address_nobody_is_answered_for() {
    let query = octets(&message("nginx.default.svc.cluster.local", RecordType::A));
    let frame = frame_to(Ipv4Addr::UNSPECIFIED, 0, &query);
    let maps = HostMaps::configured(Config {
        usual: 0,
        ports: u64::MAX,
        ..fixture::config()
    });
    assert_eq!(maps.run(&frame).0, Outcome::Miss(Miss::OtherAddress));
}

#[test]
fn an_address_is_answered_for_whether_it_is_the_usual_one_or_not() {
    let frame = a_query("nginx.default.svc.cluster.local");
    let elsewhere = |usual| {
        let mut maps = HostMaps::configured(Config {
            usual,
            ..fixture::config()
        });
        maps.services.remove(&fixture::service());
        maps
    };
    let listed = |usual| HostMaps {
        services: fixture::services().into(),
        ..elsewhere(usual)
    };
    let here = fixture::service().usual().unwrap();
    let other_port = here ^ 1 << 40;
    let hit = Outcome::Hit(Hit::A);
    let miss = Outcome::Miss(Miss::OtherAddress);
    for (maps, outcome) in [
        (listed(here), hit),
        (listed(0), hit),
        (listed(other_port), hit),
        (elsewhere(here), hit),
        (elsewhere(0), miss),
        (elsewhere(other_port), miss),
        (elsewhere(here ^ 1), miss),
    ] {
        assert_eq!(maps.run(&frame).0, outcome);
    }
}
