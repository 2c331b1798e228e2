//! The task that keeps the programs on the interfaces that are meant, while interfaces come and go.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use nix::net::if_::if_nametoindex;
use tokio::{
    sync::oneshot,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    attacher::{AttachError, Attacher, Done},
    folder::PinFolder,
    layout::Start,
    links::{Link, Netlink},
    offload::Offload,
    rung::Rung,
    select::Selection,
    watch::{Changes, LinkWatch},
};
use crate::metrics::interfaces::InterfaceMetrics;

/// How often all interfaces are looked at, whatever the kernel told of them: somebody may have taken a program off.
const ROUND: Duration = Duration::from_secs(30);

/// The interfaces, and what is needed to have programs on them.
pub struct Interfaces {
    netlink: Netlink,
    watch: LinkWatch,
    selection: Selection,
    attacher: Attacher,
    offload: Offload,
    folder: PinFolder,
    metrics: InterfaceMetrics,
    /// What was last said of interfaces that have no program, so that it is said once.
    complaints: BTreeMap<u32, String>,
}

impl Interfaces {
    /// The interfaces of `selection`, to which `attacher` attaches what is pinned in `folder`. The `watch` has
    /// to be older than the first look at them.
    #[must_use]
    pub const fn new(
        netlink: Netlink,
        watch: LinkWatch,
        selection: Selection,
        attacher: Attacher,
        offload: Offload,
        folder: PinFolder,
        metrics: InterfaceMetrics,
    ) -> Self {
        Self {
            netlink,
            watch,
            selection,
            attacher,
            offload,
            folder,
            metrics,
            complaints: BTreeMap::new(),
        }
    }

    /// Has the programs on all interfaces that are meant; those that the operator named have to work. If one
    /// does not, all is as it was before.
    pub async fn start(mut self) -> anyhow::Result<Self> {
        if let Err(error) = self.first_look().await {
            self.attacher.undo().await;
            return Err(error);
        }
        self.folder.started();
        self.count();
        Ok(self)
    }

    async fn first_look(&mut self) -> anyhow::Result<()> {
        let links = self.netlink.links().await?;
        let chosen: Vec<Link> = self.selection.among(&links)?.into_iter().cloned().collect();
        if chosen.is_empty() {
            tracing::warn!(
                "no interface here is {}: the kernel answers nothing until there is one",
                self.selection
            );
        }
        // Also those that have a program of the instance before, which may be about to lose it.
        let held: BTreeSet<u32> = self.attacher.known().collect();
        let concerned = |link: &&Link| self.selection.has(link) || held.contains(&link.index);
        let concerned: Vec<Link> = links.iter().filter(concerned).cloned().collect();
        self.look_at_devices(&concerned).await;
        // Those that have to work come first: if one does not, nothing else has been touched.
        let (named, others): (Vec<&Link>, Vec<&Link>) =
            chosen.iter().partition(|link| self.selection.names(link));
        for link in named {
            self.ensure(link, true).await?;
        }
        // Filters have no pins that tell of them. Before what is known of their qdisc is forgotten.
        for link in links.iter().filter(|link| !self.selection.has(link)) {
            self.attacher.clear(link).await;
        }
        self.drop_others(&chosen).await;
        for link in others {
            if let Err(error) = self.ensure(link, true).await {
                self.complain(link, &error);
            }
        }
        Ok(())
    }

    /// Takes all programs off, and removes what is pinned.
    pub async fn remove(mut self) -> anyhow::Result<()> {
        self.attacher.detach_all().await;
        self.folder.remove_all()?;
        Ok(())
    }

    /// Keeps them there until `stop`; on the word that the maps are `filled`, exchanges the programs of the
    /// instance before, and removes its maps.
    pub async fn run(mut self, mut filled: oneshot::Receiver<()>, stop: CancellationToken) -> Self {
        let mut round = interval(ROUND);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        round.reset();
        let mut waits = true;
        let mut watches = true;
        loop {
            tokio::select! {
                () = stop.cancelled() => return self,
                told = &mut filled, if waits => {
                    waits = false;
                    if told.is_ok() {
                        self.exchange().await;
                    }
                }
                changes = self.watch.next(), if watches => {
                    watches = changes.is_some();
                    self.follow(changes).await;
                }
                _ = round.tick() => {
                    if !watches && let Ok(watch) = LinkWatch::open() {
                        self.watch = watch;
                        watches = true;
                    }
                    self.look_around().await;
                }
            }
        }
    }

