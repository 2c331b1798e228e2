//! The table of packets from clients that ask too often, by each policy; and how often a client may ask, beside a bucket that
//! is kept in another way.

use dns_common::{
    Dropped, Hit, Miss, Outcome,
    limit::{BucketCell, FRACTION, Limit, Over, time},
    maps::Config,
};
use packets::{
    build::{a_query, frame_with_ip, ip_header, message, octets},
    cases::{Case, cases},
    fixture::{self, NOW},
    host::HostMaps,
    oracle,
};
use proptest::prelude::*;

const NGINX: &str = "nginx.default.svc.cluster.local";
/// Ticks a second, as many kernels have them.
const TICKS: u64 = 250;

fn limited(rate: u32, burst: u32, over: Over) -> HostMaps {
    HostMaps::configured(Config {
        limit: Limit::new(rate, burst, over, TICKS),
        ..fixture::config()
    })
}

/// What becomes of the case's packet when its client asks too often.
fn over_limit(case: &Case, over: Over) -> Outcome {
    if !case.is_for_dns() {
        return case.outcome;
    }
    match (case.outcome, over) {
        (_, Over::Pass) => Outcome::Miss(Miss::RateLimited),
        (_, Over::Drop) => Outcome::Dropped(Dropped::RateLimited),
        // What is no plain query can't be answered.
        (Outcome::Miss(miss), Over::Truncate) if (miss as u32) < Miss::OutsideZones as u32 => {
            Outcome::Dropped(Dropped::RateLimited)
        }
        (_, Over::Truncate) => Outcome::Hit(Hit::Truncated),
    }
}

#[test]
fn who_asks_too_often_gets_what_the_policy_says() {
    for over in [Over::Pass, Over::Drop, Over::Truncate] {
        let (maps, mut met) = (limited(1, 1, over), 0);
        for case in cases() {
            let (name, otherwise) = (&case.name, case.outcome);
            maps.buckets.borrow_mut().clear();
            assert_eq!(maps.run(&case.frame).0, otherwise, "{name}, the first");
            // The clock stands still for a tick, and so much is free: nothing, at this rate.
            let (second, after) = maps.run(&case.frame);
            let expected = over_limit(&case, over);
            assert_eq!(second, expected, "{name}, {over:?}");
            if expected == Outcome::Hit(Hit::Truncated) {
                let checked = oracle::check_truncated(&case.frame, &after);
                checked.unwrap_or_else(|fault| panic!("{name}: {fault}"));
            } else if !expected.is_hit() {
                assert_eq!(after, case.frame, "{name} is not touched");
            }
            met += u32::from(expected != otherwise);
        }
        assert!(met > 50, "{over:?} decided {met} cases");
    }
}

#[test]
fn each_client_has_a_bucket_of_its_own() {
    let maps = limited(1, 3, Over::Drop);
    let from = |last| {
        let mut ip = ip_header();
        ip.source[3] = last;
        frame_with_ip(
            ip,
            &octets(&message(NGINX, hickory_proto::rr::RecordType::A)),
        )
    };
    let mut passed = [0; 3];
    for _ in 0..10 {
        for (client, passed) in (7..).zip(&mut passed) {
            *passed += u32::from(maps.run(&from(client)).0 == Outcome::Hit(Hit::A));
        }
    }
    assert_eq!(passed, [3; 3]);
}

#[test]
fn without_a_limit_nothing_is_kept_of_clients() {
    let maps = HostMaps::fixture();
    for _ in 0..10_000 {
        assert_eq!(maps.run(&a_query(NGINX)).0, Outcome::Hit(Hit::A));
    }
    assert!(maps.buckets.borrow().is_empty());
}

#[test]
fn an_expired_lease_ends_the_limit_too() {
    let mut maps = limited(1, 1, Over::Drop);
    maps.now = u64::MAX;
    for _ in 0..10 {
        let outcome = maps.run(&a_query(NGINX)).0;
        assert_eq!(outcome, Outcome::Miss(Miss::LeaseExpired));
    }
}

proptest! {
    /// In every window, no more than the burst, and the rate for each second of the window and of two ticks.
    #[test]
    fn no_window_has_more_than_it_may(
        rate in 1..5_000_u32,
        burst in 1..500_u32,
        // Pauses in ticks, and how many queries come then.
        arrivals in proptest::collection::vec((0..500_u64, 0..200_u32), 1..100),
    ) {
        let limit = Limit::new(rate, burst, Over::Drop, TICKS);
        let bucket = BucketCell::new(0);
        let mut now = NOW;
        let mut admitted: Vec<(u64, u32)> = Vec::new();
        for (pause, queries) in arrivals {
            now += pause;
            let took = (0..queries).filter(|_| bucket.take(time(now), limit.cost, limit.ahead));
            let took = took.count().try_into().unwrap();
            admitted.push((now, took));
        }
        for (first, (start, _)) in admitted.iter().enumerate() {
            let mut number = 0;
            for (end, took) in &admitted[first..] {
                number += u64::from(*took);
                // In thousandths of what a tick is worth; the cost is rounded down, and the last one may come in part.
                let most = (u64::from(burst) + 1) * TICKS * 1000
                    + u64::from(rate) * 1001 * (end - start + 2);
                prop_assert!(number * TICKS * 1000 <= most, "{number} between {start} and {end}");
            }
        }
    }

    /// Who keeps to the rate is never over the limit, whatever the clock's ticks do to it.
    #[test]
    fn the_rate_is_always_free(
        rate in 1..100_000_u32,
        burst in 1..500_u32,
        // Thousandths of a tick, at which the first query comes.
        phase in 0..1000_u64,
        queries in 1..2000_u32,
    ) {
        let limit = Limit::new(rate, burst, Over::Drop, TICKS);
        let bucket = BucketCell::new(0);
        for query in 0..queries {
            let rate = u64::from(rate);
            let tick = (phase * rate + u64::from(query) * TICKS * 1000) / (1000 * rate);
            prop_assert!(bucket.take(time(NOW + tick), limit.cost, limit.ahead), "query {query}");
        }
    }

    /// What was not asked for is kept up to the burst, and no longer.
    #[test]
    fn a_silent_client_gets_a_burst(rate in 1..100_000_u32, burst in 1..500_u32, silence in 0..1_000_000_u64) {
        let limit = Limit::new(rate, burst, Over::Drop, TICKS);
        let bucket = BucketCell::new(time(NOW));
        let now = time(NOW + silence);
        for query in 0..burst {
            prop_assert!(bucket.take(now, limit.cost, limit.ahead), "query {query} of {burst}");
        }
        // A tick's worth is free, because the clock stands still for so long.
        let most = (1 << FRACTION) / limit.cost + 1;
        let more = (0..=most).take_while(|_| bucket.take(now, limit.cost, limit.ahead)).count();
        prop_assert!(more as u64 <= most, "{more} more");
    }
}
