//! Upstreams that are dead, late, broken, or lie: clients get a right answer, an expired one, or an error, never a lie.

mod cases;
mod loops;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicU8, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use api_stub::wait_until;
use hickory_proto::rr::RecordType;
use kxdns_tests::server::{SERVICE_ADDRESS, SERVICE_NAME, Said, Server};
use testbed::{Form, Hostile, Namespace, Script};

use cases::{Case, Hope};

/// What the first upstream says when it is honest.
const FIRST: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// What the second one says, which always is.
const SECOND: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
/// What no client must ever hear.
const LIE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 66);
/// The second upstream.
const SECOND_UPSTREAM: SocketAddr = local(3, 0, 1);
/// The time for all upstreams of a query, in milliseconds.
const TIMEOUT: &str = "2000";
/// Later than that.
const LATE: Duration = Duration::from_millis(2500);
/// How long a client waits: that time, and much more for a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long the first upstream's answers hold, in seconds.
const TTL: u32 = 1;
/// How many servers run at a time.
const WORKERS: usize = 16;

/// An address that every namespace has, at port 53.
const fn local(second: u8, third: u8, last: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, second, third, last)), 53)
}

/// One server, its upstreams, and how the first of them behaves.
struct Bed<'n> {
    namespace: &'n Namespace,
    server: Server,
    upstream: SocketAddr,
    case: &'n Case,
    /// Whether there is a second, good one.
    second: bool,
}

impl<'n> Bed<'n> {
    fn start(namespace: &'n Namespace, number: u8, case: &'n Case, second: bool) -> Result<Self> {
        let upstream = local(2, number, 1);
        let (first, other) = (upstream.to_string(), SECOND_UPSTREAM.to_string());
        let mut flags = vec!["--upstream-timeout", TIMEOUT, "--upstream", &first];
        if second {
            flags.extend(["--upstream", &other]);
        }
        Ok(Self {
            namespace,
            server: Server::start(namespace, local(1, number, 1), &flags)?,
            upstream,
            case,
            second,
        })
    }

    fn ask(&self, name: &str) -> Result<Said> {
        let query = testbed::query(0x7E57, name, RecordType::A)?;
        let reply = self.server.ask(self.namespace, &query, PATIENCE);
        let said = reply.and_then(|reply| Said::read(&query, &reply));
        said.with_context(|| format!("asked for {name}"))
    }

    fn expect_right(&self, name: &str) -> Result<()> {
        let said = self.ask(name)?;
        ensure!(is_right(&said), "{name}: {said:?}");
        Ok(())
    }

    /// Asks for a name that is in no cache while the upstream misbehaves.
    fn expect_hope(&self, name: &str) -> Result<()> {
        let said = self.ask(name)?;
        let hoped = if is_right(&said) {
            self.second || self.case.hope != Hope::Failure
        } else {
            let failed = matches!(&said, Said::Nothing(rcode) if self.case.may_say(*rcode));
            failed && !self.second && self.case.hope != Hope::Answer
        };
        ensure!(hoped, "{name}: {said:?}");
        Ok(())
    }

    /// Lets the upstream behave as the case says; `None`: it is gone.
    fn misbehave(&self, upstream: Hostile) -> Option<Hostile> {
        let (datagrams, stream) = self.case.behaviour.clone()?;
        upstream.replace(Script {
            datagrams,
            stream,
            ..honest()
        });
        Some(upstream)
    }

    /// Lets the upstream be honest; starts it, if it is gone.
    fn be_well(&self, upstream: Option<Hostile>) -> Result<Hostile> {
        if let Some(upstream) = upstream {
            upstream.replace(honest());
            return Ok(upstream);
        }
        // A program that another thread starts holds copies of all sockets until it is loaded.
        wait_until(PATIENCE, || self.start_upstream().ok()).context("the address stays in use")
    }

    fn start_upstream(&self) -> Result<Hostile> {
        Hostile::start(self.namespace, self.upstream, honest())
    }

    /// An answer is kept, the upstream misbehaves, and is well again.
    fn check(&self) -> Result<()> {
        let upstream = self.start_upstream()?;
        self.expect_right("kept.example.").context("at first")?;
        let kept = Instant::now();
        let upstream = self.misbehave(upstream);
        self.expect_hope("fresh.example.")?;
        // The kept answer has to expire: nothing tells when, but the clock.
        let expired = kept + Duration::from_secs(u64::from(TTL) + 1);
        thread::sleep(expired.saturating_duration_since(Instant::now()));
        self.expect_right("kept.example.").context("expired")?;
        let service = self.ask(SERVICE_NAME)?;
        ensure!(service == Said::address(SERVICE_ADDRESS), "{service:?}");

        let _upstream = self.be_well(upstream)?;
        self.expect_right("later.example.").context("well again")?;
        let log = self.server.child.output();
        ensure!(!log.contains("panicked"), "{log}");
        Ok(())
    }
}

/// Whether it is what one of the upstreams says when it is honest.
fn is_right(said: &Said) -> bool {
    [FIRST, SECOND].map(Said::address).contains(said)
}

fn honest() -> Script {
    Script::new(FIRST, LIE, TTL, &[Form::Truth])
}

/// Puts every case to a server of its own, alone and before a good upstream, some at a time.
fn check_all(cases: &[Case]) -> Result<()> {
    let namespace = Namespace::new("upstreams")?;
    let second = Script::new(SECOND, LIE, TTL, &[Form::Truth]);
    let _second = Hostile::start(&namespace, SECOND_UPSTREAM, second)?;
    let next = AtomicU8::new(0);
    let work = || {
        let mut failures = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(usize::from(number / 2)) else {
                return failures;
            };
            let second = number % 2 == 1;
            let bed = Bed::start(&namespace, number, case, second);
            if let Err(error) = bed.and_then(|bed| bed.check()) {
                let company = if second { "before a good one" } else { "alone" };
                failures.push(format!("{}, {company}: {error:#}", case.name));
            }
        }
    };
    let failures: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(thread::ScopedJoinHandle::join);
        ended
            .flat_map(|failures| failures.expect("no panic"))
            .collect()
    });
    ensure!(failures.is_empty(), "\n{}", failures.join("\n"));
    Ok(())
}

#[test]
fn upstreams_that_say_nothing() -> Result<()> {
    check_all(&cases::mute())
}

#[test]
fn upstreams_that_answer_other_queries() -> Result<()> {
    check_all(&cases::stray())
}

#[test]
fn strangers_that_speak_for_the_upstream() -> Result<()> {
    check_all(&cases::elsewhere())
}

#[test]
fn upstreams_whose_replies_are_broken() -> Result<()> {
    check_all(&cases::broken())
}

#[test]
fn upstreams_that_send_to_tcp_and_fail_there() -> Result<()> {
    check_all(&cases::truncated())
}
