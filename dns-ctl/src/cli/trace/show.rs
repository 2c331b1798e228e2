//! Shows a trace: as lines for people, or as JSON.

use std::{fmt::Write as _, io::Write as _, net::SocketAddr};

use anyhow::Context as _;
use dns_common::{Dropped, Hit, Miss, Outcome};
use serde::Serialize;

use super::{
    answer::{Answer, type_text},
    packet::{self, Question},
    verdict::{Finding, Verdict},
};
use crate::args::Output;

/// Where a packet goes that no program answers.
const NEXT: &str = "on as it came: in serve mode to this node's DNS server, in accelerate mode to the cluster's DNS";

/// A trace, as `--output json` shows it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether the instance lives; if not, its maps and programs are left over.
    running: bool,
    query: Sent,
    /// A run for each program in use.
    runs: Vec<Run>,
}

/// The query.
#[derive(Debug, Serialize)]
struct Sent {
    id: u16,
    name: String,
    r#type: String,
    /// Octets of the largest answer, of a query with EDNS.
    edns: Option<u16>,
    from: SocketAddr,
    to: SocketAddr,
    /// Octets of the DNS message.
    octets: usize,
}

/// What a program did with the query.
#[derive(Debug, Serialize)]
pub(super) struct Run {
    program: &'static str,
    /// The hooks that the program is attached to; none if it runs in the trace only.
    hooks: Vec<&'static str>,
    verdict: Verdict,
    /// The label of the kind of answer, or of the reason to pass it on; `None` if that is not certain.
    outcome: Option<&'static str>,
    /// The outcomes that it may be.
    candidates: Vec<Reason>,
    /// Where a packet that was passed on goes.
    next: Option<&'static str>,
    /// What an operator can do about the reason.
    hint: Option<&'static str>,
    answer: Option<Answer>,
}

/// An outcome in words.
#[derive(Debug, Serialize)]
struct Reason {
    label: &'static str,
    text: &'static str,
}

/// Prints the report on standard output.
pub(super) fn print(report: &Report, output: Output) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match output {
        Output::Json => writeln!(out, "{}", serde_json::to_string(report)?)?,
        Output::Table => write!(out, "{}", report.text())?,
    }
    Ok(())
}

impl Report {
    pub(super) fn new(
        running: bool,
        question: &Question,
        to: SocketAddr,
        octets: usize,
        runs: Vec<Run>,
    ) -> Self {
        Self {
            running,
            query: Sent {
                id: question.id,
                name: question.name.to_ascii(),
                r#type: type_text(question.record_type),
                edns: question.edns,
                from: packet::client(to),
                to,
                octets,
            },
            runs,
        }
    }

    /// Whether every program answered.
    pub(super) fn is_answered(&self) -> bool {
        self.runs.iter().all(|run| run.verdict == Verdict::Answered)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if !self.running {
            text.push_str(
                "No dns-ctl is running here; these are the maps and programs that one left behind.\n\n",
            );
        }
        let sent = &self.query;
        let edns = sent.edns.map_or_else(
            || "without EDNS".to_owned(),
            |size| format!("with EDNS for {size} octets"),
        );
        line(
            &mut text,
            "Query",
            &format!("{} IN {} {edns}", sent.name, sent.r#type),
        );
        line(&mut text, "From", &sent.from.to_string());
        line(&mut text, "To", &sent.to.to_string());
        for run in &self.runs {
            text.push('\n');
            run.write(&mut text);
        }
        text
    }
}

impl Run {
    /// What is to be said of a program; `after` is the frame that its last run left.
    pub(super) fn new(
        program: &'static str,
        hooks: Vec<&'static str>,
        finding: &Finding,
        after: &[u8],
    ) -> anyhow::Result<Self> {
        let answer = match finding.verdict {
            Verdict::PassedOn | Verdict::Dropped => None,
            Verdict::Answered => {
                let (message, octets) = packet::read(after)
                    .with_context(|| format!("the answer of {program} is malformed"))?;
                Some(Answer::new(&message, octets))
            }
        };
        let outcome = finding.outcome();
        Ok(Self {
            program,
            hooks,
            verdict: finding.verdict,
            outcome: outcome.map(|outcome| Reason::of(outcome).label),
            candidates: finding.candidates.iter().copied().map(Reason::of).collect(),
            next: (finding.verdict == Verdict::PassedOn).then_some(NEXT),
            hint: match outcome {
                Some(Outcome::Miss(miss)) => hint(miss),
                Some(Outcome::Hit(Hit::Truncated) | Outcome::Dropped(Dropped::RateLimited)) => {
                    Some(RATE_LIMITED)
                }
                _ => None,
            },
            answer,
        })
    }

    fn write(&self, text: &mut String) {
        let attached = if self.hooks.is_empty() {
            "attached to no interface, so that no client's query comes to it".to_owned()
        } else {
            format!("attached by {}", self.hooks.join(" and "))
        };
        line(text, "Program", &format!("{}, {attached}", self.program));
        let (verdict, reason) = match self.verdict {
            Verdict::Answered => ("answered in the kernel", "Kind"),
            Verdict::PassedOn => ("passed on", "Reason"),
            Verdict::Dropped => ("dropped", "Reason"),
        };
        line(text, "Verdict", verdict);
        match self.candidates.as_slice() {
            [] => line(text, reason, "not known: no counter has changed"),
            [one] => line(text, reason, &one.line()),
            several => {
                line(
                    text,
                    reason,
                    "one of these; other packets come too fast to tell which",
                );
                for one in several {
                    line(text, "", &one.line());
                }
            }
        }
        if let Some(next) = self.next {
            line(text, "Goes", next);
        }
        if let Some(hint) = self.hint {
            line(text, "Hint", hint);
        }
        if let Some(answer) = &self.answer {
            answer.write(text);
        }
    }
}

impl Reason {
    const fn of(outcome: Outcome) -> Self {
        let (_, label) = outcome.labels();
        Self {
            label,
            text: outcome.text(),
        }
    }

