//! Puts programs on the hooks of one interface, exchanges them there, and takes them off.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context as _;
use aya::{
    programs::{
        Link as _, LinkOrder, TcAttachType, XdpMode,
        links::{FdLink, PinnedLink},
        tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle},
        xdp::XdpLink,
    },
    util::KernelVersion,
};
use nix::net::if_::{if_indextoname, if_nametoindex};

use super::{
    folder::{self, remove_file},
    kernel::{Kernel, TC_PROGRAM},
    layout::{LinkFile, Place},
    links::{Filter, Link, Netlink},
    pins::PinError,
    rung::Rung,
};
use crate::args::TcxOrder;

/// How often, and after which pause, an interface is tried that gets another name meanwhile: the kernel takes
/// tens of milliseconds for it, in which no name leads to the interface.
const NAME_TRIES: u32 = 100;
const NAME_PAUSE: Duration = Duration::from_millis(5);
/// How often, and after which pause, an interface is tried that had an XDP program of ours just before.
const UNPIN_TRIES: u32 = 20;
const UNPIN_PAUSE: Duration = Duration::from_millis(5);

/// The programs, and the links that hold them on interfaces.
pub(super) struct Hooks {
    netlink: Netlink,
    kernel: Kernel,
    order: TcxOrder,
    /// The folder of links.
    links: PathBuf,
    /// Number of this network namespace.
    namespace: u64,
    /// The links that are pinned, by interface.
    pinned: BTreeMap<u32, BTreeSet<Place>>,
}

impl Hooks {
    /// The hooks, with what is pinned in the folder of links.
    pub(super) fn open(
        netlink: Netlink,
        kernel: Kernel,
        order: TcxOrder,
        links: PathBuf,
    ) -> anyhow::Result<Self> {
        let namespace = namespace()?;
        let mut pinned: BTreeMap<u32, BTreeSet<Place>> = BTreeMap::new();
        for file in folder::links(&links)? {
            if file.namespace == namespace {
                pinned.entry(file.index).or_default().insert(file.place);
            } else {
                // The instance whose folder this was ran in another namespace, and does no more.
                remove_file(&links.join(file.to_string()))?;
            }
        }
        Ok(Self {
            netlink,
            kernel,
            order,
            links,
            namespace,
            pinned,
        })
    }

    /// The interfaces with links.
    pub(super) fn pinned(&self) -> impl Iterator<Item = u32> {
        self.pinned.keys().copied()
    }

    /// Whether an interface has a link.
    pub(super) fn has_link(&self, index: u32) -> bool {
        self.pinned.contains_key(&index)
    }

    /// The place of a rung, as things are ordered here.
    pub(super) const fn place(&self, rung: Rung) -> Option<Place> {
        Place::of(rung, self.order)
    }

    /// Whether an interface has a link at this place.
    pub(super) fn has_link_at(&self, index: u32, place: Place) -> bool {
        self.pinned
            .get(&index)
            .is_some_and(|places| places.contains(&place))
    }

    /// Puts the program in the place of what the link holds; an error if the link holds nothing any more.
    pub(super) fn update_link(&mut self, index: u32, place: Place) -> anyhow::Result<()> {
        let link: FdLink = PinnedLink::from_pin(self.path(index, place))?.into();
        match place.rung() {
            Rung::Tcx | Rung::Tc => {
                let program = self.kernel.tc()?;
                let id = program.attach_to_link(SchedClassifierLink::try_from(link)?)?;
                drop(program.take_link(id)?);
            }
            Rung::XdpNative | Rung::XdpGeneric => {
                let program = self.kernel.xdp()?;
                let id = program.attach_to_link(XdpLink::try_from(link)?)?;
                drop(program.take_link(id)?);
            }
        }
        Ok(())
    }

    /// Puts the program in the place of what the filter runs.
    pub(super) fn update_filter(&mut self, link: &Link, filter: Filter) -> anyhow::Result<()> {
        let Filter { priority, handle } = filter;
        let handle = TcHandle::from(handle);
        let place = TcAttachType::Ingress;
        let link = named_now(link)?;
        let old = SchedClassifierLink::attached(&link.name, place, priority, handle, None)?;
        let program = self.kernel.tc()?;
        let id = program.attach_to_link(old)?;
        // Removed by its number, as this handle does when it is dropped, it could by then be another's.
        std::mem::forget(program.take_link(id)?);
        Ok(())
    }

