//! Which rates to try, to find the highest one that a subject holds.

/// Two rates whose quotient is no larger are the same.
const RESOLUTION: f64 = 1.04;
/// The first rate, as a part of what was answered as fast as could be.
const FIRST: f64 = 0.85;
/// A step from a rate of which little is known, and one from a rate that was the highest before.
const STEPS: [f64; 2] = [1.2, 1.04];
/// Rates that are tried at most.
const TRIES: u32 = 12;

/// The search, between two tries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    first: f64,
    /// How far to go next while one of the two below is not known.
    step: f64,
    held: Option<f64>,
    not_held: Option<f64>,
    tries: u32,
}

impl Search {
    /// Begins near what a subject answers a second when it is asked more than it can answer.
    pub(super) const fn near(answered: f64) -> Self {
        Self::from(answered * FIRST, STEPS[0])
    }

    /// Begins with the highest rate of another time.
    pub(super) const fn again(held: f64) -> Self {
        Self::from(held, STEPS[1])
    }

    const fn from(first: f64, step: f64) -> Self {
        Self {
            first,
            step,
            held: None,
            not_held: None,
            tries: 0,
        }
    }

    /// The rate to try next; `None` if the highest one is known.
    pub(super) fn next(&self) -> Option<f64> {
        let rate = match (self.held, self.not_held) {
            (None, None) => self.first,
            (Some(held), None) => held * self.step,
            (None, Some(not_held)) => not_held / self.step,
            (Some(held), Some(not_held)) => (held * not_held).sqrt(),
        };
        let known = match (self.held, self.not_held) {
            (Some(held), Some(not_held)) => not_held / held < RESOLUTION + 1e-6,
            _ => false,
        };
        (self.tries < TRIES && !known && rate >= 1.0).then_some(rate)
    }

    /// Notes what became of that rate.
    pub(super) fn note(&mut self, rate: f64, is_held: bool) {
        self.tries += 1;
        if self.tries > 1 {
            self.step *= self.step;
        }
        if is_held {
            self.held = Some(rate);
        } else {
            self.not_held = Some(rate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found of a subject that holds rates up to this one, and after how many tries.
    fn found(limit: f64, mut search: Search) -> (f64, u32) {
        while let Some(rate) = search.next() {
            search.note(rate, rate <= limit);
        }
        (search.held.unwrap_or_default(), search.tries)
    }

    #[test]
    fn the_limit_is_found_from_below_and_above() {
        for limit in [40e3, 60e3, 95e3, 130e3, 300e3] {
            for search in [Search::near(100e3), Search::again(100e3)] {
                let (held, tries) = found(limit, search);
                assert!(held <= limit && held * 1.05 >= limit, "{held} of {limit}");
                assert!(tries <= 11, "{tries} for {limit}");
            }
        }
    }

    #[test]
    fn what_is_as_before_is_found_soon() {
        for limit in [98e3, 102e3] {
            let (_, tries) = found(limit, Search::again(100e3));
            assert_eq!(tries, 2, "{limit}");
        }
    }

    #[test]
    fn what_holds_nothing_ends() {
        let (held, tries) = found(0.0, Search::near(100e3));
        assert!(held < f64::EPSILON && tries <= TRIES, "{tries}");
        assert_eq!(found(100.0, Search::near(0.0)), (0.0, 0));
    }
}
