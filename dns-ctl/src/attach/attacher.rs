//! Attaches programs to interfaces, rung by rung, exchanges them, and takes them off again.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use aya::maps::MapData;
use dns_common::maps::Attachment;

use super::{
    hooks::{Hooks, remove_filter},
    kernel::{Kernel, TC_PROGRAM},
    links::{Filter, Link, Netlink},
    maps::AttachedMap,
    rung::{HookChoice, Rung, ladder},
};
use crate::args::TcxOrder;

/// What attaching is to come to.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Where on an interface.
    pub hook: HookChoice,
    /// Where among its tcx programs.
    pub order: TcxOrder,
}

/// A program on an interface.
#[derive(Clone, Debug)]
pub struct Attached {
    /// The interface.
    pub link: Link,
    /// Where on it.
    pub rung: Rung,
    /// Whether the clsact qdisc was made for this program, or for one that it replaced.
    owns_clsact: bool,
}

/// How a program came to an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Where on it.
    pub rung: Rung,
    /// Whether an instance before had it there.
    pub adopted: bool,
    /// What better rungs said.
    pub refusals: Vec<String>,
}

/// Why a program is not on an interface: what each rung said.
#[derive(Debug, thiserror::Error)]
#[error("can't attach to {interface}: {}", refusals.join("; "))]
pub struct AttachError {
    interface: String,
    refusals: Vec<String>,
}

/// The programs on interfaces. Those of links stay when this is dropped: their links are pinned.
pub struct Attacher {
    netlink: Netlink,
    hooks: Hooks,
    /// Tells `status` what is attached.
    map: AttachedMap<MapData>,
    choice: HookChoice,
    attached: BTreeMap<u32, Attached>,
    /// Whether the programs of the instance before are left where they are, because the maps are not filled yet.
    waits: bool,
    /// The interfaces that had no program before this process attached one.
    new: BTreeSet<u32>,
}

