//! Samples asked for and read, as long as this process lives; one at a time, since a ring buffer has one reader.

use std::{
    fs::File,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use aya::maps::{Map, MapData, RingBuf};
use dns_common::{maps::map_name, sample::Watch};
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

use super::asked::Asked;
use crate::attach::{
    clock::Clock,
    kernel::{KernelError, OBJECT},
    maps::WatchMap,
    pins,
};

/// For how long samples are asked for at a time. If this process is killed, they end with that.
const TERM: Duration = Duration::from_secs(3);
/// How often that is put off.
const RENEWAL: Duration = Duration::from_secs(1);

/// The right to the samples of an instance.
pub(super) struct Watcher {
    map: WatchMap<MapData>,
    samples: RingBuf<MapData>,
    clock: Clock,
    shift: u32,
    renewed: Option<Instant>,
    /// Gone with this.
    _lock: Flock<File>,
}

impl Watcher {
    /// Claims the samples of the instance at `bpffs`. None are taken yet.
    pub(super) fn claim(bpffs: &Path) -> anyhow::Result<Self> {
        let map = WatchMap::try_from(Map::from_map_data(pins::open(bpffs, map_name::WATCH)?)?)?;
        let samples = Map::from_map_data(pins::open(bpffs, map_name::SAMPLES)?)?;
        let lock = lock(&pins::maps_folder(bpffs))?;
        let samples =
            RingBuf::try_from(samples).context("can't read the ring buffer of samples")?;
        let mut watcher = Self {
            map,
            samples,
            clock: Clock::load(OBJECT).map_err(clock_error)?,
            shift: 0,
            renewed: None,
            _lock: lock,
        };
        // What another one has left there is of another time.
        watcher.drain(drop);
        Ok(watcher)
    }

    /// Has one query in 2^`shift` taken, if that is not long since agreed; gives the number of samples that were
    /// lost since it was called last.
    pub(super) fn want(&mut self, shift: u32) -> anyhow::Result<u64> {
        let is_agreed = self.renewed.is_some_and(|at| at.elapsed() < RENEWAL);
        if is_agreed && shift == self.shift {
            return Ok(0);
        }
        let before: Watch = bytemuck::cast(self.map.get(&0, 0)?);
        self.set(Watch {
            until: self.clock.ticks()? + self.clock.ticks_per(TERM),
            shift: shift.into(),
            lost: 0,
        })?;
        let lost = self.renewed.map_or(0, |_| before.lost);
        self.shift = shift;
        self.renewed = Some(Instant::now());
        Ok(lost)
    }

    /// Has as many taken as before for longer, if that is due: an interval may be longer than the term. Gives the same.
    pub(super) fn renew(&mut self) -> anyhow::Result<u64> {
        self.want(self.shift)
    }

    /// How rare samples are: one in 2^shift.
    pub(super) const fn shift(&self) -> u32 {
        self.shift
    }

    /// Reads all samples that there are; what is none is left out.
    pub(super) fn drain(&mut self, mut take: impl FnMut(Asked)) {
        while let Some(octets) = self.samples.next() {
            if let Some(asked) = Asked::read(&octets) {
                take(asked);
            }
        }
    }

    fn set(&mut self, watch: Watch) -> anyhow::Result<()> {
        let words: [u64; size_of::<Watch>() / 8] = bytemuck::cast(watch);
        self.map.set(0, words, 0).context("can't ask for samples")
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // If it fails, they end by themselves.
        let _ends = self.set(Watch::default());
    }
}

/// Locks the folder of the maps against others that read samples.
fn lock(folder: &Path) -> anyhow::Result<Flock<File>> {
    let file = File::open(folder).with_context(|| format!("can't open {}", folder.display()))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
        Errno::EWOULDBLOCK => anyhow::anyhow!(
            "another `dns-ctl top` reads the samples of {}, and only one can; end it, or look at the counters alone \
             with --counters-only",
            folder.display()
        ),
        errno => anyhow::Error::from(errno).context(format!("can't lock {}", folder.display())),
    })
}

/// The advice of the errors of `run` is not for here.
fn clock_error(error: KernelError) -> anyhow::Error {
    match error {
        KernelError::NoObject => anyhow::anyhow!(
            "this dns-ctl was built without the kernel programs, one of which tells the time that samples end by; \
             build it after `cargo xtask build-ebpf`, or look at the counters alone with --counters-only"
        ),
        KernelError::Capabilities(missing) => anyhow::anyhow!(
            "to ask for samples takes {}, which this process does not have; run it as root, or give it these \
             capabilities",
            missing.join(" and ")
        ),
        other => anyhow::Error::from(other).context("can't ask for samples"),
    }
}
