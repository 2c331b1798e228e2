//! Runs steps one after the other, all of them even if one fails, and sums up.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use comfy_table::{Cell, Color};

use crate::terminal;

/// The steps taken so far.
#[derive(Default)]
pub(crate) struct Steps {
    taken: Vec<Step>,
}

struct Step {
    name: &'static str,
    outcome: Outcome,
    note: String,
    time: Duration,
}

enum Outcome {
    Passed,
    Failed(String),
    NotRun(&'static str),
}

impl Steps {
    /// Takes a step: its headline, its work, and what came of it.
    ///
    /// The work may leave a note for the summary, also if it fails.
    pub(crate) fn take(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&mut String) -> Result<()>,
    ) {
        terminal::headline(name);
        let start = Instant::now();
        let mut note = String::new();
        let outcome = match work(&mut note) {
            Ok(()) => Outcome::Passed,
            Err(error) => {
                println!("{} {error:#}", terminal::red("failed:"));
                Outcome::Failed(format!("{error:#}"))
            }
        };
        self.taken.push(Step {
            name,
            outcome,
            note,
            time: start.elapsed(),
        });
    }

    /// Records a step that can't be taken; the whole then does not count as passed.
    pub(crate) fn leave_out(&mut self, name: &'static str, why: &'static str) {
        self.taken.push(Step {
            name,
            outcome: Outcome::NotRun(why),
            note: String::new(),
            time: Duration::ZERO,
        });
    }

    /// Prints the summary; an error unless every step has passed.
    pub(crate) fn finish(&self) -> Result<()> {
        terminal::headline("summary");
        let mut table = terminal::table(&["step", "result", "tests", "time"]);
        for step in &self.taken {
            let (result, colour) = match &step.outcome {
                Outcome::Passed => ("passed".to_owned(), Color::Green),
                Outcome::Failed(why) => (format!("FAILED: {why}"), Color::Red),
                Outcome::NotRun(why) => (format!("NOT RUN: {why}"), Color::Yellow),
            };
            let time = format!("{:.1} s", step.time.as_secs_f64());
            table.add_row([
                Cell::new(step.name),
                Cell::new(result).fg(colour),
                Cell::new(&step.note),
                Cell::new(time),
            ]);
        }
        println!("{table}");
        match self.verdict() {
            None => Ok(()),
            Some(verdict) => bail!(verdict),
        }
    }

    /// What is wrong; `None` if every step has passed.
    fn verdict(&self) -> Option<String> {
        let count = |wanted: fn(&Outcome) -> bool| {
            let number = self
                .taken
                .iter()
                .filter(|step| wanted(&step.outcome))
                .count();
            (number > 0).then_some(number)
        };
        let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
        let not_run = count(|outcome| matches!(outcome, Outcome::NotRun(_)));
        let parts: Vec<_> = [
            failed.map(|number| format!("{number} failed")),
            not_run.map(|number| format!("{number} not run")),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!parts.is_empty()).then(|| format!("of {} steps: {}", self.taken.len(), parts.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_steps_are_taken_and_the_verdict_counts_them() {
        let mut steps = Steps::default();
        steps.take("first", |_| Ok(()));
        assert_eq!(steps.verdict(), None);

        steps.take("second", |_| bail!("no"));
        let mut third_was_taken = false;
        steps.take("third", |_| {
            third_was_taken = true;
            Ok(())
        });
        steps.leave_out("fourth", "needs root");
        assert!(third_was_taken);
        assert_eq!(
            steps.verdict().as_deref(),
            Some("of 4 steps: 1 failed, 1 not run")
        );
    }
}
