//! What a check has found, and how it is shown; nothing here looks at anything.

use std::fmt::Write as _;

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::args::Output;

/// Octets of what was found that the text shows: the verifier's words can be very many.
const MOST: usize = 1500;

/// Columns below which lines are not wrapped.
const NARROW: u16 = 60;

/// What a check comes to; the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// It is as it should be.
    Pass,
    /// `run` works, but not as may be expected.
    Warn,
    /// `run` fails, or can't do what it is for.
    Fail,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at.
    pub(super) check: &'static str,
    /// What it comes to.
    pub(super) result: Verdict,
    /// What was found.
    pub(super) found: String,
    /// What to do about it, unless all is well.
    pub(super) remedy: Option<String>,
}

/// Everything that was found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    ok: bool,
    checks: Vec<Finding>,
}

/// Where the report goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paper {
    /// A pipe or a file.
    Plain,
    /// A terminal, which shows colours if they are wanted.
    Terminal {
        /// Whether they are.
        colours: bool,
    },
}

impl Verdict {
    const ALL: [Self; 3] = [Self::Pass, Self::Warn, Self::Fail];

    const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    const fn colour(self) -> Color {
        match self {
            Self::Pass => Color::Green,
            Self::Warn => Color::Yellow,
            Self::Fail => Color::Red,
        }
    }
}

impl Finding {
    /// All is well.
    pub(super) fn pass(check: &'static str, found: impl Into<String>) -> Self {
        Self {
            check,
            result: Verdict::Pass,
            found: found.into(),
            remedy: None,
        }
    }

    /// Something may be amiss.
    pub(super) fn warn(
        check: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::bad(check, Verdict::Warn, found, remedy)
    }

    /// Something is amiss.
    pub(super) fn fail(
        check: &'static str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::bad(check, Verdict::Fail, found, remedy)
    }

    /// Something is amiss, as much as `result` says.
    pub(super) fn bad(
        check: &'static str,
        result: Verdict,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            check,
            result,
            found: found.into(),
            remedy: Some(remedy.into()),
        }
    }

    /// An error whose sentence ends with its remedy, behind the first `; ` or `: `.
    pub(super) fn told(
        check: &'static str,
        result: Verdict,
        sentence: &str,
        otherwise: &str,
    ) -> Self {
        let (found, remedy) = sentence
            .split_once("; ")
            .or_else(|| sentence.split_once(": "))
            .unwrap_or((sentence, otherwise));
        Self::bad(check, result, found, remedy)
    }
}

impl Report {
    pub(super) fn new(checks: Vec<Finding>) -> Self {
        let ok = checks.iter().all(|finding| finding.result != Verdict::Fail);
        Self { ok, checks }
    }

    /// Whether nothing fails.
    pub(super) const fn is_ok(&self) -> bool {
        self.ok
    }

    /// The report as it is printed, its last line ended.
    pub(super) fn render(&self, output: Output, paper: Paper) -> serde_json::Result<String> {
        Ok(match (output, paper) {
            (Output::Json, _) => format!("{}\n", serde_json::to_string(self)?),
            (Output::Table, Paper::Plain) => self.plain(),
            (Output::Table, Paper::Terminal { colours }) => self.table(colours),
        })
    }

    /// One line for each finding.
    fn plain(&self) -> String {
        let mut text = String::new();
        let checks = self.checks.iter().map(|finding| finding.check.len());
        let width = checks.max().unwrap_or(0);
        for finding in &self.checks {
            let (result, check) = (finding.result.name(), finding.check);
            // Writing to a `String` can't fail, here and below.
            let _infallible = write!(text, "{result}  {check:width$}  {}", found(finding));
            if let Some(remedy) = &finding.remedy {
                let _infallible = write!(text, " -> {}", one_line(remedy));
            }
            text.push('\n');
        }
        text.push_str(&self.summary());
        text
    }

