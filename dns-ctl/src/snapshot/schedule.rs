//! When a snapshot is to be written: when there is news, but not all the time.

use std::time::{Duration, Instant};

/// The shortest time from one snapshot to the next.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// When a snapshot is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    changed: bool,
    last: Option<Instant>,
}

/// With something to write: even a cluster that is as it was has now been seen to be so.
impl Default for Schedule {
    fn default() -> Self {
        Self {
            changed: true,
            last: None,
        }
    }
}

impl Schedule {
    /// There is something that the last snapshot lacks.
    pub const fn changed(&mut self) {
        self.changed = true;
    }

    /// Whether there is.
    #[must_use]
    pub const fn has_changed(&self) -> bool {
        self.changed
    }

    /// Whether to write a snapshot now.
    #[must_use]
    pub fn due(&self, now: Instant) -> bool {
        let rested = |last| now.saturating_duration_since(last) >= INTERVAL;
        self.changed && self.last.is_none_or(rested)
    }

    /// All that is known has been given away to be written.
    pub const fn written(&mut self, now: Instant) {
        self.changed = false;
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_due_at_once_and_the_next_after_news_and_a_rest() {
        let start = Instant::now();
        let almost = INTERVAL.saturating_sub(Duration::from_nanos(1));
        let mut schedule = Schedule::default();
        assert!(schedule.due(start) && schedule.has_changed());
        schedule.written(start);
        assert!(!schedule.due(start + 100 * INTERVAL) && !schedule.has_changed());

        schedule.changed();
        assert!(!schedule.due(start + almost) && schedule.has_changed());
        assert!(schedule.due(start + INTERVAL));
        schedule.written(start + INTERVAL);
        assert!(!schedule.due(start + 2 * INTERVAL));

        // The rest counts from the last one, whenever the news came.
        schedule.changed();
        assert!(!schedule.due(start + INTERVAL + almost));
        assert!(schedule.due(start + 2 * INTERVAL));
    }
}
