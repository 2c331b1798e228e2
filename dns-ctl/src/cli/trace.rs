//! `dns-ctl trace`: a query through the running program, and what became of it.

mod answer;
mod packet;
mod show;
mod verdict;

use std::{
    collections::BTreeSet,
    net::{Ipv6Addr, SocketAddr},
    path::Path,
    process::ExitCode,
};

use anyhow::Context as _;
use aya::{
    maps::{Map, MapData},
    programs::{ProgramError, SchedClassifier, TestRun as _, TestRunOptions, Xdp},
};
use aya_obj::programs::XdpAttachType;
use dns_common::{
    Hook,
    maps::{Attachment, Counters, ServiceKey, map_name},
};
use nix::{
    sched::{CpuSet, sched_getcpu, sched_setaffinity},
    unistd::Pid,
};

use super::read_config;
use crate::{
    args::TraceArgs,
    attach::{
        folder::is_claimed,
        kernel::{TC_PROGRAM, XDP_PROGRAM},
        maps::{AttachedMap, OutcomeMap, ServiceMap},
        pins,
        rung::Rung,
    },
};
use packet::Question;
use show::{Report, Run};
use verdict::{Finding, Verdict};

/// Runs after which several reasons are told instead of one.
const MAX_RUNS: usize = 32;
/// Room for the packet afterwards: more than the longest answer with its headers.
const MAX_FRAME: usize = 2048;

/// A program of the instance.
enum Program {
    Xdp(Xdp),
    Tc(SchedClassifier),
}

/// Prints what the kernel does with a query; the exit code is 1 if it passes it on.
pub fn trace(args: &TraceArgs) -> anyhow::Result<ExitCode> {
    let bpffs = &args.view.bpffs;
    read_config(bpffs)?;
    let to = destination(&service_addresses(bpffs)?, args.ipv6)?;
    let question = Question {
        id: rand::random(),
        name: args.name.clone(),
        record_type: args.record_type,
        edns: args.edns,
    };
    let message = packet::message(&question)?;
    let frame = packet::frame(&message, to)?;
    let used = rungs(bpffs)?;
    let outcomes = OutcomeMap::try_from(open(bpffs, map_name::OUTCOMES)?)?;
    let cpu = stay_on_cpu()?;
    let mut runs = Vec::new();
    for hook in hooks(&used) {
        let program = Program::open(bpffs, hook)?;
        let (finding, after) = find_out(&program, &outcomes, cpu, &frame)?;
        let attached = used.iter().filter(|&&rung| hook_of(rung) == hook);
        let attached = attached.map(|rung| rung.name()).collect();
        runs.push(Run::new(program.name(), attached, &finding, &after)?);
    }
    let report = Report::new(is_claimed(bpffs), &question, to, message.len(), runs);
    show::print(&report, args.view.output)?;
    Ok(if report.is_answered() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Program {
    fn open(bpffs: &Path, hook: Hook) -> anyhow::Result<Self> {
        Ok(match hook {
            Hook::Xdp => Self::Xdp(pins::open_program(bpffs, XDP_PROGRAM, |path| {
                Xdp::from_pin(path, XdpAttachType::Interface)
            })?),
            Hook::Tc => Self::Tc(pins::open_program(bpffs, TC_PROGRAM, |path| {
                SchedClassifier::from_pin(path)
            })?),
        })
    }

    const fn hook(&self) -> Hook {
        match self {
            Self::Xdp(_) => Hook::Xdp,
            Self::Tc(_) => Hook::Tc,
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Xdp(_) => XDP_PROGRAM,
            Self::Tc(_) => TC_PROGRAM,
        }
    }

    /// Runs the program once: its return code, and the packet afterwards.
    fn run(&self, frame: &[u8]) -> Result<(u32, Vec<u8>), ProgramError> {
        let mut after = vec![0; MAX_FRAME];
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut after),
            ..TestRunOptions::default()
        };
        let result = match self {
            Self::Xdp(program) => program.test_run(options),
            Self::Tc(program) => program.test_run(options),
        }?;
        after.truncate(result.data_size_out as usize);
        Ok((result.return_value, after))
    }
}

/// Runs the program until the reason is certain, or [`MAX_RUNS`] times: what is known then, and the packet
/// after the last run.
fn find_out(
    program: &Program,
    outcomes: &OutcomeMap<MapData>,
    cpu: usize,
    frame: &[u8],
) -> anyhow::Result<(Finding, Vec<u8>)> {
    let hook = program.hook();
    let counters = || -> anyhow::Result<Counters> {
        let cpus = outcomes.get(&(hook as u32), 0)?;
        let counters = cpus.get(cpu).context("this CPU has no counters")?;
        Ok(*counters)
    };
    let mut last = None;
    for _ in 0..MAX_RUNS {
        let before = counters()?;
        let run = program.run(frame);
        let (code, after) = run.with_context(|| {
            format!(
                "the kernel does not run a packet through {}",
                program.name()
            )
        })?;
        let verdict = Verdict::of(hook, code).with_context(|| {
            format!(
                "{} gives {code}, which is no verdict of its own",
                program.name()
            )
        })?;
        let previous = last.take().map(|(finding, _)| finding);
        let finding = Finding::after(previous, verdict, &before, &counters()?);
        let certain = finding.outcome().is_some();
        last = Some((finding, after));
        if certain {
            break;
        }
    }
    last.context("the program was not run")
}

