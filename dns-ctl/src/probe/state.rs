//! What probes have found, and how it is told.

use std::{
    fmt::{self, Write as _},
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use super::exchange::Failure;
use crate::zone::name::Domain;

/// The names to be resolved, with the last result of each; shared by those who find and those who tell.
#[derive(Debug, Default)]
pub struct Probes {
    names: Vec<Domain>,
    last: Mutex<Vec<Option<Last>>>,
}

/// The last result of a name.
#[derive(Clone, Debug)]
struct Last {
    result: Result<(), Failure>,
    /// Since when it has been good, or not, without a break.
    since: Timestamp,
}

/// What a result means after the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is good, as it was before, or it is the first.
    Good,
    /// It is good after one that was not.
    Recovered,
    /// It is not good, but was, or it is the first.
    Failed,
    /// It is not good, and was not.
    StillFailed,
}

/// A page about probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Whether the last result of every probe on it is good.
    pub good: bool,
    /// A line for each probe.
    pub text: String,
}

impl Probes {
    /// Nothing found yet; a name that is there twice counts once.
    #[must_use]
    pub fn new(names: Vec<Domain>) -> Self {
        let mut once: Vec<Domain> = Vec::with_capacity(names.len());
        for name in names {
            if !once.contains(&name) {
                once.push(name);
            }
        }
        Self {
            last: Mutex::new(vec![None; once.len()]),
            names: once,
        }
    }

    /// The names, in the order given.
    #[must_use]
    pub fn names(&self) -> &[Domain] {
        &self.names
    }

    /// Keeps the result of the name at `index`, found at `now`.
    pub fn record(&self, index: usize, result: Result<(), Failure>, now: Timestamp) -> Turn {
        let mut last = self.last();
        let Some(last) = last.get_mut(index) else {
            return Turn::Good;
        };
        let before = last.take();
        let was_good = before.as_ref().map(|before| before.result.is_ok());
        let turn = match (was_good, result.is_ok()) {
            (Some(false), true) => Turn::Recovered,
            (_, true) => Turn::Good,
            (Some(false), false) => Turn::StillFailed,
            (_, false) => Turn::Failed,
        };
        let since = match before {
            Some(before) if was_good == Some(result.is_ok()) => before.since,
            _ => now,
        };
        *last = Some(Last { result, since });
        turn
    }

    /// All probes.
    #[must_use]
    pub fn page(&self) -> Page {
        self.page_where(|_| true).unwrap_or_else(|| Page {
            good: true,
            text: "no probe is asked for; --probe names one\n".to_owned(),
        })
    }

    /// The probe of this name, in any form in which it can be written; `None` if there is none.
    #[must_use]
    pub fn page_of(&self, name: &str) -> Option<Page> {
        let name: Domain = name.parse().ok()?;
        self.page_where(|known| *known == name)
    }

    fn page_where(&self, wanted: impl Fn(&Domain) -> bool) -> Option<Page> {
        let last = self.last();
        let probes = self.names.iter().zip(last.iter());
        let mut page: Option<Page> = None;
        for (name, last) in probes.filter(|(name, _)| wanted(name)) {
            let page = page.get_or_insert_with(|| Page {
                good: true,
                text: String::new(),
            });
            page.good &= matches!(last, Some(Last { result: Ok(()), .. }));
            let _infallible = writeln!(page.text, "{}", Line { name, last });
        }
        page
    }

    fn last(&self) -> MutexGuard<'_, Vec<Option<Last>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A probe in a line.
struct Line<'a> {
    name: &'a Domain,
    last: &'a Option<Last>,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        match self.last {
            None => write!(f, "{name}: not asked yet"),
            Some(Last {
                result: Ok(()),
                since,
            }) => write!(f, "{name}: ok since {since:.0}"),
            Some(Last {
                result: Err(failure),
                since,
            }) => write!(f, "{name}: failed since {since:.0}: {failure}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + second * 1000 + 789).unwrap()
    }

    fn probes(names: &[&str]) -> Probes {
        Probes::new(names.iter().map(|name| name.parse().unwrap()).collect())
    }

    #[test]
    fn results_have_a_beginning() {
        let probes = probes(&["a.test"]);
        assert_eq!(probes.page().text, "a.test: not asked yet\n");
        assert!(!probes.page().good);
        let no_data = || Err(Failure::NoData);
        for (second, result, turn, line) in [
            (0, Ok(()), Turn::Good, "ok since 2023-11-14T22:13:20Z"),
            (5, Ok(()), Turn::Good, "ok since 2023-11-14T22:13:20Z"),
            (
                10,
                no_data(),
                Turn::Failed,
                "failed since 2023-11-14T22:13:30Z: the name has neither A nor AAAA records",
            ),
            (
                15,
                Err(Failure::NoAnswer),
                Turn::StillFailed,
                "failed since 2023-11-14T22:13:30Z: no answer within 2 s",
            ),
            (20, Ok(()), Turn::Recovered, "ok since 2023-11-14T22:13:40Z"),
        ] {
            let good = result.is_ok();
            assert_eq!(probes.record(0, result, at(second)), turn, "{second}");
            let page = probes.page();
            assert_eq!(page.text, format!("a.test: {line}\n"), "{second}");
            assert_eq!(page.good, good, "{second}");
        }
    }

    #[test]
    fn the_first_result_may_be_a_failure() {
        let probes = probes(&["a.test"]);
        assert_eq!(
            probes.record(0, Err(Failure::NoAnswer), at(0)),
            Turn::Failed
        );
    }

    #[test]
    fn pages_are_good_if_every_line_is() {
        let probes = probes(&["a.test", "b.test", "A.test."]);
        assert_eq!(probes.names().len(), 2);
        probes.record(0, Ok(()), at(0));
        assert!(!probes.page().good, "b.test was not asked yet");
        probes.record(1, Err(Failure::NoData), at(0));
        assert!(!probes.page().good);
        assert_eq!(probes.page().text.lines().count(), 2);
        assert!(probes.page_of("a.TEST.").unwrap().good);
        assert!(!probes.page_of("b.test").unwrap().good);
        for name in ["c.test", "", "a..test"] {
            assert_eq!(probes.page_of(name), None, "{name}");
        }
        probes.record(1, Ok(()), at(5));
        assert!(probes.page().good);
    }

    #[test]
    fn without_probes_all_is_well() {
        assert!(probes(&[]).page().good);
        assert!(probes(&[]).page().text.contains("--probe"));
    }
}