impl Attacher {
    /// An attacher that knows of the links in their folder. If it `waits`, it leaves their programs as they
    /// are until it is told to [`exchange`](Self::exchange) them.
    pub fn open(
        netlink: Netlink,
        kernel: Kernel,
        map: AttachedMap<MapData>,
        links: PathBuf,
        wish: Wish,
        waits: bool,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            hooks: Hooks::open(netlink.clone(), kernel, wish.order, links)?,
            netlink,
            map,
            choice: wish.hook,
            attached: BTreeMap::new(),
            waits,
            new: BTreeSet::new(),
        })
    }

    /// The rungs that would be tried on an interface.
    #[must_use]
    pub fn rungs(&self, link: &Link) -> &'static [Rung] {
        ladder(self.choice, link)
    }

    /// Has the program on an interface, on the best rung that works, in place of the one of an instance before.
    ///
    /// `may_have_filter` says whether one can have left a filter there.
    pub async fn ensure(
        &mut self,
        link: &Link,
        may_have_filter: bool,
    ) -> Result<Done, AttachError> {
        let mut filters = Vec::new();
        if may_have_filter {
            let found = self.netlink.filters(link.index, TC_PROGRAM).await;
            filters = found.unwrap_or_else(|error| {
                tracing::warn!(interface = link.name, "{error:#}");
                Vec::new()
            });
        }
        let is_new = filters.is_empty()
            && !self.hooks.has_link(link.index)
            && !self.attached.contains_key(&link.index);
        let mut refusals = Vec::new();
        if !link.is_ethernet {
            refusals.push("its packets have no Ethernet header".to_owned());
        }
        let ladder = self.rungs(link);
        let rungs = || ladder.iter().copied().filter(|_| link.is_ethernet);
        let owns_clsact = self.owns_clsact(link.index, &filters);
        for rung in rungs() {
            if self.take_over(rung, link, &filters) {
                // The first filter is now this one's own.
                let stale = if rung == Rung::Tc {
                    &filters[1..]
                } else {
                    &filters
                };
                self.settle(rung, link, owns_clsact, stale).await;
                return Ok(Done {
                    rung,
                    adopted: true,
                    refusals,
                });
            }
        }
        for rung in rungs() {
            match self.hooks.attach(rung, link, owns_clsact).await {
                Ok(owns_clsact) => {
                    if is_new {
                        self.new.insert(link.index);
                    }
                    self.settle(rung, link, owns_clsact, &filters).await;
                    return Ok(Done {
                        rung,
                        adopted: false,
                        refusals,
                    });
                }
                Err(error) => refusals.push(format!("{rung}: {error:#}")),
            }
        }
        if filters.is_empty() && !self.hooks.has_link(link.index) {
            // Whatever was there before is no more.
            self.forget(link.index);
        }
        Err(AttachError {
            interface: link.name.clone(),
            refusals,
        })
    }

    /// What is attached, by the interface's index.
    #[must_use]
    pub const fn attached(&self) -> &BTreeMap<u32, Attached> {
        &self.attached
    }

    /// The interfaces with links of an instance before, and those that it told `status` of, which may have
    /// gone since.
    pub fn known(&self) -> impl Iterator<Item = u32> {
        self.hooks.pinned().chain(self.map.keys().flatten())
    }

    /// From now on the programs of the instance before are exchanged; those of the interfaces known at once.
    ///
    /// Gives what could not be attached anew.
    pub async fn exchange(&mut self) -> Vec<(Link, AttachError)> {
        self.waits = false;
        let mut errors = Vec::new();
        for Attached { link, .. } in self.attached.clone().into_values() {
            if let Err(error) = self.ensure(&link, true).await {
                // Better no answer in the kernel than from maps that nobody keeps.
                self.detach(link.index).await;
                errors.push((link, error));
            }
        }
        errors
    }

    /// Notes what has changed of an interface, such as its name.
    pub fn note(&mut self, link: &Link) {
        let Some(attached) = self.attached.get_mut(&link.index) else {
            return;
        };
        let was = std::mem::replace(&mut attached.link, link.clone());
        if was.name != link.name {
            let (rung, owns_clsact) = (attached.rung, attached.owns_clsact);
            self.tell_status(link, rung, owns_clsact);
        }
    }

    /// Notes in the map what `status` tells of an interface.
    fn tell_status(&mut self, link: &Link, rung: Rung, owns_clsact: bool) {
        let entry = Attachment {
            name: padded(&link.name),
            rung: rung as u32,
            flags: if owns_clsact {
                Attachment::OWNS_CLSACT
            } else {
                0
            },
        };
        let words = bytemuck::cast::<_, [u32; 6]>(entry);
        if let Err(error) = self.map.insert(link.index, words, 0) {
            tracing::warn!(
                interface = link.name,
                "`dns-ctl status` will not show it: {error}"
            );
        }
    }

    /// Notes that an interface has gone, and what was on it.
    pub fn forget(&mut self, index: u32) {
        self.hooks.unpin(index, |_| true);
        self.attached.remove(&index);
        self.new.remove(&index);
        // Nothing there is no error worth a word.
        let _gone = self.map.remove(&index);
    }

    /// Takes the program off an interface, and the clsact qdisc if it was made for it and nobody else uses it.
    pub async fn detach(&mut self, index: u32) {
        if let Some(Attached {
            link,
            rung,
            owns_clsact,
        }) = self.attached.get(&index).cloned()
        {
            if rung == Rung::Tc {
                self.hooks.remove_filters(&link, owns_clsact).await;
            }
            tracing::info!(interface = link.name, hook = %rung, "detached");
        }
        self.forget(index);
    }

    /// Takes our filters off an interface that is not meant, where an instance before may have left some.
    pub async fn clear(&mut self, link: &Link) {
        let found = self.netlink.filters(link.index, TC_PROGRAM).await;
        let filters = found.unwrap_or_default();
        if !filters.is_empty() {
            let owns_clsact = self.owns_clsact(link.index, &filters);
            self.hooks.remove_filters(link, owns_clsact).await;
            self.forget(link.index);
        }
    }

    /// Takes every program off.
    pub async fn detach_all(&mut self) {
        let indices: Vec<_> = self.attached.keys().copied().collect();
        for index in indices {
            self.detach(index).await;
        }
    }

    /// Takes the programs off that no instance before had attached: this one will not run.
    pub async fn undo(&mut self) {
        for index in std::mem::take(&mut self.new) {
            self.detach(index).await;
        }
    }

    /// Puts the program where one of an instance before is, if one is there.
    fn take_over(&mut self, rung: Rung, link: &Link, filters: &[Filter]) -> bool {
        let Some(place) = self.hooks.place(rung) else {
            let Some(&filter) = filters.first() else {
                return false;
            };
            return self.waits || self.hooks.update_filter(link, filter).is_ok();
        };
        if !self.hooks.has_link_at(link.index, place) {
            return false;
        }
        if self.waits {
            return true;
        }
        match self.hooks.update_link(link.index, place) {
            Ok(()) => true,
            Err(error) => {
                // Most likely the interface that it was for has gone, and this is another with its number.
                tracing::debug!(interface = link.name, hook = %rung, "its link is of no use: {error:#}");
                self.hooks.unpin(link.index, |pinned| pinned == place);
                false
            }
        }
    }

    /// Notes where the program is, and removes what is elsewhere on the interface.
    async fn settle(&mut self, rung: Rung, link: &Link, owns_clsact: bool, stale: &[Filter]) {
        let place = self.hooks.place(rung);
        self.hooks.unpin(link.index, |pinned| Some(pinned) != place);
        if rung != Rung::Tc && !stale.is_empty() {
            self.hooks.remove_filters(link, owns_clsact).await;
        } else {
            for &filter in stale {
                remove_filter(link, filter);
            }
        }
        let owns_clsact = rung == Rung::Tc && owns_clsact;
        self.tell_status(link, rung, owns_clsact);
        let attached = Attached {
            link: link.clone(),
            rung,
            owns_clsact,
        };
        self.attached.insert(link.index, attached);
    }

    /// Whether the clsact qdisc with these filters was made for them; in doubt, most likely.
    fn owns_clsact(&self, index: u32, filters: &[Filter]) -> bool {
        if filters.is_empty() {
            return false;
        }
        owns_clsact(&self.map, index)
    }
}

/// Whether the clsact qdisc that our filter is in was made for it; in doubt, most likely.
pub(crate) fn owns_clsact<T: Borrow<MapData>>(map: &AttachedMap<T>, index: u32) -> bool {
    map.get(&index, 0).map_or(true, |words| {
        let entry: Attachment = bytemuck::cast(words);
        entry.flags & Attachment::OWNS_CLSACT != 0
    })
}

/// An interface's name as the map `ATTACHED` has it; the kernel's names fit (`IFNAMSIZ`).
fn padded(name: &str) -> [u8; 16] {
    let mut padded = [0; 16];
    for (to, from) in padded.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    padded
}
