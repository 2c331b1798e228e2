//! The thread of a load: sends in time, takes what comes, and keeps the books.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::atomic::Ordering::SeqCst,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};

use super::{Overflow, Part, Question, Seen, Shared, Tally};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Queries a second from one socket: its identifiers must not come round within [`PATIENCE`].
const RATE_OF_SOCKET: u32 = 12_500;
/// Queries sent before answers are looked for.
const BURST: u64 = 64;
/// How long to rest when nothing is to be done.
const REST: Duration = Duration::from_micros(300);
/// Room for answers at a socket, in octets: those of a second and more.
const ROOM: usize = 32 << 20;
/// Wrong answers that are kept.
const KEPT: usize = 20;
/// SERVFAIL.
const SERVER_FAILURE: u8 = 2;

/// A load that is ready to run.
pub(super) struct Sender {
    lanes: Vec<Lane>,
    asked: Vec<Asked>,
    rate: u32,
    started: Instant,
    last_right: Instant,
    overflow: Overflow,
    seen: Seen,
}

/// A socket and what is under way there.
struct Lane {
    socket: UdpSocket,
    next_id: u16,
    /// By identifier.
    pending: Vec<Option<Pending>>,
}

#[derive(Clone, Copy)]
struct Pending {
    question: usize,
    part: usize,
    at: Instant,
}

/// A question in octets.
struct Asked {
    question: Question,
    query: Vec<u8>,
    /// The last answer that was read and found right: equal octets need no second reading.
    right: Vec<u8>,
}

enum Verdict {
    Right,
    Failed,
    Wrong(String),
}

impl Sender {
    /// Opens sockets in this thread's network namespace.
    pub(super) fn open(
        server: SocketAddr,
        questions: Vec<Question>,
        rate: u32,
        started: Instant,
    ) -> Result<Self> {
        let asked = questions.into_iter().map(|question| {
            Ok(Asked {
                query: question.query(0)?,
                question,
                right: Vec::new(),
            })
        });
        let lanes = (0..rate.div_ceil(RATE_OF_SOCKET)).map(|_| Lane::open(server));
        Ok(Self {
            lanes: lanes.collect::<Result<_>>()?,
            asked: asked.collect::<Result<_>>()?,
            rate,
            started,
            last_right: started,
            overflow: Overflow::open()?,
            seen: Seen::default(),
        })
    }

    /// Sends and receives until told to stop, and a while longer for answers that are on their way.
    pub(super) fn run(mut self, shared: &Shared) -> Result<Seen> {
        let mut sent = 0;
        let start = Instant::now();
        self.last_right = start;
        while !shared.stop.load(SeqCst) {
            let part = shared.part.load(SeqCst);
            let due = start.elapsed().as_micros() * u128::from(self.rate) / 1_000_000;
            let due = u64::try_from(due)?;
            let burst = due.saturating_sub(sent).min(BURST);
            for _ in 0..burst {
                if !self.send(sent, part)? {
                    break;
                }
                sent += 1;
            }
            if self.receive(shared)? == 0 && burst < BURST {
                thread::sleep(REST);
            }
        }
        let deadline = Instant::now() + PATIENCE;
        while self.is_waiting() && Instant::now() < deadline {
            if self.receive(shared)? == 0 {
                thread::sleep(REST);
            }
        }
        self.give_up();
        self.seen.overflowed = self.overflow.since()?;
        Ok(self.seen)
    }

    /// Sends the next query; `false` if there is no room for it now.
    fn send(&mut self, number: u64, part: usize) -> Result<bool> {
        let lanes = self.lanes.len() as u64;
        let turn = usize::try_from(number % lanes)?;
        let question = usize::try_from(number % self.asked.len() as u64)?;
        let (lane, asked) = (&mut self.lanes[turn], &mut self.asked[question]);
        let id = lane.next_id;
        asked.query[..2].copy_from_slice(&id.to_be_bytes());
        if !lane.send(&asked.query)? {
            return Ok(false);
        }
        lane.next_id = id.wrapping_add(1);
        let pending = Pending {
            question,
            part,
            at: Instant::now(),
        };
        let before = lane.pending[usize::from(id)].replace(pending);
        self.tally(pending).sent += 1;
        if let Some(before) = before {
            self.tally(before).lost += 1;
        }
        Ok(true)
    }

