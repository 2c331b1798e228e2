//! The running kernel: its release and processor, its type information, and whether it takes the programs.

use std::{env::consts::ARCH, fs, path::Path};

use super::report::Finding;
use crate::{
    attach::{
        kernel::{Kernel, KernelError, OBJECT},
        rung::HookChoice,
    },
    config::KernelConfig,
    control::kernel::LOADS_IN_ORDER,
};

const KERNEL: &str = "kernel";
const PROGRAMS: &str = "programs";
const BTF: &str = "btf";

/// The oldest kernel that has all the programs use (`bpf_xdp_adjust_tail` lengthens packets).
const OLDEST: Release = Release(5, 8);
/// The oldest kernel that has tcx.
const TCX: Release = Release(6, 6);
/// Names that there is room for in the programs that are only tried.
const FEW_NAMES: u32 = 16;

/// The first two numbers of a kernel's release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Release(pub(super) u32, pub(super) u32);

impl Release {
    /// Reads what `uname -r` says.
    fn read(text: &str) -> Option<Self> {
        let digits = |part: &str| {
            let end = part.find(|letter: char| !letter.is_ascii_digit());
            part.get(..end.unwrap_or(part.len()))?.parse().ok()
        };
        let mut parts = text.split('.');
        Some(Self(digits(parts.next()?)?, digits(parts.next()?)?))
    }

    /// The release of the running kernel, if it can be told.
    pub(super) fn running() -> Option<Self> {
        Self::read(&text())
    }

    /// Whether there is tcx.
    pub(super) fn has_tcx(self) -> bool {
        self >= TCX
    }
}

fn text() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default()
}

/// Looks at the release.
pub(super) fn release(kernel: Option<&KernelConfig>) -> Vec<Finding> {
    let wish = kernel.map(|kernel| (kernel.hook, kernel.negative));
    vec![judge(text().trim(), ARCH, LOADS_IN_ORDER, wish)]
}

/// Judges a release; `wish` is the hook asked for and whether the kernel is to deny names.
fn judge(text: &str, processor: &str, in_order: bool, wish: Option<(HookChoice, bool)>) -> Finding {
    let mut found = format!("Linux {text} on {processor}");
    let Some((hook, negative)) = wish else {
        found.push_str("; with --hook off it answers nothing itself");
        return Finding::pass(KERNEL, found);
    };
    let Some(release) = Release::read(text) else {
        let found = format!("the release of this kernel can't be told (`{text}`)");
        return Finding::warn(KERNEL, found, "see that it is Linux 5.8 or later");
    };
    if release < OLDEST {
        found.push_str(", which has not all that the programs need");
        return Finding::fail(
            KERNEL,
            found,
            "use Linux 5.8 or later, or --hook off to answer in userspace only",
        );
    }
    if release < TCX {
        found.push_str("; tcx comes with Linux 6.6");
        if hook == HookChoice::Tcx {
            let remedy = "use Linux 6.6 or later, or --hook auto";
            return Finding::fail(KERNEL, found, remedy);
        }
        if hook == HookChoice::Auto {
            found.push_str(", so filters of clsact are used");
        }
    }
    if negative && !in_order {
        found.push_str("; on this processor the kernel denies no names, the server does");
    }
    Finding::pass(KERNEL, found)
}

/// Loads the programs, has them verified, and drops them.
pub(super) fn programs() -> Vec<Finding> {
    let result = Kernel::load(OBJECT, FEW_NAMES);
    vec![judge_load(result.err().as_ref())]
}

fn judge_load(error: Option<&KernelError>) -> Finding {
    let other = "build dns-ctl anew, or use --hook off";
    match error {
        None => Finding::pass(PROGRAMS, "they load, and the verifier takes them"),
        // Its sentence has the remedy in the middle, and the verifier's words at the end.
        Some(KernelError::Unfit(reason)) => Finding::fail(
            PROGRAMS,
            format!("this kernel does not take the programs: {reason}"),
            "use Linux 5.8 or later, or --hook off to answer in userspace only",
        ),
        Some(error @ KernelError::Access { .. }) => {
            Finding::fail(PROGRAMS, error.to_string(), other)
        }
        Some(error) => {
            let sentence = error.to_string();
            Finding::told(PROGRAMS, super::report::Verdict::Fail, &sentence, other)
        }
    }
}

/// Looks for the kernel's type information.
pub(super) fn btf() -> Vec<Finding> {
    let file = "/sys/kernel/btf/vmlinux";
    // The programs have no relocation that would need it: only other tools show less without it.
    let found = if Path::new(file).exists() {
        format!("{file} is there")
    } else {
        format!("{file} is not there; the programs do without")
    };
    vec![Finding::pass(BTF, found)]
}

#[cfg(test)]
mod tests {
    use super::{super::report::Verdict, *};

    #[test]
    fn releases_are_read() {
        for (text, release) in [
            ("6.18.44-fc", Some(Release(6, 18))),
            ("5.10+", Some(Release(5, 10))),
            ("6.6", Some(Release(6, 6))),
            ("6", None),
            ("", None),
            ("six.one", None),
        ] {
            assert_eq!(Release::read(text), release, "{text}");
        }
        assert!(Release::running().is_some());
    }

    #[test]
    fn kernels_are_judged() {
        let auto = Some((HookChoice::Auto, true));
        for (text, in_order, wish, result, words) in [
            ("6.6.1", true, auto, Verdict::Pass, "Linux 6.6.1 on cpu"),
            ("6.1.0", true, auto, Verdict::Pass, "clsact are used"),
            ("5.8.0", true, auto, Verdict::Pass, "clsact are used"),
            ("5.7.9", true, auto, Verdict::Fail, "not all"),
            ("4.18.0", true, None, Verdict::Pass, "--hook off"),
            (
                "6.1.0",
                true,
                Some((HookChoice::Tcx, true)),
                Verdict::Fail,
                "comes with Linux 6.6",
            ),
            ("6.8.0", false, auto, Verdict::Pass, "denies no names"),
            ("odd", true, auto, Verdict::Warn, "`odd`"),
        ] {
            let finding = judge(text, "cpu", in_order, wish);
            assert_eq!(finding.result, result, "{finding:?}");
            assert!(finding.found.contains(words), "{finding:?}");
            assert_eq!(finding.remedy.is_none(), result == Verdict::Pass);
        }
        let quiet = judge("6.8.0", "cpu", false, Some((HookChoice::Auto, false)));
        assert!(!quiet.found.contains("denies"), "{quiet:?}");
    }

    #[test]
    fn an_error_of_the_load_is_parted_from_its_remedy() {
        for (error, found, remedy) in [
            (
                KernelError::Capabilities(vec!["CAP_BPF"]),
                "which this process does not have",
                "run it as root",
            ),
            (
                KernelError::NoObject,
                "without the kernel programs",
                "build",
            ),
            (KernelError::Forbidden, "security module", "allow it"),
            (
                KernelError::Unfit("R1: invalid; bad".to_owned()),
                "R1: invalid; bad",
                "--hook off",
            ),
            (
                KernelError::Misfit("NAMES"),
                "`NAMES`",
                "build dns-ctl anew",
            ),
        ] {
            let finding = judge_load(Some(&error));
            assert!(finding.found.ends_with(found) || finding.found.contains(found));
            assert!(finding.remedy.is_some_and(|text| text.contains(remedy)));
        }
        assert_eq!(judge_load(None).result, Verdict::Pass);
    }
}
