//! The interfaces that `run` would attach to, with the hook that each gets first, and what stands in the way.

use super::{
    kernel::Release,
    report::{Finding, Verdict},
};
use crate::{
    attach::{
        folder,
        layout::LINKS,
        links::{Link, LinkKind, Netlink},
        rung::{Rung, ladder},
    },
    config::KernelConfig,
};

const INTERFACES: &str = "interfaces";
/// Most interfaces that have a line of their own.
const LINES: usize = 20;
/// The largest MTU whose frames fit a page beside what XDP needs; most drivers want that for native XDP.
const FITS_A_PAGE: u32 = 3498;

/// An interface that would be attached.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chosen {
    link: Link,
    /// The hooks to be tried, the best first.
    ladder: &'static [Rung],
    /// Whether it was asked for by its very name, and so has to work.
    is_named: bool,
}

/// Looks at the interfaces.
pub(super) async fn interfaces(kernel: &KernelConfig) -> Vec<Finding> {
    match choose(kernel).await {
        Ok(chosen) => {
            let release = Release::running();
            let findings = chosen.iter().map(|one| judge(one, release)).collect();
            shorten(findings, kernel)
        }
        Err(error) => vec![Finding::told(
            INTERFACES,
            Verdict::Fail,
            &format!("{error:#}"),
            "see whether netlink sockets are allowed here",
        )],
    }
}

/// The interfaces that `run` would attach to.
async fn choose(kernel: &KernelConfig) -> anyhow::Result<Vec<Chosen>> {
    let links = Netlink::open()?.links().await?;
    let selection = &kernel.interfaces;
    let own = folder::links(&kernel.bpffs.join(LINKS)).unwrap_or_default();
    let chosen = selection.among(&links)?.into_iter().map(|link| Chosen {
        link: Link {
            // One of ours is no obstacle: it is taken over.
            has_xdp: link.has_xdp
                && !own
                    .iter()
                    .any(|file| file.index == link.index && file.place.rung().is_xdp()),
            ..link.clone()
        },
        ladder: ladder(kernel.hook, link),
        is_named: selection.names(link),
    });
    Ok(chosen.collect())
}

fn judge(chosen: &Chosen, release: Option<Release>) -> Finding {
    let Link {
        name,
        kind,
        has_xdp,
        is_ethernet,
        ..
    } = &chosen.link;
    let severity = if chosen.is_named {
        Verdict::Fail
    } else {
        Verdict::Warn
    };
    let bad = |found: String, remedy: &str| Finding::bad(INTERFACES, severity, found, remedy);
    if !is_ethernet {
        return bad(
            format!("{name}: its packets have no Ethernet header"),
            "leave it out of --interface; the server answers what comes in by it",
        );
    }
    let has_tcx = release.is_none_or(Release::has_tcx);
    let is_there = |rung: &&Rung| match rung {
        Rung::Tcx => has_tcx,
        Rung::Tc => true,
        Rung::XdpNative | Rung::XdpGeneric => !has_xdp,
    };
    let mut usable = chosen.ladder.iter().filter(is_there);
    let Some(first) = usable.next() else {
        return if *has_xdp {
            bad(
                format!("{name}: another XDP program is attached and is left alone"),
                "give --hook tcx or tc, which go along with it, or leave it out of --interface",
            )
        } else {
            bad(
                format!("{name}: this kernel has no tcx"),
                "use Linux 6.6 or later, or --hook auto",
            )
        };
    };
    if (*first, *kind) == (Rung::XdpNative, LinkKind::Veth) {
        return Finding::warn(
            INTERFACES,
            format!(
                "{name}: {first}; answers get lost unless the pod's side has an XDP program, too"
            ),
            "give --hook auto",
        );
    }
    let next = usable.next();
    if *first != Rung::XdpNative {
        return Finding::pass(INTERFACES, format!("{name}: {first}"));
    }
    let large = chosen.link.mtu.filter(|mtu| *mtu > FITS_A_PAGE);
    match (large, next) {
        // Whether a driver takes the program, only the attempt tells.
        (None, next) => Finding::pass(INTERFACES, native(name, next)),
        (Some(mtu), Some(next)) => Finding::pass(
            INTERFACES,
            format!("{name}: {next}, unless its driver takes {first} with the MTU {mtu}"),
        ),
        (Some(mtu), None) => Finding::warn(
            INTERFACES,
            format!("{name}: {first}, which few drivers take with the MTU {mtu}"),
            format!("give --hook auto, or set the MTU to {FITS_A_PAGE} or less"),
        ),
    }
}

fn native(name: &str, next: Option<&Rung>) -> String {
    let first = Rung::XdpNative;
    match next {
        Some(next) => format!("{name}: {first} if its driver takes it, else {next}"),
        None => format!("{name}: {first} if its driver takes it"),
    }
}

