//! The programs as the kernel runs them: the same octets as on the host, each reason reached, the verifier content.

use std::{
    collections::HashSet,
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

use agreement::{Cluster, judge::Judge, question::Names};
use anyhow::{Context as _, Result};
use aya::programs::ProgramInfo;
use dns_common::{
    Hit, Hook, Miss, Outcome,
    head::Others,
    limit::{self, Limit, Over},
    maps::Config,
    state::State,
};
use dns_ctl::{
    attach::{
        clock::Clock,
        kernel::{Kernel, OBJECT},
    },
    table::{
        Content, Row,
        writer::{NameMap, Sink as _, SinkError},
    },
};
use kxdns_tests::kernel::Bench;
use packets::{
    build::{DNS, a_query, frame},
    cases::cases,
    fixture,
    host::HostMaps,
};
use rand::{SeedableRng as _, rngs::StdRng};

/// Return codes of XDP programs (`enum xdp_action`).
const XDP_DROP: u32 = 1;
const XDP_TX: u32 = 3;
const XDP_PASS: u32 = 2;
/// Return codes of tc programs (`linux/pkt_cls.h`).
const TC_ACT_SHOT: u32 = 2;
const TC_ACT_REDIRECT: u32 = 7;
const TC_ACT_UNSPEC: u32 = u32::MAX;

/// Octets of the Ethernet header, and where the type of its payload begins.
const ETHERNET: usize = 14;
const ETHERTYPE: usize = 12;

/// Random clusters, and questions about each, that kernel and server are asked.
const CLUSTERS: u64 = 25;
const QUESTIONS: usize = 300;

/// Most instructions that the verifier may have to process; its own limit is 1,000,000
/// (`BPF_COMPLEXITY_LIMIT_INSNS`).
const VERIFIER_BUDGET: u32 = 400_000;

#[test]
fn the_kernel_does_with_each_packet_what_the_host_does() -> Result<()> {
    let mut bench = Bench::with_fixture()?;
    let host = HostMaps::fixture();
    let mut reached = HashSet::new();
    for case in cases() {
        for &hook in Hook::ALL {
            if hook == Hook::Tc && is_refused(&case.frame) {
                assert!(bench.run(hook, &case.frame).is_err(), "{}", case.name);
                continue;
            }
            let run = bench
                .run(hook, &case.frame)
                .with_context(|| format!("{} on {}", case.name, hook.label()))?;
            let (expected, octets) = host.run(&case.frame);
            let name = format!("{} on {}", case.name, hook.label());
            assert_eq!(run.outcome, Some(case.outcome), "{name}");
            assert_eq!(run.octets, octets, "{name}");
            assert_eq!(run.verdict, verdict(hook, expected), "{name}");
            reached.insert(case.outcome.index());
        }
    }
    let nobody = a_query("nobody.default.svc.cluster.local");
    let mut comes_to = |bench: &mut Bench, miss| -> Result<()> {
        for &hook in Hook::ALL {
            let run = bench.run(hook, &nobody)?;
            assert_eq!(run.outcome, Some(Outcome::Miss(miss)));
            assert_eq!(run.octets, nobody);
        }
        reached.insert(Outcome::Miss(miss).index());
        Ok(())
    };
    let expired = Miss::LeaseExpired;
    for state in [
        State::default(),
        // The kernel's clock counts from the start of the machine.
        State {
            lease: 1,
            ..fixture::state()
        },
    ] {
        bench.set_state(state)?;
        comes_to(&mut bench, expired)?;
    }
    bench.set_state(State {
        lease: u64::MAX,
        ..State::default()
    })?;
    comes_to(&mut bench, Miss::Incomplete)?;
    let config = Config {
        negative: 0,
        ..fixture::config()
    };
    bench.maps.configure(config, &fixture::zones())?;
    comes_to(&mut bench, Miss::NegativeOff)?;
    for outcome in limits_hold(&mut bench)? {
        reached.insert(outcome.index());
    }
    let mut empty = Bench::empty()?;
    for &hook in Hook::ALL {
        let frame = a_query("nginx.default.svc.cluster.local");
        let run = empty.run(hook, &frame)?;
        assert_eq!(run.outcome, Some(Outcome::Miss(Miss::NotConfigured)));
        assert_eq!(run.octets, frame);
        reached.insert(Outcome::Miss(Miss::NotConfigured).index());
    }
    for outcome in Outcome::all() {
        // The kernel has room for these short packets on every driver that a test can have; the host's
        // buffers have a limit (tests/packets/tests/table.rs).
        if outcome != Outcome::Miss(Miss::NoRoom) {
            assert!(
                reached.contains(&outcome.index()),
                "{outcome:?} is not reached in the kernel"
            );
        }
    }
    Ok(())
}

/// Runs the table with a limit that one query uses up; gives the outcomes that only a limit leads to.
fn limits_hold(bench: &mut Bench) -> Result<HashSet<Outcome>> {
    let mut reached = HashSet::new();
    bench.set_state(fixture::state())?;
    for over in [Over::Pass, Over::Drop, Over::Truncate] {
        let config = Config {
            // One query in a thousand seconds.
            limit: Limit {
                cost: limit::time(250_000),
                ahead: 0,
                over: over as u64,
            },
            ..fixture::config()
        };
        bench.maps.configure(config, &fixture::zones())?;
        let host = HostMaps::configured(config);
        for &hook in Hook::ALL {
            for case in cases() {
                if hook == Hook::Tc && is_refused(&case.frame) {
                    continue;
                }
                // On the host the first query of a client is free; of the kernel's maps nobody knows what they hold.
                host.run(&case.frame);
                let (expected, octets) = host.run(&case.frame);
                bench.run(hook, &case.frame)?;
                let run = bench.run(hook, &case.frame)?;
                let name = format!("{}, {over:?} on {}", case.name, hook.label());
                assert_eq!(run.outcome, Some(expected), "{name}");
                assert_eq!(run.octets, octets, "{name}");
                assert_eq!(run.verdict, verdict(hook, expected), "{name}");
                reached.insert(expected);
            }
        }
    }
    bench.maps.configure(fixture::config(), &fixture::zones())?;
    Ok(reached)
}

/// The return code that goes with an outcome.
const fn verdict(hook: Hook, outcome: Outcome) -> u32 {
    match (hook, outcome) {
        (Hook::Xdp, Outcome::Hit(_)) => XDP_TX,
        (Hook::Xdp, Outcome::Miss(_)) => XDP_PASS,
        (Hook::Xdp, Outcome::Dropped(_)) => XDP_DROP,
        (Hook::Tc, Outcome::Hit(_)) => TC_ACT_REDIRECT,
        (Hook::Tc, Outcome::Miss(_)) => TC_ACT_UNSPEC,
        (Hook::Tc, Outcome::Dropped(_)) => TC_ACT_SHOT,
    }
}

/// Whether a test run takes the packet for no socket buffer (EINVAL): its IP header is not whole.
fn is_refused(frame: &[u8]) -> bool {
    let header = match frame.get(ETHERTYPE..ETHERNET) {
        Some([0x08, 0x00]) => 20,
        Some([0x86, 0xdd]) => 40,
        _ => 0,
    };
    frame.len() < ETHERNET + header
}

/// A lease is over at the tick that it names, by the clock that userspace reads.
#[test]
fn answers_end_with_the_lease() -> Result<()> {
    let clock = Clock::load(OBJECT)?;
    let mut bench = Bench::with_fixture()?;
    let query = a_query("nginx.default.svc.cluster.local");
    let hit = Outcome::Hit(Hit::A);
    let expired = Outcome::Miss(Miss::LeaseExpired);
    for &hook in Hook::ALL {
        let long = clock.ticks()? + clock.ticks_per(Duration::from_mins(1));
        for (lease, expected) in [(long, hit), (clock.ticks()?, expired)] {
            bench.set_state(State {
                lease,
                ..fixture::state()
            })?;
            let run = bench.run(hook, &query)?;
            assert_eq!(run.outcome, Some(expected), "{lease}");
            assert_eq!(run.octets == query, expected == expired);
        }
        // It ends by itself, neither before its tick nor after that.
        let end = clock.ticks()? + clock.ticks_per(Duration::from_millis(40));
        bench.set_state(State {
            lease: end,
            ..fixture::state()
        })?;
        loop {
            let before = clock.ticks()?;
            let outcome = bench.run(hook, &query)?.outcome;
            let after = clock.ticks()?;
            if before >= end {
                assert_eq!(outcome, Some(expired), "at {before}, after {end}");
                break;
            }
            if after < end {
                assert_eq!(outcome, Some(hit), "at {after}, before {end}");
            }
        }
    }
    Ok(())
}

/// Denials are over at the tick that they name, and what is held is answered all the same.
#[test]
fn denials_end_before_the_lease() -> Result<()> {
    let clock = Clock::load(OBJECT)?;
    let mut bench = Bench::with_fixture()?;
    let missing = a_query("missing.cluster.local");
    let no_record = a_query("default.svc.cluster.local");
    let held = a_query("nginx.default.svc.cluster.local");
    let incomplete = Outcome::Miss(Miss::Incomplete);
    for &hook in Hook::ALL {
        let lease = clock.ticks()? + clock.ticks_per(Duration::from_mins(1));
        for (denials, denied) in [(lease, true), (clock.ticks()?, false), (0, false)] {
            bench.set_state(State {
                lease,
                denials,
                ..fixture::state()
            })?;
            for (query, hit) in [(&missing, Hit::NxDomain), (&no_record, Hit::NoData)] {
                let run = bench.run(hook, query)?;
                let expected = if denied {
                    Outcome::Hit(hit)
                } else {
                    incomplete
                };
                assert_eq!(run.outcome, Some(expected), "{denials}");
                assert_eq!(run.octets == *query, !denied);
            }
            assert_eq!(bench.run(hook, &held)?.outcome, Some(Outcome::Hit(Hit::A)));
        }
    }
    Ok(())
}

/// Ticks are as long as userspace believes.
#[test]
fn the_clock_tells_the_kernel_s_time() -> Result<()> {
    let clock = Clock::load(OBJECT)?;
    let (ticks, start) = (clock.ticks()?, Instant::now());
    let end = ticks + clock.ticks_per(Duration::from_millis(200));
    while clock.ticks()? < end {
        thread::yield_now();
    }
    // A tick had begun when they were first read.
    let least = Duration::from_millis(200).saturating_sub(Duration::from_millis(10));
    assert!(start.elapsed() >= least, "{:?}", start.elapsed());
    Ok(())
}

/// What the writer takes for a full map is what the kernel says of one.
#[test]
fn a_full_map_says_so_and_heals() -> Result<()> {
    let mut kernel = Kernel::load(OBJECT, 2)?;
    let maps = kernel.take_maps()?;
    let keys = fixture::keys();
    let mut map = NameMap::open(maps.names, maps.state, keys, 0)?;
    let row = |name: &str, last| Row {
        name: fixture::wire(name).into(),
        content: Content::Owner {
            zone_len: 1,
            a: [Ipv4Addr::new(10, 0, 0, last)].into(),
            aaaa: [].into(),
            others: Others::NONE,
        },
    };
    let (first, second, third) = (row("a", 1), row("b", 2), row("c", 3));
    map.put(keys.name_key(&first.name), &first)?;
    map.put(keys.name_key(&second.name), &second)?;
    let key = keys.name_key(&third.name);
    assert!(matches!(map.put(key, &third), Err(SinkError::Full)));
    // A name that is held can still change its address.
    map.put(keys.name_key(&first.name), &row("a", 9))?;
    map.remove(keys.name_key(&second.name))?;
    map.remove(keys.name_key(&second.name))?;
    map.put(key, &third)?;
    Ok(())
}

/// The same oracle as in tests/agreement, with the programs in the kernel.
#[test]
fn what_the_kernel_answers_is_what_the_server_says() -> Result<()> {
    let mut bench = Bench::empty()?;
    bench.add_service(fixture::service())?;
    for seed in 0..CLUSTERS {
        let cluster = Cluster::new(seed);
        let maps = cluster.maps();
        bench.clear()?;
        bench.fill(maps.names)?;
        bench.set_state(maps.state)?;
        bench.maps.configure(maps.config, &maps.zones)?;
        let mut judge = Judge::new(&cluster)?;
        let names = Names::of(&cluster);
        let mut rng = StdRng::seed_from_u64(seed);
        for _ in 0..QUESTIONS {
            let query = names.query(&mut rng);
            for &hook in Hook::ALL {
                let run = bench.run(hook, &frame(&query))?;
                let outcome = run.outcome.context("no outcome, or more than one")?;
                judge
                    .judge(&query, outcome, &run.octets[DNS..])
                    .with_context(|| format!("seed {seed} on {}", hook.label()))?;
            }
        }
    }
    Ok(())
}

#[test]
fn the_verifier_has_work_to_spare() -> Result<()> {
    let mut bench = Bench::empty()?;
    let programs = [
        ("xdp", bench.kernel.xdp()?.info()?),
        ("tc", bench.kernel.tc()?.info()?),
    ];
    for (name, info) in programs {
        let processed = processed(&info);
        println!(
            "{name}: {processed} instructions processed by the verifier (budget {VERIFIER_BUDGET}), \
             {} octets translated, {} octets of machine code",
            info.size_translated().unwrap_or_default(),
            info.size_jitted()
        );
        assert!(
            processed > 0 && processed <= VERIFIER_BUDGET,
            "{name}: {processed}"
        );
    }
    Ok(())
}

fn processed(info: &ProgramInfo) -> u32 {
    info.verified_instruction_count().unwrap_or_default()
}
