//! Whether another dns-ctl has this network namespace, or the folder for pinned maps.

use std::{fs, path::Path};

use super::report::Finding;
use crate::{attach::folder::is_claimed, config::KernelConfig};

const INSTANCE: &str = "instance";
/// The abstract address at which an instance is known, as the kernel lists it.
const CLAIM: &str = "@kxdns";

/// What another instance holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// This network namespace.
    pub(super) namespace: bool,
    /// The folder.
    pub(super) folder: bool,
}

impl Held {
    /// Looks for an instance.
    pub(super) fn look(bpffs: Option<&Path>) -> Self {
        let sockets = fs::read_to_string("/proc/self/net/unix").unwrap_or_default();
        Self {
            namespace: is_listed(&sockets),
            folder: bpffs.is_some_and(is_claimed),
        }
    }

    /// Whether there is another instance at all.
    pub(super) const fn any(self) -> bool {
        self.namespace || self.folder
    }
}

/// Whether the list of sockets has the claim in it; the path is the last column.
fn is_listed(sockets: &str) -> bool {
    sockets
        .lines()
        .any(|line| line.split_whitespace().nth(7) == Some(CLAIM))
}

/// Judges what another instance holds.
pub(super) fn judge(held: Held, kernel: &KernelConfig) -> Finding {
    if !held.any() {
        return Finding::pass(INSTANCE, "no other dns-ctl runs here");
    }
    let bpffs = kernel.bpffs.display();
    let found = match (held.namespace, held.folder) {
        (true, true) => "another dns-ctl runs here".to_owned(),
        (true, false) => {
            "another dns-ctl has programs on interfaces of this network namespace".to_owned()
        }
        _ => format!("another dns-ctl runs with --bpffs {bpffs} in another network namespace"),
    };
    if kernel.takeover && held.namespace {
        return Finding::pass(INSTANCE, format!("{found}; --takeover would have it stop"));
    }
    let remedy = if held.namespace {
        "a second one is refused: stop it first, or give --takeover"
    } else {
        "a second one is refused: give this one another folder with --bpffs"
    };
    Finding::warn(INSTANCE, found, remedy)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{super::report::Verdict, *};
    use crate::{
        args::{Cli, Command},
        config::Config,
    };

    #[test]
    fn the_claim_is_found_by_its_whole_name() {
        let head = "Num RefCount Protocol Flags Type St Inode Path\n";
        for (line, listed) in [
            ("0: 00000002 00000000 00000000 0002 01 2 @kxdns", true),
            ("0: 00000002 00000000 00010000 0001 01 2 @kxdns", true),
            ("0: 00000002 00000000 00000000 0002 01 2 @kxdns-more", false),
            ("0: 00000002 00000000 00000000 0002 01 2 /run/@kxdns", false),
            ("0: 00000002 00000000 00000000 0002 01 2", false),
        ] {
            assert_eq!(is_listed(&format!("{head}{line}\n")), listed, "{line}");
        }
        assert!(!is_listed(""));
    }

    #[test]
    fn another_instance_is_a_warning_unless_it_is_to_stop() {
        let kernel = |flags: &[&str]| {
            let all = ["dns-ctl", "run"].iter().chain(flags);
            let Command::Run(args) = Cli::try_parse_from(all).unwrap().command else {
                panic!("this is a run");
            };
            Config::try_from(*args).unwrap().kernel.unwrap()
        };
        let held = |namespace, folder| Held { namespace, folder };
        for (held, flags, result, words) in [
            (held(false, false), &[][..], Verdict::Pass, "no other"),
            (held(true, true), &[], Verdict::Warn, "runs here"),
            (held(true, false), &[], Verdict::Warn, "network namespace"),
            (held(false, true), &[], Verdict::Warn, "/sys/fs/bpf/kxdns"),
            (
                held(true, true),
                &["--takeover"],
                Verdict::Pass,
                "have it stop",
            ),
            (
                held(false, true),
                &["--takeover"],
                Verdict::Warn,
                "/sys/fs/bpf/kxdns",
            ),
        ] {
            let finding = judge(held, &kernel(flags));
            assert_eq!(finding.result, result, "{finding:?}");
            assert!(finding.found.contains(words), "{finding:?}");
        }
    }
}
