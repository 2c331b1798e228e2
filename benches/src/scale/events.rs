//! How long a change at the API server takes until a pod gets the new answer.

use std::{
    net::Ipv4Addr,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testbed::interrupt;

use super::{
    asking::{Asker, query},
    bed::{Bed, Subject, stop},
    plain::Watch,
    population::{changed_address, namespace_of, service_name, whole_name},
    start::start,
};
use api_stub::Kind;

/// How often each change that is not seen yet is asked for.
const POLL: Duration = Duration::from_micros(100);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_millis(100);
/// How long a change may take.
const LIMIT: Duration = Duration::from_secs(10);

/// How many changes, and how fast.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Changes a second.
    pub(super) rate: u32,
    /// Seconds.
    pub(super) seconds: u32,
}

/// Makes changes that were not made before: no two of a bench give the same address.
#[derive(Debug, Default)]
pub(super) struct Changes {
    made: u32,
}

/// A change that is to be made.
#[derive(Debug)]
struct Change {
    service: u32,
    address: Ipv4Addr,
    object: Value,
}

/// A change that is being made.
#[derive(Debug)]
struct Made {
    service: u32,
    address: Ipv4Addr,
    at: Instant,
}

/// A change that is not seen yet.
#[derive(Debug)]
struct Awaited {
    query: Vec<u8>,
    address: Ipv4Addr,
    at: Instant,
}

impl Changes {
    /// As many as the pace wants, each of another Service as long as there are enough.
    fn next(&mut self, bed: &Bed, pace: Pace) -> Result<Vec<Change>> {
        let count = pace.rate * pace.seconds;
        let changes = (self.made..self.made + count).map(|change| {
            // The last one is what a start is recognised by.
            let service = change % (bed.population.services - 1);
            let (namespace, name) = (namespace_of(service), service_name(service));
            let address = changed_address(change);
            let mut object = bed.api.get(Kind::Service, &namespace, &name)?;
            object["spec"]["clusterIP"] = address.to_string().into();
            object["spec"]["clusterIPs"] = [address.to_string()].as_slice().into();
            Ok(Change {
                service,
                address,
                object,
            })
        });
        let changes = changes.collect::<Result<_>>();
        self.made += count;
        changes
    }
}

/// A subject starts, sees changes at this pace, and ends: how long each took, in milliseconds.
pub(super) fn of_subject(
    bed: &Bed,
    subject: Subject,
    pace: Pace,
    changes: &mut Changes,
) -> Result<Vec<f64>> {
    let changes = changes.next(bed, pace)?;
    let (child, _) = start(bed, subject)?;
    let asker = Asker::new(bed.pod(), subject.address(), ANSWER)?;
    let hits = || {
        let read = subject.is_dns_ctl().then(|| bed.hits());
        read.transpose()
    };
    let before = hits()?;
    let (times, questions) = run(bed, changes, pace, |made| await_answers(&made, &asker))?;
    if let (Some(before), Some(after)) = (before, hits()?) {
        ensure!(
            after - before == questions,
            "of {questions} questions the kernel has answered {}",
            after - before
        );
    }
    stop(subject, child)?;
    Ok(times)
}

/// The same for a client that does nothing but read the watch.
pub(super) fn of_plain_watch(bed: &Bed, pace: Pace, changes: &mut Changes) -> Result<Vec<f64>> {
    let changes = changes.next(bed, pace)?;
    let mut watch = Watch::begin(bed.node(), bed.api.address(), bed.api.revision())?;
    run(bed, changes, pace, |made| {
        let mut times = Vec::new();
        for Made { address, at, .. } in made {
            ensure!(
                watch.next()? == address,
                "the watch tells of another change"
            );
            times.push(milliseconds(at.elapsed()));
        }
        Ok(times)
    })
}

/// Makes the changes on a thread, and has `see` see them.
fn run<T: Send>(
    bed: &Bed,
    changes: Vec<Change>,
    pace: Pace,
    see: impl FnOnce(Receiver<Made>) -> Result<T>,
) -> Result<T> {
    let (sender, made) = mpsc::channel();
    thread::scope(|scope| {
        let making = scope.spawn(|| make(bed, changes, pace, sender));
        let seen = see(made);
        making
            .join()
            .map_err(|_| anyhow::anyhow!("the changes were not made"))??;
        seen
    })
}

/// Makes the changes, one after the other, at equal distances.
fn make(bed: &Bed, changes: Vec<Change>, pace: Pace, sender: Sender<Made>) -> Result<()> {
    let distance = Duration::from_secs(1) / pace.rate;
    let mut due = Instant::now();
    for Change {
        service,
        address,
        object,
    } in changes
    {
        interrupt::check()?;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        due += distance;
        let at = Instant::now();
        let made = Made {
            service,
            address,
            at,
        };
        // Told before, so that it is asked for while it is made.
        sender.send(made).context("nobody sees the changes")?;
        bed.api.force(&object)?;
    }
    drop(sender);
    Ok(())
}

/// Asks for what has changed until the answer is the new one: how long each change took, in milliseconds, and how
/// many questions that was.
fn await_answers(made: &Receiver<Made>, asker: &Asker) -> Result<(Vec<f64>, u64)> {
    let (mut times, mut questions) = (Vec::new(), 0);
    let mut awaited: Vec<Awaited> = Vec::new();
    let mut is_over = false;
    while !(is_over && awaited.is_empty()) {
        // With nothing to ask for, there is nothing to do before the next change.
        let patience = if awaited.is_empty() { LIMIT } else { POLL };
        let pause = Instant::now() + patience;
        while !is_over {
            match made.recv_timeout(pause.saturating_duration_since(Instant::now())) {
                Ok(Made {
                    service,
                    address,
                    at,
                }) => {
                    let id = u16::try_from(service % (1 << 16))?;
                    let query = query(id, &whole_name(service))?;
                    awaited.push(Awaited { query, address, at });
                    break;
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => is_over = true,
            }
        }
        if is_over {
            thread::sleep(POLL);
        }
        for Awaited { query, address, at } in std::mem::take(&mut awaited) {
            questions += 1;
            if asker.has(&query, address) {
                times.push(milliseconds(at.elapsed()));
                continue;
            }
            ensure!(at.elapsed() < LIMIT, "a change is not seen: {address}");
            awaited.push(Awaited { query, address, at });
        }
    }
    Ok((times, questions))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
