//! Open-loop load: each query is sent when it is due, whatever has become of those before.

use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use nix::sys::{
    epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
    prctl::set_timerslack,
    socket::{setsockopt, sockopt::RcvBufForce},
};
use testbed::{Namespace, interrupt};

use super::{
    books::{self, Outcome, PATIENCE, Times},
    clock::Clock,
    question::{Question, Right},
};

/// Sockets, each with a port of its own, as clients have; more if their identifiers would not do.
const SOCKETS: usize = 16;
/// Queries that one socket can have identifiers for.
const IDENTIFIERS: usize = 1 << 16;
/// Room for answers at a socket, in octets, so that none is lost for want of it.
const ROOM: usize = 8 << 20;
/// From the making of the sockets to the first query.
const HEAD_START: Duration = Duration::from_millis(5);
/// How often the receiver looks whether it is over, in milliseconds.
const LOOK: u8 = 10;
/// Sockets that the receiver is told of at once.
const EVENTS: usize = 64;

/// A run that is to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan<'a> {
    /// Who is asked.
    pub(super) server: SocketAddr,
    /// When queries are due, in nanoseconds from the start, in order.
    pub(super) arrivals: &'a [u64],
    /// What is asked, in turn.
    pub(super) questions: &'a [Question],
    /// What is right to answer.
    pub(super) right: Right,
}

/// Where a query of the run goes: its socket, and the identifier it has there.
fn place(number: usize, sockets: usize) -> (usize, usize) {
    (number % sockets, number / sockets)
}

/// Sends all queries of a plan from a namespace, and waits for the answers.
pub(super) fn run(namespace: &Namespace, plan: &Plan<'_>) -> Result<Outcome> {
    let count = SOCKETS.max(plan.arrivals.len().div_ceil(IDENTIFIERS));
    let sockets = namespace.run(|| open(plan.server, count))??;
    ask(&sockets, plan)
}

fn ask(sockets: &[UdpSocket], plan: &Plan<'_>) -> Result<Outcome> {
    let sent: Vec<AtomicU64> = plan.arrivals.iter().map(|_| AtomicU64::new(0)).collect();
    let run = Run {
        plan,
        sockets,
        clock: Clock::starting_in(HEAD_START)?,
        sent: &sent,
        ended: AtomicU64::new(0),
    };
    let (sending, answered) = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let result = run.send();
            // Also after an error: the receiver waits for this.
            let ended = run.clock.now().unwrap_or(0);
            run.ended.store(ended.max(1), SeqCst);
            result
        });
        let answered = run.receive();
        (sender.join(), answered)
    });
    sending.map_err(|_| anyhow!("the sender has panicked"))??;
    let answered = answered?;
    interrupt::check()?;
    let queries = plan.arrivals.iter().zip(&sent).zip(&answered);
    books::close(queries.map(|((&due, sent), &answered)| Times {
        due,
        sent: sent.load(Relaxed),
        answered: (answered > 0).then_some(answered),
    }))
}

fn open(server: SocketAddr, count: usize) -> Result<Vec<UdpSocket>> {
    let socket = |_| -> Result<UdpSocket> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        setsockopt(&socket, RcvBufForce, &ROOM)?;
        // What comes from elsewhere is no answer.
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    (0..count).map(socket).collect()
}

struct Run<'a> {
    plan: &'a Plan<'a>,
    sockets: &'a [UdpSocket],
    clock: Clock,
    /// When each query was sent.
    sent: &'a [AtomicU64],
    /// When the sender has ended; 0 before.
    ended: AtomicU64,
}

