//! The thread in which the kernel takes packets from an interface, so that it can be told where to run, and what it costs.

use std::{collections::BTreeSet, fs, process::Command};

use anyhow::{Context as _, Result, ensure};
use testbed::Namespace;

/// Gives an interface a thread of its own, instead of having whoever sends to it do the work.
///
/// It runs on one processor, before whatever else wants to: as the interrupt of a NIC would, for which it stands.
pub(super) fn thread(namespace: &Namespace, interface: &str, cpu: usize) -> Result<u32> {
    let before = threads(interface)?;
    // /sys shows the devices of the namespace in which it was mounted.
    let write = format!("mount -t sysfs sysfs /sys && echo 1 >/sys/class/net/{interface}/threaded");
    let mut command = namespace.command("unshare");
    command.args(["--mount", "--propagation", "private", "--"]);
    testbed::output(command.args(["sh", "-c", &write]))
        .with_context(|| format!("can't give {interface} a thread"))?;
    let after = threads(interface)?;
    let new: Vec<_> = after.difference(&before).copied().collect();
    ensure!(
        new.len() == 1,
        "{interface} has {} threads instead of one; does it take GRO?",
        new.len()
    );
    let (pid, cpu) = (new[0].to_string(), cpu.to_string());
    testbed::output(Command::new("taskset").args(["--pid", "--cpu-list", &cpu, &pid]))?;
    testbed::output(Command::new("chrt").args(["--fifo", "--pid", "1", &pid]))?;
    Ok(new[0])
}

/// The threads of all interfaces of that name, whatever their namespace.
fn threads(interface: &str) -> Result<BTreeSet<u32>> {
    let prefix = format!("napi/{interface}-");
    let entries = fs::read_dir("/proc")?.filter_map(Result::ok);
    Ok(entries
        .filter(|entry| {
            // What has ended meanwhile has no name.
            fs::read_to_string(entry.path().join("comm"))
                .is_ok_and(|name| name.starts_with(&prefix))
        })
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}