    fn line(&self) -> String {
        format!("{}: {}", self.label, self.text)
    }
}

/// What an operator can do about the limit.
const RATE_LIMITED: &str = "a trace counts as a client of its own, which --rate-limit holds for, too; `dns-ctl top` shows \
     which clients ask most";

/// What an operator can do about a reason, if there is anything.
const fn hint(miss: Miss) -> Option<&'static str> {
    Some(match miss {
        Miss::NotConfigured => {
            "dns-ctl is just starting, or failed before it had written the configuration; its log tells"
        }
        Miss::LeaseExpired => {
            "start dns-ctl again; if one runs, its log tells why it does not renew the lease"
        }
        Miss::RateLimited => RATE_LIMITED,
        Miss::OutsideZones => {
            "only names of the cluster are answered in the kernel; if this is one, give its domain to \
             `dns-ctl run` by --cluster-domain"
        }
        Miss::ByRule => {
            "with --pods insecure only the server knows such names; with --pods verified or disabled the \
             kernel answers or denies them"
        }
        Miss::NegativeOff => {
            "`dns-ctl run --kernel-negative on` has the kernel deny names; in accelerate mode only if the \
             cluster's DNS knows no more than kxdns does"
        }
        Miss::Incomplete => {
            "wait until /readyz says that the first lists are read; if `dns-ctl status` shows a full map, \
             give `dns-ctl run` a larger --max-names"
        }
        Miss::TypeNotHeld => {
            "`dns-ctl lookup` shows which types of this name the kernel holds and which it leaves to the server"
        }
        Miss::TooLong => {
            "clients without EDNS take 512 octets, clients with EDNS up to 1232 from the kernel; trace with \
             --edns to see what those get"
        }
        _ => return None,
    })
}

/// Writes what stands under a key.
pub(super) fn line(text: &mut String, key: &str, value: &str) {
    // Writing to a `String` can't fail.
    let _infallible = writeln!(text, "{key:<9}{value}");
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::{Name, RecordType};

    use super::*;

    /// A report of one run that the reader of an answer is not needed for.
    fn report(hooks: Vec<&'static str>, candidates: &[Outcome]) -> Report {
        let question = Question {
            id: 7,
            name: Name::from_ascii("Nginx.x.").unwrap(),
            record_type: RecordType::Unknown(65280),
            edns: Some(1232),
        };
        let finding = Finding {
            verdict: Verdict::PassedOn,
            candidates: candidates.to_vec(),
        };
        let run = Run::new("kxdns_tc", hooks, &finding, &[]).unwrap();
        let to = "10.96.0.10:53".parse().unwrap();
        Report::new(true, &question, to, 70, vec![run])
    }

    #[test]
    fn json_has_the_fields_that_scripts_rely_on() {
        let outside = Outcome::Miss(Miss::OutsideZones);
        let json = serde_json::to_value(report(vec!["tcx"], &[outside])).unwrap();
        assert_eq!(json["running"], true);
        let query = &json["query"];
        assert_eq!(query["name"], "Nginx.x.");
        assert_eq!(query["type"], "TYPE65280");
        assert_eq!(query["edns"], 1232);
        assert_eq!(query["from"], "192.0.2.1:53053");
        assert_eq!(query["to"], "10.96.0.10:53");
        let run = &json["runs"][0];
        assert_eq!(run["program"], "kxdns_tc");
        assert_eq!(run["hooks"], serde_json::json!(["tcx"]));
        assert_eq!(run["verdict"], "passed_on");
        assert_eq!(run["outcome"], "outside_zones");
        assert_eq!(run["candidates"][0]["text"], Miss::OutsideZones.text());
        assert!(run["next"].as_str().unwrap().contains("accelerate"));
        assert!(run["hint"].as_str().unwrap().contains("--cluster-domain"));
        assert!(run["answer"].is_null());
    }

    #[test]
    fn what_is_not_certain_is_said_to_be_so() {
        let torn = Outcome::Miss(Miss::Torn);
        let outside = Outcome::Miss(Miss::OutsideZones);
        for (candidates, words, missing) in [
            (&[torn][..], &["torn: ", Miss::Torn.text()][..], "one of"),
            (
                &[torn, outside],
                &["one of", "torn: ", "outside_zones: "],
                "Hint",
            ),
            (&[], &["not known"], "Hint"),
        ] {
            let text = report(Vec::new(), candidates).text();
            for word in words.iter().chain(&["attached to no interface"]) {
                assert!(text.contains(word), "no `{word}`: {text}");
            }
            assert!(!text.contains(missing), "{text}");
        }
    }

    #[test]
    fn an_answer_that_is_none_is_told_with_the_program() {
        for frame in [&[][..], &[0; 60]] {
            let finding = Finding {
                verdict: Verdict::Answered,
                candidates: vec![Outcome::Hit(Hit::A)],
            };
            let error = Run::new("kxdns_xdp", Vec::new(), &finding, frame).unwrap_err();
            assert!(error.to_string().contains("kxdns_xdp"), "{error}");
        }
    }
}
