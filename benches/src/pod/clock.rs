//! The time since the start of a run, and sleep until a time of it.

use nix::{
    errno::Errno,
    sys::time::TimeSpec,
    time::{ClockId, ClockNanosleepFlags, clock_nanosleep},
};
use std::time::Duration;

/// The clock that no one sets.
const CLOCK: ClockId = ClockId::CLOCK_MONOTONIC;

/// A clock that a run has started, or is about to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Duration,
}

impl Clock {
    /// One whose time 0 is a little later than now.
    pub(super) fn starting_in(delay: Duration) -> nix::Result<Self> {
        let now: Duration = CLOCK.now()?.into();
        Ok(Self { start: now + delay })
    }

    /// Nanoseconds since the start; 0 before it.
    pub(super) fn now(self) -> nix::Result<u64> {
        let now: Duration = CLOCK.now()?.into();
        let since = now.saturating_sub(self.start);
        // More than u64 holds would be 500 years.
        Ok(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Sleeps until so many nanoseconds after the start; not at all if they are over.
    pub(super) fn sleep_until(self, nanoseconds: u64) -> nix::Result<()> {
        let until = TimeSpec::from(self.start + Duration::from_nanos(nanoseconds));
        match clock_nanosleep(CLOCK, ClockNanosleepFlags::TIMER_ABSTIME, &until) {
            // A signal: whoever sleeps looks at the clock anyway.
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_wakes_too_early() {
        let clock = Clock::starting_in(Duration::from_millis(1)).unwrap();
        assert_eq!(clock.now().unwrap(), 0);
        clock.sleep_until(1_000_000).unwrap();
        assert!(clock.now().unwrap() >= 1_000_000);
        let before = clock.now().unwrap();
        clock.sleep_until(5).unwrap();
        assert!(clock.now().unwrap() >= before);
    }
}
