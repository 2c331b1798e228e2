//! Attaches programs to interfaces, rung by rung, and takes them off again.

use anyhow::Context as _;
use aya::maps::MapData;
use aya::programs::{
    LinkOrder, TcAttachType, XdpMode,
    tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions},
    xdp::XdpLink,
};
use dns_common::maps::{Attachment, map_name};

use super::{
    kernel::{AttachedMap, Kernel, KernelError, TC_PROGRAM, access},
    links::{Link, Netlink},
    rung::{HookChoice, Rung, ladder},
};

/// A program on an interface; dropping it takes the program off.
struct Attached {
    link: Link,
    rung: Rung,
    program: ProgramLink,
    /// Whether the clsact qdisc was made for this program, or for one that it replaced.
    owns_clsact: bool,
}

/// Keeps a program attached until it is dropped.
enum ProgramLink {
    Xdp {
        _link: XdpLink,
    },
    Tcx {
        _link: SchedClassifierLink,
    },
    /// A filter of clsact: it stays until it is removed.
    Filter,
}

/// The programs on interfaces.
pub struct Attacher {
    netlink: Netlink,
    kernel: Kernel,
    /// Tells `status` what is attached.
    map: AttachedMap<MapData>,
    attached: Vec<Attached>,
}

/// Why a program is not on an interface: what each rung said.
#[derive(Debug, thiserror::Error)]
#[error("can't attach to {interface}: {}", refusals.join("; "))]
pub struct AttachError {
    interface: String,
    refusals: Vec<String>,
}

impl Attacher {
    /// An attacher that has attached nothing.
    #[must_use]
    pub const fn new(netlink: Netlink, kernel: Kernel, map: AttachedMap<MapData>) -> Self {
        Self {
            netlink,
            kernel,
            map,
            attached: Vec::new(),
        }
    }

    /// Attaches to `link` on the best rung that works; gives that rung.
    pub async fn attach(&mut self, choice: HookChoice, link: &Link) -> Result<Rung, AttachError> {
        let mut refusals = Vec::new();
        if !link.is_ethernet {
            refusals.push("its packets have no Ethernet header".to_owned());
        }
        // Whatever the hook: a filter that an instance left when it was killed answers from maps that
        // nobody keeps, also what the new program passes on.
        let left_behind = remove_filter(&link.name).unwrap_or_else(|error| {
            tracing::warn!(interface = link.name, "{error:#}");
            false
        });
        for &rung in ladder(choice, link).iter().filter(|_| link.is_ethernet) {
            match self.attach_on(rung, link, left_behind).await {
                Ok(()) => return Ok(rung),
                Err(error) => refusals.push(format!("{rung}: {error:#}")),
            }
        }
        Err(AttachError {
            interface: link.name.clone(),
            refusals,
        })
    }

    /// Number of interfaces that have a program.
    #[must_use]
    pub fn len(&self) -> usize {
        self.attached.len()
    }