/// At most so many lines, the worst first, and one for the rest.
fn shorten(mut findings: Vec<Finding>, kernel: &KernelConfig) -> Vec<Finding> {
    if findings.is_empty() {
        return vec![Finding::warn(
            INTERFACES,
            format!(
                "no interface here is {}, so the kernel answers nothing yet",
                kernel.interfaces
            ),
            "nothing, if there are no pods here yet; else see the interfaces with `ip link`, and name those of the \
             pods with --interface",
        )];
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.result));
    if findings.len() > LINES {
        let rest = findings.split_off(LINES);
        let worst = rest.iter().map(|finding| finding.result).max();
        let found = format!("and {} more", rest.len());
        findings.push(match worst {
            Some(result @ (Verdict::Warn | Verdict::Fail)) => {
                Finding::bad(INTERFACES, result, found, "as above")
            }
            _ => Finding::pass(INTERFACES, found),
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        args::{OnExit, TcxOrder},
        attach::{rung::HookChoice, select::Selection},
    };

    fn chosen(hook: HookChoice, kind: LinkKind, has_xdp: bool) -> Chosen {
        let link = Link {
            index: 7,
            name: "eth0".to_owned(),
            kind,
            has_xdp,
            is_ethernet: true,
            leads_elsewhere: false,
            mtu: Some(1500),
        };
        Chosen {
            ladder: ladder(hook, &link),
            link,
            is_named: true,
        }
    }

    #[test]
    fn each_interface_gets_the_first_hook_that_is_there() {
        let (new, old) = (Some(Release(6, 6)), Some(Release(5, 15)));
        let (auto, veth, device) = (HookChoice::Auto, LinkKind::Veth, LinkKind::Device);
        for (chosen, release, result, found) in [
            (chosen(auto, veth, false), new, Verdict::Pass, "eth0: tcx"),
            (chosen(auto, veth, true), None, Verdict::Pass, "eth0: tcx"),
            (chosen(auto, veth, false), old, Verdict::Pass, "eth0: tc"),
            (
                chosen(auto, device, false),
                new,
                Verdict::Pass,
                "eth0: xdp-native if its driver takes it, else xdp-generic",
            ),
            (
                chosen(auto, device, true),
                new,
                Verdict::Fail,
                "eth0: another XDP program is attached and is left alone",
            ),
            (
                chosen(HookChoice::Tcx, veth, false),
                old,
                Verdict::Fail,
                "eth0: this kernel has no tcx",
            ),
            (
                chosen(HookChoice::XdpGeneric, veth, false),
                old,
                Verdict::Pass,
                "eth0: xdp-generic",
            ),
            (
                chosen(HookChoice::XdpNative, veth, false),
                new,
                Verdict::Warn,
                "eth0: xdp-native; answers get lost unless the pod's side has an XDP program, too",
            ),
        ] {
            let finding = judge(&chosen, release);
            assert_eq!((finding.result, &*finding.found), (result, found));
        }
    }

    #[test]
    fn large_frames_are_no_matter_but_for_native_xdp() {
        for (hook, kind, mtu, result, found) in [
            (
                HookChoice::Auto,
                LinkKind::Device,
                FITS_A_PAGE + 1,
                Verdict::Pass,
                "eth0: xdp-generic, unless its driver takes xdp-native with the MTU 3499",
            ),
            (
                HookChoice::XdpNative,
                LinkKind::Device,
                9001,
                Verdict::Warn,
                "eth0: xdp-native, which few drivers take with the MTU 9001",
            ),
            (
                HookChoice::XdpNative,
                LinkKind::Device,
                FITS_A_PAGE,
                Verdict::Pass,
                "eth0: xdp-native if its driver takes it",
            ),
            (
                HookChoice::Auto,
                LinkKind::Veth,
                9001,
                Verdict::Pass,
                "eth0: tcx",
            ),
        ] {
            let mut chosen = chosen(hook, kind, false);
            chosen.link.mtu = Some(mtu);
            let finding = judge(&chosen, None);
            assert_eq!((finding.result, &*finding.found), (result, found));
        }
    }

    #[test]
    fn one_of_many_need_not_work() {
        let mut tunnel = chosen(HookChoice::Auto, LinkKind::Virtual, false);
        tunnel.link.is_ethernet = false;
        assert_eq!(judge(&tunnel, None).result, Verdict::Fail);
        tunnel.is_named = false;
        assert_eq!(judge(&tunnel, None).result, Verdict::Warn);
    }

    #[test]
    fn lines_are_bounded_and_nothing_bad_is_hidden() {
        let kernel = KernelConfig {
            hook: HookChoice::Auto,
            interfaces: Selection {
                included: vec!["veth*".parse().unwrap()],
                excluded: Vec::new(),
            },
            tcx_order: TcxOrder::Last,
            lease: Duration::ZERO,
            on_exit: OnExit::Keep,
            takeover: false,
            answer_endpoints: false,
            bpffs: "/".into(),
            max_names: 1,
            negative: false,
            rate: None,
        };
        let none = shorten(Vec::new(), &kernel);
        assert_eq!((none.len(), none[0].result), (1, Verdict::Warn));
        assert!(none[0].found.contains("veth*"), "{none:?}");

        let pass = |_| Finding::pass(INTERFACES, "x");
        let fail = |_| Finding::fail(INTERFACES, "y", "z");
        let all = (0..LINES + 5).map(pass).chain((0..2).map(fail));
        let lines = shorten(all.collect(), &kernel);
        assert_eq!(lines.len(), LINES + 1);
        assert_eq!(lines[1].result, Verdict::Fail);
        assert_eq!(lines[LINES], Finding::pass(INTERFACES, "and 7 more"));

        let lines = shorten((0..=LINES).map(fail).collect(), &kernel);
        assert_eq!(lines[LINES].result, Verdict::Fail);
        assert_eq!(
            shorten((0..LINES).map(pass).collect(), &kernel).len(),
            LINES
        );
    }
}