    fn table(&self, colours: bool) -> String {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(["RESULT", "CHECK", "FOUND"]);
        // A terminal that does not know its width says 0.
        if table.width().is_none_or(|width| width < NARROW) {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
        if colours {
            table.enforce_styling();
        }
        for finding in &self.checks {
            let mut result = Cell::new(finding.result.name());
            if colours {
                result = result.fg(finding.result.colour());
            }
            let mut text = found(finding);
            if let Some(remedy) = &finding.remedy {
                let _infallible = write!(text, "\n-> {}", one_line(remedy));
            }
            table.add_row([result, Cell::new(finding.check), Cell::new(text)]);
        }
        format!("{table}\n\n{}", self.summary())
    }

    fn summary(&self) -> String {
        let counts = Verdict::ALL.map(|verdict| {
            let of_it = |finding: &&Finding| finding.result == verdict;
            self.checks.iter().filter(of_it).count()
        });
        let [passed, warned, failed] = counts;
        let meaning = if self.ok {
            "run can be expected to work"
        } else {
            "run can't be expected to work"
        };
        format!("{passed} pass, {warned} warn, {failed} fail: {meaning}\n")
    }
}

/// What was found, in one line of bounded length.
fn found(finding: &Finding) -> String {
    let mut text = one_line(&finding.found);
    if text.len() > MOST {
        text.truncate(text.floor_char_boundary(MOST));
        text.push_str("... (all of it with --output json)");
    }
    text
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Report {
        Report::new(vec![
            Finding::pass("kernel", "Linux 6.12"),
            Finding::warn("instance", "another one runs", "stop it"),
            Finding::fail("bpffs", "no such\nfolder", "make it"),
        ])
    }

    #[test]
    fn a_pipe_gets_a_line_for_each_check() {
        let text = sample().render(Output::Table, Paper::Plain).unwrap();
        assert_eq!(
            text,
            "pass  kernel    Linux 6.12\n\
             warn  instance  another one runs -> stop it\n\
             fail  bpffs     no such folder -> make it\n\
             1 pass, 1 warn, 1 fail: run can't be expected to work\n"
        );
    }

    #[test]
    fn a_terminal_gets_a_table_in_colours_if_wanted() {
        for colours in [true, false] {
            let paper = Paper::Terminal { colours };
            let text = sample().render(Output::Table, paper).unwrap();
            assert_eq!(text.contains('\u{1b}'), colours, "{text}");
            assert!(
                text.contains("RESULT") && text.contains("-> stop it"),
                "{text}"
            );
        }
    }

    #[test]
    fn json_has_the_fields_that_scripts_rely_on() {
        let text = sample()
            .render(Output::Json, Paper::Terminal { colours: true })
            .unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "ok": false,
                "checks": [
                    {"check": "kernel", "result": "pass", "found": "Linux 6.12", "remedy": null},
                    {"check": "instance", "result": "warn", "found": "another one runs", "remedy": "stop it"},
                    {"check": "bpffs", "result": "fail", "found": "no such\nfolder", "remedy": "make it"},
                ],
            })
        );
    }

    #[test]
    fn only_a_failure_is_not_ok() {
        assert!(Report::new(vec![Finding::warn("a", "b", "c")]).is_ok());
        assert!(Report::new(Vec::new()).is_ok());
        assert!(!sample().is_ok());
    }

    #[test]
    fn a_sentence_is_parted_into_finding_and_remedy() {
        for (sentence, found, remedy) in [
            ("it is bad; mend it: so", "it is bad", "mend it: so"),
            ("[::]:53 is taken: stop it", "[::]:53 is taken", "stop it"),
            ("it is bad", "it is bad", "do"),
        ] {
            let finding = Finding::told("a", Verdict::Fail, sentence, "do");
            assert_eq!(finding, Finding::fail("a", found, remedy));
        }
    }

    #[test]
    fn what_was_found_is_bounded_in_text() {
        let report = Report::new(vec![Finding::fail("programs", "ä".repeat(4000), "")]);
        let text = report.render(Output::Table, Paper::Plain).unwrap();
        assert!(
            text.len() < 2 * MOST && text.contains("--output json"),
            "{text}"
        );
        let json = report.render(Output::Json, Paper::Plain).unwrap();
        assert!(json.contains(&"ä".repeat(4000)));
    }
}