/// Keeps this thread on the CPU that it is on, whose counters then tell what it does; its number.
fn stay_on_cpu() -> anyhow::Result<usize> {
    let stay = || -> nix::Result<usize> {
        let cpu = sched_getcpu()?;
        let mut cpus = CpuSet::new();
        cpus.set(cpu)?;
        sched_setaffinity(Pid::from_raw(0), &cpus)?;
        Ok(cpu)
    };
    stay().context("can't stay on one CPU")
}

fn open(bpffs: &Path, name: &str) -> anyhow::Result<Map> {
    Ok(Map::from_map_data(pins::open(bpffs, name)?)?)
}

/// The addresses at which clients reach DNS.
pub(super) fn service_addresses(bpffs: &Path) -> anyhow::Result<BTreeSet<SocketAddr>> {
    let services = ServiceMap::try_from(open(bpffs, map_name::SERVICES)?)?;
    let mut addresses = BTreeSet::new();
    for words in services.keys() {
        let key: ServiceKey = bytemuck::cast(words?);
        let (address, port) = key.socket();
        let address = Ipv6Addr::from(address).to_canonical();
        addresses.insert(SocketAddr::new(address, port));
    }
    Ok(addresses)
}

/// Where to send the query: the first address of the family.
fn destination(addresses: &BTreeSet<SocketAddr>, ipv6: bool) -> anyhow::Result<SocketAddr> {
    let fits = |address: &&SocketAddr| address.is_ipv6() == ipv6;
    let (family, other) = if ipv6 {
        ("IPv6", "without --ipv6")
    } else {
        ("IPv4", "with --ipv6")
    };
    addresses.iter().find(fits).copied().with_context(|| {
        let instead = if addresses.is_empty() {
            String::new()
        } else {
            format!(", or trace {other}")
        };
        format!(
            "no {family} address is known at which clients reach DNS, so the kernel answers nothing over {family}: \
             wait until dns-ctl has read the cluster's DNS Service, give `dns-ctl run` one by --service-ip{instead}"
        )
    })
}

/// The hooks in use.
fn rungs(bpffs: &Path) -> anyhow::Result<Vec<Rung>> {
    let attached = AttachedMap::try_from(open(bpffs, map_name::ATTACHED)?)?;
    let mut used = Vec::new();
    for entry in &attached {
        let attachment: Attachment = bytemuck::cast(entry?.1);
        used.extend(Rung::from_number(attachment.rung));
    }
    let all = Rung::ALL.into_iter();
    Ok(all.filter(|rung| used.contains(rung)).collect())
}

const fn hook_of(rung: Rung) -> Hook {
    match rung {
        Rung::Tcx | Rung::Tc => Hook::Tc,
        Rung::XdpNative | Rung::XdpGeneric => Hook::Xdp,
    }
}

/// The kinds of programs in use; tc if there are none.
fn hooks(rungs: &[Rung]) -> Vec<Hook> {
    if rungs.is_empty() {
        return vec![Hook::Tc];
    }
    let is_used = |hook: &Hook| rungs.iter().any(|&rung| hook_of(rung) == *hook);
    Hook::ALL.iter().copied().filter(is_used).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_are_those_of_the_hooks_in_use() {
        for (rungs, expected) in [
            (&[][..], &[Hook::Tc][..]),
            (&[Rung::Tcx], &[Hook::Tc]),
            (&[Rung::Tcx, Rung::Tc], &[Hook::Tc]),
            (&[Rung::XdpGeneric], &[Hook::Xdp]),
            (&[Rung::Tc, Rung::XdpNative], &[Hook::Xdp, Hook::Tc]),
        ] {
            assert_eq!(hooks(rungs), expected, "{rungs:?}");
        }
    }

    #[test]
    fn the_destination_is_of_the_family_asked_for() {
        let (v4, v6) = ("10.96.0.10:53", "[fd00::a]:53");
        for (addresses, ipv6, expected) in [
            (&[v4][..], false, Ok(v4)),
            (&[v6, v4], false, Ok(v4)),
            (&[v6, v4], true, Ok(v6)),
            (
                &[v4],
                true,
                Err(&["no IPv6 address", "--service-ip", "without --ipv6"][..]),
            ),
            (
                &[v6],
                false,
                Err(&["no IPv4 address", "--service-ip", "with --ipv6"]),
            ),
            (&[], false, Err(&["no IPv4 address", "--service-ip"])),
        ] {
            let set = addresses
                .iter()
                .map(|address| address.parse().unwrap())
                .collect();
            match (destination(&set, ipv6), expected) {
                (Ok(found), expected) => assert_eq!(Ok(found.to_string().as_str()), expected),
                (Err(error), Ok(_)) => panic!("{addresses:?} {ipv6}: {error}"),
                (Err(error), Err(words)) => {
                    let said = error.to_string();
                    assert!(words.iter().all(|word| said.contains(word)), "{said}");
                    let has_other = said.contains("or trace");
                    assert_eq!(has_other, !addresses.is_empty(), "{said}");
                }
            }
        }
    }
}
