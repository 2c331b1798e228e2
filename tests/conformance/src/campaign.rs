//! Many clusters, one after the other and side by side, and the sum of what came out.

use std::{
    collections::BTreeMap,
    env, fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result};

use crate::{
    plan::ClusterPlan,
    question::{Kind, Question},
    reference::{Verdict, judge},
    row::Row,
    said::Said,
    server::Subject,
    trial::{self, Case},
    upstream,
};

/// How many clusters are tried at a time: servers spend most of their start waiting.
const SIDE_BY_SIDE: usize = 4;
/// How many differences are shown that no row explains; the others are counted.
const SHOWN: usize = 5;

/// What to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// A cluster for each.
    pub seeds: Vec<u64>,
    /// How many questions are asked about each.
    pub questions: usize,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Tally {
    /// Clusters tried.
    pub clusters: usize,
    /// Questions with equal answers.
    pub equal: usize,
    /// Questions with answers that differ as they are meant to.
    pub explained: usize,
    /// Differences that no row explains, as a person wants to see them.
    pub unexplained: Vec<String>,
    /// How many answers differ because of each row.
    pub rows: BTreeMap<Row, usize>,
    /// How many questions of each kind were asked.
    pub kinds: BTreeMap<Kind, usize>,
}

impl Campaign {
    /// What the environment asks for: `KXDNS_CONFORMANCE_SEED`, `..._CLUSTERS` and `..._QUESTIONS`; without a seed
    /// these seeds, and as many fresh ones as there are clusters left.
    pub fn from_env(fixed: &[u64], clusters: usize, questions: usize) -> Result<Self> {
        let number = |name: &str| {
            let text = env::var(format!("KXDNS_CONFORMANCE_{name}")).ok();
            let number = text.map(|text| {
                let wrong = || format!("KXDNS_CONFORMANCE_{name}={text} is not a number");
                text.parse::<u64>().with_context(wrong)
            });
            number.transpose()
        };
        let count = |name: &str, otherwise: usize| {
            anyhow::Ok(number(name)?.map_or(Ok(otherwise), usize::try_from)?)
        };
        let seeds = if let Some(seed) = number("SEED")? {
            let following = (0_u64..).map(|at| seed.wrapping_add(at));
            following.take(count("CLUSTERS", 1)?).collect()
        } else {
            let fresh = std::iter::repeat_with(rand::random::<u64>);
            let all = fixed.iter().copied().chain(fresh);
            all.take(count("CLUSTERS", clusters)?).collect()
        };
        Ok(Self {
            seeds,
            questions: count("QUESTIONS", questions)?,
        })
    }

    /// Tries all clusters with these two servers.
    ///
    /// A difference that no row explains does not end it; a server that fails to start or to answer does.
    pub fn run(&self, subjects: [Subject; 2]) -> Result<Tally> {
        let upstream = upstream::start()?;
        let tally = Mutex::new(Tally::default());
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(&seed) = self.seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                let plan = ClusterPlan::generate(seed);
                let questions = Question::generate(&plan, self.questions);
                let cases = trial::run(&plan, questions, subjects, upstream.address())
                    .with_context(|| format!("seed {seed}: {plan}"))?;
                let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                tally.add(&plan, &cases);
            }
            anyhow::Ok(())
        };
        thread::scope(|scope| {
            let workers = [(); SIDE_BY_SIDE].map(|()| scope.spawn(work));
            for worker in workers {
                match worker.join() {
                    Ok(outcome) => outcome?,
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            anyhow::Ok(())
        })?;
        Ok(tally.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tally {
    /// Judges the answers of one cluster.
    pub fn add(&mut self, plan: &ClusterPlan, cases: &[Case]) {
        self.clusters += 1;
        let mut is_shown = false;
        for case in cases {
            *self.kinds.entry(case.question.kind).or_default() += 1;
            match judge(plan, case) {
                Verdict::Equal => self.equal += 1,
                Verdict::Explained(rows) => {
                    self.explained += 1;
                    for row in rows {
                        *self.rows.entry(row).or_default() += 1;
                    }
                }
                Verdict::Unexplained(expected) => {
                    let mut text = describe(plan.seed, case, &expected);
                    if !is_shown {
                        text = format!("{text}\nThe cluster:\n{plan}");
                        is_shown = true;
                    }
                    self.unexplained.push(text);
                }
            }
        }
    }

    /// All questions asked.
    #[must_use]
    pub fn questions(&self) -> usize {
        self.equal + self.explained + self.unexplained.len()
    }
}

fn describe(seed: u64, case: &Case, [theirs, ours]: &[Said; 2]) -> String {
    let Case { question, .. } = case;
    let mut parts = vec![format!("KXDNS_CONFORMANCE_SEED={seed}\n{question}\n")];
    for (who, says, expected) in [
        ("CoreDNS", &case.theirs, theirs),
        ("dns-ctl", &case.ours, ours),
    ] {
        parts.push(format!("{who} says:\n{says}"));
        if says != expected {
            parts.push(format!("{who} was expected to say:\n{expected}"));
        }
    }
    parts.concat()
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in self.unexplained.iter().take(SHOWN) {
            writeln!(f, "----\n{difference}")?;
        }
        writeln!(f, "questions of each kind:")?;
        for (_, kind) in Kind::ALL {
            let count = self.kinds.get(&kind).unwrap_or(&0);
            writeln!(f, "  {count:>7} {kind:?}")?;
        }
        writeln!(f, "answers that differ because of each row:")?;
        for row in Row::ALL {
            let count = self.rows.get(&row).unwrap_or(&0);
            writeln!(f, "  {count:>7} {row}")?;
        }
        write!(
            f,
            "{} clusters, {} questions: {} equal, {} differ as documented, {} differ otherwise",
            self.clusters,
            self.questions(),
            self.equal,
            self.explained,
            self.unexplained.len()
        )
    }
}
