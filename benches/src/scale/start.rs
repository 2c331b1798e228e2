//! One start of a subject: how long until it answers and is ready, and what it takes then.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use testbed::{Child, interrupt};

use super::{
    asking::{Asker, query},
    bed::{Bed, Subject, stop},
    memory::{self, Memory},
    population::{service_address, whole_name},
};
use crate::process;

/// How often it is asked.
const POLL: Duration = Duration::from_millis(2);
/// How often it is asked whether it is ready: every so many times.
const READY_EVERY: u32 = 3;
/// How long one answer may take.
const ANSWER: Duration = Duration::from_millis(10);
/// How long a request for readiness may take.
const REQUEST: Duration = Duration::from_secs(5);
/// How long a start may take.
const LIMIT: Duration = Duration::from_mins(3);
/// When the memory is looked at: so long after it was ready.
const SETTLE: Duration = Duration::from_secs(2);

/// What a start has shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// Until the last Service's name was answered, by whoever.
    pub(super) answered: Duration,
    /// Until it was answered in the kernel.
    pub(super) in_kernel: Option<Duration>,
    /// Until it was ready.
    pub(super) ready: Duration,
    /// Processor time until then.
    pub(super) processor: Duration,
    /// Memory, a while later.
    pub(super) memory: Memory,
    /// Memory of the pinned maps, in octets.
    pub(super) maps: Option<f64>,
    /// What the API server has sent, in octets, without HTTP's headers.
    pub(super) received: f64,
}

/// Starts a subject, and waits until it is ready and answers.
pub(super) fn start(bed: &Bed, subject: Subject) -> Result<(Child, Start)> {
    interrupt::check()?;
    let last = bed.population.services - 1;
    let (question, address) = (query(7, &whole_name(last))?, service_address(last));
    let asker = Asker::new(bed.pod(), subject.address(), ANSWER)?;
    bed.api.reset_counters();
    let began = Instant::now();
    let mut child = bed.spawn(subject)?;
    let (mut answered, mut in_kernel, mut ready) = (None, None, None);
    let (health, path) = subject.readiness();
    let mut turn = 0;
    while answered.is_none() || ready.is_none() || subject.is_dns_ctl() && in_kernel.is_none() {
        interrupt::check()?;
        if let Some(status) = child.ended()? {
            anyhow::bail!("{} ended ({status}): {}", subject.label(), child.output());
        }
        ensure!(
            began.elapsed() < LIMIT,
            "{} is not ready: {}",
            subject.label(),
            child.output()
        );
        let awaits_answer = answered.is_none() || subject.is_dns_ctl() && in_kernel.is_none();
        if awaits_answer {
            let before = bed.hits().ok();
            if asker.has(&question, address) {
                let now = began.elapsed();
                answered.get_or_insert(now);
                let by_kernel = before.is_some_and(|hits| bed.hits().is_ok_and(|it| it > hits));
                if by_kernel {
                    in_kernel.get_or_insert(now);
                }
            }
        }
        turn += 1;
        if ready.is_none() && turn % READY_EVERY == 0 {
            let reply = testbed::get(bed.node(), health, path, REQUEST);
            if reply.is_ok_and(|reply| reply.status == 200) {
                let processor = process::processor_time(child.pid())?;
                ready = Some((began.elapsed(), processor));
            }
        }
        thread::sleep(POLL);
    }
    let (ready, processor) = ready.unwrap_or_default();
    thread::sleep(SETTLE);
    let start = Start {
        answered: answered.unwrap_or_default(),
        in_kernel,
        ready,
        processor,
        memory: Memory::of(child.pid())?,
        maps: subject
            .is_dns_ctl()
            .then(|| memory::maps(&bed.maps()))
            .transpose()?,
        received: octets(bed.api.counters().bytes_sent),
    };
    Ok((child, start))
}

/// Starts a subject and ends it again.
pub(super) fn start_and_stop(bed: &Bed, subject: Subject) -> Result<Start> {
    let (child, start) = start(bed, subject)?;
    stop(subject, child)?;
    Ok(start)
}

/// A number of octets, of which there are fewer than a double tells apart.
#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
fn octets(number: u64) -> f64 {
    number as f64
}
