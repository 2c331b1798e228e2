//! What an operator and a node do to dns-ctl, one after the other, while clients ask.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use aya::programs::{SchedClassifier, TcAttachType};
use kxdns_tests::node::{PATIENCE, POD_INTERFACE, dns_ctl};
use testbed::{Child, Namespace, Signal};

use crate::Bed;

/// Answers that the streams have to get between one event and the next.
const BETWEEN: u64 = 200;

/// Waits until the streams have got some more answers.
fn go_on(stop: &AtomicBool, got: &AtomicU64) -> Result<()> {
    let enough = got.load(SeqCst) + BETWEEN;
    while got.load(SeqCst) < enough {
        ensure!(!stop.load(SeqCst), "a stream has ended");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// What an operator and a node do to dns-ctl.
pub(crate) fn lives(bed: &Bed, stop: &AtomicBool, got: &AtomicU64) -> Result<()> {
    let end = |child: &mut Child, signal| -> Result<()> {
        child.signal(signal)?;
        child.wait(PATIENCE)?;
        Ok(())
    };
    // The kernel answers also while nobody is there who could.
    let kernel_answers = || -> Result<()> {
        let before = bed.hits()?;
        go_on(stop, got)?;
        ensure!(bed.hits()? > before, "the kernel answers nothing");
        Ok(())
    };
    go_on(stop, got)?;
    let mut child = bed.spawn(&[])?;
    kernel_answers().context("once it has started")?;
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGKILL] {
        end(&mut child, signal)?;
        kernel_answers().with_context(|| format!("after {signal}"))?;
        child = bed.spawn(&[])?;
        kernel_answers().context("once it was started again")?;
    }
    // Other maps, and thus programs: those of before answer until these can.
    end(&mut child, Signal::SIGTERM)?;
    child = bed.spawn(&["--max-names", "5000"])?;
    kernel_answers().context("from other maps")?;
    end(&mut child, Signal::SIGTERM)?;
    uninstall(bed)?;
    go_on(stop, got).context("after uninstall")?;
    becomes_clean(bed).context("after uninstall")?;

    child = bed.spawn(&["--on-exit", "remove", "--hook", "tc"])?;
    kernel_answers().context("from a filter")?;
    end(&mut child, Signal::SIGTERM)?;
    go_on(stop, got).context("after the filter")?;
    becomes_clean(bed).context("after the filter")
}

fn uninstall(bed: &Bed) -> Result<()> {
    let mut command = dns_ctl(&bed.topology.node)?;
    command.args(["uninstall", "--bpffs"]);
    command.arg(bed.bpffs.path().join("kxdns"));
    testbed::output(&mut command).map(drop)
}

/// Waits until nothing is left; the kernel lets go of a link a moment after its pin.
fn becomes_clean(bed: &Bed) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match is_clean(bed) {
            Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
            result => return result,
        }
    }
}

pub(crate) fn tc(namespace: &Namespace, words: &str) -> Result<String> {
    testbed::output(namespace.command("tc").args(words.split(' ')))
}

fn is_clean(bed: &Bed) -> Result<()> {
    let node = &bed.topology.node;
    let (_, programs) =
        node.run(|| SchedClassifier::query_tcx(POD_INTERFACE, TcAttachType::Ingress))??;
    ensure!(programs.is_empty(), "{} programs are left", programs.len());
    let filters = tc(node, &format!("filter show dev {POD_INTERFACE} ingress"))?;
    ensure!(filters.is_empty(), "{filters}");
    ensure!(!bed.bpffs.path().join("kxdns").exists(), "pins are left");
    Ok(())
}