    /// Attaches on one rung; gives whether a clsact qdisc there is its own.
    ///
    /// Some hooks are reached by the interface's name only, and a network plugin may be about to give it another.
    pub(super) async fn attach(
        &mut self,
        rung: Rung,
        link: &Link,
        owns_clsact: bool,
    ) -> anyhow::Result<bool> {
        for _ in 0..NAME_TRIES {
            let now = named_now(link)?;
            if leads_back(&now) {
                let result = self.attach_once(rung, &now, owns_clsact).await;
                if result.is_ok() || leads_back(&now) {
                    return result;
                }
            }
            tokio::time::sleep(NAME_PAUSE).await;
        }
        anyhow::bail!("no name leads to it")
    }

    async fn attach_once(
        &mut self,
        rung: Rung,
        link: &Link,
        owns_clsact: bool,
    ) -> anyhow::Result<bool> {
        match rung {
            Rung::Tcx => self.attach_tcx(link)?,
            Rung::Tc => {
                // An error means in most cases that the qdisc is there; if not, attaching will tell.
                let made = tc::qdisc_add_clsact(&link.name).is_ok();
                if let Err(error) = self.attach_filter(link) {
                    if made {
                        self.remove_clsact(link).await;
                    }
                    return Err(error);
                }
                return Ok(made || owns_clsact);
            }
            Rung::XdpNative => {
                self.attach_xdp(link, XdpMode::Driver, Place::XdpNative)
                    .await?;
            }
            Rung::XdpGeneric => {
                self.attach_xdp(link, XdpMode::Skb, Place::XdpGeneric)
                    .await?;
            }
        }
        Ok(owns_clsact)
    }

    fn attach_tcx(&mut self, link: &Link) -> anyhow::Result<()> {
        let (order, place) = match self.order {
            TcxOrder::First => (LinkOrder::first(), Place::TcxFirst),
            TcxOrder::Last => (LinkOrder::last(), Place::TcxLast),
        };
        let program = self.kernel.tc()?;
        let options = TcAttachOptions::TcxOrder(order);
        let id = program.attach_with_options(&link.name, TcAttachType::Ingress, options)?;
        let attached = FdLink::try_from(program.take_link(id)?)?;
        self.pin(link.index, place, attached)
    }

    fn attach_filter(&mut self, link: &Link) -> anyhow::Result<()> {
        let program = self.kernel.tc()?;
        let options = TcAttachOptions::Netlink(NlOptions::default());
        let id = program.attach_with_options(&link.name, TcAttachType::Ingress, options)?;
        // As above.
        std::mem::forget(program.take_link(id)?);
        Ok(())
    }

    async fn attach_xdp(&mut self, link: &Link, mode: XdpMode, place: Place) -> anyhow::Result<()> {
        if KernelVersion::current()? < KernelVersion::new(5, 9, 0) {
            anyhow::bail!("links that hold XDP programs need Linux 5.9");
        }
        // There is room for one: our own in another mode has to go first.
        let had_own = self.unpin(link.index, |pinned| pinned.rung().is_xdp());
        if link.has_xdp && !had_own {
            anyhow::bail!("another XDP program is attached and is left alone");
        }
        let mut tries = if had_own { UNPIN_TRIES } else { 1 };
        let program = self.kernel.xdp()?;
        let id = loop {
            tries -= 1;
            match program.attach_to_if_index(link.index, mode) {
                // A link goes a moment after its pin.
                Err(_) if tries > 0 => tokio::time::sleep(UNPIN_PAUSE).await,
                result => break result?,
            }
        };
        let attached = FdLink::try_from(program.take_link(id)?)?;
        self.pin(link.index, place, attached)
    }

    /// Takes our filters off an interface, and the qdisc if it was made for them.
    pub(super) async fn remove_filters(&self, link: &Link, owns_clsact: bool) {
        let removed = remove_filters(link).unwrap_or_else(|error| {
            tracing::warn!(interface = link.name, "{error:#}");
            false
        });
        if removed && owns_clsact {
            self.remove_clsact(link).await;
        }
    }

