//! `cargo xtask test`: every test there is, in steps.

use anyhow::Result;

use crate::{
    prerequisites::{self, Purpose},
    steps::Steps,
    tally::Tally,
    workspace::Workspace,
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
    let outcome = steps.finish();
    let word = if outcome.is_ok() { "ok" } else { "FAILED" };
    println!("test result: {word}. {total}");
    outcome
}
