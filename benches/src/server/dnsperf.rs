//! One run of dnsperf, and what its report says.

use std::{collections::BTreeMap, net::SocketAddr, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use testbed::Namespace;

use super::workload::Workload;

/// Lost queries are an error if they are more than one of so many.
const LOST_ONE_IN: u32 = 1000;

/// How dnsperf asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Seconds that it lasts.
    pub(crate) seconds: u32,
    /// Pairs of threads, one to send and one to receive.
    pub(crate) threads: u32,
    /// Clients, each with a port of its own; a multiple of `threads`.
    pub(crate) clients: u32,
    /// Queries that wait for an answer at any time, at most.
    pub(crate) outstanding: u32,
    /// Queries a second, at most.
    pub(crate) rate: Option<u32>,
}

/// What dnsperf says of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// Queries that were sent.
    pub(crate) sent: u32,
    /// Queries that were answered.
    pub(crate) completed: u32,
    /// Queries that were not answered in time.
    pub(crate) lost: u32,
    /// Answers by response code, as `NOERROR`.
    pub(crate) rcodes: BTreeMap<String, u32>,
    /// Answers a second.
    pub(crate) queries_per_second: f64,
    /// Mean time from query to answer, in seconds.
    pub(crate) latency: f64,
}

/// Asks the queries of a file in a namespace, to its end.
pub(crate) fn run(
    namespace: &Namespace,
    server: SocketAddr,
    queries: &Path,
    load: Load,
) -> Result<Outcome> {
    let mut command = namespace.command("dnsperf");
    command.arg("-d").arg(queries);
    for (flag, value) in [
        ("-s", server.ip().to_string()),
        ("-p", server.port().to_string()),
        ("-l", load.seconds.to_string()),
        ("-T", load.threads.to_string()),
        ("-c", load.clients.to_string()),
        ("-q", load.outstanding.to_string()),
    ] {
        command.args([flag, &value]);
    }
    if let Some(rate) = load.rate {
        command.args(["-Q", &rate.to_string()]);
    }
    // It shares the terminal: after Ctrl-C it ends by itself, and says what it has so far.
    let report = testbed::output(&mut command)?;
    parse(&report).with_context(|| format!("dnsperf's report is not as expected:\n{report}"))
}

impl Outcome {
    /// An error unless the response codes are those that the queries demand, and hardly any query was lost.
    pub(crate) fn judge(&self, workload: &Workload) -> Result<()> {
        ensure!(self.completed > 0, "no query was answered");
        ensure!(
            self.lost <= self.sent / LOST_ONE_IN,
            "{} of {} queries were lost",
            self.lost,
            self.sent
        );
        let denials = workload.denials(self.sent);
        let mut demanded =
            BTreeMap::from([("NOERROR", self.sent - denials), ("NXDOMAIN", denials)]);
        for (rcode, &count) in &self.rcodes {
            let Some(most) = demanded.remove(rcode.as_str()) else {
                bail!("{count} answers were {rcode}, and none should be");
            };
            // Any of those lost may have been of this code.
            ensure!(
                (most.saturating_sub(self.lost)..=most).contains(&count),
                "{count} answers were {rcode}, and {most} should be ({} were lost)",
                self.lost
            );
        }
        for (rcode, most) in demanded {
            ensure!(
                most <= self.lost,
                "no answer was {rcode}, and {most} should be"
            );
        }
        Ok(())
    }
}

/// Reads a report.
fn parse(report: &str) -> Result<Outcome> {
    let rcodes = after(report, "Response codes:")?;
    let rcodes = rcodes.split(", ").map(|part| {
        let (rcode, count) = part
            .split_once(' ')
            .with_context(|| format!("`{part}` is no response code with its count"))?;
        Ok((rcode.to_owned(), number(count)?))
    });
    Ok(Outcome {
        sent: number(after(report, "Queries sent:")?)?,
        completed: number(after(report, "Queries completed:")?)?,
        lost: number(after(report, "Queries lost:")?)?,
        rcodes: rcodes.collect::<Result<_>>()?,
        queries_per_second: number(after(report, "Queries per second:")?)?,
        latency: number(after(report, "Average Latency (s):")?)?,
    })
}

/// What follows a label in its line.
fn after<'a>(report: &'a str, label: &str) -> Result<&'a str> {
    let line = report
        .lines()
        .find_map(|line| line.trim().strip_prefix(label));
    Ok(line
        .with_context(|| format!("there is no `{label}`"))?
        .trim())
}

/// The number that a text begins with.
fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    let word = text.split_whitespace().next().unwrap_or_default();
    word.parse()
        .ok()
        .with_context(|| format!("`{word}` is not a number"))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{population::Population, workload::Kind},
        *,
    };

    /// A report in the form of dnsperf 2.10.
    const REPORT: &str = "\
DNS Performance Testing Tool
Version 2.10.0

[Status] Testing complete (time limit)

Statistics:

  Queries sent:         30
  Queries completed:    29 (96.67%)
  Queries lost:         1 (3.33%)

  Response codes:       NOERROR 14 (48.28%), NXDOMAIN 15 (51.72%)
  Average packet size:  request 44, response 96
  Run time (s):         4.000402
  Queries per second:   7.249270

  Average Latency (s):  0.002153 (min 0.000112, max 0.012233)
  Latency StdDev (s):   0.001170
";

    #[test]
    fn reports_are_read() {
        let outcome = parse(REPORT).unwrap();
        assert_eq!((outcome.sent, outcome.completed, outcome.lost), (30, 29, 1));
        assert_eq!(outcome.rcodes["NOERROR"], 14);
        assert_eq!(outcome.rcodes["NXDOMAIN"], 15);
        assert!((outcome.queries_per_second - 7.249_27).abs() < 1e-9);
        assert!((outcome.latency - 0.002_153).abs() < 1e-9);
        let error = parse("Error: no such host").unwrap_err();
        assert!(error.to_string().contains("Response codes"), "{error}");
    }

    /// Sixteen queries, of which half are to be denied.
    fn workload() -> Workload {
        Kind::Search.workload(Population {
            services: 4,
            hosts: 2,
        })
    }

    fn outcome(sent: u32, lost: u32, rcodes: &[(&str, u32)]) -> Outcome {
        Outcome {
            sent,
            completed: sent - lost,
            lost,
            rcodes: rcodes
                .iter()
                .map(|&(rcode, count)| (rcode.to_owned(), count))
                .collect(),
            queries_per_second: 1.0,
            latency: 1.0,
        }
    }

    #[test]
    fn only_the_answers_demanded_are_accepted() {
        let good = outcome(1600, 0, &[("NOERROR", 800), ("NXDOMAIN", 800)]);
        good.judge(&workload()).unwrap();
        let lost = outcome(1600, 1, &[("NOERROR", 799), ("NXDOMAIN", 800)]);
        lost.judge(&workload()).unwrap();
        for (case, bad) in [
            ("silence", outcome(1600, 1600, &[])),
            (
                "too many lost",
                outcome(1600, 2, &[("NOERROR", 799), ("NXDOMAIN", 799)]),
            ),
            (
                "one denied that exists",
                outcome(1600, 0, &[("NOERROR", 799), ("NXDOMAIN", 801)]),
            ),
            ("none denied", outcome(1600, 0, &[("NOERROR", 1600)])),
            (
                "a failure",
                outcome(
                    1600,
                    0,
                    &[("NOERROR", 800), ("NXDOMAIN", 799), ("SERVFAIL", 1)],
                ),
            ),
        ] {
            assert!(bad.judge(&workload()).is_err(), "{case}");
        }
    }
}
