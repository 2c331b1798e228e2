//! What the files of the pin folder are called, and which maps a start uses.
//!
//! ```text
//!   v4/         maps and programs of version 4 of the map contract
//!   v4-next/    the same, being filled; they take the place of all others once they are complete
//!   links/      one for each interface with a program: tcx-last-7-4026531840 is that of interface 7 in the
//!               network namespace with this number
//! ```

use std::{fmt, str::FromStr};

use super::rung::Rung;
use crate::args::TcxOrder;

/// The folder of links.
pub const LINKS: &str = "links";

/// A folder of maps and programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MapsFolder {
    /// Version of the map contract.
    pub version: u64,
    /// Whether it was still being filled.
    pub next: bool,
}

/// The file of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkFile {
    /// Index of the interface.
    pub index: u32,
    /// Number of the network namespace that it is in.
    pub namespace: u64,
    /// Where on the interface.
    pub place: Place,
}

/// A place on an interface at which a link holds a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Before the other tcx programs.
    TcxFirst,
    /// Behind the other tcx programs.
    TcxLast,
    /// XDP in the driver.
    XdpNative,
    /// XDP behind the driver.
    XdpGeneric,
}

/// The maps with which an instance starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// There are none: new ones.
    Fresh,
    /// Those of the instance before.
    Adopt,
    /// Those that were being filled when the instance before had removed the others.
    AdoptNext,
    /// New ones, beside those of the instance before, which do not fit; they answer until the new ones are filled.
    Beside,
}

/// Decides on the maps. `fits` says whether the maps of a folder can be used as they are.
pub fn start(
    folders: &[MapsFolder],
    version: u64,
    mut fits: impl FnMut(MapsFolder) -> bool,
) -> Start {
    let own = |next| MapsFolder { version, next };
    if folders.contains(&own(false)) && fits(own(false)) {
        Start::Adopt
    } else if folders == [own(true)] && fits(own(true)) {
        Start::AdoptNext
    } else if folders.iter().all(|folder| folder.next) {
        // Nothing answers from maps that were never filled.
        Start::Fresh
    } else {
        Start::Beside
    }
}

impl Place {
    /// The place that a rung means; `None` for filters, which have no link.
    #[must_use]
    pub const fn of(rung: Rung, order: TcxOrder) -> Option<Self> {
        match (rung, order) {
            (Rung::Tcx, TcxOrder::First) => Some(Self::TcxFirst),
            (Rung::Tcx, TcxOrder::Last) => Some(Self::TcxLast),
            (Rung::XdpNative, _) => Some(Self::XdpNative),
            (Rung::XdpGeneric, _) => Some(Self::XdpGeneric),
            (Rung::Tc, _) => None,
        }
    }

    /// The rung that the place is on.
    #[must_use]
    pub const fn rung(self) -> Rung {
        match self {
            Self::TcxFirst | Self::TcxLast => Rung::Tcx,
            Self::XdpNative => Rung::XdpNative,
            Self::XdpGeneric => Rung::XdpGeneric,
        }
    }

    const ALL: [Self; 4] = [
        Self::TcxFirst,
        Self::TcxLast,
        Self::XdpNative,
        Self::XdpGeneric,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::TcxFirst => "tcx-first",
            Self::TcxLast => "tcx-last",
            Self::XdpNative => "xdp-native",
            Self::XdpGeneric => "xdp-generic",
        }
    }
}

/// A file of another name than those that dns-ctl gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign;

impl fmt::Display for MapsFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let next = if self.next { "-next" } else { "" };
        write!(f, "v{}{next}", self.version)
    }
}

impl FromStr for MapsFolder {
    type Err = Foreign;

    fn from_str(name: &str) -> Result<Self, Foreign> {
        let rest = name.strip_prefix('v').ok_or(Foreign)?;
        let (number, next) = match rest.strip_suffix("-next") {
            Some(number) => (number, true),
            None => (rest, false),
        };
        let folder = Self {
            version: number.parse().map_err(|_| Foreign)?,
            next,
        };
        same(folder, name)
    }
}

impl fmt::Display for LinkFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            index,
            namespace,
            place,
        } = self;
        write!(f, "{}-{index}-{namespace}", place.name())
    }
}

impl FromStr for LinkFile {
    type Err = Foreign;

    fn from_str(name: &str) -> Result<Self, Foreign> {
        let (rest, namespace) = name.rsplit_once('-').ok_or(Foreign)?;
        let (place, index) = rest.rsplit_once('-').ok_or(Foreign)?;
        let mut places = Place::ALL.into_iter();
        let file = Self {
            index: index.parse().map_err(|_| Foreign)?,
            namespace: namespace.parse().map_err(|_| Foreign)?,
            place: places.find(|it| it.name() == place).ok_or(Foreign)?,
        };
        same(file, name)
    }
}

/// Numbers can be written in several ways; dns-ctl writes them in one.
fn same<T: fmt::Display>(value: T, name: &str) -> Result<T, Foreign> {
    (value.to_string() == name).then_some(value).ok_or(Foreign)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V3: MapsFolder = MapsFolder {
        version: 3,
        next: false,
    };
    const V3_NEXT: MapsFolder = MapsFolder {
        version: 3,
        next: true,
    };
    const V2: MapsFolder = MapsFolder {
        version: 2,
        next: false,
    };

    #[test]
    fn names_lead_back() {
        for folder in [V2, V3, V3_NEXT] {
            assert_eq!(folder.to_string().parse(), Ok(folder));
        }
        for place in Place::ALL {
            let file = LinkFile {
                index: 7,
                namespace: 4_026_531_840,
                place,
            };
            assert_eq!(file.to_string().parse(), Ok(file));
        }
        for name in [
            "",
            "v",
            "v03",
            "v+3",
            "v3-last",
            "links",
            "maps",
            "v3-next-next",
        ] {
            assert_eq!(name.parse::<MapsFolder>(), Err(Foreign), "{name}");
        }
        for name in [
            "",
            "tcx",
            "tcx-7-1",
            "tcx-last-7",
            "tcx-last-07-1",
            "tcx-last-7-x",
        ] {
            assert_eq!(name.parse::<LinkFile>(), Err(Foreign), "{name}");
        }
    }

    #[test]
    fn what_answers_is_kept_until_there_is_something_better() {
        for (folders, fitting, expected) in [
            (&[][..], &[][..], Start::Fresh),
            (&[V3], &[V3], Start::Adopt),
            // Killed while the others were removed.
            (&[V2, V3], &[V3], Start::Adopt),
            (&[V3, V3_NEXT], &[V3, V3_NEXT], Start::Adopt),
            // Killed between the removal of the others and the change of name.
            (&[V3_NEXT], &[V3_NEXT], Start::AdoptNext),
            (&[V3_NEXT], &[], Start::Fresh),
            // Another version, other room, or files that are missing.
            (&[V2], &[], Start::Beside),
            (&[V3], &[], Start::Beside),
            // Killed before the programs were exchanged: those of version 2 may still be the ones that answer.
            (&[V2, V3_NEXT], &[V3_NEXT], Start::Beside),
            (&[V3, V3_NEXT], &[V3_NEXT], Start::Beside),
        ] {
            let got = start(folders, 3, |folder| fitting.contains(&folder));
            assert_eq!(got, expected, "{folders:?}");
        }
    }
}
