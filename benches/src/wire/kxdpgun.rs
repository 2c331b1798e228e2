//! kxdpgun: one run of it, and what it says came of it.

use std::{collections::BTreeMap, net::Ipv4Addr, path::Path, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use hickory_proto::op::ResponseCode;
use testbed::{Namespace, interrupt};

/// kxdpgun ends before the kernel has let go of its socket: the next one may be too early.
const BUSY: &str = "resource is busy";
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// The generator: where it is and where it sends.
#[derive(Debug)]
pub(super) struct Gun<'a> {
    /// Its namespace.
    pub(super) namespace: &'a Namespace,
    /// Its interface.
    pub(super) interface: &'a str,
    /// Its address.
    pub(super) local: Ipv4Addr,
    /// Whom it asks.
    pub(super) server: Ipv4Addr,
    /// The Ethernet address to which the frames go.
    pub(super) next_hop: [u8; 6],
    /// The processor on which it runs.
    pub(super) cpu: usize,
    /// How long a run is.
    pub(super) seconds: u32,
}

/// What came of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shot {
    /// Questions that were sent.
    pub(super) sent: u64,
    /// The same, a second.
    pub(super) sent_rate: f64,
    /// Messages with the right identifier that came back.
    pub(super) replies: u64,
    /// The same, a second.
    pub(super) reply_rate: f64,
    /// Octets of a reply on average, rounded down.
    pub(super) size: u64,
    /// Replies by response code, as kxdpgun has it.
    codes: BTreeMap<String, u64>,
}

impl Gun<'_> {
    /// Sends the questions of a file at this rate, again and again.
    pub(super) fn fire(&self, questions: &Path, rate: u32) -> Result<Shot> {
        let mut tries = 0;
        loop {
            interrupt::check()?;
            match self.try_to_fire(questions, rate) {
                Err(error) if tries < TRIES && format!("{error:#}").contains(BUSY) => {
                    tries += 1;
                    thread::sleep(PAUSE);
                }
                result => return result,
            }
        }
    }

    fn try_to_fire(&self, questions: &Path, rate: u32) -> Result<Shot> {
        let next_hop = self.next_hop.map(|octet| format!("{octet:02x}")).join(":");
        let mut command = self.namespace.command("kxdpgun");
        for (flag, value) in [
            ("-t", self.seconds.to_string()),
            ("-Q", rate.to_string()),
            ("-I", self.interface.to_owned()),
            ("-l", self.local.to_string()),
            ("-R", next_hop),
            ("-F", self.cpu.to_string()),
        ] {
            command.args([flag, &value]);
        }
        command
            .arg("-i")
            .arg(questions)
            .arg(self.server.to_string());
        // It tells by words alone that it could not begin.
        let said = command.output().context("can't start kxdpgun")?;
        let said = [said.stdout, said.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let shot = parse(&said).with_context(|| format!("kxdpgun said:\n{said}"))?;
        ensure!(
            said.contains("native mode"),
            "kxdpgun has no native XDP: {said}"
        );
        Ok(shot)
    }
}

impl Shot {
    /// The share of the questions that were answered.
    pub(super) fn answered(&self) -> f64 {
        if self.sent_rate > 0.0 {
            self.reply_rate / self.sent_rate
        } else {
            0.0
        }
    }

    /// An error unless all replies are of this code, and on average of this size, rounded down.
    pub(super) fn judge(&self, code: ResponseCode, size: u64) -> Result<()> {
        let name = match code {
            ResponseCode::NXDomain => "NXDOMAIN",
            _ => "NOERROR",
        };
        let right = self.codes.get(name).copied().unwrap_or_default();
        ensure!(
            right == self.replies && self.size == size,
            "not all replies are {name} of {size} octets: {self:?}"
        );
        Ok(())
    }
}

/// Reads kxdpgun's words; versions differ in what follows the numbers.
fn parse(said: &str) -> Result<Shot> {
    let value = |name: &str| {
        said.lines()
            .find_map(|line| Some(line.trim().strip_prefix(name)?.trim()))
    };
    let (sent, sent_rate) = counted(value("total queries:").context("no number of queries")?)?;
    // What would be nothing is left out.
    let replies = value("total replies:").map_or(Ok((0, 0.0)), counted)?;
    let size = value("average DNS reply size:").map_or(Ok(0), number)?;
    let codes = said
        .lines()
        .filter_map(|line| line.trim().strip_prefix("responded ")?.split_once(':'))
        .map(|(code, count)| Ok((code.to_owned(), number(count)?)))
        .collect::<Result<_>>()?;
    Ok(Shot {
        sent,
        sent_rate,
        replies: replies.0,
        reply_rate: replies.1,
        size,
        codes,
    })
}

/// A number, and how much of it came in a second: `100010 (50005 pps) (100%)`.
fn counted(value: &str) -> Result<(u64, f64)> {
    let rate = value
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(" pps"))
        .with_context(|| format!("no rate in `{value}`"))?;
    Ok((number(value)?, rate.0.parse()?))
}

/// The number at the beginning.
fn number(value: &str) -> Result<u64> {
    let word = value.split_whitespace().next();
    let word = word.with_context(|| format!("no number in `{value}`"))?;
    word.parse()
        .with_context(|| format!("`{word}` is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "using interface eth0, XDP threads 1, UDP, native mode
thread#00: sent 1050007, received 1043284, lost 3
total queries:     1050007 (700004 pps)
total replies:     1043284 (695522 pps) (99%)
average DNS reply size: 72 B
average Ethernet reply rate: 45604560 bps (45.60 Mbps)
responded NOERROR:   1043284
duration: 1 s
";

    #[test]
    fn words_become_numbers() {
        let shot = parse(SAID).unwrap();
        assert_eq!(
            (shot.sent, shot.replies, shot.size),
            (1_050_007, 1_043_284, 72)
        );
        assert!((shot.answered() - 0.9936).abs() < 1e-4, "{shot:?}");
        shot.judge(ResponseCode::NoError, 72).unwrap();
        assert!(shot.judge(ResponseCode::NXDomain, 72).is_err());
        assert!(shot.judge(ResponseCode::NoError, 73).is_err());
    }

    #[test]
    fn newer_versions_are_read_too() {
        let said = "total queries:     10 (5 pps) (99.5%)\ntotal replies: 9 (4 pps) (90.0%)\nresponded NXDOMAIN: 8\nresponded REFUSED: 1\n";
        let shot = parse(said).unwrap();
        assert_eq!((shot.sent, shot.replies), (10, 9));
        assert!(shot.judge(ResponseCode::NXDomain, 0).is_err());
    }

    #[test]
    fn silence_is_no_answer_and_an_error_no_run() {
        let shot = parse("total queries:     10 (5 pps)\n").unwrap();
        assert_eq!(shot.replies, 0);
        assert!(shot.answered() < f64::EPSILON);
        assert!(parse("error: failed to initialize XDP socket#0\n").is_err());
    }
}
