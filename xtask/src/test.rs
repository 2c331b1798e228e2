//! `cargo xtask test`: every test there is, in steps.

use anyhow::Result;

use crate::{
    chart, image,
    prerequisites::{self, Purpose},
    steps::Steps,
    tally::Tally,
    workspace::{self, Workspace},
};

/// Test runs that anyone can do: headline, and arguments of `cargo test`.
const HOST: [(&str, &str); 3] = [
    ("tests on the host", ""),
    (
        "API stub against CoreDNS",
        "--package api-stub --features peer",
    ),
    (
        "dns-ctl against CoreDNS",
        "--package conformance --features peer --test servers",
    ),
];

/// Test runs that make network namespaces and load kernel programs.
const ROOT: [(&str, &str); 2] = [
    ("testbed", "--package testbed --features root --test root"),
    ("kernel and network", "--package kxdns-tests"),
];

/// The builds of dns-ctl that tests of upgrades start: program, and the feature that it needs. Built beforehand,
/// they do not take the time of a test.
const BUILDS: [(&str, &str); 2] = [
    ("dns-ctl-other", "other-build"),
    ("dns-ctl-next", "next-abi"),
];

/// Runs them all, or those that do not need root.
pub(crate) fn run(workspace: &Workspace, host_only: bool) -> Result<()> {
    let root = testbed::require_root().is_ok();
    let mut steps = Steps::default();
    let mut total = Tally::default();
    let mut test = |steps: &mut Steps, name, arguments: &str| {
        steps.take(name, |note| {
            let mut tally = Tally::default();
            let mut command = workspace.cargo(&["test", "--no-fail-fast"]);
            let outcome = tally.run(command.args(arguments.split_whitespace()));
            *note = tally.to_string();
            total += tally;
            outcome
        });
    };

    let purpose = if host_only {
        Purpose::HostTest
    } else {
        Purpose::Test
    };
    steps.take("prerequisites", |_| {
        prerequisites::ensure(workspace, purpose)
    });
    for (name, arguments) in HOST {
        test(&mut steps, name, arguments);
    }
    if root && !host_only {
        steps.take("builds for tests of upgrades", |_| {
            BUILDS.into_iter().try_for_each(|(program, feature)| {
                let arguments = [
                    "build",
                    "--package",
                    "dns-ctl",
                    "--bin",
                    program,
                    "--features",
                    feature,
                ];
                workspace::run(&mut workspace.cargo(&arguments))
            })
        });
    }
    for (name, arguments) in ROOT {
        if host_only {
            break;
        }
        if root {
            test(&mut steps, name, arguments);
        } else {
            steps.leave_out(name, "needs root; use `--host-only` to do without");
        }
    }
    steps.take("Helm chart", |note| {
        counted(&mut total, note, |tally| {
            chart::test(workspace, false, tally)
        })
    });
    if root && !host_only {
        steps.take("container image", |note| {
            counted(&mut total, note, |tally| image::test(workspace, tally))
        });
    }
    let outcome = steps.finish();
    let word = if outcome.is_ok() { "ok" } else { "FAILED" };
    println!("test result: {word}. {total}");
    outcome
}

/// Has a task count its tests, in the note of its step and in the total.
fn counted(
    total: &mut Tally,
    note: &mut String,
    task: impl FnOnce(&mut Tally) -> Result<()>,
) -> Result<()> {
    let mut tally = Tally::default();
    let outcome = task(&mut tally);
    *note = tally.to_string();
    *total += tally;
    outcome
}
