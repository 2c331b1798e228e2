//! Decides what a program did with a packet: from its return code, and from the counters that rose.

use dns_common::{Hook, Outcome, maps::Counters};
use serde::Serialize;

/// What the return code of a program says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// The packet is the answer now.
    Answered,
    /// The packet goes on as it came.
    PassedOn,
    /// The packet goes nowhere.
    Dropped,
}

/// What is known of a packet after some runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// The verdict of the last run.
    pub(super) verdict: Verdict,
    /// The outcomes that the packet may have come to; the real one is among them.
    pub(super) candidates: Vec<Outcome>,
}

impl Verdict {
    /// The verdict that a program on this hook means by a return code; `None` if it never returns it.
    pub(super) const fn of(hook: Hook, code: u32) -> Option<Self> {
        const XDP_DROP: u32 = 1;
        const XDP_PASS: u32 = 2;
        const XDP_TX: u32 = 3;
        const TC_ACT_SHOT: u32 = 2;
        const TC_ACT_REDIRECT: u32 = 7;
        const TC_ACT_UNSPEC: u32 = u32::MAX;
        match (hook, code) {
            (Hook::Xdp, XDP_TX) | (Hook::Tc, TC_ACT_REDIRECT) => Some(Self::Answered),
            (Hook::Xdp, XDP_PASS) | (Hook::Tc, TC_ACT_UNSPEC) => Some(Self::PassedOn),
            (Hook::Xdp, XDP_DROP) | (Hook::Tc, TC_ACT_SHOT) => Some(Self::Dropped),
            _ => None,
        }
    }

    /// Whether a packet with this verdict may have come to this outcome.
    const fn fits(self, outcome: Outcome) -> bool {
        matches!(
            (self, outcome),
            (Self::Answered, Outcome::Hit(_))
                | (Self::PassedOn, Outcome::Miss(_))
                | (Self::Dropped, Outcome::Dropped(_))
        )
    }
}

impl Finding {
    /// What is known after one run more: counters that rose in every run.
    ///
    /// A run that contradicts those before it counts alone: the maps have changed in between.
    pub(super) fn after(
        previous: Option<Self>,
        verdict: Verdict,
        before: &Counters,
        after: &Counters,
    ) -> Self {
        let rose = |outcome: &Outcome| after[outcome.index()] != before[outcome.index()];
        let candidates: Vec<Outcome> = Outcome::all()
            .filter(|&outcome| verdict.fits(outcome))
            .filter(rose)
            .collect();
        let common: Vec<Outcome> = previous
            .filter(|previous| previous.verdict == verdict)
            .map(|previous| previous.candidates)
            .unwrap_or_default()
            .into_iter()
            .filter(|outcome| candidates.contains(outcome))
            .collect();
        Self {
            verdict,
            candidates: if common.is_empty() {
                candidates
            } else {
                common
            },
        }
    }

    /// The outcome, if it can only be one.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        match self.candidates.as_slice() {
            &[outcome] => Some(outcome),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use Verdict::{Answered, Dropped, PassedOn};
    use dns_common::{Hit, Miss, outcome::OUTCOMES};

    use super::*;

    const A: Outcome = Outcome::Hit(Hit::A);
    const PTR: Outcome = Outcome::Hit(Hit::Ptr);
    const NOT_UDP: Outcome = Outcome::Miss(Miss::NotUdp);
    const OUTSIDE: Outcome = Outcome::Miss(Miss::OutsideZones);
    const INCOMPLETE: Outcome = Outcome::Miss(Miss::Incomplete);

    /// Runs after one another, each a verdict and the counters that rose.
    fn found(runs: &[(Verdict, &[Outcome])]) -> Finding {
        let mut counters: Counters = [7; OUTCOMES];
        let mut finding = None;
        for &(verdict, rising) in runs {
            let before = counters;
            for outcome in rising {
                counters[outcome.index()] += 1;
            }
            finding = Some(Finding::after(finding, verdict, &before, &counters));
        }
        finding.unwrap()
    }

    #[test]
    fn the_reason_is_what_rose_every_time() {
        for (name, runs, verdict, candidates) in [
            (
                "a quiet node",
                &[(PassedOn, &[OUTSIDE][..])][..],
                PassedOn,
                &[OUTSIDE][..],
            ),
            (
                "an answer among passed packets",
                &[(Answered, &[A, NOT_UDP])],
                Answered,
                &[A],
            ),
            (
                "others now and then",
                &[
                    (PassedOn, &[NOT_UDP, OUTSIDE]),
                    (PassedOn, &[OUTSIDE, INCOMPLETE, A]),
                ],
                PassedOn,
                &[OUTSIDE],
            ),
            (
                "others all the time",
                &[
                    (PassedOn, &[NOT_UDP, OUTSIDE, A]),
                    (PassedOn, &[NOT_UDP, OUTSIDE]),
                ],
                PassedOn,
                &[NOT_UDP, OUTSIDE],
            ),
            (
                "what was ruled out stays so",
                &[
                    (Answered, &[A, PTR]),
                    (Answered, &[PTR]),
                    (Answered, &[A, PTR]),
                ],
                Answered,
                &[PTR],
            ),
            (
                "the name came to be known meanwhile",
                &[(PassedOn, &[OUTSIDE, NOT_UDP]), (Answered, &[A, NOT_UDP])],
                Answered,
                &[A],
            ),
            (
                "the reason changed meanwhile",
                &[(PassedOn, &[NOT_UDP, INCOMPLETE]), (PassedOn, &[OUTSIDE])],
                PassedOn,
                &[OUTSIDE],
            ),
            ("no counter rose", &[(PassedOn, &[])], PassedOn, &[]),
        ] {
            let finding = found(runs);
            assert_eq!(finding.verdict, verdict, "{name}");
            assert_eq!(finding.candidates, candidates, "{name}");
            let certain = (candidates.len() == 1).then(|| candidates[0]);
            assert_eq!(finding.outcome(), certain, "{name}");
        }
    }

    #[test]
    fn return_codes_mean_what_the_programs_mean() {
        for (hook, code, verdict) in [
            (Hook::Xdp, 3, Some(Answered)),
            (Hook::Xdp, 2, Some(PassedOn)),
            (Hook::Xdp, 7, None),
            (Hook::Xdp, 0, None),
            (Hook::Tc, 7, Some(Answered)),
            (Hook::Tc, u32::MAX, Some(PassedOn)),
            (Hook::Tc, 3, None),
            (Hook::Tc, 2, Some(Dropped)),
            (Hook::Xdp, 1, Some(Dropped)),
            (Hook::Tc, 1, None),
        ] {
            assert_eq!(Verdict::of(hook, code), verdict, "{hook:?} {code}");
        }
    }
}
