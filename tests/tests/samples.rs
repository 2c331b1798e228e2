//! Samples that the loaded programs take: the same as on the host, of queries only, and only while somebody looks.

use std::time::Duration;

use anyhow::{Context as _, Result};
use dns_common::{
    Frame, Hook, Outcome,
    sample::{MAX_SHIFT, RING, SAMPLE_WORDS, Sample, SampleCells, Taken, Watch, take},
};
use dns_ctl::attach::{clock::Clock, kernel::OBJECT};
use kxdns_tests::kernel::Bench;
use packets::{build::a_query, cases::cases};
const NGINX: &str = "nginx.default.svc.cluster.local";

fn watch(bench: &mut Bench, until: u64, shift: u32) -> Result<()> {
    let watch = Watch {
        until,
        shift: shift.into(),
        lost: 0,
    };
    let words: [u64; size_of::<Watch>() / 8] = bytemuck::cast(watch);
    Ok(bench.maps.watch.set(0, words, 0)?)
}

/// The words of the next sample.
fn next(bench: &mut Bench) -> Option<[u64; SAMPLE_WORDS]> {
    let sample = bench.maps.samples.next()?;
    let mut words = [0; SAMPLE_WORDS];
    bytemuck::cast_slice_mut(&mut words).copy_from_slice(&sample);
    Some(words)
}

#[test]
fn each_query_is_sampled_as_on_the_host_and_nothing_else_is() -> Result<()> {
    let mut bench = Bench::with_fixture()?;
    watch(&mut bench, u64::MAX, 0)?;
    for case in cases() {
        for &hook in Hook::ALL {
            let Ok(mut run) = bench.run(hook, &case.frame) else {
                continue;
            };
            let name = format!("{} on {}", case.name, hook.label());
            let sample = next(&mut bench);
            assert_eq!(sample.is_some(), case.outcome.is_query(), "{name}");
            let Some(words) = sample else {
                continue;
            };
            let cells = SampleCells::default();
            let taken = Taken {
                outcome: case.outcome.index(),
                shift: 0,
                interface: Sample::of(words).taken().interface,
            };
            take(&Frame::from_slice(&mut run.octets), taken, &cells).context(name.clone())?;
            let (sample, expected) = (Sample::of(words), cells.sample());
            assert_eq!(sample.taken(), expected.taken(), "{name}");
            assert_eq!(sample.client(), expected.client(), "{name}");
            assert_eq!(sample.question(), expected.question(), "{name}");
            assert!(next(&mut bench).is_none(), "{name}: one is enough");
        }
    }
    Ok(())
}

#[test]
fn samples_end_at_their_tick() -> Result<()> {
    let clock = Clock::load(OBJECT)?;
    let mut bench = Bench::with_fixture()?;
    let query = a_query(NGINX);
    for &hook in Hook::ALL {
        for (until, is_wanted) in [
            (0, false),
            (clock.ticks()?, false),
            (
                clock.ticks()? + clock.ticks_per(Duration::from_mins(1)),
                true,
            ),
        ] {
            watch(&mut bench, until, 0)?;
            bench.run(hook, &query)?;
            assert_eq!(next(&mut bench).is_some(), is_wanted, "{until}");
        }
    }
    Ok(())
}

#[test]
fn one_query_in_so_many_is_taken() -> Result<()> {
    let mut bench = Bench::with_fixture()?;
    let query = a_query(NGINX);
    watch(&mut bench, u64::MAX, 3)?;
    let mut taken = 0_u32;
    for _ in 0..4000 {
        bench.run(Hook::Tc, &query)?;
        while let Some(words) = next(&mut bench) {
            assert_eq!(Sample::of(words).taken().shift, 3);
            taken += 1;
        }
    }
    // Of 4000, each with a chance of one in eight: 500, with a standard deviation of 21. Ten of these.
    assert!((290..=710).contains(&taken), "{taken}");
    // What is written there by mistake is no wider than the contract.
    watch(&mut bench, u64::MAX, u32::MAX)?;
    bench.run(Hook::Tc, &query)?;
    if let Some(words) = next(&mut bench) {
        assert_eq!(Sample::of(words).taken().shift, MAX_SHIFT);
    }
    Ok(())
}

#[test]
fn a_full_buffer_costs_samples_and_no_answer() -> Result<()> {
    let mut bench = Bench::with_fixture()?;
    let query = a_query(NGINX);
    watch(&mut bench, u64::MAX, 0)?;
    // With the kernel's eight octets before each.
    let room = RING / u32::try_from(SAMPLE_WORDS * 8 + 8)?;
    for _ in 0..room + 10 {
        let run = bench.run(Hook::Xdp, &query)?;
        assert!(matches!(run.outcome, Some(Outcome::Hit(_))));
    }
    let lost = bytemuck::cast::<_, Watch>(bench.maps.watch.get(&0, 0)?).lost;
    let mut held = 0;
    while next(&mut bench).is_some() {
        held += 1;
    }
    assert_eq!(held + lost, u64::from(room + 10));
    assert!(lost >= 10, "{lost}");
    bench.run(Hook::Xdp, &query)?;
    assert!(next(&mut bench).is_some(), "there is room again");
    Ok(())
}
