//! `cargo xtask demo`: kxdns at work on a node with two pods, shown query by query.

mod answer;
mod cluster;
mod counters;
mod crash;
mod queries;
mod report;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testbed::interrupt;

use crate::{
    prerequisites::{self, Purpose},
    terminal,
    workspace::{self, Workspace},
};
use cluster::Cluster;
use counters::Delta;
use queries::Query;
use report::Row;

/// How long a Service added while running may take to resolve.
const LATE_LIMIT: Duration = Duration::from_secs(5);
/// How long the counters may take to show a query that is answered.
const SETTLE: Duration = Duration::from_millis(20);

/// Prepares, shows, cleans up; an error if anything is not as it should be.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    testbed::require_root()?;
    interrupt::catch()?;
    terminal::headline("preparing");
    prerequisites::ensure(workspace, Purpose::Demo)?;
    let build = [
        "build",
        "--release",
        "--package",
        "dns-ctl",
        "--bin",
        "dns-ctl",
    ];
    workspace::run(&mut workspace.cargo(&build))?;
    interrupt::check()?;

    let mut cluster = Cluster::start(workspace)?;
    let shown = show(&mut cluster);
    // Whatever went wrong, dns-ctl's own words may tell why; not those to a person who pressed Ctrl-C.
    if !matches!(&shown, Ok(faults) if faults.is_empty()) && !interrupt::is_there() {
        report::show_log(&cluster.log());
    }
    let stopped = cluster.stop();
    let faults = shown?;

    if let Ok(removed) = &stopped {
        terminal::headline("dns-ctl uninstall");
        println!("{}", removed.trim_end());
    }
    terminal::headline("result");
    for fault in &faults {
        println!("{} {fault}", terminal::red("not as expected:"));
    }
    ensure!(
        faults.is_empty(),
        "{} of the demo's expectations failed",
        faults.len()
    );
    stopped?;
    println!("Everything is as expected, and everything is cleaned up.");
    Ok(())
}

/// Asks all queries and prints what came of them; gives the expectations that failed.
fn show(cluster: &mut Cluster) -> Result<Vec<String>> {
    terminal::headline("queries");
    let mut rows = Vec::new();
    for query in queries::ALL {
        rows.push(ask(cluster, query)?);
    }
    println!("{}", report::table(&rows));
    println!("{}", report::LEGEND);

    terminal::headline("a Service added while running");
    let late = add_service(cluster)?;
    let late_row = ask(cluster, &queries::LATE)?;
    match late {
        Some(time) => println!(
            "`{}` resolves {:.0} ms after its manifest was written.",
            queries::LATE_NAME,
            time.as_secs_f64() * 1000.0
        ),
        None => println!("`{}` does not resolve.", queries::LATE_NAME),
    }
    println!("{}", report::table(std::slice::from_ref(&late_row)));

    terminal::headline("counters");
    report::show_counters(&cluster.status()?, &cluster.counters()?);

    terminal::headline("dns-ctl is killed, and started again");
    let crash = crash::survive(cluster)?;
    println!("{crash}");

    rows.push(late_row);
    let mut faults: Vec<_> = rows.into_iter().filter_map(|row| row.fault).collect();
    if late.is_none() {
        faults.push(format!(
            "`{}` did not resolve within {LATE_LIMIT:?} of being added",
            queries::LATE_NAME
        ));
    }
    if crash.has_losses() {
        faults.push("a query was lost while dns-ctl was dead or starting".to_owned());
    }
    Ok(faults)
}

/// Has a real program ask a query, and finds out from the counters who answered.
fn ask(cluster: &Cluster, query: &Query) -> Result<Row> {
    interrupt::check()?;
    let before = cluster.counters()?;
    let start = Instant::now();
    let output = cluster.run_in_pod(query.pod, query.program, &query.all_arguments())?;
    let elapsed = start.elapsed();
    std::thread::sleep(SETTLE);
    let delta = Delta::between(&before, &cluster.counters()?);

    let answer = answer::read(query.program, &output, elapsed)?;
    let fault = query
        .judge(&answer, delta)
        .err()
        .map(|why| format!("{} in pod {}: {why}", query.shown(), query.pod));
    Ok(Row {
        pod: query.pod,
        query: query.shown(),
        answer,
        delta,
        fault,
    })
}

/// Adds a Service and asks for it until it resolves; how long that took, or `None` if it took too long.
fn add_service(cluster: &Cluster) -> Result<Option<Duration>> {
    let start = Instant::now();
    cluster.add_manifest("late.yaml", &queries::late_manifest())?;
    while start.elapsed() < LATE_LIMIT {
        interrupt::check()?;
        if cluster.resolves(queries::LATE_NAME, queries::LATE_ADDRESS)? {
            return Ok(Some(start.elapsed()));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(None)
}
