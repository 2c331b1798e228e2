//! A steady stream of queries from a namespace, each answer of which is checked.

mod sender;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{Read as _, Seek as _},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use hickory_proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{RData, RecordType},
};

use crate::{Namespace, query};
use sender::Sender;

/// A question, and what is right to answer.
#[derive(Clone, Debug)]
pub struct Question {
    /// The name asked for.
    pub name: String,
    /// The type asked for.
    pub kind: RecordType,
    /// The right answer.
    pub answer: Answer,
}

/// What is right to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These records of the name and type asked for, in any order.
    Records(Vec<RData>),
    /// The name has no such type.
    NoData,
    /// There is no such name.
    NxDomain,
}

/// What became of queries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Queries sent.
    pub sent: u64,
    /// Those that were answered as is right.
    pub right: u64,
    /// Those that were answered with SERVFAIL.
    pub failed: u64,
    /// Those that were answered in another way.
    pub wrong: u64,
    /// Those that were not answered in time.
    pub lost: u64,
}

/// What became of the queries of one part of the time.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// For each question.
    pub tallies: Vec<Tally>,
    /// The longest time between two right answers.
    pub gap: Duration,
}

/// All that a load has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The parts of the time, in order.
    pub parts: Vec<Part>,
    /// The first wrong answers.
    pub wrong: Vec<String>,
    /// Answers that the namespace's sockets had no room for: not lost by anybody else.
    pub overflowed: u64,
}

/// Queries under way, from a thread; it ends when this is dropped.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    started: Instant,
    thread: Option<JoinHandle<Result<Seen>>>,
}

/// What the thread and its owner tell each other.
#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    part: AtomicUsize,
    /// Microseconds from the start to the last right answer; 0: there was none.
    last: AtomicU64,
}

impl Load {
    /// Asks all the questions in turn, so many of them a second.
    pub fn start(
        namespace: &Namespace,
        server: SocketAddr,
        questions: Vec<Question>,
        rate: u32,
    ) -> Result<Self> {
        ensure!(!questions.is_empty() && rate > 0, "nothing is to be asked");
        let started = Instant::now();
        let shared = Arc::new(Shared::default());
        let sender = namespace.run(|| Sender::open(server, questions, rate, started))??;
        let thread = thread::Builder::new().name("load".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || sender.run(&shared)
        })?;
        Ok(Self {
            shared,
            started,
            thread: Some(thread),
        })
    }

    /// What is sent from now on counts for the next part of the time.
    pub fn next_part(&self) {
        self.shared.part.fetch_add(1, SeqCst);
    }

    /// When the last right answer came.
    #[must_use]
    pub fn last_right(&self) -> Option<Instant> {
        let micros = self.shared.last.load(SeqCst);
        (micros > 0).then(|| self.started + Duration::from_micros(micros))
    }

    /// Ends it, once all that was sent is answered or lost.
    pub fn finish(&mut self) -> Result<Seen> {
        self.end().context("the load has ended already")?
    }

    fn end(&mut self) -> Option<Result<Seen>> {
        self.shared.stop.store(true, SeqCst);
        let joined = self.thread.take()?.join();
        Some(joined.unwrap_or_else(|_| Err(anyhow!("the load's thread has panicked"))))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ended = self.end();
    }
}

impl Question {
    /// A question, and what is right to answer.
    #[must_use]
    pub fn new(name: &str, kind: RecordType, answer: Answer) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            answer,
        }
    }

    /// The octets of its query.
    pub fn query(&self, id: u16) -> Result<Vec<u8>> {
        query(id, &self.name, self.kind)
    }

    /// What is wrong with the octets of an answer; `None`: nothing.
    #[must_use]
    pub fn fault(&self, octets: &[u8]) -> Option<String> {
        self.check(octets).err().map(|error| format!("{error:#}"))
    }

    fn check(&self, octets: &[u8]) -> Result<()> {
        let message = Message::from_vec(octets)?;
        ensure!(
            message.metadata.message_type == MessageType::Response,
            "it is a query"
        );
        ensure!(!message.metadata.truncation, "it is truncated");
        let asked: Vec<_> = message
            .queries
            .iter()
            .map(|query| (query.name().to_string(), query.query_type()))
            .collect();
        ensure!(
            asked == [(self.name.clone(), self.kind)],
            "it answers {asked:?}"
        );
        let code = message.metadata.response_code;
        let expected = match self.answer {
            Answer::NxDomain => ResponseCode::NXDomain,
            Answer::Records(_) | Answer::NoData => ResponseCode::NoError,
        };
        ensure!(code == expected, "{code}");
        let text = |data: &RData| format!("{} {data}", data.record_type());
        let expected: BTreeSet<String> = match &self.answer {
            Answer::Records(records) => records.iter().map(text).collect(),
            Answer::NoData | Answer::NxDomain => BTreeSet::new(),
        };
        let found: BTreeSet<String> = message.answers.iter().map(|it| text(&it.data)).collect();
        ensure!(found == expected, "{found:?}, not {expected:?}");
        ensure!(message.answers.len() == expected.len(), "{found:?}, twice");
        let owners = message.answers.iter().map(|it| it.name.to_string());
        for owner in owners {
            ensure!(owner == self.name, "the records are those of {owner}");
        }
        if expected.is_empty() {
            let authority = message
                .authorities
                .iter()
                .map(hickory_proto::rr::Record::record_type);
            let authority: Vec<_> = authority.collect();
            ensure!(
                authority == [RecordType::SOA],
                "a denial with {authority:?}"
            );
        }
        Ok(())
    }
}