    async fn follow(&mut self, changes: Option<Changes>) {
        let seen = Instant::now();
        let Some(changes) = changes else {
            return tracing::error!(
                "the kernel no longer tells of interfaces; they are looked at every {ROUND:?}"
            );
        };
        if changes.lost {
            tracing::warn!("some changes of interfaces were lost: looking at all of them");
            return self.look_around().await;
        }
        for index in changes.gone {
            self.forget(index);
        }
        for (index, link) in changes.links {
            if !self.selection.has(&link) {
                self.let_go(index).await;
                continue;
            }
            self.attacher.note(&link);
            if self.offload.knows(index) {
                self.offload.look(&[&link]).await;
            }
            if !self.attacher.attached().contains_key(&index) {
                match self.ensure(&link, false).await {
                    Ok(()) => self.metrics.attached_after(seen.elapsed()),
                    Err(error) => self.complain(&link, &error),
                }
            }
        }
        self.count();
    }

    /// Looks at all interfaces, and mends what is not as it should be.
    async fn look_around(&mut self) {
        let links = match self.netlink.links().await {
            Ok(links) => links,
            Err(error) => return tracing::warn!("{error:#}"),
        };
        let chosen: Vec<Link> = links
            .into_iter()
            .filter(|link| self.selection.has(link))
            .collect();
        self.drop_others(&chosen).await;
        self.look_at_devices(&chosen).await;
        for link in &chosen {
            if let Err(error) = self.ensure(link, true).await {
                self.complain(link, &error);
            }
        }
        self.count();
    }

    /// Takes programs off interfaces that are not, or no longer, meant, and forgets those that have gone.
    async fn drop_others(&mut self, chosen: &[Link]) {
        let meant: BTreeSet<u32> = chosen.iter().map(|link| link.index).collect();
        let attached = self.attacher.attached().keys().copied();
        let held: BTreeSet<u32> = attached.chain(self.attacher.known()).collect();
        for &index in held.difference(&meant) {
            self.attacher.detach(index).await;
            self.offload.forget(index);
        }
        self.complaints.retain(|index, _| meant.contains(index));
    }

    /// Takes the program off an interface that is no longer meant.
    async fn let_go(&mut self, index: u32) {
        if self.attacher.attached().contains_key(&index) {
            self.attacher.detach(index).await;
            self.offload.forget(index);
        }
    }

    fn forget(&mut self, index: u32) {
        self.attacher.forget(index);
        self.offload.forget(index);
        self.complaints.remove(&index);
    }

    /// Looks at the devices that have a tc program, or are to get one.
    async fn look_at_devices(&mut self, links: &[Link]) {
        let may_be_tc = |link: &&Link| self.attacher.rungs(link).iter().any(|rung| rung.is_tc());
        let links: Vec<&Link> = links.iter().filter(may_be_tc).collect();
        self.offload.look(&links).await;
    }

    /// Has the program on this interface, and says so if that is news.
    async fn ensure(&mut self, link: &Link, may_have_filter: bool) -> Result<(), AttachError> {
        if !self.offload.knows(link.index) {
            self.look_at_devices(std::slice::from_ref(link)).await;
        }
        let before = self.attacher.attached().get(&link.index);
        let before = before.map(|attached| attached.rung);
        let done = self.attacher.ensure(link, may_have_filter).await;
        if !done.as_ref().is_ok_and(|done| done.rung.is_tc()) {
            self.offload.forget(link.index);
        }
        let done = done?;
        self.complaints.remove(&link.index);
        if before != Some(done.rung) {
            tell(link, &done);
        }
        Ok(())
    }

    /// Says once that an interface has no program; one of many is left alone, the others are served.
    fn complain(&mut self, link: &Link, error: &AttachError) {
        if if_nametoindex(link.name.as_str()).is_err() {
            return tracing::debug!("{error}: it has gone meanwhile");
        }
        let text = error.to_string();
        if self.complaints.get(&link.index) != Some(&text) {
            tracing::warn!("{text}; its queries are not answered in the kernel");
            self.complaints.insert(link.index, text);
        }
    }

    /// Puts the new programs in the place of those of the instance before, whose maps nobody then needs.
    async fn exchange(&mut self) {
        if self.folder.start() != Start::Beside {
            return;
        }
        for (link, error) in self.attacher.exchange().await {
            self.complain(&link, &error);
        }
        match self.folder.settle() {
            Ok(()) => tracing::info!(
                interfaces = self.attacher.attached().len(),
                "the new programs and maps are in place"
            ),
            Err(error) => tracing::error!("{error}"),
        }
    }

    /// Counts the interfaces with a program, by hook.
    fn count(&self) {
        for rung in Rung::ALL {
            let attached = self.attacher.attached().values();
            let number = attached.filter(|attached| attached.rung == rung).count();
            self.metrics.interfaces(rung, number);
        }
        self.metrics.without(self.complaints.len());
    }
}

/// Says where the program is, and why not on a better rung.
fn tell(link: &Link, done: &Done) {
    let interface = &link.name;
    let Done {
        rung,
        adopted,
        refusals,
    } = done;
    if refusals.is_empty() {
        tracing::info!(interface, hook = %rung, adopted, "attached");
    } else {
        let refusals = refusals.join("; ");
        tracing::info!(interface, hook = %rung, adopted, "attached there, because of {refusals}");
    }
}