impl Run<'_> {
    /// The sender's thread: sleeps until a query is due, and sends at once what has become due meanwhile.
    fn send(&self) -> Result<()> {
        // Sleeps end when they are due, and not up to 50 µs later, as is usual to save power.
        set_timerslack(1)?;
        let mut octets = Vec::new();
        let questions = self.plan.questions.iter().cycle();
        let queries = self.plan.arrivals.iter().zip(self.sent).zip(questions);
        for (number, ((&due, sent), question)) in queries.enumerate() {
            let mut now = self.clock.now()?;
            if now < due {
                self.clock.sleep_until(due)?;
                now = self.clock.now()?;
            }
            if interrupt::is_there() {
                break;
            }
            let (socket, id) = place(number, self.sockets.len());
            octets.clear();
            octets.extend_from_slice(&question.query);
            octets[..2].copy_from_slice(&u16::try_from(id)?.to_be_bytes());
            sent.store(now.max(1), SeqCst);
            send(&self.sockets[socket], &octets)?;
        }
        Ok(())
    }

    /// Reads answers until all are there, or nobody waits for the rest; when each was read, or 0.
    fn receive(&self) -> Result<Vec<u64>> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for (number, socket) in (0_u64..).zip(self.sockets) {
            epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, number))?;
        }
        let mut answered = vec![0; self.sent.len()];
        let mut missing = answered.len();
        let mut events = [EpollEvent::empty(); EVENTS];
        let mut octets = [0; 512];
        while missing > 0 && !self.is_over()? {
            let ready = match epoll.wait(&mut events, EpollTimeout::from(LOOK)) {
                Err(nix::errno::Errno::EINTR) => 0,
                other => other?,
            };
            for event in &events[..ready] {
                let socket = usize::try_from(event.data())?;
                while let Some(length) = receive(&self.sockets[socket], &mut octets)? {
                    let now = self.clock.now()?.max(1);
                    let number = self.judge(socket, &octets[..length])?;
                    if answered[number] == 0 {
                        answered[number] = now;
                        missing -= 1;
                    }
                }
            }
        }
        Ok(answered)
    }

    fn is_over(&self) -> Result<bool> {
        let ended = Duration::from_nanos(self.ended.load(SeqCst));
        let now = Duration::from_nanos(self.clock.now()?);
        Ok(!ended.is_zero() && (now > ended + PATIENCE || interrupt::is_there()))
    }

    /// Which query an answer is for; an error if it is not the right one.
    fn judge(&self, socket: usize, octets: &[u8]) -> Result<usize> {
        let id = octets.first_chunk().context("an answer without a header")?;
        let number = usize::from(u16::from_be_bytes(*id)) * self.sockets.len() + socket;
        let sent = self.sent.get(number).map_or(0, |sent| sent.load(SeqCst));
        ensure!(sent > 0, "an answer to a query that was not sent");
        let questions = self.plan.questions;
        let question = &questions[number % questions.len()];
        if !question.is_right(self.plan.right, octets) {
            bail!("a wrong answer for {}: {octets:02x?}", question.name);
        }
        Ok(number)
    }
}

/// Sends a datagram; one for which there is no room is lost on the way, as later it could be.
fn send(socket: &UdpSocket, octets: &[u8]) -> io::Result<()> {
    loop {
        match socket.send(octets) {
            Ok(_) => return Ok(()),
            // Told of an earlier query that nobody listened to.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn receive(socket: &UdpSocket, octets: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match socket.recv(octets) {
            Ok(length) => return Ok(Some(length)),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{super::schedule::arrivals, *};
    use crate::server::{population::Population, workload::Kind};

    fn questions() -> Vec<Question> {
        let population = Population {
            services: 10,
            hosts: 1,
        };
        Question::all(&Kind::Cluster.workload(population)).unwrap()
    }

    /// Asks a server on this machine that gives `answer`, or nothing, for so many queries, and then ends.
    fn asked(answer: impl Fn(usize, &mut [u8]) -> bool + Send + Sync) -> Result<Outcome> {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let questions = questions();
        let plan = Plan {
            server: server.local_addr().unwrap(),
            arrivals: &arrivals(1000.0, Duration::from_millis(100), 1),
            questions: &questions,
            right: Right::Echo,
        };
        let socket = |_| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            socket.connect(plan.server).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let sockets: Vec<_> = (0..SOCKETS).map(socket).collect();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut octets = [0; 512];
                for number in 0..plan.arrivals.len() {
                    let (length, client) = server.recv_from(&mut octets).unwrap();
                    if answer(number, &mut octets[..length]) {
                        server.send_to(&octets[..length], client).unwrap();
                    }
                }
            });
            ask(&sockets, &plan)
        })
    }

    #[test]
    fn answers_are_told_from_what_is_lost() {
        let all = asked(|_, _| true).unwrap();
        assert!(all.sent > 50 && all.lost == 0, "{all:?}");
        let some = asked(|number, _| number > 2).unwrap();
        assert_eq!((some.sent, some.lost), (all.sent, 3));
    }

    #[test]
    fn a_wrong_answer_is_an_error() {
        let error = asked(|number, octets| {
            octets[20] ^= u8::from(number == 7);
            true
        });
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("a wrong answer for service-"), "{error}");
    }

    #[test]
    fn no_two_queries_have_the_same_socket_and_identifier() {
        let places: HashSet<_> = (0..10_000).map(|number| place(number, 16)).collect();
        assert_eq!(places.len(), 10_000);
        for (number, (socket, id)) in (0..100).map(|number| (number, place(number, 16))) {
            assert_eq!(id * 16 + socket, number);
        }
    }
}