    /// Takes all answers that are there; gives their number.
    fn receive(&mut self, shared: &Shared) -> Result<usize> {
        let mut buffer = [0; 4096];
        let mut count = 0;
        for turn in 0..self.lanes.len() {
            while let Some(length) = self.lanes[turn].receive(&mut buffer)? {
                count += 1;
                self.take(turn, &buffer[..length], shared)?;
            }
        }
        Ok(count)
    }

    fn take(&mut self, turn: usize, octets: &[u8], shared: &Shared) -> Result<()> {
        let now = Instant::now();
        let [high, low, _, _, ..] = octets else {
            self.complain(format!("{} octets only", octets.len()));
            return Ok(());
        };
        let id = u16::from_be_bytes([*high, *low]);
        let Some(pending) = self.lanes[turn].pending[usize::from(id)].take() else {
            self.complain(format!(
                "an answer with the id {id}, which nobody waits for"
            ));
            return Ok(());
        };
        if now - pending.at > PATIENCE {
            self.tally(pending).lost += 1;
            return Ok(());
        }
        match self.asked[pending.question].judge(octets) {
            Verdict::Right => {
                self.tally(pending).right += 1;
                let gap = now - std::mem::replace(&mut self.last_right, now);
                let part = &mut self.seen.parts[pending.part];
                part.gap = part.gap.max(gap);
                let micros = (now - self.started).as_micros();
                shared.last.store(u64::try_from(micros)?, SeqCst);
            }
            Verdict::Failed => self.tally(pending).failed += 1,
            Verdict::Wrong(fault) => {
                self.tally(pending).wrong += 1;
                let Question { name, kind, .. } = &self.asked[pending.question].question;
                let fault = format!("part {}: {name} {kind}: {fault}", pending.part);
                self.complain(fault);
            }
        }
        Ok(())
    }

    fn complain(&mut self, fault: String) {
        if self.seen.wrong.len() < KEPT {
            self.seen.wrong.push(fault);
        }
    }

    fn tally(&mut self, pending: Pending) -> &mut Tally {
        let questions = self.asked.len();
        let parts = &mut self.seen.parts;
        if parts.len() <= pending.part {
            parts.resize_with(pending.part + 1, || Part {
                tallies: vec![Tally::default(); questions],
                gap: Duration::ZERO,
            });
        }
        &mut parts[pending.part].tallies[pending.question]
    }

    fn is_waiting(&self) -> bool {
        let mut pending = self.lanes.iter().flat_map(|lane| &lane.pending);
        pending.any(|pending| pending.is_some_and(|it| it.at.elapsed() < PATIENCE))
    }

    /// What has not come by now is lost.
    fn give_up(&mut self) {
        let lanes = self.lanes.iter_mut().flat_map(|lane| &mut lane.pending);
        let lost: Vec<Pending> = lanes.filter_map(Option::take).collect();
        for pending in lost {
            self.tally(pending).lost += 1;
        }
    }
}

impl Lane {
    fn open(server: SocketAddr) -> Result<Self> {
        let any = match server {
            SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        let socket = UdpSocket::bind((any, 0))?;
        // Only root may have so much; for others it is what they may have.
        let _refused = setsockopt(&socket, RcvBufForce, &ROOM);
        // What comes from elsewhere is no answer.
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            next_id: 0,
            pending: vec![None; 1 << 16],
        })
    }

    fn send(&self, query: &[u8]) -> io::Result<bool> {
        loop {
            match self.socket.send(query) {
                Ok(_) => return Ok(true),
                // Told of an earlier query that nobody listened to.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) if is_full(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.socket.recv(buffer) {
                Ok(length) => return Ok(Some(length)),
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
        || error.raw_os_error() == Some(nix::errno::Errno::ENOBUFS as i32)
}

impl Asked {
    fn judge(&mut self, octets: &[u8]) -> Verdict {
        let [_, _, body @ ..] = octets else {
            return Verdict::Wrong("nothing".to_owned());
        };
        if body == self.right {
            return Verdict::Right;
        }
        match self.question.fault(octets) {
            None => {
                self.right = body.to_vec();
                Verdict::Right
            }
            Some(_)
                if body
                    .get(1)
                    .is_some_and(|flags| flags & 15 == SERVER_FAILURE) =>
            {
                Verdict::Failed
            }
            Some(fault) => Verdict::Wrong(fault),
        }
    }
}