    /// Whether no interface has a program.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attached.is_empty()
    }

    /// The interfaces that have a tc program.
    pub fn tc_links(&self) -> impl Iterator<Item = &Link> {
        let on_tc = |attached: &&Attached| matches!(attached.rung, Rung::Tcx | Rung::Tc);
        self.attached
            .iter()
            .filter(on_tc)
            .map(|attached| &attached.link)
    }

    /// Takes every program off, and the clsact qdiscs that were made for them and that nobody else uses.
    pub async fn detach_all(&mut self) {
        for attached in std::mem::take(&mut self.attached) {
            let Attached {
                link,
                rung,
                program,
                owns_clsact,
            } = attached;
            let had_filter = match program {
                ProgramLink::Filter => remove_filter(&link.name).unwrap_or_else(|error| {
                    tracing::warn!(interface = link.name, "{error:#}");
                    false
                }),
                link => {
                    drop(link);
                    false
                }
            };
            // An interface that went took its entry's meaning along; the map goes with this process.
            let _gone = self.map.remove(&link.index);
            tracing::info!(interface = link.name, hook = %rung, "detached");
            if had_filter
                && owns_clsact
                && let Err(error) = self.netlink.remove_empty_clsact(link.index).await
            {
                tracing::warn!(interface = link.name, "{error:#}");
            }
        }
    }

    /// Attaches on one rung; `left_behind` says that a filter of a killed instance was removed before.
    async fn attach_on(
        &mut self,
        rung: Rung,
        link: &Link,
        left_behind: bool,
    ) -> anyhow::Result<()> {
        // The qdisc that the filter left behind was in was most likely made for it.
        let mut owns_clsact = left_behind;
        let program = match rung {
            Rung::Tcx => self.attach_tcx(link),
            Rung::Tc => {
                // An error means in most cases that the qdisc is there; if not, attaching will tell.
                owns_clsact |= tc::qdisc_add_clsact(&link.name).is_ok();
                self.attach_filter(link)
            }
            Rung::XdpNative => self.attach_xdp(link, XdpMode::Driver),
            Rung::XdpGeneric => self.attach_xdp(link, XdpMode::Skb),
        };
        let noted = program.and_then(|program| {
            self.note(rung, link)?;
            Ok(program)
        });
        if owns_clsact
            && !matches!(noted, Ok(ProgramLink::Filter))
            && let Err(error) = self.netlink.remove_empty_clsact(link.index).await
        {
            tracing::warn!(interface = link.name, "{error:#}");
        }
        self.attached.push(Attached {
            link: link.clone(),
            rung,
            program: noted?,
            owns_clsact,
        });
        Ok(())
    }

    /// Tells `status` of the interface.
    fn note(&mut self, rung: Rung, link: &Link) -> Result<(), KernelError> {
        let entry = Attachment {
            name: padded(&link.name),
            rung: rung as u32,
        };
        self.map
            .insert(link.index, bytemuck::cast::<_, [u32; 5]>(entry), 0)
            .map_err(access(map_name::ATTACHED))
    }

    fn attach_tcx(&mut self, link: &Link) -> anyhow::Result<ProgramLink> {
        let program = self.kernel.tc()?;
        let options = TcAttachOptions::TcxOrder(LinkOrder::last());
        let id = program.attach_with_options(&link.name, TcAttachType::Ingress, options)?;
        Ok(ProgramLink::Tcx {
            _link: program.take_link(id)?,
        })
    }

    fn attach_filter(&mut self, link: &Link) -> anyhow::Result<ProgramLink> {
        let program = self.kernel.tc()?;
        let options = TcAttachOptions::Netlink(NlOptions::default());
        let id = program.attach_with_options(&link.name, TcAttachType::Ingress, options)?;
        // Removed by its number, as this handle does when it is dropped, it could by then be another's.
        std::mem::forget(program.take_link(id)?);
        Ok(ProgramLink::Filter)
    }

    fn attach_xdp(&mut self, link: &Link, mode: XdpMode) -> anyhow::Result<ProgramLink> {
        if link.has_xdp {
            anyhow::bail!("another XDP program is attached and is left alone");
        }
        let program = self.kernel.xdp()?;
        let id = program.attach_to_if_index(link.index, mode)?;
        Ok(ProgramLink::Xdp {
            _link: program.take_link(id)?,
        })
    }
}

/// Removes our filter from an interface, if there is one, by its program's name; gives whether there was.
fn remove_filter(interface: &str) -> anyhow::Result<bool> {
    match tc::qdisc_detach_program(interface, TcAttachType::Ingress, TC_PROGRAM) {
        Ok(()) => Ok(true),
        Err(tc::TcError::IoError(error)) if is_gone(&error) => Ok(false),
        Err(error) => Err(error).context("can't look for filters"),
    }
}

/// Whether there is no such filter, or no such interface.
fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
        || error.raw_os_error() == Some(nix::errno::Errno::ENODEV as i32)
}

/// An interface's name as the map `ATTACHED` has it; the kernel's names fit (`IFNAMSIZ`).
fn padded(name: &str) -> [u8; 16] {
    let mut padded = [0; 16];
    for (to, from) in padded.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    padded
}