    async fn remove_clsact(&self, link: &Link) {
        if let Err(error) = self.netlink.remove_empty_clsact(link.index).await {
            tracing::warn!(interface = link.name, "{error:#}");
        }
    }

    fn pin(&mut self, index: u32, place: Place, link: FdLink) -> anyhow::Result<()> {
        let path = self.path(index, place);
        // Of a link that has died with its interface.
        remove_file(&path)?;
        link.pin(&path).map_err(|source| PinError::Pin {
            path,
            source: Box::new(source),
        })?;
        self.pinned.entry(index).or_default().insert(place);
        Ok(())
    }

    /// Removes the links of an interface at these places, which takes their programs off; gives whether there
    /// were any.
    pub(super) fn unpin(&mut self, index: u32, which: impl Fn(Place) -> bool) -> bool {
        let Some(places) = self.pinned.get_mut(&index) else {
            return false;
        };
        let (gone, kept): (BTreeSet<Place>, BTreeSet<Place>) =
            places.iter().partition(|&&place| which(place));
        *places = kept;
        if places.is_empty() {
            self.pinned.remove(&index);
        }
        for &place in &gone {
            if let Err(error) = remove_file(&self.path(index, place)) {
                tracing::warn!("{error}");
            }
        }
        !gone.is_empty()
    }

    fn path(&self, index: u32, place: Place) -> PathBuf {
        let file = LinkFile {
            index,
            namespace: self.namespace,
            place,
        };
        self.links.join(file.to_string())
    }
}

/// The interface by the name that it has now.
fn named_now(link: &Link) -> anyhow::Result<Link> {
    let name = if_indextoname(link.index).context("the interface has gone")?;
    let name = name.into_string().context("its name is no text")?;
    // What nix 0.31 gives instead of the error.
    anyhow::ensure!(!name.is_empty(), "the interface has gone");
    Ok(Link {
        name,
        ..link.clone()
    })
}

/// Whether the interface is found by its name.
fn leads_back(link: &Link) -> bool {
    if_nametoindex(link.name.as_str()).is_ok_and(|index| index == link.index)
}

/// Removes one of our filters; one that has gone is no error.
pub(super) fn remove_filter(link: &Link, filter: Filter) {
    let Filter { priority, handle } = filter;
    let handle = TcHandle::from(handle);
    let place = TcAttachType::Ingress;
    let removed = named_now(link).and_then(|link| {
        let filter = SchedClassifierLink::attached(&link.name, place, priority, handle, None)?;
        Ok(filter.detach()?)
    });
    if let Err(error) = removed {
        tracing::warn!(interface = link.name, "an old filter stays: {error:#}");
    }
}

/// Removes our filters from an interface, by their program's name; gives whether there were any.
pub(crate) fn remove_filters(link: &Link) -> anyhow::Result<bool> {
    let Ok(link) = named_now(link) else {
        // They have gone with it.
        return Ok(false);
    };
    match tc::qdisc_detach_program(&link.name, TcAttachType::Ingress, TC_PROGRAM) {
        Ok(()) => Ok(true),
        Err(tc::TcError::IoError(error)) if is_gone(&error) => Ok(false),
        Err(error) => Err(error).context("can't look for filters"),
    }
}

/// The number of the network namespace that this process is in.
fn namespace() -> anyhow::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let about = std::fs::metadata("/proc/self/ns/net");
    Ok(about.context("can't tell the network namespace")?.ino())
}

/// Whether there is no such filter, or no such interface.
fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
        || error.raw_os_error() == Some(nix::errno::Errno::ENODEV as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attach::links::LinkKind;

    #[test]
    fn an_interface_that_has_gone_has_no_name() {
        let link = Link {
            index: u32::MAX / 2,
            name: "pod-7".to_owned(),
            kind: LinkKind::Veth,
            has_xdp: false,
            is_ethernet: true,
            leads_elsewhere: true,
            mtu: None,
        };
        let error = named_now(&link).unwrap_err().to_string();
        assert!(error.contains("has gone"), "{error}");
    }
}