impl Tally {
    /// The sum of several.
    pub fn sum<'a>(tallies: impl IntoIterator<Item = &'a Self>) -> Self {
        tallies.into_iter().fold(Self::default(), |sum, it| Self {
            sent: sum.sent + it.sent,
            right: sum.right + it.right,
            failed: sum.failed + it.failed,
            wrong: sum.wrong + it.wrong,
            lost: sum.lost + it.lost,
        })
    }
}

/// Counts the datagrams that a network namespace's sockets had no room for.
struct Overflow {
    /// The namespace's counters: which one's is decided when it is opened.
    file: File,
    before: u64,
}

impl Overflow {
    /// Counts those of this thread's namespace from now on.
    fn open() -> Result<Self> {
        let path = "/proc/thread-self/net/snmp";
        let mut overflow = Self {
            file: File::open(path).with_context(|| format!("can't open {path}"))?,
            before: 0,
        };
        overflow.before = overflow.since()?;
        Ok(overflow)
    }

    fn since(&mut self) -> Result<u64> {
        let mut text = String::new();
        self.file.rewind()?;
        self.file.read_to_string(&mut text)?;
        let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp:"));
        let (names, values) = lines.next().zip(lines.next()).context("no line of UDP")?;
        let mut columns = names.split_whitespace().zip(values.split_whitespace());
        let found = columns.find(|&(name, _)| name == "RcvbufErrors");
        let (_, value) = found.context("no `RcvbufErrors`")?;
        Ok(value.parse::<u64>()? - self.before)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

    use super::*;
    use crate::{Table, Upstream};

    fn table() -> Table {
        Table::new()
            .address("here.example", [192, 0, 2, 1])
            .address("here.example", [192, 0, 2, 2])
    }

    fn addresses(last: &[u8]) -> Answer {
        let data = |&last| RData::A(Ipv4Addr::new(192, 0, 2, last).into());
        Answer::Records(last.iter().map(data).collect())
    }

    fn questions() -> Vec<Question> {
        use RecordType::{A, AAAA};
        vec![
            Question::new("here.example.", A, addresses(&[2, 1])),
            Question::new("here.example.", AAAA, Answer::NoData),
            Question::new("gone.example.", A, Answer::NxDomain),
        ]
    }

    fn run(server: SocketAddr, questions: Vec<Question>) -> Seen {
        let started = Instant::now();
        let shared = Shared::default();
        let sender = Sender::open(server, questions, 1000, started).unwrap();
        let seen = thread::scope(|scope| {
            let seen = scope.spawn(|| sender.run(&shared));
            thread::sleep(Duration::from_millis(100));
            shared.stop.store(true, SeqCst);
            seen.join().unwrap()
        });
        seen.unwrap()
    }

    #[test]
    fn right_and_wrong_answers_are_told_apart() {
        let localhost = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let upstream = Upstream::start_here(localhost, table()).unwrap();
        let seen = run(upstream.address(), questions());
        let all = Tally::sum(&seen.parts[0].tallies);
        assert!(all.sent > 0 && all.right == all.sent, "{seen:?}");

        let mut others = questions();
        others[0].answer = addresses(&[1]);
        others[1].answer = Answer::NxDomain;
        others[2].answer = Answer::NoData;
        let seen = run(upstream.address(), others);
        let all = Tally::sum(&seen.parts[0].tallies);
        assert!(all.sent > 0 && all.wrong == all.sent, "{seen:?}");
        assert!(!seen.wrong.is_empty());
    }

    #[test]
    fn what_nobody_answers_is_lost() {
        let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let seen = run(silent.local_addr().unwrap(), questions());
        let all = Tally::sum(&seen.parts[0].tallies);
        assert!(all.sent > 0 && all.lost == all.sent, "{seen:?}");
    }

    #[test]
    fn where_nobody_listens_all_is_lost_too() {
        let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = address.local_addr().unwrap();
        let seen = run(address, questions());
        let all = Tally::sum(&seen.parts[0].tallies);
        assert!(all.sent > 0 && all.lost == all.sent, "{seen:?}");
    }
}
