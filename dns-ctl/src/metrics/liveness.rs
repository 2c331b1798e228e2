//! Whether the parts of this process still go round: each beats a pulse, and one that stops is named.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// The pulses of all parts.
#[derive(Debug)]
pub struct Liveness {
    started: Instant,
    parts: Mutex<Vec<Part>>,
}

/// A part's way to say that it goes on; clones beat for the same part.
#[derive(Clone, Debug)]
pub struct Pulse {
    started: Instant,
    last: Arc<AtomicU64>,
}

/// A part that has not been heard of for longer than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// What the part is called.
    pub part: &'static str,
    /// How long it has been silent.
    pub silent: Duration,
    /// How long it may be.
    pub allowed: Duration,
}

#[derive(Debug)]
struct Part {
    name: &'static str,
    allowed: Duration,
    /// When it last beat, in milliseconds since the start: any finer time would only cost more.
    last: Arc<AtomicU64>,
}

impl Default for Liveness {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            parts: Mutex::default(),
        }
    }
}

impl Liveness {
    /// Expects a part to beat at least once in every `allowed`, from now on and until the process ends.
    ///
    /// A part that has ended is overdue like one that hangs: its work is not done either way.
    pub fn part(&self, name: &'static str, allowed: Duration) -> Pulse {
        let pulse = Pulse {
            started: self.started,
            last: Arc::default(),
        };
        pulse.beat();
        self.parts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Part {
                name,
                allowed,
                last: Arc::clone(&pulse.last),
            });
        pulse
    }

    /// The time since the start, as [`Self::overdue`] takes it.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The parts that are overdue at `now`.
    #[must_use]
    pub fn overdue(&self, now: Duration) -> Vec<Overdue> {
        self.parts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|part| Overdue {
                part: part.name,
                silent: now
                    .saturating_sub(Duration::from_millis(part.last.load(Ordering::Relaxed))),
                allowed: part.allowed,
            })
            .filter(|part| part.silent > part.allowed)
            .collect()
    }
}

impl Pulse {
    /// Says that the part goes on.
    pub fn beat(&self) {
        self.beat_at(self.started.elapsed());
    }

    fn beat_at(&self, now: Duration) {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} has not been heard of for {} s, {} s are allowed",
            self.part,
            self.silent.as_secs(),
            self.allowed.as_secs()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_part_is_overdue_once_it_is_silent_for_too_long() {
        let liveness = Liveness::default();
        let zone = liveness.part("the zone", s(10));
        let server = liveness.part("the server", s(30));
        zone.beat_at(s(100));
        server.beat_at(s(100));
        for (now, overdue) in [
            (99, &[][..]),
            (110, &[]),
            (111, &["the zone"]),
            (131, &["the zone", "the server"]),
        ] {
            let names: Vec<_> = liveness
                .overdue(s(now))
                .iter()
                .map(|part| part.part)
                .collect();
            assert_eq!(names, overdue, "{now}");
        }
        assert_eq!(
            liveness.overdue(s(125))[0].to_string(),
            "the zone has not been heard of for 25 s, 10 s are allowed"
        );
        zone.clone().beat_at(s(131));
        server.beat_at(s(131));
        drop(zone);
        assert_eq!(liveness.overdue(s(131)), []);
        assert_eq!(liveness.overdue(s(142)).len(), 1, "it has ended");
    }

    #[test]
    fn a_new_part_has_its_time_from_its_beginning() {
        let liveness = Liveness::default();
        assert_eq!(liveness.overdue(s(1000)), []);
        let _pulse = liveness.part("the zone", s(10));
        assert_eq!(liveness.overdue(liveness.now()), []);
    }
}
