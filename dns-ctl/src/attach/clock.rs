//! The clock that the kernel programs go by. It counts ticks, of which userspace knows only the length.

use std::time::Duration;

use aya::{
    Ebpf, EbpfLoader,
    programs::{SchedClassifier, TestRun as _, TestRunOptions},
};
use dns_common::{
    clock::{FRAME, TICKS},
    maps::map_name,
    state::State,
};
use nix::time::{ClockId, clock_getres};

use super::kernel::{KernelError, check_loadable, load_error, program_error};

/// Name of the program in the object that tells the time.
pub const CLOCK_PROGRAM: &str = "kxdns_clock";

/// `TC_ACT_OK` (`linux/pkt_cls.h`): the program has told the time.
const TOLD: u32 = 0;

/// The kernel's clock.
pub struct Clock {
    ebpf: Ebpf,
    tick: Duration,
}

impl Clock {
    /// Loads the program that tells the time. It is pinned and attached nowhere, and ends with this process.
    pub fn load(object: &[u8]) -> Result<Self, KernelError> {
        check_loadable(object)?;
        let mut loader = EbpfLoader::new();
        // The object's other programs are not loaded; their maps are made, and are not needed.
        let large = [
            map_name::NAMES,
            map_name::SERVICES,
            map_name::BUCKETS,
            map_name::ATTACHED,
        ];
        for large in large {
            loader.map_max_entries(large, 1);
        }
        let mut ebpf = loader.load(object).map_err(|error| load_error(&error))?;
        for map in map_name::ALL.into_iter().chain([map_name::BUCKETS]) {
            drop(ebpf.take_map(map));
        }
        let program: &mut SchedClassifier = ebpf
            .program_mut(CLOCK_PROGRAM)
            .and_then(|program| program.try_into().ok())
            .ok_or(KernelError::Misfit(CLOCK_PROGRAM))?;
        program.load().map_err(|error| program_error(&error))?;
        // What this clock tells changes once in a tick, and its resolution is a tick's length.
        let tick = clock_getres(ClockId::CLOCK_MONOTONIC_COARSE)
            .map_err(|error| KernelError::Clock(error.to_string()))?;
        let clock = Self {
            ebpf,
            tick: tick.into(),
        };
        // Now, and not when the lease is to be renewed for the first time.
        clock.ticks()?;
        Ok(clock)
    }

    /// The time: ticks since a moment that the kernel has chosen.
    pub fn ticks(&self) -> Result<u64, KernelError> {
        let program: &SchedClassifier = self
            .ebpf
            .program(CLOCK_PROGRAM)
            .and_then(|program| program.try_into().ok())
            .ok_or(KernelError::Misfit(CLOCK_PROGRAM))?;
        let mut told = [0; FRAME];
        let options = TestRunOptions {
            data_in: Some(&[0; FRAME]),
            data_out: Some(&mut told),
            ..TestRunOptions::default()
        };
        let run = program.test_run(options);
        let verdict = run
            .map_err(|error| KernelError::Clock(error.to_string()))?
            .return_value;
        match told[TICKS..].try_into() {
            Ok(ticks) if verdict == TOLD => Ok(u64::from_ne_bytes(ticks)),
            _ => Err(KernelError::Clock(format!(
                "{CLOCK_PROGRAM} gives {verdict}"
            ))),
        }
    }

    /// How many ticks there are in a second.
    #[must_use]
    pub fn ticks_per_second(&self) -> u64 {
        self.ticks_per(Duration::from_secs(1))
    }

    /// How many ticks are at least this long.
    #[must_use]
    pub fn ticks_per(&self, duration: Duration) -> u64 {
        ticks_per(duration, self.tick)
    }
}

/// Until when names and types are denied, in nanoseconds of `CLOCK_MONOTONIC`: so many ticks before the lease ends.
///
/// Without the length of a tick, as if that were now.
#[must_use]
pub fn denials_until(state: &State) -> u64 {
    let tick = clock_getres(ClockId::CLOCK_MONOTONIC_COARSE).map_or(Duration::MAX, Duration::from);
    let ticks = u128::from(state.lease.saturating_sub(state.denials));
    let earlier = tick.as_nanos().saturating_mul(ticks);
    state
        .until
        .saturating_sub(u64::try_from(earlier).unwrap_or(u64::MAX))
}

fn ticks_per(duration: Duration, tick: Duration) -> u64 {
    let ticks = duration.as_nanos().div_ceil(tick.as_nanos().max(1));
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_so_many_ticks_or_more() {
        for (hertz, tick) in [
            (100, 10_000_000),
            (250, 4_000_000),
            // Nanoseconds of a third of a hundredth of a second, as the kernel rounds them (`TICK_NSEC`).
            (300, 3_333_333),
            (1000, 1_000_000),
        ] {
            let tick = Duration::from_nanos(tick);
            for seconds in [1, 10, 600, 86_400] {
                let duration = Duration::from_secs(seconds);
                let ticks = ticks_per(duration, tick);
                let exact = seconds * hertz;
                assert!(
                    (exact..=exact + seconds.div_ceil(10_000)).contains(&ticks),
                    "{ticks} of {hertz} Hz in {seconds} s"
                );
                assert!(tick.as_nanos() * u128::from(ticks) >= duration.as_nanos());
            }
            let nanosecond = Duration::from_nanos(1);
            assert_eq!(ticks_per(Duration::ZERO, tick), 0);
            assert_eq!(ticks_per(nanosecond, tick), 1);
            assert_eq!(ticks_per(tick, tick), 1);
            assert_eq!(ticks_per(tick + nanosecond, tick), 2);
        }
    }

    #[test]
    fn denials_end_so_many_ticks_before_the_lease() {
        let tick = Duration::from(clock_getres(ClockId::CLOCK_MONOTONIC_COARSE).unwrap());
        let tick = u64::try_from(tick.as_nanos()).unwrap();
        let state = |lease, denials| State {
            until: 1000 * tick,
            lease,
            denials,
            ..State::default()
        };
        assert_eq!(denials_until(&state(500, 200)), 700 * tick);
        assert_eq!(denials_until(&state(500, 500)), 1000 * tick);
        assert_eq!(denials_until(&state(u64::MAX, 0)), 0, "long ago");
        assert_eq!(denials_until(&State::default()), 0);
    }

    #[test]
    fn no_duration_is_too_long_and_no_tick_too_short() {
        assert_eq!(ticks_per(Duration::MAX, Duration::from_nanos(1)), u64::MAX);
        assert_eq!(ticks_per(Duration::from_nanos(9), Duration::ZERO), 9);
    }
}
