//! Where on an interface a program can be attached, and in which order that is tried.

use std::fmt;

use super::links::{Link, LinkKind};

/// A place at which a program can be attached to an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Rung {
    /// tc ingress through a tcx link (Linux 6.6 and later).
    Tcx = 1,
    /// tc ingress through a filter of the clsact qdisc.
    Tc = 2,
    /// XDP in the driver.
    XdpNative = 3,
    /// XDP behind the driver, on socket buffers.
    XdpGeneric = 4,
}

/// What `--hook` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum HookChoice {
    /// tcx, else clsact, else generic XDP on virtual interfaces; native, else generic XDP on others.
    #[default]
    Auto,
    /// tcx only (Linux 6.6 and later).
    Tcx,
    /// A filter of the clsact qdisc only.
    Tc,
    /// XDP in the driver only; on a pod's veth it needs a program on the pod's side too.
    XdpNative,
    /// XDP on socket buffers only.
    XdpGeneric,
    /// Answer nothing in the kernel.
    Off,
}

impl Rung {
    /// Every rung.
    pub const ALL: [Self; 4] = [Self::Tcx, Self::Tc, Self::XdpNative, Self::XdpGeneric];

    /// The rung that has this number in the map `ATTACHED`.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|rung| *rung as u32 == number)
    }

    /// The name that `--hook`, `status` and the metrics use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Tc => "tc",
            Self::XdpNative => "xdp-native",
            Self::XdpGeneric => "xdp-generic",
        }
    }
}

impl Rung {
    /// Whether this is one of XDP, which has room for one program.
    #[must_use]
    pub const fn is_xdp(self) -> bool {
        matches!(self, Self::XdpNative | Self::XdpGeneric)
    }

    /// Whether this is one of tc.
    #[must_use]
    pub const fn is_tc(self) -> bool {
        !self.is_xdp()
    }

    /// What a link on this rung is called.
    #[must_use]
    pub const fn link_name(self) -> &'static str {
        match self {
            Self::Tcx => "tcx link",
            Self::Tc => "tc filter",
            Self::XdpNative => "xdp-native link",
            Self::XdpGeneric => "xdp-generic link",
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The rungs to try on `link`, the best first; none if nothing is to be attached.
///
/// Virtual interfaces get tc: on a pod's veth, native XDP loses answers unless the pod's side has an XDP
/// program too, and slows the pod's TCP.
#[must_use]
pub fn ladder(choice: HookChoice, link: &Link) -> &'static [Rung] {
    match choice {
        HookChoice::Auto => match link.kind {
            LinkKind::Veth | LinkKind::Netkit | LinkKind::Virtual => {
                &[Rung::Tcx, Rung::Tc, Rung::XdpGeneric]
            }
            LinkKind::Device => &[Rung::XdpNative, Rung::XdpGeneric],
        },
        HookChoice::Tcx => &[Rung::Tcx],
        HookChoice::Tc => &[Rung::Tc],
        HookChoice::XdpNative => &[Rung::XdpNative],
        HookChoice::XdpGeneric => &[Rung::XdpGeneric],
        HookChoice::Off => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(kind: LinkKind) -> Link {
        Link {
            index: 7,
            name: "eth0".to_owned(),
            kind,
            has_xdp: false,
            is_ethernet: true,
            leads_elsewhere: kind == LinkKind::Veth,
            mtu: None,
        }
    }

    #[test]
    fn a_pods_interface_never_gets_native_xdp_unasked() {
        assert!(!ladder(HookChoice::Auto, &link(LinkKind::Veth)).contains(&Rung::XdpNative));
        assert!(!ladder(HookChoice::Auto, &link(LinkKind::Virtual)).contains(&Rung::XdpNative));
        assert_eq!(
            ladder(HookChoice::Auto, &link(LinkKind::Device))[0],
            Rung::XdpNative
        );
        assert_eq!(
            ladder(HookChoice::XdpNative, &link(LinkKind::Virtual)),
            [Rung::XdpNative]
        );
        assert_eq!(ladder(HookChoice::Off, &link(LinkKind::Device)), []);
    }

    #[test]
    fn numbers_and_names_lead_back() {
        for rung in Rung::ALL {
            assert_eq!(Rung::from_number(rung as u32), Some(rung));
            let choice = <HookChoice as clap::ValueEnum>::from_str(rung.name(), false).unwrap();
            assert_eq!(ladder(choice, &link(LinkKind::Virtual)), [rung]);
        }
        assert_eq!(Rung::from_number(0), None);
    }
}
